"""What the data tell against a comparison's runs, found before the first of them is begun."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

from recbole_kd.bridge.data_keys import DataSettings
from recbole_kd.bridge.run_settings import FeatureSettings
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.experiments.compare.plan import Run
from recbole_kd.foundation.errors import UserError
from recbole_kd.training.plan import make_plan
from recbole_kd.training.run import check_stages, open_data, reads_features

_READ = (
    "dataset",
    "data_path",
    "seed",
    "split",
    "eval_args",
    *DataSettings.model_fields,
    *FeatureSettings.model_fields,
)


def check_features(runs: Sequence[Run]) -> None:
    """Read the features of the first run of each label that needs some, once for each way to read the data.

    Runs without such stages find out at once themselves, and nothing is read for them.

    Args:
        runs: those that are to be made.

    Raises:
        UserError: what a run would meet after its data are read; beginning with its label.
    """
    firsts = {run.label: run for run in reversed(runs)}
    known: dict[str, MultiModalDataset] = {}
    for run in reversed(firsts.values()):
        plan = make_plan(run.config)
        if not any(map(reads_features, plan.configs.values())):
            continue
        key = repr([run.config[name] for name in _READ])
        try:
            with _silence():
                if key not in known:
                    known = {key: open_data(run.config)}  # one at a time
                check_stages(plan, known[key])
        except UserError as error:
            raise UserError(f"{run.label}: {error}") from None


@contextmanager
def _silence() -> Iterator[None]:
    """Within the block nothing is printed or logged: each run says it again, in its own log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)

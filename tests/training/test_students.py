"""Each of RecBole's models as a student: it learns by its own trainer, or one sentence says why it cannot."""

import pytest

from recbole_kd.bridge.recbole_files import general_models
from recbole_kd.experiments.run import run
from recbole_kd.foundation.errors import UserError
from tests.distillers.contract import QUIET
from tests.training.test_fitting import NEED_MORE, SHORTER

AT_ONCE = {"AsymKNN", "EASE", "ItemKNN", "Pop", "Random", "SLIMElastic", "ADMMSLIM", "NCEPLRec"}
OF_ITS_SIZE = {"ConvNCF": {"student_embedding_size": 64}}  # for its layers of convolutions
REFUSED = {
    **dict.fromkeys(AT_ONCE, "is computed from the data at once"),
    "RaCT": "is only pre-trained under train_stage=actor_pretrain",
}


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(general_models()))
def test_every_general_model_learns_or_is_refused(checkerboard, model):
    small = {"kd_topk": 4, "kd_samples": 3, "epochs": 1, "teacher": "BPR"}
    values = {**QUIET, **small, "student": model, **SHORTER.get(model, {}), **OF_ITS_SIZE.get(model, {})}
    if model in NEED_MORE:
        with pytest.raises(NEED_MORE[model]):
            run("RCEKD", checkerboard, config_dict=values)
    elif model in REFUSED:
        with pytest.raises(UserError, match=REFUSED[model]):
            run("RCEKD", checkerboard, config_dict=values)
    else:
        losses = run("RCEKD", checkerboard, config_dict=values).stages[-1].history[0]["losses"]
        assert set(losses) == {"base", "rce"}
        assert losses["rce"] > 0

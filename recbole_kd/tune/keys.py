"""Where a searched key goes: the stages of a run that read it, and the value it has there without a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole.utils import argument_list

from recbole_kd import properties
from recbole_kd.config import OF_STAGE, WITHOUT_EFFECT, KDConfig, stage_prefixes
from recbole_kd.errors import UserError, did_you_mean

# Scores under other values of these cannot be compared: the data, its split, the metric.
_YARDSTICK = {
    *(argument_list.general_arguments + argument_list.evaluation_arguments + argument_list.dataset_arguments),
    *("model", "dataset", "eval_mask", "valid_metric_bigger"),
    *(WITHOUT_EFFECT - {"init", "cache_topk", "cache_dtype", "mask_train_positives"}),
}
_LENGTH = {"epochs", "eval_step", "stopping_step"}  # any run chooses its own


def stages_of(key: str, config: KDConfig, configs: Mapping[str, KDConfig]) -> dict[str, Any]:
    """The value of ``key`` in each stage that it reaches, by the stage's name (``""`` is the distiller).

    Args:
        key: may begin with ``teacher_``, ``teacher2_`` or ``student_``.
        config: of the whole run.
        configs: of its stages, from :func:`recbole_kd.pipeline.stage_configs`.

    Raises:
        UserError: no stage has it, the score does not depend on it, or scores under its values cannot be compared.
    """
    prefix, bare = _split(key, configs)
    if bare in _YARDSTICK:
        raise UserError(f"search: scores under different values of {bare} cannot be compared; leave {key} out")
    if "model" not in configs and not prefix and key in config.model_class.distiller_class.settings_class.model_fields:
        return {"": config[key]}
    found = {
        stage: stage_config[bare]
        for stage, stage_config in configs.items()
        if bare in stage_config and (not prefix or prefix in stage_prefixes(stage))
    }
    if not found:
        hint = did_you_mean(key, properties.known_keys()) or f"; see properties/model/{config.model}.yaml"
        raise UserError(f"search: {config.model} has no key {key!r}{hint}")
    return found


def default_of(key: str, config: KDConfig, configs: Mapping[str, KDConfig]) -> Any:
    """The one value that ``key`` has in a run without a search; the arguments are those of :func:`stages_of`.

    Raises:
        UserError: also if several stages have it and each its own.
    """
    found = stages_of(key, config, configs)
    first = next(iter(found.values()))
    own = [f"{prefix}{key}" for stage in found if stage for prefix in stage_prefixes(stage)] if len(found) > 1 else []
    if any(value != first for value in found.values()) or any(name in config for name in own):
        stages = ", ".join(f"{stage} {value}" for stage, value in found.items())
        raise UserError(f"search: {key} is of several stages ({stages}); search student_{key} or teacher_{key}")
    return first


def reaches_teacher(key: str, config: KDConfig, configs: Mapping[str, KDConfig]) -> bool:
    """Whether a teacher has to be trained anew for each value of ``key``; the arguments are as above."""
    return any(stage.startswith("teacher") for stage in stages_of(key, config, configs))


def held_values(values: Mapping[str, Any], configs: Mapping[str, KDConfig]) -> dict[str, Any]:
    """Those of the given ``values`` that the best ones are best beside: hyperparameters that were not searched."""
    return {key: value for key, value in values.items() if _split(key, configs)[1] not in _YARDSTICK | _LENGTH}


def _split(key: str, configs: Mapping[str, KDConfig]) -> tuple[str, str]:
    match = OF_STAGE.match(key)
    return (match[0], key[match.end() :]) if match and "model" not in configs else ("", key)

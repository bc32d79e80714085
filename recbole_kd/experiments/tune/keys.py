"""Where a searched key goes: the stages of a run that read it, and the value it has there without a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_kd.bridge import properties
from recbole_kd.bridge.config import stage_prefixes
from recbole_kd.bridge.given import OF_STAGE
from recbole_kd.bridge.run_settings import Effect, effect_of
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.training.plan import Plan

_SEARCHED = {Effect.FIGURES, Effect.RUN}  # scores under other values of other keys cannot be compared
_LENGTH = {"epochs", "eval_step", "stopping_step"}  # any run chooses its own


def stages_of(key: str, plan: Plan) -> dict[str, Any]:
    """The value of ``key`` in each stage that it reaches, by the stage's name (``""`` is the distiller).

    Args:
        key: may begin with ``teacher_``, ``teacher2_`` or ``student_``.
        plan: of the run.

    Raises:
        UserError: no stage has it, the score does not depend on it, or scores under its values cannot be compared.
    """
    prefix, bare = _split(key, plan)
    if effect_of(bare) not in _SEARCHED:
        raise UserError(f"search: scores under different values of {bare} cannot be compared; leave {key} out")
    if plan.distiller and not prefix and key in plan.distiller.settings_class.model_fields:
        return {"": plan.config[key]}
    found = {
        stage: stage_config[bare]
        for stage, stage_config in plan.configs.items()
        if bare in stage_config and (not prefix or prefix in stage_prefixes(stage))
    }
    if not found:
        hint = did_you_mean(key, properties.known_keys()) or "; see recbole-kd tune --help"
        raise UserError(f"search: {plan.config.model} has no key {key!r}{hint}")
    return found


def default_of(key: str, plan: Plan) -> Any:
    """The one value that ``key`` has in a run without a search; the arguments are those of :func:`stages_of`.

    Raises:
        UserError: also if several stages have it and each its own.
    """
    found = stages_of(key, plan)
    first = next(iter(found.values()))
    own = [f"{prefix}{key}" for stage in found if stage for prefix in stage_prefixes(stage)] if len(found) > 1 else []
    if any(value != first for value in found.values()) or any(name in plan.config for name in own):
        stages = ", ".join(f"{stage} {value}" for stage, value in found.items())
        raise UserError(f"search: {key} is of several stages ({stages}); search student_{key} or teacher_{key}")
    return first


def reaches_teacher(key: str, plan: Plan) -> bool:
    """Whether a teacher has to be trained anew for each value of ``key``; the arguments are as above."""
    return any(plan.teaches(stage) for stage in stages_of(key, plan))


def held_values(values: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Those of the given ``values`` that the best ones are best beside: hyperparameters that were not searched."""
    bare = {key: _split(key, plan)[1] for key in values}
    return {key: values[key] for key, name in bare.items() if effect_of(name) in _SEARCHED and name not in _LENGTH}


def _split(key: str, plan: Plan) -> tuple[str, str]:
    match = OF_STAGE.match(key)
    return (match[0], key[match.end() :]) if match and plan.distiller else ("", key)

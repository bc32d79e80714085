"""Hyperparameters with types and bounds, checked before any data is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from recbole_kd.foundation.errors import UserError, did_you_mean

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
_WHAT_TO_DO = "change it on the command line or in your YAML file"


class Values(Protocol):
    """Values by key: a mapping, or RecBole's config."""

    def __getitem__(self, key: str, /) -> Any: ...
    def __contains__(self, key: object, /) -> bool: ...


def refused(reason: str) -> PydanticCustomError:
    """What a validator raises that knows a better sentence than pydantic: ``reason`` follows ``key=value: ``."""
    return PydanticCustomError("refused", "{reason}", {"reason": reason})


class Settings(BaseModel):
    """What a model, a distiller or a run declares of its own hyperparameters: names, types and bounds.

    Defaults live in ``properties/``, so a field without a default must be given by a YAML file there.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @classmethod
    def read(cls, values: Values) -> Self:
        """Take this class's fields out of a config and check them.

        Args:
            values: a mapping, or a RecBole config.

        Raises:
            UserError: naming the first key that is missing, of a wrong type or out of range.
        """
        given = {name: values[name] for name in cls.model_fields if name in values}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise UserError(_sentence(error, given, cls.example_of)) from None

    @classmethod
    def example_of(cls, key: str) -> str:
        """What a sentence about ``key`` may add: ``such as [128, 64]``, or nothing."""
        return ""


class Part(BaseModel):
    """The inner keys of a key such as ``eval_args``; others are refused with the nearest right one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    example: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise refused(f"write it as {cls.example}")
        check_inner_keys(value, cls.model_fields, cls.example)
        return value


def check_inner_keys(value: Mapping[Any, Any], known: Iterable[str], example: str) -> None:
    """Refuse a key of a mapping that is none of ``known``.

    Raises:
        PydanticCustomError: naming it and the nearest right one.
    """
    known = list(known)
    for key in value:
        if key not in known:
            hint = did_you_mean(str(key), known) or f"; write it as {example}"
            raise refused(f"there is no {key!r} in it, only {', '.join(known)}{hint}")


def _sentence(error: ValidationError, given: Mapping[str, Any], example_of: Any) -> str:
    """Say what is wrong with one key: what a validator of ours says, else the complaint that goes deepest."""
    worst = max(error.errors(), key=lambda found: (found["type"] == "refused", len(found["loc"])))
    if not worst["loc"]:  # of several keys that do not fit together
        return f"{worst['msg']}"
    key = _key(worst, given)
    if worst["type"] == "missing":
        return f"{key} is not set; give it as --{key}=VALUE or in a YAML file"
    if worst["type"] == "refused":
        return f"{key}={worst['input']!r} is not valid: {worst['msg']}"
    reason = worst["msg"][0].lower() + worst["msg"][1:]
    return f"{key}={worst['input']!r} is not valid: {reason}{example_of(str(worst['loc'][0]))}; {_WHAT_TO_DO}"


def _key(found: ErrorDetails, given: Any) -> str:
    """``eval_args.split``: the steps of a location that lead through the values; others name members of a union."""
    *steps, last = found["loc"]
    key, value = "", given
    for step in [*steps, last]:
        inside = step in value if isinstance(value, Mapping) else isinstance(value, list) and isinstance(step, int)
        if inside:
            value = value[step]
        if inside or (step == last and found["type"] == "missing"):
            key += f"[{step}]" if isinstance(step, int) else f".{step}" if key else str(step)
    return key

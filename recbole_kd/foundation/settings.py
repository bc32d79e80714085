"""Hyperparameters with types and bounds, checked before any data is read."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recbole_kd.foundation.errors import UserError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]


class Values(Protocol):
    """Values by key: a mapping, or RecBole's config."""

    def __getitem__(self, key: str, /) -> Any: ...
    def __contains__(self, key: object, /) -> bool: ...


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
            raise UserError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Say what is wrong with one key: of a union's several complaints, the one that goes deepest."""
    worst = max(error.errors(), key=lambda found: len(found["loc"]))
    path = worst["loc"]
    key = str(path[0]) if len(path) < 3 else f"{path[0]}.{path[-1]}"  # between them stands a union member's name
    if worst["type"] == "missing":
        return f"{key} is not set; give it as --{key}=VALUE or in a YAML file"
    reason = worst["msg"][0].lower() + worst["msg"][1:]
    return f"{key}={worst['input']!r} is not valid: {reason}; change it on the command line or in your YAML file"

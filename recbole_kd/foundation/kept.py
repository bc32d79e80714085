"""What files of ours hold, checked whole against a typed schema as it is read."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from recbole_kd.foundation.errors import UserError


class Kept(BaseModel):
    """A schema: plain values of strict types, nothing unknown."""

    model_config = ConfigDict(strict=True, extra="forbid")


Schema = TypeVar("Schema", bound=Kept)


def kept_fields(kind: type) -> type[Kept]:
    """The schema of a dataclass that is kept in a file: its fields, their types, their defaults."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, Any] = {}
    for field in fields(kind):
        if field.default_factory is not MISSING:
            found[field.name] = hints[field.name], Field(default_factory=field.default_factory)
        else:
            found[field.name] = hints[field.name], ... if field.default is MISSING else field.default
    made: type[Kept] = create_model(kind.__name__, __base__=Kept, **found)
    return made


def checked(schema: type[Schema], values: Any, place: object, what_to_do: str = "delete it") -> Schema:
    """What a file holds, checked whole.

    Args:
        schema: of what it must hold.
        values: plain values, as they were read.
        place: the file, or a place in it, as the sentence's beginning.
        what_to_do: its end.

    Raises:
        UserError: a value is missing, of a wrong type, out of range or unknown; the sentence names the first.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "its content"
        said = first["msg"][0].lower() + first["msg"][1:]
        raise UserError(f"{place} is damaged: {key}: {said}; {what_to_do}") from None

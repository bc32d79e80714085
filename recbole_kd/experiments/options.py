"""A command's own options out of the words that it is given: texts stay texts, all else is a literal."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from recbole_kd.bridge.written_values import literal
from recbole_kd.foundation.settings import Settings

Options = TypeVar("Options", bound=Settings)


def read_options(options: type[Options], given: Mapping[str, str]) -> Options:
    """Read what a class of options declares, and leave all other keys alone.

    Args:
        options: whose fields that can only be text get the words as they stand: a folder called 7 is no number;
            ``null`` is nothing where a field may hold nothing.
        given: the words by key.

    Raises:
        UserError: naming the first option that is missing, of a wrong type or out of range.
    """
    fields = {key: field.annotation for key, field in options.model_fields.items()}
    return options.read({key: _value(text, fields[key]) for key, text in given.items() if key in fields})


def _value(text: str, annotation: Any) -> Any:
    value = literal(text)
    nothing = value is None and NoneType in get_args(annotation)  # --out=null, as for the keys of a run
    return text if _is_text(annotation) and not nothing else value


def _is_text(annotation: Any) -> bool:
    """Whether a field can hold texts alone, and perhaps nothing."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return all(part is NoneType or _is_text(part) for part in get_args(annotation))
    if origin is Literal:
        return all(isinstance(value, str) for value in get_args(annotation))
    return annotation is str

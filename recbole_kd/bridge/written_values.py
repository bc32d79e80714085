"""Values as people write them, on a command line and in YAML files, read without running anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from recbole_kd.foundation.errors import UserError


class YamlLoader(yaml.SafeLoader):
    """Plain values alone; ``1e-3`` is a number, as RecBole reads it and YAML 1.1 does not."""


class FastYamlLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same ten times as fast, for files that are nobody's else: depth that ends Python's patience crashes it."""


_FLOAT = re.compile(
    r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
for _loader in (YamlLoader, FastYamlLoader):
    _loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_VALUES_AT_MOST = 1_000_000
_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, RecursionError)  # dates and numbers that are none, depth


def of_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        ValueError: it is none.
    """
    try:
        found = yaml.load(text, Loader=YamlLoader)  # a SafeLoader  # nosec B506
    except _NOT_YAML as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None
    _check_size(found)
    return found


def _check_size(values: Any) -> None:
    """Refuse aliases (``*name``) that repeat each other until nobody can walk through what a few lines say."""
    waiting, count = [values], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > _VALUES_AT_MOST:
            raise ValueError(f"its aliases stand for more than {_VALUES_AT_MOST:,} values")
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value


def read_yaml(file: Path) -> dict[str, Any]:
    """The keys of a YAML file; none of an empty one.

    Raises:
        UserError: it cannot be read, or does not hold lines of the form ``key: value``.
    """
    if file.exists() and not file.is_file():  # a pipe without a writer is waited for
        raise UserError(f"cannot read the config file {file}: it is no file")
    try:
        values = of_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the config file {file}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict | None):
        raise UserError(f"{file} holds a {type(values).__name__}; it must hold lines of the form key: value")
    return values or {}


def parse_arguments(arguments: Iterable[str]) -> dict[str, str]:
    """Split command-line words ``--key=value`` at the first ``=``.

    Raises:
        UserError: a word of another form, or one key given twice with different values.
    """
    values: dict[str, str] = {}
    for word in arguments:
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not equals or not key:
            raise UserError(f"cannot read the argument {word!r}; write it as --key=value")
        if values.setdefault(key, value) != value:
            raise UserError(f"--{key} is given twice, as {values[key]!r} and {value!r}; keep one")
    return values


def literal(text: str) -> Any:
    """The Python literal that ``text`` spells, ``true``/``false``/``null`` in any case, or the text itself.

    A list or dict whose quotes the shell took, ``[Recall,NDCG]``, is read as YAML reads it.
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    if text[:1] + text[-1:] in ("[]", "{}"):
        try:
            return of_yaml(text)
        except ValueError:
            return text
    return {"true": True, "false": False, "null": None}.get(text.lower(), text)

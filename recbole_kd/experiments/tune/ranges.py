"""The values that a search may try: one range a key, as ``properties/search/`` and ``search`` spell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recbole_kd.bridge import properties
from recbole_kd.bridge.config import stage_prefixes
from recbole_kd.bridge.written_values import literal
from recbole_kd.foundation.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_FORMS = "write it as [log, LOW, HIGH], [uniform, LOW, HIGH], [int, LOW, HIGH] or [choice, A, B, ...]"
_DIGITS = 4  # of a float that is tried: what is run is what a person reads


@dataclass(frozen=True)
class Range:
    """One key's range: ``values`` are the two ends, or what a ``choice`` may choose as JSON texts."""

    kind: str
    values: tuple[Any, ...]

    def suggest(self, trial: BaseTrial, key: str) -> Any:
        """Have Optuna choose a value."""
        if self.kind == "choice":  # Optuna would take 1, 1.0 and True for the same, and keeps no lists
            return json.loads(trial.suggest_categorical(key, self.values))
        low, high = self.values
        if self.kind == "int":
            return trial.suggest_int(key, low, high)
        value = trial.suggest_float(key, low, high, log=self.kind == "log")
        return min(max(float(f"{value:.{_DIGITS}g}"), low), high)

    def holds(self, value: Any) -> bool:
        """Whether a search could come upon ``value``."""
        if self.kind == "choice":
            return self.kept(value) in self.values
        return _is_number(value, whole=self.kind == "int") and self.values[0] <= value <= self.values[1]

    def kept(self, value: Any) -> Any:
        """``value`` as Optuna gets it."""
        return json.dumps(value) if self.kind == "choice" else value

    def public(self) -> list[Any]:
        """The range as a person writes it."""
        return [self.kind, *(map(json.loads, self.values) if self.kind == "choice" else self.values)]


def read_ranges(model: str, student: str | None, given: Mapping[str, Any] | None) -> dict[str, Range]:
    """The ranges of a model with the user's over them; a user's null takes a key out.

    Args:
        model: whose file in ``properties/search/`` is read; without one, the ranges that any model has.
        student: of a distillation method; unless the method's file has ranges for it, its own are taken.
        given: the user's, by key.

    Raises:
        UserError: a range that is none, or nothing to search.
    """
    own = _of_model(model) if student is None else _of_method(model, student)
    merged = {key: value for key, value in {**own, **(given or {})}.items() if value is not None}
    if not merged:
        raise UserError('there is nothing to search; give a range, as --search="{learning_rate: [log, 1e-4, 1e-2]}"')
    return {key: read_range(key, value) for key, value in merged.items()}


def _of_method(name: str, student: str) -> dict[str, Any]:
    own, (prefix,) = properties.values_of(properties.search_file(name)), stage_prefixes("student")
    if any(key.startswith(prefix) for key in own):
        return own
    return own | {f"{prefix}{key}": value for key, value in _of_model(student).items()}


def _of_model(name: str) -> dict[str, Any]:
    own = properties.values_of(properties.search_file(name))
    return own or properties.values_of(properties.search_file("default"))


def read_range(key: str, given: Any) -> Range:
    """Read one range.

    Args:
        key: for the message.
        given: ``[log, LOW, HIGH]``, ``[uniform, LOW, HIGH]``, ``[int, LOW, HIGH]``, ``[choice, A, B, ...]``.

    Raises:
        UserError: another form, ends that are no numbers or in the wrong order, fewer than two choices.
    """
    if not isinstance(given, list) or not given:
        raise UserError(f"search: {key}: {given!r} is no range; {_FORMS}")
    kind = given[0]
    values = [literal(value) if isinstance(value, str) else value for value in given[1:]]  # YAML takes 1e-4 for a word
    if kind == "choice":
        return Range(kind, _choices(key, values))
    if kind not in ("log", "uniform", "int"):
        hint = did_you_mean(str(kind), ("log", "uniform", "int", "choice"))
        raise UserError(f"search: {key}: {kind!r} is no kind of range{hint or '; ' + _FORMS}")
    whole = kind == "int"
    if len(values) != 2 or not all(_is_number(value, whole) for value in values):
        numbers = "whole numbers" if whole else "numbers"
        raise UserError(f"search: {key}: {given!r} must hold two {numbers} after {kind}; {_FORMS}")
    low, high = values if whole else map(float, values)
    if not low < high or (kind == "log" and low <= 0):
        above = "above 0 and " * (kind == "log")
        raise UserError(f"search: {key}: the lower end {low} of {given!r} must be {above}below the upper end {high}")
    return Range(kind, (low, high))


def _choices(key: str, values: list[Any]) -> tuple[str, ...]:
    try:
        choices = tuple(dict.fromkeys(json.dumps(value, allow_nan=False) for value in values))
    except (TypeError, ValueError):
        raise UserError(f"search: {key}: {values!r} holds something that is no plain value") from None
    if len(choices) < 2:
        raise UserError(f"search: {key}: a choice needs two different values; give --{key}=VALUE to hold one")
    return choices


def _is_number(value: Any, whole: bool = False) -> bool:
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    return number and abs(value) < float("inf")

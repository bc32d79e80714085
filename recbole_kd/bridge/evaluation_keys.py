"""RecBole's keys of training and evaluation that have keys of their own inside."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from recbole_kd.foundation.errors import did_you_mean
from recbole_kd.foundation.settings import Count, CountOrZero, NonNegative, Part, Positive, refused

_SPLITS = {"RS": "{RS: [0.8, 0.1, 0.1]}", "LS": "{LS: valid_and_test}", "TS": "{TS: [0.8, 0.1, 0.1]}"}
_COLD = "cold_items="
_MODE = re.compile(r"full|labeled|(uni|pop)[1-9]\d{0,17}")


def _split(value: Any) -> Any:
    if value is None:  # of a data set in three files
        return value
    if not isinstance(value, Mapping) or len(value) != 1:
        raise refused(f"write one way to split, as {_SPLITS['RS']} or {_SPLITS['LS']}")
    ((way, how),) = value.items()
    if way not in _SPLITS:
        raise refused(
            f"there is no split {way!r}{did_you_mean(str(way), _SPLITS)}; write {' or '.join(_SPLITS.values())}"
        )
    if way == "LS":
        if how in ("valid_only", "test_only"):
            missing = "test" if how == "valid_only" else "validation"
            raise refused(
                f"a run needs a validation and a test part, and {how} leaves no {missing} part; write {_SPLITS['LS']}"
            )
        if how != "valid_and_test":
            raise refused(f"write {_SPLITS['LS']}")
        return value
    if not isinstance(how, list) or len(how) != 3 or not all(_is_number(share) for share in how):
        raise refused(f"{way} takes three shares, of training, validation and test, as {_SPLITS[way]}")
    for share, part in zip(how, ("training", "valid(ation)", "test"), strict=True):
        if share <= 0:
            raise refused(f"the {part} part would be empty; a run needs all three, as {_SPLITS[way]}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _mode(value: Any) -> Any:
    if isinstance(value, Mapping):
        strange = [key for key in value if key not in ("valid", "test")]
        if strange or not value:
            hint = did_you_mean(str(strange[0]), ("valid", "test")) if strange else ""
            raise refused(f"write one mode, or {{valid: uni100, test: full}}{hint}")
    for one in value.values() if isinstance(value, Mapping) else [value]:
        if not isinstance(one, str) or not _MODE.fullmatch(one):
            hint = did_you_mean(one, ("full", "labeled")) if isinstance(one, str) else ""
            raise refused(f"there is no mode {one!r}{hint}; write full, labeled, or uni100 or pop100 for 100 negatives")
    return value


def _group_by(value: Any) -> Any:
    if value is not None and value != "user" and str(value).lower() != "none":
        raise refused("write user, or none")
    return value


def held_out_share(value: str) -> float:
    """The share of the key ``split``, ``cold_items=0.1``.

    Raises:
        ValueError: it is no such text, or no share between 0 and 1.
    """
    share = float(value.removeprefix(_COLD)) if value.startswith(_COLD) else math.nan
    if not 0 < share < 1:
        raise ValueError(value)
    return share


class EvalArgs(Part):
    """How the data are split and how lists are evaluated."""

    example: ClassVar[str] = "{split: {RS: [0.8, 0.1, 0.1]}, order: RO, group_by: user, mode: full}"

    split: Annotated[Any, BeforeValidator(_split)] = Field(default_factory=lambda: {"RS": [0.8, 0.1, 0.1]})
    order: Literal["RO", "TO"] = "RO"
    group_by: Annotated[Any, BeforeValidator(_group_by)] = "user"
    mode: Annotated[Any, BeforeValidator(_mode)] = "full"

    def modes(self) -> dict[str, str]:
        """The mode of each part; one that is given for a single part counts for both."""
        if isinstance(self.mode, str):
            return {"valid": self.mode, "test": self.mode}
        first = next(iter(self.mode.values()))
        return {part: self.mode.get(part, first) for part in ("valid", "test")}


def _none(value: Any) -> Any:
    return "none" if value is None or str(value).lower() == "none" else value


class NegativeSampling(Part):
    """Of training."""

    example: ClassVar[str] = "{distribution: uniform, sample_num: 1}"

    distribution: Annotated[Literal["uniform", "popularity", "none"], BeforeValidator(_none)] = "uniform"
    sample_num: Count | Literal["none"] = 1
    alpha: NonNegative | Literal["none"] = 1.0
    dynamic: bool = False
    candidate_num: CountOrZero = 0


class GradientClipping(Part):
    """What PyTorch's ``clip_grad_norm_`` takes."""

    example: ClassVar[str] = "{max_norm: 5, norm_type: 2}"

    max_norm: Positive
    norm_type: Annotated[float, Field(gt=0)] = 2.0

"""A command's words become its options, each of the type that it can have."""

from typing import Literal

import pytest

from recbole_kd.cli.recommend import Options as OfRecommend
from recbole_kd.experiments.compare.options import Options as OfCompare
from recbole_kd.experiments.options import read_options
from recbole_kd.experiments.tune.options import TuneSettings
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.settings import Count, Settings


class Made(Settings):
    name: str
    style: Literal["a", "7"] | None = None
    count: Count = 1
    several: str | list[str] = "x"


def test_texts_stay_texts():
    found = read_options(Made, {"name": "7", "style": "7", "count": "3", "several": "[a, b]", "seed": "5"})
    assert (found.name, found.style, found.count, found.several) == ("7", "7", 3, ["a", "b"])
    assert read_options(Made, {"name": "null", "style": "null"}) == Made(name="null")
    with pytest.raises(UserError, match="count='many' is not valid"):
        read_options(Made, {"name": "a", "count": "many"})
    with pytest.raises(UserError, match="name is not set"):
        read_options(Made, {})


@pytest.mark.parametrize(
    ("options", "given", "key"),
    [
        (TuneSettings, {}, "study_dir"),
        (OfRecommend, {"checkpoint": "1", "users": "1"}, "output"),
        (OfRecommend, {"checkpoint": "1", "users": "1"}, "cache_dir"),
        (OfCompare, {"models": "BPR", "dataset": "1"}, "out"),
        (OfCompare, {"models": "BPR", "dataset": "1"}, "tune_dir"),
    ],
)
def test_a_folder_called_7_is_no_number(options, given, key):
    assert getattr(read_options(options, {**given, key: "7"}), key) == "7"

"""The pictures of a report, a file each."""

from __future__ import annotations

from recbole_kd.experiments.report.pictures.base import Drawn, Picture
from recbole_kd.foundation.registry import Registry

PICTURES: Registry[Picture] = Registry(
    kind="picture",
    package=__name__,
    accepts=lambda found: isinstance(found, Picture),
    expected="recbole_kd's Picture",
    name_of=lambda module, _: module,
)


def all_pictures() -> dict[str, Picture]:
    """Every picture by its name, in the order of the page."""
    return dict(sorted(PICTURES.all().items(), key=lambda item: item[1].place))


__all__ = ["PICTURES", "Drawn", "Picture", "all_pictures"]

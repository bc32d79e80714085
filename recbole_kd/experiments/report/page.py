"""The report of a comparison: one file that opens from disk, without a network."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from tqdm import tqdm

from recbole_kd.experiments.report.compared import Compared
from recbole_kd.experiments.report.pictures import Picture, all_pictures
from recbole_kd.experiments.report.plain_text import without_mathematics
from recbole_kd.experiments.report.text import Text
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.files import replacing

_DPI = 150


@dataclass(frozen=True)
class Shown:
    """A picture on the page: a PNG and the width it was drawn for, or the reason why there is none.

    A ``folded`` one is seen on demand.
    """

    name: str
    title: str
    caption: str
    png: bytes | None = None
    inches: float = 0.0
    folded: bool = False

    @property
    def source(self) -> str:
        """The PNG as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png or b"").decode()


def write_page(path: Path, text: Text, compared: Compared, bar: tqdm[Any]) -> None:
    """Make all pictures and write the page; the pictures are also kept beside it, in ``pictures/``.

    Args:
        path: the page.
        text: what it says.
        compared: what the pictures show.
        bar: goes on by one a picture.
    """
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # RecBole's root logger would print its font search
    shown = []
    for name, picture in all_pictures().items():
        compared.tell = lambda label, title=picture.title: bar.set_postfix_str(f"{title}: {label}")  # type: ignore[misc]
        bar.set_postfix_str(picture.title)
        shown.append(_show(name, picture, compared))
        file = path.parent / "pictures" / f"{name}.png"
        if shown[-1].png is None:
            file.unlink(missing_ok=True)
        else:
            with replacing(file) as stream:
                stream.write(shown[-1].png)
        bar.update()
    with replacing(path, "w") as stream:
        stream.write(render(text, shown))


def render(text: Text, shown: Sequence[Shown]) -> str:
    """The page as HTML; everything in ``text`` and ``shown`` is escaped."""
    templates = Environment(
        loader=PackageLoader("recbole_kd.experiments.report", "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return templates.get_template("page.html").render(text=text, shown=shown)


def _show(name: str, picture: Picture, compared: Compared) -> Shown:
    try:
        drawn = picture.draw(compared)
        stream = io.BytesIO()
        without_mathematics(drawn.figure)
        drawn.figure.savefig(stream, format="png", dpi=_DPI)
    except UserError as error:
        return Shown(name, picture.title, f"Not drawn: {_sentence(error)}", folded=picture.folded)
    except Exception as error:  # one picture's failure is a line of the page, not the end of all
        said = f"{type(error).__name__}: {_sentence(error)}"
        logging.getLogger().warning(f"the picture {name} is not drawn: {said}")
        logging.getLogger().debug("it failed here", exc_info=error)
        return Shown(name, picture.title, f"Not drawn: {said}", folded=picture.folded)
    caption = f"{picture.reading} {drawn.about}".strip()
    width = float(drawn.figure.get_figwidth())
    return Shown(name, picture.title, caption, stream.getvalue(), width, picture.folded)


def _sentence(error: Any) -> str:
    return " ".join(str(error).split()).removesuffix(".") + "."

"""What MkDocs does to each page: equations become MathML, which browsers draw, and Sphinx's roles plain code."""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

_MATH = re.compile(r'<(?:span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</(?:span|div)>', re.DOTALL)
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod|obj):<code>~?([^<]*)</code>")


def on_page_content(html: str, **_: Any) -> str:
    """Replace them in a page of the guide."""
    return _MATH.sub(_mathml, html)


def on_post_page(output: str, **_: Any) -> str:
    """Replace the roles in docstrings, whose text is there only now."""
    return _ROLE.sub(lambda found: f"<code>{found[1].removeprefix('recbole_kd.')}</code>", output)


def _mathml(found: re.Match[str]) -> str:
    style = "inline" if found[1] == "(" else "block"
    return str(convert(unescape(found[2]).strip(), display=style))

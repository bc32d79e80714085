"""What RecBole or a library says with a traceback, said in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recbole_kd.foundation.bugs import one_line
from recbole_kd.foundation.errors import UserError

_OF_SETTINGS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    AssertionError,
    ArithmeticError,
)


def said_by(error: BaseException) -> str:
    """An error's message on one line, with its kind where the message alone says little."""
    text = " ".join(str(error).split())
    return text if " " in text else one_line(error)


@contextmanager
def in_one_sentence(what: str) -> Iterator[None]:
    """Turn the errors by which RecBole refuses settings into a sentence.

    Args:
        what: its beginning, such as "the data set 'a' cannot be split".

    Raises:
        UserError: in place of any of these errors, with their message.
    """
    try:
        yield
    except UserError:
        raise
    except _OF_SETTINGS as error:
        raise UserError(f"{what}: {said_by(error)}") from error

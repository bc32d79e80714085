"""Whether a pickle may be handed to Python's unpickler: what it would build is measured before anything is built.

A few bytes can make a tuple of tuples that takes longer than the sun to hash, or one so deep that hashing it overflows
the C stack and ends the process. Here the opcodes are followed with the kind, depth and weight of each value only.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

OPCODES_AT_MOST = 2_000_000
_DEEPEST = 100  # tuples within each other
_HEAVIEST = 100_000  # values of a tuple, those of the tuples in it included, each as often as it is there
_ODD_KEYS_AT_MOST = 10_000  # of a dict or set: strings are hashed with a secret, long integers and tuples are not
_SMALL = 2**31


class _Value(NamedTuple):
    """What is known of a value: tuples have a depth and a weight, and a small integer or a string is a plain key."""

    depth: int = 0
    weight: int = 1
    plain: bool = False


_MARK = _Value(depth=-1)
_OTHER = _Value()
_PLAIN = _Value(plain=True)
_PLAIN_KINDS = ("str", "bytes", "None", "bool", "bytes_or_str")
_KEYED = {"SETITEM": 2, "SETITEMS": 2, "DICT": 2, "ADDITEMS": 1, "FROZENSET": 1}  # how far apart keys lie


def check_bounds(raw: bytes) -> None:
    """Follow a pickle's opcodes.

    Args:
        raw: the whole pickle.

    Raises:
        ValueError: it is too long, builds tuples that are too deep or too heavy, has too many keys that can be made to
            collide, or a memo index beyond its length, which takes gigabytes; or its opcodes do not fit together.
    """
    stack: list[_Value] = []
    memo: dict[int, _Value] = {}
    odd_keys = 0
    for count, (opcode, argument) in enumerate(_opcodes(raw)):
        if count > OPCODES_AT_MOST:
            raise ValueError(f"more than {OPCODES_AT_MOST} opcodes")
        name = opcode.name
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            index = len(memo) if argument is None else int(argument)
            if not 0 <= index <= len(raw):
                raise ValueError(f"memo index {index}")
            memo[index] = _top(stack)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if int(argument) not in memo:
                raise ValueError(f"memo index {argument} is not set")
            stack.append(memo[int(argument)])
        elif name == "DUP":
            stack.append(_top(stack))
        elif name == "MARK":
            stack.append(_MARK)
        else:
            taken = _take(stack, opcode)
            if name in _KEYED:
                odd_keys += sum(not key.plain for key in _keys(taken, _KEYED[name], name))
                if odd_keys > _ODD_KEYS_AT_MOST:
                    raise ValueError(f"more than {_ODD_KEYS_AT_MOST} keys that are no strings")
            stack += [_made(opcode, argument, taken, value) for value in opcode.stack_after]


def _opcodes(raw: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    return ((opcode, argument) for opcode, argument, _ in pickletools.genops(raw))


def _top(stack: list[_Value]) -> _Value:
    """The value on top, which is no mark."""
    if not stack or stack[-1] is _MARK:
        raise ValueError("no value on the stack")
    return stack[-1]


def _take(stack: list[_Value], opcode: pickletools.OpcodeInfo) -> list[_Value]:
    """Remove what an opcode takes from the stack: a number of values, or all down to the last mark, and some more."""
    before, taken = opcode.stack_before, list[_Value]()
    fixed = len(before)
    if pickletools.markobject in before:
        fixed = before.index(pickletools.markobject)
        while stack and stack[-1] is not _MARK:
            taken.append(stack.pop())
        if not stack:
            raise ValueError("no mark on the stack")
        stack.pop()
    elif opcode.name == "POP" and stack and stack[-1] is _MARK:
        stack.pop()
        return []
    for _ in range(fixed):
        taken.append(_top(stack))
        stack.pop()
    return taken[::-1]


def _keys(taken: Sequence[_Value], apart: int, name: str) -> Sequence[_Value]:
    """The keys among what an opcode took; all but DICT and FROZENSET took the container first."""
    return taken[0 if name in ("DICT", "FROZENSET") else 1 :: apart]


def _made(opcode: pickletools.OpcodeInfo, argument: Any, taken: Sequence[_Value], value: object) -> _Value:
    """What an opcode leaves on the stack, ``value`` being its kind."""
    if opcode.name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
        made = _Value(1 + max((item.depth for item in taken), default=0), 1 + sum(item.weight for item in taken))
        if made.depth > _DEEPEST or made.weight > _HEAVIEST:
            raise ValueError("a tuple that is too deep or too large")
        return made
    if isinstance(argument, int):
        return _PLAIN if abs(argument) < _SMALL else _OTHER
    return _PLAIN if getattr(value, "name", "") in _PLAIN_KINDS else _OTHER

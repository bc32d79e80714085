"""Strangers' pickles: every name becomes a record, nothing is imported, and records cannot be changed by the file."""

import collections
import os
import pickle

import numpy as np
import pytest

from recbole_kd.foundation.pickles import Record, Refused, bytes_of, dtype_of, number_of, place_of, read_pickle


class Evil:
    def __reduce__(self):
        return os.system, ("echo run > evil.txt",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_a_pickle_calls_is_written_down_and_not_run(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    found = read_pickle(pickle.dumps({"a": [1, Evil()]}, protocol))
    assert place_of(found["a"][1]) in ("posix.system", "nt.system")
    assert found["a"][1].args == ("echo run > evil.txt",)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_says_what_it_admits():
    raw = pickle.dumps(collections.OrderedDict(a=1))
    assert read_pickle(raw, lambda place: place == "collections.OrderedDict").entries == {"a": 1}
    with pytest.raises(Refused, match=r"^collections\.OrderedDict$"):
        read_pickle(raw, lambda place: False)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(-3), np.bool_(True)])
def test_numbers_of_numpy(protocol, value):
    found = number_of(read_pickle(pickle.dumps(value, protocol)))
    assert found == value.item()
    assert type(found) is type(value.item())


@pytest.mark.parametrize("value", [np.dtype("O"), np.dtype([("a", "f4")]), np.dtype("U5")])
def test_a_dtype_that_is_no_number(value):
    with pytest.raises(ValueError, match=r"is not numeric|no dtype"):
        dtype_of(read_pickle(pickle.dumps(value)))


def test_bytes_of_old_protocols():
    for content in (b"", b"\x00\xffabc"):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert bytes_of(read_pickle(pickle.dumps(content, protocol))) == content
    with pytest.raises(ValueError, match="no bytes"):
        bytes_of(3)


def test_a_record_cannot_be_changed():
    before = dict(vars(Record))
    with pytest.raises(TypeError, match="is sealed"):
        Record.place = "os.system"
    with pytest.raises(TypeError, match="is sealed"):
        type(read_pickle(pickle.dumps(collections.OrderedDict()))).args = 1
    assert dict(vars(Record)) == before


def test_a_memo_index_that_would_take_gigabytes():
    with pytest.raises(ValueError, match="memo index"):
        read_pickle(b"\x80\x02Nr\xff\xff\xff\x7f.")


DOUBLED = b"\x80\x04})" + b"2\x86" * 45  # each tuple holds the one before twice
DEEP = b"\x80\x04})" + b"\x85" * 3_000_000
COLLIDING = [number * (2**61 - 1) for number in range(20_000)]  # all have the hash 0


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (DOUBLED + b"Ns.", "too deep or too large"),
        (DOUBLED + b"\x85.", "too deep or too large"),
        (b"\x80\x04\x8f(" + DOUBLED[3:] + b"\x90.", "too deep or too large"),
        (b"\x80\x04(" + DOUBLED[3:] + b"\x91.", "too deep or too large"),
        (DEEP + b"Ns.", "too deep or too large"),
        (b"\x80\x04" + b"]" * 3_000_000 + b"a" * 2_999_999 + b".", "opcodes"),
        (
            b"\x80\x04}(" + b"".join(b"\x8a\x0a" + key.to_bytes(10, "little") + b"N" for key in COLLIDING) + b"u.",
            "keys that are no strings",
        ),
        (b"\x80\x04}(Nu" + b"N0" * 3 + b"u.", ""),
        (b"\x80\x04(q\x00.", "no value on the stack"),
        (b"\x80\x04h\x07.", "is not set"),
        (b"\x80\x04t.", "no mark on the stack"),
        (b"\x80\x040.", "no value on the stack"),
    ],
)
def test_what_would_take_for_ever_or_end_the_process(raw, says):
    with pytest.raises(ValueError, match=says):
        read_pickle(raw)


def test_what_is_small_enough():
    deep: tuple = ()
    for _ in range(50):
        deep = (deep,)
    value = {"a": deep, 3: [(1, 2)] * 5000, (1, "b"): {1.5, None, frozenset({2})}, None: "x" * 100_000}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert read_pickle(pickle.dumps({key: deep if key != 3 else value[3] for key in value}, protocol))["a"] == deep


def test_a_name_that_a_terminal_should_not_show():
    with pytest.raises(ValueError, match="no terminal should show"):
        read_pickle(b"cos\n\x1b[2Jsystem\n.")

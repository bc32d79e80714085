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

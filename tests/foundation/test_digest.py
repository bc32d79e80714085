import hashlib

import torch

from recbole_kd.foundation.digest import sha256_of, sha256_of_file, sha256_of_tensors, sha256_of_values


def test_against_hashlib(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 10**6)
    assert sha256_of(b"abc") == hashlib.sha256(b"abc").hexdigest()
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(b"abc" * 10**6).hexdigest()
    assert sha256_of_values([1, "a"]) == hashlib.sha256(b'[1, "a"]').hexdigest()
    assert sha256_of_values({"b": 1, "a": 2}, sort_keys=True) == sha256_of_values({"a": 2, "b": 1}, sort_keys=True)


def test_tensors_by_name_and_value():
    first = sha256_of_tensors({"a": torch.zeros(2), "b": torch.ones(1)})
    assert sha256_of_tensors({"a": torch.zeros(2), "b": torch.ones(1)}) == first
    assert sha256_of_tensors({"a": torch.zeros(2), "c": torch.ones(1)}) != first
    assert sha256_of_tensors({"a": torch.zeros(2), "b": torch.zeros(1)}) != first
    assert sha256_of_tensors({"a": torch.zeros(2, 2).T, "b": torch.ones(1)}) != first

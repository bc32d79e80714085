"""The nearest items against the whole matrix of cosines, and the file that keeps them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kd.data import neighbours
from recbole_kd.data.neighbours import cached_neighbours, nearest_items


def brute_force(features, k):
    """Cosines of all pairs, an item's own and those of the padding and of empty rows left out."""
    found = []
    for i, row in enumerate(features):
        pairs = []
        for j, other in enumerate(features):
            lengths = row.norm() * other.norm()
            if i and j and i != j and lengths > 0:
                pairs.append((float(row @ other / lengths), j))
        found.append(sorted(pairs, reverse=True)[:k])
    return found


@given(st.integers(2, 12), st.integers(1, 14), st.integers(1, 40), st.integers(0, 99), st.booleans())
def test_equals_brute_force(n_items, k, at_once, seed, halved):
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(n_items, 5, generator=random)
    features[torch.randint(n_items, (1,), generator=random)] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_HALVED_FROM", 1 if halved else 100)
        found = nearest_items(features, k, scores_at_once=at_once)
    for items, similarity, expected in zip(*found, brute_force(features, k), strict=True):
        n = len(expected)
        assert items[:n].tolist() == [item for _, item in expected]
        assert similarity[:n].tolist() == pytest.approx([value for value, _ in expected], abs=1e-5)
        assert not items[n:].any()
        assert not similarity[n:].any()


@pytest.mark.parametrize("at_once", [2**25, 300 * 50, 300 * 7])
def test_each_product_computed_once_finds_the_same(at_once):
    features = torch.randn(300, 256, generator=torch.Generator().manual_seed(1))
    features[[5, 299]] = 0
    unit = torch.nn.functional.normalize(features, dim=1)
    cosines = unit @ unit.T
    for hidden in (0, 5, 299):
        cosines[:, hidden] = -torch.inf
    expected = cosines.fill_diagonal_(-torch.inf).topk(7)
    found = nearest_items(features, 7, scores_at_once=at_once)
    known = features.any(dim=1) & (torch.arange(300) > 0)
    assert torch.equal(found.items[known], expected.indices[known])
    torch.testing.assert_close(found.similarity[known], expected.values[known])
    assert not found.items[~known].any()


def test_equal_similarities_go_by_the_lower_id():
    found = nearest_items(torch.ones(40, 3), 4, scores_at_once=160)
    assert found.items[1].tolist() == [2, 3, 4, 5]
    assert found.items[20].tolist() == [1, 2, 3, 4]


@pytest.fixture
def features():
    return torch.randn(20, 4, generator=torch.Generator().manual_seed(0))


def test_is_found_once_and_kept(tmp_path, features, monkeypatch):
    first = cached_neighbours(tmp_path, "a.text", features, 3)
    monkeypatch.setattr(neighbours, "nearest_items", lambda *_: pytest.fail("computed twice"))
    again = cached_neighbours(tmp_path, "a.text", features, 3)
    for mine, theirs in zip(first, again, strict=True):
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)


def test_other_features_or_k_are_other_neighbours(tmp_path, features):
    cached_neighbours(tmp_path, "a.text", features, 3)
    assert cached_neighbours(tmp_path, "a.text", features, 4).items.shape == (20, 4)
    other = features.flip(1) * torch.arange(1, 5)
    torch.testing.assert_close(cached_neighbours(tmp_path, "a.text", other, 3).items, nearest_items(other, 3).items)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "foreign", "range"])
def test_a_damaged_file_is_made_again(tmp_path, features, damage):
    first = cached_neighbours(tmp_path, "a.text", features, 3)
    (path,) = tmp_path.iterdir()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "foreign":
        path.write_bytes(b"no archive")
    else:
        np.savez(path, items=np.full((20, 3), 20, np.int32), similarity=np.zeros((20, 3), np.float32))
    assert torch.equal(cached_neighbours(tmp_path, "a.text", features, 3).items, first.items)


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, features, caplog):
    (tmp_path / "file").write_text("")
    found = cached_neighbours(tmp_path / "file", "a.text", features, 3)
    assert torch.equal(found.items, nearest_items(features, 3).items)
    assert "cannot keep the nearest items" in caplog.text

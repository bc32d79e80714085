"""Reading a cache: three teachers, damage of every kind, caches of something else."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbole_kd.data.identity import identity_of
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.npy import open_array
from recbole_kd.ops.pair_scores import pair_scores
from recbole_kd.scoring.cache import TeacherCache
from tests.scoring.contract import CacheContract, brute_force
from tests.scoring.made_up import IDENTITY, dense, factors, make
from tests.scoring.made_up import positives as positives_of


class TestBPR(CacheContract):
    model, factorised = "BPR", True


class TestLightGCN(CacheContract):
    model, factorised = "LightGCN", True

    def test_embeddings_are_the_files_themselves(self, made):
        cache = self.cache(made)
        for mine, theirs in zip(cache.embeddings(), made.model.eval().embeddings(), strict=True):
            assert torch.equal(mine, theirs)
        assert cache.embeddings()[0].data_ptr() == cache.embeddings()[0].data_ptr()
        with torch.no_grad():
            cache.embeddings()[0].add_(1)  # a reader's own copy
        TeacherCache.open("cache")

    def test_embeddings_in_half_precision(self, made):
        users, items = self.cache(made, dtype="float16").embeddings()
        assert (users.dtype, users.shape[1]) == (torch.float32, items.shape[1])
        assert torch.equal(users, made.model.eval().embeddings()[0].half().float())


class TestNeuMF(CacheContract):
    model, factorised = "NeuMF", False

    def test_it_has_no_embeddings(self, made):
        with pytest.raises(UserError, match="has scores, no embeddings"):
            self.cache(made).embeddings()


@pytest.fixture(params=["factors", "scores"])
def folder(request, tmp_path) -> Path:
    make(tmp_path / "cache", factors() if request.param == "factors" else dense())
    return tmp_path / "cache"


def edit(folder: Path, **values) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


class TestDamage:
    def test_no_folder_and_no_manifest(self, folder):
        with pytest.raises(UserError, match="there is no folder"):
            TeacherCache.open(folder / "none")
        (folder / "manifest.json").unlink()
        with pytest.raises(UserError, match=r"is unfinished: run the same command again$"):
            TeacherCache.open(folder)

    def test_a_flipped_byte_anywhere_is_found_and_its_file_named(self, folder):
        names = [path for path in sorted(folder.iterdir()) if path.suffix == ".npy"]
        assert len(names) > 3
        for path in names:
            whole = path.read_bytes()
            for place in (0, 8, 20, 70, 128, len(whole) // 2, len(whole) - 1):
                damaged = bytearray(whole)
                damaged[place] ^= 1
                path.write_bytes(damaged)
                with pytest.raises(UserError, match=rf"{path.name} has changed since it was written"):
                    TeacherCache.open(folder)
            path.write_bytes(whole)
        TeacherCache.open(folder)

    @pytest.mark.parametrize("verify", [True, False])
    def test_a_file_cut_short_too_long_or_missing(self, folder, verify):
        for path in sorted(folder.glob("*.npy")):
            whole = path.read_bytes()
            for content, what in ((whole[:-1], "is cut short"), (b"", "is cut short"), (whole + b"\0", "is too long")):
                path.write_bytes(content)
                with pytest.raises(UserError, match=f"{path.name} {what}"):
                    TeacherCache.open(folder, verify)
            path.unlink()
            with pytest.raises(UserError, match=f"lacks its file {path.name}"):
                TeacherCache.open(folder, verify)
            path.write_bytes(whole)

    def test_another_array_of_the_same_size(self, folder):
        path = folder / "topk-00000.npy"
        array = np.load(path)
        for other in (array.T.copy(), array.astype(np.float32), array.astype(">i4"), np.asfortranarray(array)):
            np.save(path, other)
            with pytest.raises(UserError, match=r"topk-00000\.npy (holds|is no \.npy array)"):
                TeacherCache.open(folder, verify=False)
        size = path.stat().st_size
        with path.open("wb") as stream:
            np.save(stream, np.array([None]), allow_pickle=True)
            stream.write(b"\0" * (size - stream.tell()))
        with pytest.raises(UserError, match=r"topk-00000\.npy is no \.npy array"):
            TeacherCache.open(folder, verify=False)

    def test_a_manifest_of_another_format(self, folder):
        edit(folder, format=2)
        with pytest.raises(UserError, match="is of format version 2 and this release reads 1"):
            TeacherCache.open(folder)

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"null"])
    def test_a_manifest_that_is_no_object(self, folder, content):
        (folder / "manifest.json").write_bytes(content)
        with pytest.raises(UserError, match=r"manifest\.json (is not readable as JSON|holds a JSON)"):
            TeacherCache.open(folder)

    @pytest.mark.parametrize(
        ("part", "change"),
        [("identity", {"seed": 12345}), ("record", {"model": "Other"}), ("mask_train_positives", None)],
    )
    def test_a_changed_value_is_found(self, folder, part, change):
        path = folder / "manifest.json"
        values = json.loads(path.read_text())
        values[part] = not values[part] if change is None else {**values[part], **change}
        path.write_text(json.dumps(values))
        with pytest.raises(UserError, match=r"manifest\.json has changed since it was written: its checksum differs"):
            TeacherCache.open(folder)
        del values["sha256"]  # as caches of earlier releases
        path.write_text(json.dumps(values))
        TeacherCache.open(folder)

    def test_items_that_there_are_none_of(self, folder):
        name = "topk-00000.npy"
        array = np.load(folder / name)
        array[0, 0] = -1
        np.save(folder / name, array)
        values = json.loads((folder / "manifest.json").read_text())
        del values["sha256"]
        values["files"][name]["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        values["files"][name]["bytes"] = (folder / name).stat().st_size
        (folder / "manifest.json").write_text(json.dumps(values))
        with pytest.raises(UserError, match="holds items that there are none of"):
            TeacherCache.open(folder)

    def test_every_key_is_needed_and_of_its_type(self, folder):
        path = folder / "manifest.json"
        values = json.loads(path.read_text())
        for key in values.keys() - {"format", "sha256"}:
            path.write_text(json.dumps({name: value for name, value in values.items() if name != key}))
            with pytest.raises(UserError, match=f"lacks the key '{key}'"):
                TeacherCache.open(folder)
            path.write_text(json.dumps({**values, key: None}))
            with pytest.raises(UserError, match=f"'{key}' is a NoneType"):
                TeacherCache.open(folder)

    @pytest.mark.parametrize(
        "values",
        [
            {"n_users": 0},
            {"n_items": -1},
            {"topk": 10**30},
            {"n_users": 2**31 - 1, "shard_users": 1},
            {"n_users": True},
            {"kind": "both"},
            {"dtype": "object"},
            {"shard_users": 7},
            {"topk": 4},
            {"n_items": 12},
            {"files": {}},
        ],
    )
    def test_values_that_do_not_fit(self, folder, values):
        edit(folder, **values)
        with pytest.raises(UserError, match=r"manifest\.json"):
            TeacherCache.open(folder)

    def test_no_name_leads_out_of_the_folder(self, folder, tmp_path):
        files = json.loads((folder / "manifest.json").read_text())["files"]
        for name in ("../topk-00000.npy", str(tmp_path / "topk-00000.npy"), "a/../topk-00000.npy"):
            moved = {name if key == "topk-00000.npy" else key: entry for key, entry in files.items()}
            edit(folder, files=moved)
            with pytest.raises(UserError, match="does not belong to such a cache"):
                TeacherCache.open(folder)

    @pytest.mark.parametrize(
        "changed", [{"sha256": 1}, {"bytes": True}, {"shape": "12"}, {"shape": [1.5]}, {"dtype": None}, {"more": 1}]
    )
    def test_entries_of_wrong_types(self, folder, changed):
        files = json.loads((folder / "manifest.json").read_text())["files"]
        edit(folder, files={**files, "topk-00000.npy": {**files["topk-00000.npy"], **changed}})
        with pytest.raises(UserError, match=r"the entry of 'topk-00000.npy'"):
            TeacherCache.open(folder)


class TestIdentity:
    @pytest.mark.parametrize(
        ("changed", "sentence"),
        [
            ({"version": "2"}, "with the version 1, and this run has 2; build it again"),
            ({"dataset": "b"}, "with the data set a, and this run has b; build it again"),
            ({"users": "f00"}, r"for other users, or .* \(u there, f00 here\); build it again"),
            ({"items": "f00"}, r"for other items, or .* \(i there, f00 here\); build it again"),
            ({"train": "f00", "seed": 5}, r"from other training .*\(its seed is 3 and this run's 5; .*; set that seed"),
            ({"teacher": "NGCF"}, "with the teacher BPR, and this run has NGCF; build it again"),
        ],
    )
    def test_a_cache_of_something_else(self, folder, changed, sentence):
        with pytest.raises(UserError, match=rf"^the teacher cache {folder} was made {sentence}"):
            TeacherCache.open(folder).check({**IDENTITY, **changed})

    def test_what_does_not_matter(self, folder):
        given = {key: value for key, value in IDENTITY.items() if key != "teacher"}
        TeacherCache.open(folder).check({**given, "seed": 9, "config": {"epochs": 1}, "checkpoint": "f00"})

    def made_up(self, users=("[PAD]", "a", "b"), items=("[PAD]", "x", "y"), pairs=((1, 1), (2, 1), (2, 2))):
        columns = torch.tensor(pairs).T
        tokens = {"u": np.array(users), "i": np.array(items)}
        feature = {"u": columns[0], "i": columns[1]}
        sizes = {"user_num": len(users), "item_num": len(items)}
        return SimpleNamespace(uid_field="u", iid_field="i", field2id_token=tokens, inter_feat=feature, **sizes)

    def test_digests_follow_tokens_and_pairs_but_not_the_order_of_pairs(self):
        def of(**values):
            return identity_of(self.made_up(**values), "a", 3)

        first = of()
        assert list(first) == ["version", "dataset", "seed", "users", "items", "train"]
        assert of(pairs=((2, 2), (1, 1), (2, 1))) == first
        for changed, key in (
            ({"users": ("[PAD]", "b", "a")}, "users"),
            ({"items": ("[PAD]", "x", "z")}, "items"),
            ({"pairs": ((1, 1), (2, 1), (1, 2))}, "train"),
            ({"pairs": ((1, 1), (2, 1), (2, 2), (2, 2))}, "train"),
        ):
            assert {name for name, value in of(**changed).items() if value != first[name]} == {key}


class TestMemory:
    def test_arrays_are_mapped_and_not_read(self, folder):
        cache = TeacherCache.open(folder)
        assert all(isinstance(array, np.memmap) for array in [*cache._best, *cache._scores])
        if cache.factorised:
            assert cache.embeddings()[0].data_ptr() == cache._factors.users.data_ptr()
            assert isinstance(open_array(folder / "users.npy"), np.memmap)

    def test_no_more_than_a_piece_of_the_rows_is_gathered_at_once(self, monkeypatch):
        sizes = []
        embedding = torch.nn.functional.embedding
        monkeypatch.setattr(
            "recbole_kd.ops.pair_scores.F.embedding", lambda *args: sizes.append(args[0].numel()) or embedding(*args)
        )
        of_users, of_items = torch.randn(9, 64), torch.randn(11, 64)
        pair_scores(of_users, of_items, torch.randint(9, (500,)), torch.randint(11, (500, 100)))
        assert max(sizes) * 64 <= 2**18


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**16),
    sizes=st.tuples(st.integers(1, 9), st.integers(2, 12), st.integers(1, 5)),
    topk=st.integers(1, 14),
    shard=st.integers(1, 10),
    dtype=st.sampled_from(["float16", "float32"]),
    coarse=st.booleans(),
    kind=st.sampled_from([factors, dense]),
    masked=st.booleans(),
)
def test_any_factors(tmp_path_factory, seed, sizes, topk, shard, dtype, coarse, kind, masked):
    """Scores are those of the stored values, and the best items those of a plain sort, ties and all."""
    scorer = kind(*sizes, seed=seed, coarse=coarse)
    cache = make(
        tmp_path_factory.mktemp("any") / "cache",
        scorer,
        topk=topk,
        shard_users=shard,
        dtype=dtype,
        mask_train_positives=masked,
        block_scores=20,
    )
    n_users, n_items = sizes[:2]
    users = torch.arange(n_users)
    scores = cache.score(users, torch.arange(n_items).expand(n_users, -1))
    torch.testing.assert_close(scores, scorer.score_all(users), rtol=1e-2, atol=1e-1 if dtype == "float16" else 1e-4)
    k = min(topk, n_items - 1)
    positives = positives_of(n_users, n_items) if masked else None
    items, best = cache.topk(users, k)
    assert items.tolist() == brute_force(scores, positives, k)
    assert torch.equal(best, scores.gather(1, items).masked_fill(items == 0, -torch.inf))
    one_by_one = [cache.score(users[u : u + 1], torch.tensor([[i]])) for u in users for i in range(n_items)]
    assert torch.equal(torch.cat(one_by_one).view(n_users, n_items), scores)

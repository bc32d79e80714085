from __future__ import annotations

import copy
import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.dataset import Dataset
from recbole.utils import init_seed

from recbole_kd.data.convert import convert
from recbole_kd.data.dataset import MultiModalDataset
from recbole_kd.foundation.errors import UserError
from recbole_kd.registry import make_config

ITEMS = ["i7", "i3", "i5", "i1"]


@pytest.fixture
def folder(tmp_path):
    """Four items in the interactions; five in the features, in another order."""
    folder = tmp_path / "toy"
    folder.mkdir()
    # nobody has all four: RecBole could draw no negatives
    rows = [f"u{user}\t{ITEMS[(user + step) % 4]}" for user in range(8) for step in range(3)]
    (folder / "toy.inter").write_text("\n".join(["user_id:token\titem_id:token", *rows]) + "\n")
    (folder / "toy.item_ids").write_text("i1\ni3\ni5\ni7\nunseen\n")
    np.save(folder / "toy.text.npy", np.array([[1, 10, 0], [3, 30, 1], [5, 50, 1], [7, 70, 0], [9e9, 0, 0]]))
    np.save(folder / "toy.image.npy", np.arange(1, 11, dtype=np.float16).reshape(5, 2))
    return folder


def make(folder: Path, cls: type[Dataset] = MultiModalDataset, name: str = "toy", **values) -> MultiModalDataset:
    values = {"data_path": str(folder.parent), "load_col": {"inter": ["user_id", "item_id"]}, **values}
    return cls(make_config(model="BPR", dataset=name, config_dict=values))


class TestFeatures:
    def test_rows_are_internal_ids(self, folder):
        dataset = make(folder, feature_norm="none")
        text = dataset.features("text")
        assert text.dtype == torch.float32
        assert text.shape == (dataset.item_num, 3)
        assert not text[0].any()
        for item in ITEMS:
            assert text[dataset.token2id("item_id", item), 0] == int(item[1:])

    def test_items_known_only_from_features_are_no_candidates(self, folder):
        dataset = make(folder)
        assert dataset.item_num == 5
        # nor do they enter the statistics
        torch.testing.assert_close(dataset.features("text")[1:].mean(0), torch.zeros(3))

    def test_names_and_order(self, folder):
        assert make(folder).modalities == ("image", "text")
        assert make(folder, modalities=["text", "image"]).modalities == ("text", "image")
        assert make(folder, modalities=["text"]).modalities == ("text",)
        assert make(folder, modalities=[]).modalities == ()

    def test_a_misspelt_name_fails_when_the_data_set_is_made(self, folder):
        with pytest.raises(UserError, match=r"'txet'.*found there: image, text.*did you mean text"):
            make(folder, modalities=["txet"])
        with pytest.raises(UserError, match=r"'texts'.*did you mean text"):
            make(folder).features("texts")

    def test_no_modality_at_all(self, folder):
        for path in folder.glob("*.npy"):
            path.unlink()
        (folder / "toy.item_ids").unlink()
        dataset = make(folder)
        assert dataset.modalities == ()
        with pytest.raises(UserError, match="found there: none"):
            make(folder, modalities=["text"])

    def test_broken_files_of_unused_modalities_do_not_matter(self, folder):
        (folder / "toy.image.npy").write_bytes(b"")
        dataset = make(folder, modalities=["text"])
        assert dataset.features("text").shape == (5, 3)
        with pytest.raises(UserError, match=r"image.*empty"):
            make(folder).features("image")

    def test_another_folder(self, folder, tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        (folder / "toy.text.npy").rename(other / "toy.text.npy")
        (folder / "toy.item_ids").rename(other / "toy.item_ids")
        assert make(folder, features_path=str(other)).modalities == ("text",)
        with pytest.raises(UserError, match="features_path"):
            make(folder, features_path=str(tmp_path / "absent"))

    def test_policies_reach_the_loader(self, folder, caplog):
        (folder / "toy.item_ids").write_text("i1\ni3\nother\ni7\nunseen\n")
        with pytest.raises(UserError, match=r"1 of 4 items have no row.*'i5'"):
            make(folder).features("text")
        dataset = make(folder, missing_features="mean", feature_norm="none")
        with caplog.at_level(logging.WARNING):
            row = dataset.features("text")[dataset.token2id("item_id", "i5")]
        torch.testing.assert_close(row, torch.tensor([11 / 3, 110 / 3, 1 / 3]))
        assert "1 items have no features" in caplog.text

    def test_a_modality_with_item_ids_of_its_own(self, folder):
        np.save(folder / "toy.image.npy", np.array([[7.0], [5], [3], [1], [9]]))
        (folder / "toy.image.item_ids").write_text("i7\ni5\ni3\ni1\nother\n")
        dataset = make(folder, feature_norm="none")
        for modality in ("text", "image"):
            for item in ITEMS:
                assert dataset.features(modality)[dataset.token2id("item_id", item), 0] == int(item[1:])
        assert dataset.coverage("image") == (1, 4, 1)
        np.save(folder / "toy.image.npy", np.array([[7.0], [5]]))
        with pytest.raises(UserError, match=r"2 rows but .*toy\.image\.item_ids has 5 lines"):
            make(folder).features("image")

    @pytest.mark.parametrize("linked", [False, True])
    def test_item_ids_of_its_own_that_are_gone(self, folder, linked):
        """Those of the other modalities are as many, and of other rows."""
        np.save(folder / "toy.image.npy", np.array([[7.0], [5], [3], [1], [9]]))
        record = folder / ("kept.json" if linked else "toy.image.json")
        made = {"encoder": {"name": "e", "weights_sha256": "w"}, "settings": {"size": 8}, "source": {"folder": "f"}}
        record.write_text(json.dumps(made))
        if linked:
            (folder / "toy.image.json").symlink_to(record)
        for question in ("features", "coverage"):
            with pytest.raises(UserError, match=r"toy\.image\.item_ids is gone, which recbole-kd features wrote"):
                getattr(make(folder), question)("image")
        (folder / "toy.image.json").write_text('{"captions": "of somebody else"}')
        assert make(folder).coverage("image")[0] == 1
        (folder / "toy.image.item_ids").symlink_to(folder / "gone")
        with pytest.raises(UserError, match=r"toy\.image\.item_ids is a link that leads nowhere"):
            make(folder).features("image")

    @pytest.mark.parametrize("key", ["missing_features", "feature_norm"])
    def test_a_wrong_policy(self, folder, key):
        with pytest.raises(UserError, match=key):
            make(folder, **{key: "nonsense"})

    def test_one_tensor_for_all_splits(self, folder):
        dataset = make(folder)
        splits = dataset.build()
        # first used by a split, then by the whole
        assert splits[2].features("text") is splits[0].features("text") is dataset.features("text")
        assert splits[1].modalities == dataset.modalities

    def test_loaders_pass_features_on(self, folder):
        dataset = make(folder)
        train, _, _ = data_preparation(dataset.config, dataset)
        assert train.dataset.features("text") is dataset.features("text")

    def test_a_saved_data_set_reads_its_files_again(self, folder):
        dataset = make(folder, feature_norm="none")
        before = dataset.features("text").clone()
        saved = pickle.dumps(dataset)
        np.save(folder / "toy.text.npy", np.load(folder / "toy.text.npy") + 1)
        torch.testing.assert_close(pickle.loads(saved).features("text")[1:], before[1:] + 1)
        torch.testing.assert_close(dataset.features("text"), before)
        assert copy.copy(dataset).features("text") is dataset.features("text")


SPLIT = {"eval_args": {"split": {"RS": [0.4, 0.3, 0.3]}, "group_by": "user", "order": "RO", "mode": "full"}}


class TestRecBolesOwn:
    def test_the_split_is_recboles_and_made_once(self, folder):
        init_seed(3, True)
        theirs = make(folder, Dataset, **SPLIT).build()
        after = torch.rand(1)
        init_seed(3, True)
        dataset = make(folder, **SPLIT)
        ours = dataset.build()
        assert torch.rand(1) == after
        assert [len(split) for split in ours] == [8, 8, 8]
        for a, b in zip(ours, theirs, strict=True):
            for field in ("user_id", "item_id"):
                assert torch.equal(a.inter_feat[field], b.inter_feat[field])
        state = torch.get_rng_state()
        again = dataset.build()
        assert torch.equal(torch.get_rng_state(), state)
        assert all(a is b for a, b in zip(ours, again, strict=True))

    def test_several_stages_share_one_split(self, folder):
        dataset = make(folder, **SPLIT)
        first, second = (data_preparation(dataset.config, dataset) for _ in range(2))
        assert all(a.dataset is b.dataset for a, b in zip(first, second, strict=True))

    def test_ml100k_with_all_its_fields(self):
        values = {"load_col": None, "eval_args": {"split": {"RS": [8, 1, 1]}, "order": "TO", "mode": "full"}}
        config = make_config(model="BPR", dataset="ml-100k", config_dict=values)
        theirs, ours = Dataset(config), MultiModalDataset(config)
        for feat in ("inter_feat", "user_feat", "item_feat"):
            a, b = getattr(ours, feat), getattr(theirs, feat)
            assert list(a.columns) == list(b.columns)
            assert (a.dtypes == b.dtypes).all()
        for a, b in zip(ours.build(), theirs.build(), strict=True):
            for feat in ("inter_feat", "user_feat", "item_feat"):
                for field, value in getattr(b, feat).interaction.items():
                    assert torch.equal(getattr(a, feat).interaction[field], value), field

    def test_missing_floats_get_the_mean_and_missing_tokens_the_padding(self, folder):
        (folder / "toy.item").write_text("item_id:token\tprice:float\tkind:token\ni7\t2\tx\ni3\t4\t\n")
        values = {"load_col": None, "filter_inter_by_user_or_item": False, "normalize_all": False}
        dataset = make(folder, **values)
        feat = dataset.item_feat.set_index("item_id")
        assert feat.loc[dataset.token2id("item_id", "i1"), "price"] == 3
        assert feat.loc[dataset.token2id("item_id", "i1"), "kind"] == 0


class TestPreloadWeight:
    """RecBole's own route: an atomic file of vectors, named by ``additional_feat_suffix``."""

    def values(self, id_field: str = "feat_item", **more) -> dict:
        return {
            "additional_feat_suffix": ["emb"],
            "load_col": {"inter": ["user_id", "item_id"], "emb": [id_field, "vector"]},
            "preload_weight": {id_field: "vector"},
            "normalize_all": False,
            "feature_norm": "none",
            **more,
        }

    def write(self, folder: Path, *rows: str, id_field: str = "feat_item", kind: str = "float_seq") -> None:
        lines = [f"{id_field}:token\tvector:{kind}", *rows]
        (folder / "toy.emb").write_text("\n".join(lines) + "\n")

    def test_a_separate_field_adds_no_items(self, folder):
        self.write(folder, "i1\t1 10", "unseen\t8 80", "i3\t3 30", "i5\t5 50", "i7\t7 70")
        dataset = make(folder, **self.values())
        assert dataset.item_num == 5
        assert dataset.modalities == ("image", "text", "vector")
        vector = dataset.features("vector")
        assert vector.shape == (5, 2)
        assert not vector[0].any()
        for item in ITEMS:
            assert vector[dataset.token2id("item_id", item)].tolist() == [int(item[1:]), 10 * int(item[1:])]

    def test_an_alias_of_the_item_id(self, folder):
        self.write(folder, "i1\t1 10", "i3\t3 30", "i5\t5 50", "i7\t7 70")
        dataset = make(folder, **self.values(alias_of_item_id=["feat_item"]), modalities=["vector"])
        vector = dataset.features("vector")
        for item in ITEMS:
            assert vector[dataset.token2id("item_id", item), 0] == int(item[1:])

    def test_a_single_float(self, folder):
        self.write(folder, "i1\t1", "i3\t3", "i5\t5", "i7\t7", kind="float")
        dataset = make(folder, **self.values(), modalities=["vector"])
        assert dataset.features("vector").shape == (5, 1)
        assert dataset.features("vector")[dataset.token2id("item_id", "i5"), 0] == 5

    @pytest.mark.parametrize("alias", [None, ["feat_item"]])
    def test_missing_items(self, folder, alias):
        self.write(folder, "i1\t1 10", "i3\t3 30", "i7\t7 70")
        values = self.values(alias_of_item_id=alias, modalities=["vector"])
        with pytest.raises(UserError, match=r"1 of 4 items have no row in field 'vector' of preload_weight.*'i5'"):
            make(folder, **values).features("vector")
        dataset = make(folder, **values, missing_features="mean")
        row = dataset.features("vector")[dataset.token2id("item_id", "i5")]
        torch.testing.assert_close(row, torch.tensor([11 / 3, 110 / 3]))

    def test_nan(self, folder):
        self.write(folder, "i1\t1 10", "i3\tnan 30", "i5\t5 50", "i7\t7 70")
        with pytest.raises(UserError, match=r"line 3: vector is 'nan 30', whose numbers are not all finite"):
            make(folder, **self.values()).features("vector")

    def test_standardised_like_files(self, folder):
        self.write(folder, "i1\t1 10", "i3\t3 30", "i5\t5 50", "i7\t7 70")
        dataset = make(folder, **{**self.values(), "feature_norm": "standardise"})
        torch.testing.assert_close(dataset.features("vector"), dataset.features("text")[:, :2])

    def test_vectors_of_users_are_no_item_features(self, folder):
        self.write(folder, "u1\t1 2", "u2\t3 4", id_field="feat_user")
        dataset = make(folder, **self.values("feat_user", alias_of_user_id=["feat_user"]))
        assert dataset.modalities == ("image", "text")
        self.write(folder, "other\t1 2", id_field="feat_other")
        assert make(folder, **self.values("feat_other")).modalities == ("image", "text")

    def test_the_name_of_a_file_too(self, folder):
        self.write(folder, "i1\t1 10")
        np.save(folder / "toy.vector.npy", np.ones((5, 2)))
        with pytest.raises(UserError, match=r"'vector' comes from .*and from preload_weight"):
            _ = make(folder, **self.values()).modalities


class TestWholeDoor:
    def test_ml100k_makes_its_features_beside_the_caller(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        dataset = MultiModalDataset(make_config(model="BPR", dataset="ml-100k"))
        assert not list(tmp_path.iterdir())
        assert dataset.modalities == ("genre", "text")
        assert dataset.features("text").shape == (1683, 64)
        assert (tmp_path / "dataset" / "ml-100k" / "ml-100k.text.npy").is_file()
        elsewhere = make_config(model="BPR", dataset="ml-100k", config_dict={"features_path": "else/where"})
        assert MultiModalDataset(elsewhere).features("genre").shape[0] == 1683
        assert (tmp_path / "else" / "where" / "ml-100k.genre.npy").is_file()

    @pytest.mark.parametrize(
        ("layout", "name", "sizes", "modalities"),
        [
            ("promptmm", "tiktok", (9308, 6710, [59541, 3051, 6130]), {"audio": 128, "image": 128}),
            ("mmrec", "lfm2k", (1858, 1425, [44327, 4799, 7219]), {"audio": 128, "speech": 512, "text": 384}),
        ],
    )
    def test_converted_data_just_work(self, shared_data, tmp_path, layout, name, sizes, modalities):
        convert(layout, shared_data / name, name, tmp_path)
        dataset = MultiModalDataset(make_config(model="BPR", dataset=name, config_dict={"data_path": str(tmp_path)}))
        counts = (dataset.user_num - 1, dataset.item_num - 1, [len(split) for split in dataset.build()])
        assert counts == sizes
        assert dataset.modalities == tuple(modalities)
        for modality, columns in modalities.items():
            features = dataset.features(modality)
            assert features.shape == (sizes[1] + 1, columns)
            torch.testing.assert_close(features[1:].std(0, correction=0), torch.ones(columns))
        raw = np.load(next((shared_data / name).glob("audio_feat.npy"))).astype(np.float64)
        token = int(dataset.id2token("item_id", 17))
        expected = torch.from_numpy((raw[token] - raw.mean(0)) / raw.std(0)).float()
        torch.testing.assert_close(dataset.features("audio")[17], expected, atol=1e-4, rtol=1e-3)

"""Writing a cache: killed at any moment, from several ranks, into the wrong folder, from broken scores."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_kd.foundation.errors import UserError
from recbole_kd.scoring import build
from recbole_kd.scoring.build import build_cache
from recbole_kd.scoring.cache import TeacherCache
from recbole_kd.scoring.model_scores import ModelScores
from recbole_kd.scoring.ranking import Block
from tests.processes import python
from tests.scoring.made_up import IDENTITY, dense, factors, make, positives, rows_of

KINDS = pytest.mark.parametrize("kind", [factors, dense])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Stop(Exception):
    pass


class TestResume:
    @KINDS
    def test_an_exception_at_any_block(self, tmp_path, monkeypatch, kind):
        """Twenty users are three shards of 3, 3 and 2 blocks."""
        make(tmp_path / "whole", kind())
        choose, calls = Block.best_alone, []
        for last in range(8):
            folder = tmp_path / f"cut{last}"

            def failing(*args, last=last):
                calls.append(1)
                if len(calls) > last:
                    raise Stop
                return choose(*args)

            del calls[:]
            with monkeypatch.context() as patch:
                patch.setattr(Block, "best_alone", failing)
                with pytest.raises(Stop):
                    make(folder, kind())
            with pytest.raises(UserError, match="is unfinished: run the same command again"):
                TeacherCache.open(folder)
            del calls[:]
            with monkeypatch.context() as patch:
                patch.setattr(Block, "best_alone", lambda *args: calls.append(1) or choose(*args))
                make(folder, kind())
            assert len(calls) == 8 - last // 3 * 3  # finished shards are kept
            assert content(folder) == content(tmp_path / "whole")

    @KINDS
    def test_a_failure_at_any_rename(self, tmp_path, monkeypatch, kind):
        make(tmp_path / "whole", kind())
        replace, left = os.replace, [0]

        def failing(*args):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")
            replace(*args)

        monkeypatch.setattr(os, "replace", failing)
        for done in range(len(content(tmp_path / "whole")) + 1):
            folder, left[0] = tmp_path / f"cut{done}", done
            with pytest.raises(UserError, match=r"cannot write .*: [Nn]o space left on device"):
                make(folder, kind())
            left[0] = 99
            make(folder, kind())
            assert content(folder) == content(tmp_path / "whole")

    def test_a_real_kill_in_the_middle_of_a_file(self, tmp_path):
        code = """
import os, signal, sys
from tests.scoring.made_up import MadeUp, dense, make
score = MadeUp.full_sort_predict
def killed(self, interaction):
    if len(self.asked) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return score(self, interaction)
MadeUp.full_sort_predict = killed
make(sys.argv[1], dense())
"""
        assert python("-c", code, tmp_path / "cut").returncode == -signal.SIGKILL
        left = sorted(content(tmp_path / "cut"))
        assert left[0].startswith(".scores-00001.npy.")
        assert left[1:] == ["building.json", "scores-00000.npy", "topk-00000.npy"]
        scorer = dense()
        make(tmp_path / "cut", scorer)
        assert sum(scorer.model.asked) == 12
        make(tmp_path / "whole", dense())
        assert content(tmp_path / "cut") == content(tmp_path / "whole")

    def test_a_kill_before_or_after_the_marker(self, tmp_path):
        folder = tmp_path / "cache"
        folder.mkdir()
        (folder / ".building.json.0123abcd.part").write_text("{")
        make(folder, factors())
        whole = content(folder)
        (folder / "building.json").write_text("{}")
        make(folder, factors())
        assert content(folder) == whole

    @KINDS
    def test_a_finished_cache_is_only_opened(self, tmp_path, kind):
        first = make(tmp_path / "cache", kind())
        before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
        scorer = kind()
        assert make(tmp_path / "cache", scorer, identity={**IDENTITY, "config": {}}).digest == first.digest
        assert scorer.model.asked == []
        assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}

    @pytest.mark.parametrize(
        ("values", "what"),
        [
            ({"topk": 6}, "its topk is 5 and not 6"),
            ({"dtype": "float16"}, "its dtype is float32 and not float16"),
            ({"mask_train_positives": False}, "its mask_train_positives is True and not False"),
            ({"shard_users": 9}, "its shard_users is 8 and not 9"),
            ({"identity": {**IDENTITY, "dataset": "b"}}, "its dataset is a and not b"),
            ({"identity": {**IDENTITY, "checkpoint": "f" * 64}}, "its checkpoint differs"),
            ({"identity": {**IDENTITY, "more": 1}}, "its more is None and not 1"),
        ],
    )
    def test_a_folder_of_something_else(self, tmp_path, values, what):
        make(tmp_path / "done", factors())
        make(tmp_path / "cut", factors())
        (tmp_path / "cut" / "manifest.json").unlink()
        marked = {**build.asdict(build.read_manifest(tmp_path / "done").layout), "identity": build.decisive(IDENTITY)}
        build.write_json(tmp_path / "cut" / "building.json", marked)
        for folder, held in (("done", "a teacher cache"), ("cut", "an unfinished cache")):
            before = content(tmp_path / folder)
            sentence = f"{folder} holds {held} of something else: {what}; delete it or give another --cache_dir$"
            with pytest.raises(UserError, match=sentence):
                make(tmp_path / folder, factors(), **values)
            assert content(tmp_path / folder) == before
        make(tmp_path / "cut", factors())
        assert content(tmp_path / "cut") == content(tmp_path / "done")

    def test_a_marker_that_cannot_be_read(self, tmp_path):
        for text in ("", "[]", "{}", '{"identity": 3}'):
            (tmp_path / "building.json").write_text(text)
            with pytest.raises(UserError, match=r"is not readable|holds a JSON|holds an unfinished cache of something"):
                make(tmp_path, factors())


class TestFolder:
    def test_other_files_are_left_alone(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("years")
        with pytest.raises(UserError, match=r"holds other files \(thesis\.tex\); give a new or empty folder"):
            make(tmp_path, factors())
        assert content(tmp_path) == {"thesis.tex": b"years"}

    def test_a_file_in_its_place(self, tmp_path):
        (tmp_path / "cache").write_text("")
        with pytest.raises(UserError, match="cache is a file; give a folder as --cache_dir"):
            make(tmp_path / "cache", factors())
        with pytest.raises(UserError, match=r"cannot write the teacher cache .*: Not a directory"):
            make(tmp_path / "cache" / "below", factors())


class TestValues:
    @pytest.mark.parametrize("dtype", ["float16", "float32"])
    @pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity")])
    @KINDS
    def test_what_is_no_number(self, tmp_path, kind, value, what, dtype):
        scorer = kind()
        scorer.model.items[5, 0] = value
        with pytest.raises(UserError, match=f"the (scores|item embeddings) of the teacher hold {what}; train it again"):
            make(tmp_path / "cache", scorer, dtype=dtype)
        assert not (tmp_path / "cache" / "manifest.json").exists()

    @KINDS
    def test_what_float16_cannot_hold(self, tmp_path, kind):
        scorer = kind()
        scorer.model.items[5] = 1e5
        with pytest.raises(UserError, match=r"reach .*e\+05, too much for float16; use --cache_dtype=float32"):
            make(tmp_path / "cache", scorer, dtype="float16")
        make(tmp_path / "other", scorer, dtype="float32")

    def test_dtypes(self, tmp_path):
        for kind, expected in ((factors, "users.npy float32"), (dense, "scores-00000.npy float16")):
            make(tmp_path / kind.__name__, kind())
            name, dtype = expected.split()
            assert np.load(tmp_path / kind.__name__ / name).dtype == dtype
        with pytest.raises(UserError, match="cache_dtype is 'int8'; set it to float16 or float32"):
            make(tmp_path / "cache", factors(), dtype="int8")

    def test_topk(self, tmp_path):
        assert make(tmp_path / "cache", factors(), topk=500).max_topk == 12
        with pytest.raises(UserError, match="cache_topk is 0; set it to at least 1"):
            make(tmp_path / "other", factors(), topk=0)

    def test_arguments_that_only_a_programmer_gives(self, tmp_path):
        with pytest.raises(ValueError, match="items of 3 states, and the model scores for 20"):
            build_cache(tmp_path, factors(), rows_of(positives(3, 4)), {}, {})
        with pytest.raises(ValueError, match="must be positive"):
            make(tmp_path, factors(), shard_users=0)

    @pytest.mark.parametrize("block_scores", [1, 13, 40, 999])
    def test_no_more_scores_at_once_than_allowed(self, tmp_path, block_scores):
        scorer = dense()
        make(tmp_path / "cache", scorer, block_scores=block_scores)
        assert sum(scorer.model.asked) == 20
        assert max(scorer.model.asked) == min(max(block_scores // 13, 1), 8)

    def test_a_progress_bar_on_request(self, tmp_path, capsys):
        make(tmp_path / "quiet", factors())
        assert capsys.readouterr().err == ""
        make(tmp_path / "cache", factors(), show_progress=True)
        assert "20/20" in capsys.readouterr().err


RANKS = """
import sys
import torch
from torch import distributed
from recbole_kd.foundation.errors import UserError
from tests.scoring.made_up import dense, factors, make
distributed.init_process_group("gloo")
for kind in (factors, dense):
    cache = make(f"{sys.argv[1]}/{kind.__name__}", kind(300, 700, 64), topk=20, shard_users=64, block_scores=2**14)
    assert cache.n_users == 300
    cache = make(f"{sys.argv[1]}/{kind.__name__}", kind(300, 700, 64), topk=20, shard_users=64, block_scores=2**14)
    scorer = kind(300, 700, 64)
    scorer.model.users[70] = torch.nan  # of the second shard, which the second rank writes
    try:
        make(f"{sys.argv[1]}/broken", scorer, topk=20, shard_users=64)
    except UserError as error:
        print("refused", error, flush=True)
distributed.destroy_process_group()
"""


def test_two_ranks_write_what_one_process_writes(tmp_path):
    """One thread a rank, as torchrun has it, and as many as there are in this process."""
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    words = ("--nproc-per-node=2", "--master-addr=127.0.0.1", "--master-port=0", "--rdzv-backend=c10d")
    words += ("--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1", script, tmp_path)
    done = python("-m", "torch.distributed.run", *words)
    assert done.returncode == 0, done.stderr
    # the factors were refused by the first rank, and the second case finds that rank's unfinished folder
    assert done.stdout.count("refused") == 4
    for kind in (factors, dense):
        threads = torch.get_num_threads()
        torch.set_num_threads(4)
        make(tmp_path / "alone", kind(300, 700, 64), topk=20, shard_users=64, block_scores=2**14)
        torch.set_num_threads(threads)
        assert content(tmp_path / "alone") == content(tmp_path / kind.__name__)
        (tmp_path / "alone").rename(tmp_path / f"alone_{kind.__name__}")


def test_gradients_are_neither_needed_nor_made(tmp_path):
    model = factors().model
    model.users.requires_grad_()
    make(tmp_path / "cache", ModelScores(model, lambda: (model.users * 2, model.items)))
    assert model.users.grad is None

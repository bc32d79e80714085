"""Users without an id: filtered out, without interactions, or never there; and those a model has learnt nothing of."""

from pathlib import Path

import pytest

from tests.trained_once import join_parts, refused, said, train


def warnings(capsys, *words: str) -> list[str]:
    from recbole_kd.cli import main

    assert main(["recommend", *words]) == 0
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("recbole-kd: warning:")]


class TestFilteredOut:
    @pytest.fixture
    def filtered(self, checkerboard, capsys) -> str:
        join_parts()
        with Path("dataset/board/board.inter").open("a") as stream:
            stream.write("few\ti1\nfew\ti3\n")
        path = train("BPR", benchmark_filename=None, user_inter_num_interval="[5,inf)", rm_dup_inter="first")
        capsys.readouterr()
        return path

    def test_is_not_one_who_never_was(self, filtered, capsys):
        line = refused(capsys, f"--checkpoint={filtered}", "--users=few,zz")
        assert (
            "user 'few' is in the data set with 2 interactions, but user_inter_num_interval=[5,inf) drops them (1 more "
            "is unknown); --skip_unknown=true leaves unknown users out"
        ) in line
        assert "there is no user 'zz' in the data set in /" in refused(capsys, f"--checkpoint={filtered}", "--users=zz")

    def test_skipped(self, filtered, capsys):
        words = [f"--checkpoint={filtered}", "--users=zz,few,u1", "--skip_unknown=true"]
        (line,) = warnings(capsys, *words)
        assert "skipped 2 unknown users, the first is 'zz'; 1 of them was filtered out, as 'few', who is in" in line

    def test_several_filters_that_could_be_it(self, checkerboard, capsys):
        join_parts()
        with Path("dataset/board/board.inter").open("a") as stream:
            stream.write("odd\tlonely\n")
        filters = {"user_inter_num_interval": "[1,inf)", "item_inter_num_interval": "[2,inf)"}
        path = train("BPR", benchmark_filename=None, **filters)
        capsys.readouterr()
        line = refused(capsys, f"--checkpoint={path}", "--users=odd")
        both = "user_inter_num_interval=[1,inf) and item_inter_num_interval=[2,inf)"
        assert f"with 1 interaction, but {both} drop" in line

    def test_a_user_of_the_user_file_alone(self, bpr, capsys):
        Path("dataset/board/board.user").write_text("user_id:token\tage:float\nlonely\t7\n")
        line = refused(capsys, f"--checkpoint={bpr}", "--users=lonely")
        assert "user 'lonely' is in board.user, but has no interactions" in line


class TestWithoutTraining:
    def test_a_user_of_the_test_part(self, checkerboard, capsys):
        with Path("dataset/board/board.test.inter").open("a") as stream:
            stream.write("new\ti4\n")
        path = train("BPR")
        capsys.readouterr()
        (line,) = warnings(capsys, f"--checkpoint={path}", "--users=u1,new")
        assert "1 user has no training interaction" in line
        assert "the first is 'new': the model has learnt nothing of such a user" in line
        assert warnings(capsys, f"--checkpoint={path}", "--users=u1") == []


class TestShortLists:
    def test_they_are_counted(self, bpr, capsys):
        (line,) = warnings(capsys, f"--checkpoint={bpr}", "--users=u1,u2", "--topk=20")
        assert line.endswith(
            "2 lists are shorter than topk=20, the first that of user 'u1', who has 17 items left beside those of "
            "training; --seen=true keeps these"
        )
        assert warnings(capsys, f"--checkpoint={bpr}", "--users=u1", "--topk=17") == []
        assert warnings(capsys, f"--checkpoint={bpr}", "--users=u1", "--topk=20", "--seen=true") == []

    def test_what_would_bring_items_back(self, bpr, capsys):
        words = [f"--checkpoint={bpr}", "--users=u1", "--topk=24", "--hide=all"]
        (line,) = warnings(capsys, *words)
        known = " left beside all that the user is known to have; --hide=training keeps those of validation and test"
        assert line.endswith(known)
        (line,) = warnings(capsys, *words, "--seen=true")
        assert line.endswith(
            " left beside those of validation and test; --hide=training keeps those of validation and test"
        )

    def test_items_that_no_list_holds(self, checkerboard, capsys):
        path = train("BPR", split="cold_items=0.25")
        capsys.readouterr()
        (line,) = warnings(capsys, f"--checkpoint={path}", "--users=u1", "--topk=24", "--seen=true")
        assert line.endswith("who has 18 items left; --untrained=true ranks items without a training interaction too")


class TestFilesOfUsers:
    @pytest.mark.parametrize(
        "content",
        [
            b"u3\nu1\n",
            "\ufeffu3\r\nu1".encode(),
            "u3\nu1\n".encode("utf-16"),
            b"user_id:token\nu3\nu1\n",
            b"user_id\nu3\nu1\n",
            b"age:float\tuser_id:token\n7\tu3\n8\tu1\n9\tu3\n",
            b'user,rank,item,score\nu3,1,i1,0.5\nu3,2,i2,0.4\n"u1",1,i1,0.5\n',
            b'{"user": "u3", "items": []}\n{"user": "u1", "items": []}\n',
        ],
    )
    def test_forms(self, bpr, capsys, content):
        Path("users").write_bytes(content)
        expected = said(capsys, f"--checkpoint={bpr}", "--users=u3,u1", "--format=csv", "--topk=2")
        assert said(capsys, f"--checkpoint={bpr}", "--users=@users", "--format=csv", "--topk=2") == expected

    def test_not_utf_8(self, bpr, capsys):
        Path("users").write_bytes("ü1".encode("latin-1"))
        assert "is no UTF-8 text; save it as such" in refused(capsys, f"--checkpoint={bpr}", "--users=@users")

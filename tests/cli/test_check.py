"""``recbole-kd check``: what it prints of good data, and what it says of bad."""

import json

import pytest

from recbole_kd.cli import main


def test_it_prints_what_a_run_would_train_on(checkerboard, capsys):
    assert main(["check", "board"]) == 0
    printed = capsys.readouterr().out
    for line in ("users         40", "items         24", "480 (density 50.0000%)", "modality noise: 70 wide, 24 of 24"):
        assert line in printed
    assert "9 to 16        40 ####" in printed


def test_json_holds_the_same(checkerboard, capsys):
    assert main(["check", "--json", "--dataset=board"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["users"], found["items"], found["parts"]["test"]["interactions"]) == (40, 24, 120)


def test_a_fault_in_a_file_is_the_answer(checkerboard, tmp_path, capsys):
    path = tmp_path / "dataset" / "board" / "board.valid.inter"
    path.write_text(path.read_text() + "u1\n")
    assert main(["check", "board"]) == 2
    assert "board.valid.inter, line 82: 1 field, and the header has 2" in capsys.readouterr().err


def test_a_fault_of_a_modality_is_said_after_the_counts(checkerboard, tmp_path, capsys):
    (tmp_path / "dataset" / "board" / "board.noise.npy").write_bytes(b"no array")
    assert main(["check", "board"]) == 2
    printed = capsys.readouterr()
    assert "users         40" in printed.out
    assert "board.noise.npy is not a .npy file" in printed.err


def test_what_a_killed_command_left_is_told(checkerboard, tmp_path, capsys):
    for name in (".board.text.blocks", ".other.text.blocks", ".board.a b.blocks"):
        (tmp_path / "dataset" / "board" / name).mkdir()
    assert main(["check", "board"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "blocks" in line]
    assert told == [
        "unfinished text: recbole-kd features was cut off or is at work; the same command goes on, or remove the "
        "folder .board.text.blocks"
    ]
    assert main(["check", "board", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unfinished"] == ["text"]


@pytest.mark.parametrize("words", [["check"], ["check", "nobody"]])
def test_without_a_data_set_there_is_a_sentence(words, checkerboard, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("recbole-kd: ")

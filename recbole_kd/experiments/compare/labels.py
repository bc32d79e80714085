"""What ``--models`` says: labels, and the words ``--key=value`` that each of them stands for."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kd.bridge import properties
from recbole_kd.foundation.errors import UserError
from recbole_kd.foundation.user_classes import is_class_path
from recbole_kd.registry import check_config, check_or_import_model, is_known, is_method

DEFAULTS = properties.FOLDER / "compare.yaml"
PARTS = ("model", "teacher", "assistant", "student")
_BY_MODELS = (*PARTS, "baseline")
_BY_COMPARE = ("seed", "show_progress", "result_file", "report_dir", "config_files")


def split_labels(text: str) -> list[str]:
    """The labels in ``A,B[key=[1,2]],C``: a comma within brackets is a value's."""
    found, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            found.append("")
        else:
            found[-1] += character
    return [label.strip() for label in found if label.strip()]


def parse_label(label: str) -> list[str]:
    """The words ``--key=value`` that one of ``--models`` stands for.

    Args:
        label: ``BPR``, ``RCEKD``, or ``RCEKD:BM3>LightGCN``; ``A+B>C`` has two teachers, and ``A>B>C`` an assistant
            between teacher and student. Values of its own may follow, ``LightGCN[n_layers=1 reg_weight=0.01]``; a
            method's student is then not trained alone as well.

    Raises:
        UserError: it is none of these, or a model in it is unknown.
    """
    models, bracket, inside = label.partition("[")
    own = [f"--{word}" for word in inside.removesuffix("]").split()]
    if bracket and not (label.endswith("]") and own and all(word.count("=") for word in own)):
        raise UserError(f"{label!r} in --models cannot be read; write values as {models}[key=value key=value]")
    for word in own:
        if key_of(word) in (*PARTS, "dataset", *_BY_COMPARE):
            raise UserError(f"{label!r} in --models: leave out {word.removeprefix('--')}, which no label can change")
    words = _words_of(models.strip())
    return [*(word for word in words if not own or key_of(word) != "baseline"), *own]


def key_of(word: str) -> str:
    """The key of ``--key=value``."""
    return word.removeprefix("--").partition("=")[0]


def _is_model(label: str) -> bool:
    """Whether a label with a colon is a class of the user's own, ``module:Class``, and no method with its pair."""
    return is_class_path(label) and not is_known(label.partition(":")[0])


def _words_of(label: str) -> list[str]:
    """Those of the models alone."""
    method, colon, chain = ("", "", "") if _is_model(label) else label.partition(":")
    method = method or label
    models = [part.strip() for part in chain.split(">")]
    of_method = is_method(method.partition(">")[0].strip())
    if not colon and not method.count(">"):
        return [f"--model={label}"] + ["--baseline=true"] * of_method
    if not (colon and len(models) in (2, 3) and all(models) and all(models[0].split("+"))):
        raise UserError(
            f"{label!r} in --models is no pair; write it as METHOD:TEACHER>STUDENT and quote it, for the shell takes a "
            "bare > to itself"
        )
    if not of_method:
        raise UserError(f"{label!r} in --models: {method} is no distillation method; write {method} alone")
    teachers, *assistant, student = models
    for name in (*teachers.split("+"), *assistant, student):
        check_or_import_model(name.strip())
    words = [f"--model={method.strip()}", f"--teacher={teachers.replace('+', ',')}"]
    return [*words, *(f"--assistant={name}" for name in assistant), f"--student={student}", "--baseline=true"]


def words_of_runs(label: str, words: Sequence[str]) -> list[str]:
    """The words of a label's runs but for their seed; of further ``words`` those that the label leaves open."""
    own = parse_label(label)
    left_out = {*_BY_COMPARE, *map(key_of, own)}
    if own[0].startswith("--model=") and not is_method(own[0].partition("=")[2]):
        left_out |= {"content", "student_content"}  # which only those who are taught learn
    return [*own, *(word for word in words if key_of(word) not in left_out)]


def check_labels(labels: Sequence[str], words: Sequence[str], config_files: Sequence[str] = ()) -> None:
    """Refuse labels and words that no runs can be made of, as far as nothing need be imported for it.

    Args:
        labels: as for :func:`parse_label`.
        words: further ``--key=value`` of every run.
        config_files: likewise YAML files.

    Raises:
        UserError: a label or a word is wrong, or a label is there twice.
    """
    for word in words:
        if key_of(word) in _BY_MODELS:
            raise UserError(
                f"compare takes its models from --models, and the student alone is always there; leave out {word}"
            )
    double = next((label for number, label in enumerate(labels) if label in labels[:number]), None)
    if double is not None:
        raise UserError(f"--models names {double!r} twice; keep one")
    for label in labels:
        arguments = words_of_runs(label, words)
        try:
            check_config(config_file_list=[str(DEFAULTS), *config_files], arguments=arguments)
        except UserError as error:
            raise UserError(f"{label}: {error}") from None

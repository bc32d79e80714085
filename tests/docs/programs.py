"""Reads a command of the documentation as the program it calls would, up to where data are needed."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from recbole_kd.bridge import properties
from recbole_kd.bridge.given import OF_STAGE
from recbole_kd.bridge.model_keys import declared_settings
from recbole_kd.bridge.written_values import parse_arguments
from recbole_kd.cli import COMMANDS, features, recommend
from recbole_kd.cli.convert import add_arguments
from recbole_kd.cli.words import split_config_files
from recbole_kd.data.convert import LAYOUTS, layout_options
from recbole_kd.distillers.method import DistillationMethod
from recbole_kd.experiments.compare import command as compare_command
from recbole_kd.experiments.tune.search import Search, TuneSettings
from recbole_kd.registry import make_config
from recbole_kd.training.plan import make_plan
from tests.processes import ROOT

PLACEHOLDERS = {"MODEL": "LightGCN", "NAME": "ml-100k"}  # words in capitals that a reader is to replace
_OF_TORCHRUN = re.compile(r"--(nproc[-_]per[-_]node|nnodes)=\d+|--standalone")


_OF_QUICK_START = r"recbole==1\.2\.\d+|ray(\[tune\]|==2\.6\.\d+)|setuptools<81|numpy<2"  # what RecBole's own asks for


class Refused(AssertionError):
    """The program would not take this command."""


def demand(condition: object, why: str) -> None:
    """Refuse the command unless ``condition``."""
    if not condition:
        raise Refused(why)


def check(words: Sequence[str]) -> None:
    """Refuse a command that its program would refuse; a program that is not known here is refused too."""
    for part in _parts(words):
        while part and re.fullmatch(r"[A-Z_]+=\S*", part[0]):
            part = part[1:]  # variables of the environment
        demand(part, "there is no program")
        demand(part[0] in _PROGRAMS, f"nobody knows how to check {part[0]!r}")
        _PROGRAMS[part[0]](part[1:])


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        demand(word not in ("|", "||", ";", ">", ">>", "<", "&"), f"{word!r} of the shell is not checked")
        if word == "&&":
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _make(words: Sequence[str]) -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    for word in words:
        name, equals, _ = word.partition("=")
        there = re.search(rf"^{re.escape(name)}\s*\?=|\$\({re.escape(name)}\)" if equals else rf"^{name}:", text, re.M)
        demand(there, f"the Makefile has no {word}")


def _pip(words: Sequence[str]) -> None:
    demand(words[:1] == ["install"], "only pip install is known")
    extras = set(re.findall(r'^ +"(\w+)": ', (ROOT / "setup.py").read_text("utf-8"), re.M))
    for word in words[1:]:
        found = re.fullmatch(r"(\.|recbole-kd)(?:\[([\w,]+)\])?", word)
        allowed = word in ("-e", "--no-deps") or re.fullmatch(_OF_QUICK_START, word)
        demand(found or allowed, f"pip is to install {word!r}, which is not this project")
        if found and found[2]:
            demand(set(found[2].split(",")) <= extras, f"setup.py has no extra {found[2]}")


def _python(words: Sequence[str]) -> None:
    script = words[0]
    if script == "-m":
        module = {"recbole_kd": _recbole_kd, "pip": _pip}
        demand(words[1] in module, f"nobody knows how to check python -m {words[1]}")
        module[words[1]](words[2:])
    elif script == "run_recbole_kd.py":
        _train(words[1:])
    else:
        demand(script.startswith("benchmarks/"), f"nobody knows how to check python {script}")
        _benchmark(ROOT / script, words[1:])


def _torchrun(words: Sequence[str]) -> None:
    demand("-m" in words, "torchrun is to run a module")
    place = words.index("-m")
    for word in words[:place]:
        demand(_OF_TORCHRUN.fullmatch(word), f"torchrun has no {word}")
    demand(words[place + 1 : place + 3] == ["recbole_kd", "teach"], "only teach shares its work among ranks")
    _recbole_kd(words[place + 2 :])


def _recbole_kd(words: Sequence[str]) -> None:
    if list(words) == ["--help"]:
        return
    demand(words and words[0] in COMMANDS, f"recbole-kd has no command {words[:1]}")
    if "--help" in words:
        of_one = words[0] == "convert" and words[1] in LAYOUTS  # recbole-kd convert table --help
        demand(len(words) == 2 + of_one, "help takes no further words")
        return
    words = [_filled_in(word) for word in words]
    _COMMANDS[words[0]](words[1:])


def _filled_in(word: str) -> str:
    key, equals, value = word.partition("=")
    return f"{key}={PLACEHOLDERS.get(value, value)}" if equals else word


def _train(words: Sequence[str]) -> None:
    if list(words) != ["--help"]:
        with _data(words) as (given, files):
            make_plan(make_config(config_file_list=files, arguments=given))


def _teach(words: Sequence[str]) -> None:
    with _data(words) as (given, files):
        config = make_config(config_file_list=files, arguments=given)
        demand(not issubclass(config.model_class, DistillationMethod), f"{config.model} is no single model")
        config = config.for_stage("teacher", config.model_class)
        declared_settings(config.model_class).read(config)


def _tune(words: Sequence[str]) -> None:
    with _data(words) as (given, files):
        Search(given, files)


def _compare(words: Sequence[str]) -> None:
    words = [re.sub(r"^--seeds=[1-9]\d*$", "--seeds=1", word) for word in words]  # all seeds are planned alike
    with _data(words) as (given, files), patch.object(compare_command.Comparison, "make", lambda self: None):
        compare_command.compare(given, files)


def _recommend(words: Sequence[str]) -> None:
    keys: dict[str, str] = {}
    with (
        patch.object(recommend, "check_checkpoint"),
        patch.object(recommend, "check_new_items"),
        patch.object(recommend, "check_overrides", lambda given, *_: keys.update(given)),
        patch("recbole_kd.serving.trained_model.open_trained"),
        patch.object(recommend, "_recommend", lambda *_: None),
    ):
        demand(recommend.main(words) == 0, "it ends with an error")
    for key in keys:
        demand(is_known(key), f"--{key} is no key")


def _check(words: Sequence[str]) -> None:
    rest = [word for word in words if word != "--json"]
    name = PLACEHOLDERS.get(rest[0], rest[0])
    with _data([f"--dataset={name}", *rest[1:]]) as (given, files):
        make_config("BPR", config_file_list=files, arguments=given)


def _convert(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    arguments, further = parser.parse_known_args(list(words))
    demand(not further, f"convert takes no {further}")
    demand(arguments.layout in LAYOUTS, f"there is no layout {arguments.layout}")
    for flag, layouts in layout_options().items():
        demand(getattr(arguments, flag) is None or arguments.layout in layouts, f"{arguments.layout} has no --{flag}")


def _features(words: Sequence[str]) -> None:
    demand(words and words[0] in features.KINDS, f"features are of {', '.join(features.KINDS)}")
    kind, *words = (f"{word}=true" if word in features.FLAGS else word for word in words)
    _, rest = features.read_words(kind, words)
    with _data([f"--{key}={value}" for key, value in rest.items()]) as (given, files):
        make_config("BPR", config_file_list=files, arguments=given)


@contextmanager
def _data(words: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """The words and the YAML files of a command, with a folder where its data set would be.

    The current folder is a temporary one. Files that the reader would have made are left out.
    """
    given, files = split_config_files(words)
    values = parse_arguments([word for word in given if word != "--tuned"])
    folder = Path(values.get("data_path", "dataset"), values.get("dataset", "ml-100k"))
    if folder.name != "ml-100k":
        folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        demand(file.endswith(".yaml"), f"{file} is no YAML file")
    yield given, [str(ROOT / file) for file in files if (ROOT / file).is_file()]


def _benchmark(script: Path, words: Sequence[str]) -> None:
    demand(script.is_file(), f"there is no {script.name} in benchmarks/")
    flags = flags_of(script)
    for word in words:
        key = word.removeprefix("--").partition("=")[0]
        demand(word.startswith("--"), f"{script.name} takes no {word}")
        demand(key in flags or ("any_key" in flags and is_known(key)), f"{script.name} has no --{key}")


@cache
def flags_of(script: Path) -> frozenset[str]:
    """The flags that its ``--help`` tells: those added to the parser, and those in the text above them."""
    tree = ast.parse(script.read_text("utf-8"))
    flags = re.findall(r"--(\w+)", ast.get_docstring(tree) or "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            first = node.args[0]
            flags += [first.value.removeprefix("--")] if isinstance(first, ast.Constant) else []
    return frozenset(flags)


def is_known(key: str) -> bool:
    """Whether RecBole or we know a key of a run, with a stage before it or without."""
    known = properties.known_keys()
    return key in known or OF_STAGE.sub("", key) in known


def is_option(key: str) -> bool:
    """Whether any of the commands knows it."""
    own = {
        "help",
        "any_key",
        "json",
        "debug",
        "version",
        "overwrite",
        "nproc-per-node",
        "config_files",
        *layout_options(),
    }
    for settings in (compare_command.Options, TuneSettings, recommend.Options, *features.KINDS.values()):
        own |= set(settings.model_fields)
    return key in own or is_known(key)


_PROGRAMS = {"make": _make, "pip": _pip, "python": _python, "recbole-kd": _recbole_kd, "torchrun": _torchrun}
_COMMANDS = {
    "train": _train,
    "teach": _teach,
    "tune": _tune,
    "compare": _compare,
    "recommend": _recommend,
    "check": _check,
    "convert": _convert,
    "features": _features,
}

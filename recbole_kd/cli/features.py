"""The command ``recbole-kd features``: item features from a shop's raw texts and pictures."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

from recbole_kd.bridge.dataset_yaml import dataset_name
from recbole_kd.bridge.given import check_dataset, chosen, converted, data_path_of, values_of_files
from recbole_kd.bridge.written_values import parse_arguments
from recbole_kd.cli.words import split_config_files, wants_help
from recbole_kd.data.content.choosing import IMAGE, TEXT, chosen_encoder, need_libraries
from recbole_kd.data.content.pictures import digest_of, find_pictures
from recbole_kd.data.content.report import Report
from recbole_kd.data.content.table import ItemTable
from recbole_kd.data.content.texts import digest_of_texts, texts_of
from recbole_kd.data.content.writing import Target
from recbole_kd.data.ml100k import NAME as ML_100K
from recbole_kd.data.ml100k import default_folder
from recbole_kd.data.tables.ids import nearly_the_same
from recbole_kd.experiments.options import read_options
from recbole_kd.foundation.digest import sha256_of_file
from recbole_kd.foundation.errors import UserError, did_you_mean
from recbole_kd.foundation.settings import Count, Settings
from recbole_kd.registry import make_config

HELP = """\
usage: recbole-kd features text --table=FILE --columns=A,B --dataset=NAME [--id=COLUMN] [--any_key=value ...]
       recbole-kd features image --folder=FOLDER --dataset=NAME [--any_key=value ...]

Turn raw texts or pictures of items into a modality of a data set: NAME.MODALITY.npy, its .item_ids, and a .json that
records the encoder and the source. Needs pip install 'recbole-kd[content]'; for example:

  recbole-kd features text --table=items.csv --id=sku --columns=title,description --dataset=shop
  recbole-kd features image --folder=pictures --dataset=shop
  recbole-kd train --model=PromptMM --dataset=shop --missing_features=mean

  --table=FILE           a row an item: CSV (commas, semicolons, tabs or bars), JSON lines, both also as .gz, or Parquet
  --id=COLUMN            with the item ids of the interactions (default: the one with a well-known name, such as sku)
  --columns=A,B          columns of the text, joined by a full stop and a space; HTML is left as it is
  --encoding=NAME        of a table of text (default: UTF-8, or what its first bytes say)
  --long=truncate        texts longer than the encoder reads: cut off, or mean, of pieces that it reads whole
  --folder=FOLDER        <item>.jpg, .jpeg, .png, .webp, .gif, .bmp, .tif or .tiff; links are not followed
  --encoder=WHICH        a folder of a sentence-transformers or transformers model (safetensors), an installed package
                         that carries one, or OWNER/NAME of the hub (default: MiniLM-L6 or EfficientNet-Lite0 where
                         their packages are installed)
  --items=known          encode only what the data set has (default: all)
  --modality=NAME        what to call it (default: text, image)
  --overwrite            replace a modality of this name
  --batch_size=N         inputs that are encoded at once (default: 32 texts or 4 pictures on a processor, else 128)
  --fp16                 store halves, half the size; encoding is in float32 all the same
  --show_progress=false  no progress bar
  --any_key=value        as for train: data_path, features_path, threads, gpu_id, use_gpu, filters, columns

A command that was cut off goes on where it was, with the same result. Items without a text or a picture get no row;
missing_features of the training says what becomes of them.
"""
FLAGS = ("--overwrite", "--fp16")


class Options(Settings):
    """The keys that are the command's own; all others are the config's."""

    encoder: str | None = None
    modality: str | None = None
    items: Literal["all", "known"] = "all"
    overwrite: bool = False
    batch_size: Count | None = None
    fp16: bool = False


class TextOptions(Options):
    """Those of texts."""

    table: str
    columns: str
    id: str = ""
    encoding: str = ""
    long: Literal["truncate", "mean"] = "truncate"


class ImageOptions(Options):
    """Those of pictures."""

    folder: str


KINDS: dict[str, type[Options]] = {TEXT: TextOptions, IMAGE: ImageOptions}
_NEEDED = {TEXT: {"table": "FILE", "columns": "A,B"}, IMAGE: {"folder": "FOLDER"}}


def main(words: Sequence[str]) -> int:
    """Make the modality that ``words`` ask for and return the exit status.

    Raises:
        UserError: what is wrong with a word, a file, the encoder or the data set.
    """
    if wants_help(words) or not words:
        print(HELP)
        return 0 if words else 2
    kind = words[0]
    if kind not in KINDS:
        raise UserError(f"features are of {' or '.join(KINDS)}, not of {kind!r}{did_you_mean(kind, KINDS)}")
    rest, files = split_config_files([f"{word}=true" if word in FLAGS else word for word in words[1:]])
    options, of_config = read_words(kind, rest)
    values = values_of_files(files) | converted(of_config)
    name, folder = _place(values)
    inputs = _Inputs(kind, options)
    modality = options.modality or kind
    Target(folder, name, modality).check(modality, options.overwrite)
    encoder = chosen_encoder(kind, options.encoder)
    need_libraries(kind)
    of_config.pop("modalities", None)  # the data set's own file may name the one that is to be made
    arguments = [*(f"--{key}={value}" for key, value in of_config.items()), "--modalities=null"]
    config = make_config("BPR", config_file_list=files, arguments=arguments)
    from recbole_kd.foundation.logs import warnings_on_screen  # slow to import, and not for a command that is refused

    report = Report()
    inputs.read(report)
    with redirect_stdout(sys.stderr), warnings_on_screen():  # what libraries print is no result
        made, data_folder = _make(config, inputs, encoder, options, modality, report)
    print(f"rows       {made.rows:,} of {len(inputs.found):,}, {made.width:,} wide")
    print(f"missing    {made.without:,} items of the data set have none")
    print(f"seconds    {made.seconds:,.1f}")
    print(f"written    {data_folder / f'{name}.{modality}.npy'}")
    more = "".join(f" --{key}={of_config[key]}" for key in ("data_path", "features_path") if key in of_config)
    more += " --missing_features=mean" * (made.without > 0)
    print(f"next       recbole-kd train --model=PromptMM --dataset={name}{more}")
    return 0


def read_words(kind: str, words: Sequence[str]) -> tuple[Any, dict[str, str]]:
    """The command's own options, and the config's keys.

    Args:
        kind: of :data:`KINDS`.
        words: ``--key=value`` each.

    Raises:
        UserError: an option is missing, or not valid.
    """
    given = parse_arguments(words)
    for key, what in _NEEDED[kind].items():
        if not given.get(key):
            raise UserError(f"no {key} is given; add --{key}={what}")
    options = read_options(KINDS[kind], given)
    if isinstance(options, TextOptions) and not all(map(str.strip, options.columns.split(","))):
        raise UserError(f"columns={options.columns!r} names a column without a name; write --columns=A,B")
    return options, {key: value for key, value in given.items() if key not in KINDS[kind].model_fields}


def _place(values: Mapping[str, Any]) -> tuple[str, Path]:
    """The data set's name, and where its features go."""
    name, data_path = dataset_name(chosen("BPR", None, values)[1]), data_path_of(values)
    if name != ML_100K:
        check_dataset(name, Path(data_path) / name)
    own = default_folder() if name == ML_100K else Path(data_path) / name
    return name, Path(str(values.get("features_path") or own))


class _Inputs:
    """Texts or pictures by raw token; looked for at once, read when asked."""

    def __init__(self, kind: str, options: Any) -> None:
        self.kind = kind
        self.path = Path(options.table if kind == TEXT else options.folder)
        self.found: dict[str, Any] = {}
        if kind == TEXT:
            self._columns = [column.strip() for column in options.columns.split(",")]
            self._table = ItemTable(self.path, options.id, self._columns, options.encoding)
        elif not self.path.is_dir():
            raise UserError(f"there is no folder {self.path}; give --folder=FOLDER with the pictures")

    def read(self, report: Report) -> None:
        if self.kind == IMAGE:
            self.found = find_pictures(self.path, report)
            return
        self.found = texts_of(self._table.rows(), self.path, report)

    def source(self) -> tuple[str, dict[str, Any], str]:
        """A digest of the file or files, what the record says, and a digest of what is encoded."""
        if self.kind == IMAGE:
            digest = digest_of(self.found)
            return digest, {"folder": self.path.name, "files": len(self.found)}, digest
        facts = {"table": self.path.name, "id": self._table.id, "columns": self._columns}
        return sha256_of_file(self.path), facts, digest_of_texts(self.found)

    def keep(self, items: set[str], only: bool, report: Report) -> None:
        """Count what is of no item of the data set, and leave it out if only items of it are wanted.

        Raises:
            UserError: nothing is of an item.
        """
        unknown = [token for token in self.found if token not in items]
        near = list(nearly_the_same(sorted(items - self.found.keys()), unknown))
        if len(unknown) == len(self.found):
            one, other = near[0] if near else (min(items, default=""), unknown[0])
            advice = "call the pictures by its ids" if self.kind == IMAGE else "give the column with its ids as --id"
            if near:
                advice += ", written as there: outer spaces, leading zeros or a .0 alone part them"
            raise UserError(
                f"none of the {len(unknown):,} ids in {self.path} is an item of the data set (there: {other!r}; in the "
                f"data set: {one!r}); {advice}"
            )
        what = "items without a row, from which outer spaces, leading zeros or a .0 alone part an id of the source"
        report.add_all(what, [f"{one!r} and there {other!r}" for one, other in near])
        what = "left out" if only else "encoded all the same; --items=known leaves them out"
        report.add_all(f"ids that the data set does not have, {what}", unknown)
        if only:
            self.found = {token: value for token, value in self.found.items() if token in items}


def _make(config: Any, inputs: _Inputs, encoder: Any, options: Any, modality: str, report: Report) -> tuple[Any, Path]:
    from recbole_kd.data.content.making import Source, make_modality
    from recbole_kd.data.feature_store import check_modalities
    from recbole_kd.training.run import open_data
    from recbole_kd.training.threads import threads

    check_modalities((modality,))
    data = open_data(config)
    items = [str(token) for token in data.field2id_token[data.iid_field][1:]]
    inputs.keep(set(items), options.items == "known", report)
    _say(report)
    target = Target(data.features_folder, data.dataset_name, modality)
    target.check(modality, options.overwrite)
    loaded = encoder.load(config["device"], options.batch_size, getattr(options, "long", "truncate"))
    with threads(config["threads"], loaded.module):
        made = make_modality(
            inputs.found,
            loaded,
            Source(*inputs.source()),
            target,
            items,
            report,
            float16=options.fp16,
            unit=inputs.kind,
            show_progress=config["show_progress"],
        )
    _say(report)
    return made, data.features_folder


def _say(report: Report) -> None:
    for line in report.lines():
        print(f"recbole-kd: warning: {line}", file=sys.stderr)

"""The command ``recbole-kd convert``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from recbole_kd.cli.words import wants_help
from recbole_kd.data.convert import LAYOUTS, layout_options, read_and_write, summary
from recbole_kd.data.convert.published import Option, Published
from recbole_kd.foundation.errors import UserError

_TABLE = """
Examples:
  recbole-kd convert table orders.csv shop --user=customer --item=sku --time=ordered_at
  recbole-kd convert table ratings.csv.gz shop --rating=stars --split=random --min_user=5 --min_item=5
  recbole-kd convert table clicks.parquet shop --time=day --time_format=%d/%m/%Y --split=time

Ids stay the texts that they are (00012, SKU-001). Of a pair of user and item that is there again the first row is kept.
NAME.inter gets the rows that are left, and NAME.yaml RecBole's own eval_args, which a run may override.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as all commands do."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(words: Sequence[str]) -> int:
    """Convert and return the exit status."""
    parser = _Parser(
        prog="recbole-kd convert",
        description="Turn a published layout, or a table of your own, into RecBole's atomic files and features.",
        epilog="recbole-kd convert LAYOUT --help tells what one layout takes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    of_one = next((word for word in words if word in LAYOUTS), "") if wants_help(words) else ""
    add_arguments(parser, of_one)
    if of_one:
        parser.usage = f"recbole-kd convert {of_one} SOURCE NAME [options]"
        parser.epilog = _TABLE if of_one == "table" else None
    return convert_as_told(parser.parse_args(words))


def add_arguments(parser: argparse.ArgumentParser, of_one: str = "") -> None:
    """Add the arguments of ``recbole-kd convert`` to ``parser``: those of all layouts, or ``of_one``."""
    layouts = {of_one: LAYOUTS.find(of_one)} if of_one else LAYOUTS.all()
    summaries = "; ".join(f"{layout.name}: {layout.summary}" for layout in layouts.values())
    parser.add_argument("layout", metavar="LAYOUT", help=summaries)
    source = "the table" if of_one == "table" else "folder of the published files, or the file of a table"
    parser.add_argument("source", metavar="SOURCE", help=source)
    parser.add_argument("name", metavar="NAME", help="name of the data set to write, for --dataset=NAME")
    parser.add_argument("--data_path", default="dataset", help="folder of the data sets (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing data set of this name")
    groups = {name: parser.add_argument_group(f"options of {name}") for name in layouts if layouts[name].options}
    shared = parser.add_argument_group("options of several layouts")
    for flag, of_layouts in layout_options().items():
        if here := {name: option for name, option in of_layouts.items() if name in layouts}:
            group = groups[next(iter(here))] if len(here) == 1 else shared
            first = next(iter(here.values()))
            meant = "COLUMN" if first.help.startswith("column of") else flag.upper()
            group.add_argument(f"--{flag}", type=type(first.default), default=None, metavar=meant, help=_help(here))


def _help(of_layouts: Mapping[str, Option]) -> str:
    told: dict[str, list[str]] = {}
    for name, option in of_layouts.items():
        default = "" if option.default == "" else f" (default: {option.default})"
        choices = f"; {', '.join(option.choices)}" if option.choices and option.choices[0] not in option.help else ""
        told.setdefault(f"{option.help}{choices}{default}".replace("%", "%%"), []).append(name)
    if len(of_layouts) == 1:
        return next(iter(told))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in told.items())


def convert_as_told(args: argparse.Namespace) -> int:
    """Convert as the parsed arguments say and print a summary; return the exit status."""
    options = {flag: getattr(args, flag) for flag in layout_options() if getattr(args, flag, None) is not None}
    folder, published = read_and_write(args.layout, args.source, args.name, args.data_path, args.overwrite, options)
    for note in published.notes:
        print(f"Note: {note}", file=sys.stderr)
    print(summary(published))
    print(f"written    {folder}")
    data_path = "" if args.data_path == "dataset" else f" --data_path={args.data_path}"
    model = "PromptMM" if isinstance(published, Published) and published.features else "LightGCN"
    print(f"next       recbole-kd train --model={model} --dataset={args.name}{data_path}")
    if not isinstance(published, Published):
        texts = "--table=ITEMS.csv --id=ID --columns=TITLE,DESCRIPTION"
        print(f"features   recbole-kd features text {texts} --dataset={args.name}{data_path}")
    return 0

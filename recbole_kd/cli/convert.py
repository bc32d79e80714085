"""The command ``recbole-kd convert``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from recbole_kd.data.convert import LAYOUTS, layout_options, read_and_write, summary
from recbole_kd.foundation.errors import UserError


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as all commands do."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(words: Sequence[str]) -> int:
    """Convert and return the exit status."""
    parser = _Parser(
        prog="recbole-kd convert", description="Turn a published layout into RecBole's atomic files and features."
    )
    add_arguments(parser)
    return convert_as_told(parser.parse_args(words))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``recbole-kd convert`` to ``parser``."""
    summaries = "; ".join(f"{layout.name}: {layout.summary}" for layout in LAYOUTS.all().values())
    parser.add_argument("layout", metavar="LAYOUT", help=summaries)
    parser.add_argument("source", metavar="SOURCE", help="folder of the published files")
    parser.add_argument("name", metavar="NAME", help="name of the data set to write, for --dataset=NAME")
    parser.add_argument("--data_path", default="dataset", help="folder of the data sets (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing data set of this name")
    for flag, (layouts, option) in layout_options().items():
        default = "" if option.default == "" else f" (default: {option.default})"
        choices = option.choices or None
        text = f"{', '.join(layouts)}: {option.help}{default}"
        kind = type(option.default)
        parser.add_argument(f"--{flag}", type=kind, default=None, choices=choices, help=text)


def convert_as_told(args: argparse.Namespace) -> int:
    """Convert as the parsed arguments say and print a summary; return the exit status."""
    options = {flag: getattr(args, flag) for flag in layout_options() if getattr(args, flag, None) is not None}
    folder, published = read_and_write(args.layout, args.source, args.name, args.data_path, args.overwrite, options)
    for note in published.notes:
        print(f"Note: {note}", file=sys.stderr)
    print(summary(published))
    print(f"written    {folder}")
    data_path = "" if args.data_path == "dataset" else f" --data_path={args.data_path}"
    model = "PromptMM" if published.features else "LightGCN"
    print(f"next       python run_recbole_kd.py --model={model} --dataset={args.name}{data_path}")
    return 0

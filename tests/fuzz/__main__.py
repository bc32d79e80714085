"""``make fuzz``: thousands of inputs through all doors, with counts, and what to repeat."""

from __future__ import annotations

import argparse
import sys

from tabulate import tabulate

from tests.fuzz.fuzzing import BAD, GOOD, fuzz


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    words.add_argument("--inputs", type=int, default=10_000)
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    counts, found = fuzz(given.inputs, given.seed)
    outcomes = (*GOOD, *BAD)
    rows = [(door, sum(count.values()), *(count[outcome] for outcome in outcomes)) for door, count in counts.items()]
    rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    print(tabulate(rows, ("door", "inputs", *outcomes)))
    print("\n\n".join(found))
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())

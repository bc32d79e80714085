"""Train and distil recommenders with RecBole's own flags; ``--help`` tells them."""

import sys

from recbole_kd.cli import train_script

if __name__ == "__main__":
    sys.exit(train_script())

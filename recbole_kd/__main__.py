"""``python -m recbole_kd`` is the console script ``recbole-kd``."""

import sys

from recbole_kd.cli import main

sys.exit(main())

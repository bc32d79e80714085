"""``python -m recbole_kd`` is the console script ``recbole-kd``."""

import os
import sys

if sys.path[:1] == [os.getcwd()] and not sys.flags.safe_path:
    # -m looks into the working folder first; a yaml.py there must not be taken for the library
    sys.path.append(sys.path.pop(0))

from recbole_kd.cli import main

sys.exit(main())

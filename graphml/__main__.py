"""``python -m graphml``: the same as the command ``graphml``."""

import sys

from graphml.cli import main

if __name__ == "__main__":
    sys.exit(main())

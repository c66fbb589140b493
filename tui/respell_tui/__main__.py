"""`python -m respell_tui` is `respell`."""

import sys

from respell_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m herocloud`."""

import sys

from herocloud.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())

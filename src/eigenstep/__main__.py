"""`python -m eigenstep` is the command `eigenstep`."""

import sys

from eigenstep.cli import main

sys.exit(main())

"""
C{python -m conch_auth}: the command C{conch-auth}.
"""

import sys

from conch_auth.cli import main

if __name__ == "__main__":
    sys.exit(main())

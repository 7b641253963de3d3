"""
The tests.  In whatever part of them trial runs, no secret may be logged.
"""

import sys

if "twisted.trial" in sys.modules:
    # Not in the benchmarks, which have their time to count.
    from tests.planted import watch

    watch()

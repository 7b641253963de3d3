"""
What a login costs, by this package and by its peers, side by side in one run::

    python -m tests.benchmarks --quick

Each client library works in a process of its own, which is told what to do and
says what it cost.  They take turns, round by round, so that what else the machine
does meets all of them alike; what is reported first is the median of the ratios
within a round.
"""

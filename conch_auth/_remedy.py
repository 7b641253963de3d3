"""
What a cause is told by.
"""

from __future__ import annotations

from typing import NamedTuple


class Remedy(NamedTuple):
    """
    What is wrong and what to do next, each a sentence or two.  In braces are the
    facts, as L{conch_auth._facts.Words} has them.
    """

    problem: str
    advice: str


#: The reason of the attempt says it.
REASON = "{Reason}."

"""
SASLprep (RFC 4013): one form for text that looks alike.
"""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(given: str) -> str:
    """
    C{given} as SASLprep prepares a query: code points that Unicode 3.2 did not
    have stay as they are (RFC 3454, section 7).

    @raise ValueError: where it has a character that is prohibited, or mixes the
        directions of writing.  The error does not say which, for the text may
        be a secret.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in given
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(prohibits(char) for char in prepared for prohibits in _PROHIBITED):
        raise ValueError("a character that SASLprep prohibits")
    _check_directions(prepared)
    return prepared


def _check_directions(prepared: str) -> None:
    """
    RFC 3454, section 6.
    """
    rightward = [stringprep.in_table_d1(character) for character in prepared]
    if not any(rightward):
        return
    if any(map(stringprep.in_table_d2, prepared)) or not (
        rightward[0] and rightward[-1]
    ):
        raise ValueError("directions of writing that SASLprep does not let mix")

"""
Keys for one run.
"""

from __future__ import annotations

from typing import NamedTuple

from conch_auth.loopback import generate_key

PASSWORD = "a long enough password"


class KeyPair(NamedTuple):
    """
    A key of Ed25519, both halves as text.
    """

    private: str
    public: str


def new_key() -> KeyPair:
    key = generate_key()
    return KeyPair(
        key.toString("openssh", subtype="v1").decode(),
        key.public().toString("openssh").decode().strip(),
    )

"""
Which key may sign though the server was not asked whether it would take it.
"""

from __future__ import annotations

from typing import Any

from conch_auth._signers import CertifiedSigner
from conch_auth.agent import AgentKey
from conch_auth.display import fingerprint
from conch_auth.memory import Recollection


def is_sure(key: Any, wanted: bool, recollection: Recollection) -> bool:
    """
    Whether a key is sure to be wanted, as far as anybody can know, and signs
    without a person.

    An agent does not say whether it asks somebody before it signs, so one of its
    keys is sure only where it was fast when it was last accepted.

    @param key: a signer, or a L{LockedKey<conch_auth.keys.LockedKey>}.
    @param wanted: whether it is the only key that there is.
    @param recollection: what is remembered of this user on this host.
    """
    blob = getattr(key, "blob", bytes)()
    shown = fingerprint(blob)
    if not blob or shown in recollection.refused or _wants_touch(key):
        return False
    remembered = shown == recollection.key
    if getattr(key, "in_memory", False):
        return wanted or remembered
    return remembered and recollection.unattended and _by_agent(key)


def _wants_touch(key: Any) -> bool:
    """
    Whether it is the key of a security key, or such a key's certificate.
    """
    return bool(key.sshType().startswith(b"sk-"))


def _by_agent(key: Any) -> bool:
    signer = key.signer if isinstance(key, CertifiedSigner) else key
    return isinstance(signer, AgentKey)

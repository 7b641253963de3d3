"""
What an authentication service can find out about the transport below it.

The transport may be ours, Conch's, or one that a test drives by hand and that
can do little more than C{sendPacket}.
"""

from __future__ import annotations

from typing import Any

from conch_auth.display import text


def has_exchanged_keys(transport: Any) -> bool:
    """
    Whether there is a connection below: one driven by hand has no ciphers.
    """
    return bool(getattr(transport, "sessionID", None)) and hasattr(
        transport, "currentEncryptions"
    )


def protects(transport: Any, direction: str = "out") -> bool:
    """
    Whether what goes in C{direction} is encrypted and integrity-protected
    (RFC 4252, section 8).  Where no keys were exchanged at all, there is no
    peer to protect from, and only an explicit no counts.
    """
    if not getattr(transport, "sessionID", None):
        return True
    questions = ["isEncrypted"]
    if has_exchanged_keys(transport):
        questions.append("isVerified")
    return all(
        getattr(transport, question)(direction)
        for question in questions
        if hasattr(transport, question)
    )


def extensions(transport: Any) -> dict[bytes, bytes]:
    """
    The server's extensions (RFC 8308), if what it sends is protected.
    """
    received: dict[bytes, bytes] = getattr(transport, "peerExtensions", {})
    return received if received and protects(transport, "in") else {}


def host_name(transport: Any) -> str | None:
    """
    The server's name, or else its address, as far as the transport knows.
    """
    name = getattr(transport, "hostname", None)
    if name:
        return text(name) if isinstance(name, bytes) else str(name)
    if not has_exchanged_keys(transport):
        return None
    peer = transport.transport.getPeer()
    return getattr(peer, "host", None)

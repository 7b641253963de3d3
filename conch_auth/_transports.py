"""
What an authentication service can find out about the transport below it.

The transport may be ours, Conch's, or one that a test drives by hand and that
can do little more than C{sendPacket}.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed

from conch_auth import names
from conch_auth.certificates import key_type
from conch_auth.display import fingerprint, printable, text
from conch_auth.report import HostKey, ServerFacts

#: Servers of Conch list the algorithms of their own host keys, and verify a
#: user's key of every other kind as well.
_CONCH_SERVER = b"SSH-2.0-Twisted_"


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


def server_signature_algorithms(transport: Any) -> tuple[bytes, ...]:
    """
    The server's C{server-sig-algs} (RFC 8308, section 3.1); empty where it sent
    none, or not protected.
    """
    extensions = getattr(transport, "peerExtensions", {})
    listed = extensions.get(names.SERVER_SIG_ALGS, b"")
    if not listed or not protects(transport, "in"):
        return ()
    if getattr(transport, "otherVersionString", b"").startswith(_CONCH_SERVER):
        return names.SIGNATURE_ALGORITHMS
    return tuple(name for name in listed.split(b",") if name)


def host_key_to_bind(transport: Any) -> bytes | None:
    """
    The host key that a signature is to name for a server that takes that
    (OpenSSH's PROTOCOL, section 3.1), as it says in its first EXT_INFO only;
    C{None} elsewhere.
    """
    proof = getattr(transport, "hostKeyProof", None)
    extensions = getattr(transport, "initialExtensions", {})
    offered = extensions.get(names.HOSTBOUND_EXTENSION)
    if offered != names.HOSTBOUND_VERSION or not protects(transport, "in"):
        return None
    return None if proof is None else proof.host_key


def when_extensions_known(transport: Any) -> Deferred[None]:
    """
    Wait until the server's L{server_signature_algorithms} are known, or can come
    no more.  A transport that is not ours starts a service after that.
    """
    when = getattr(transport, "whenExtensionsKnown", None)
    known: Deferred[None] = succeed(None) if when is None else when()
    return known


def hide_length(transport: Any, size: int) -> None:
    """
    Send an IGNORE before a packet with a payload of C{size} bytes, so that
    whoever sees them pass does not learn how many they are.  Where there are no
    ciphers there is nothing to hide.
    """
    if has_exchanged_keys(transport) and hasattr(transport, "sendIgnore"):
        block = transport.currentEncryptions.encBlockSize
        transport.sendIgnore(os.urandom(filling(size, block)))


def filling(size: int, block: int) -> int:
    """
    The bytes of whole blocks that fill up a packet with a payload of C{size}
    bytes to a multiple of L{PADDED_TO<names.PADDED_TO>}.  Length fields and the
    least padding (RFC 4253, section 6) come to 9 bytes.
    """
    used = -(-(size + 9) // block) * block
    return -used % names.PADDED_TO


def host_name(transport: Any) -> str | None:
    """
    The server's name, or else its address, as far as the transport knows.
    """
    name = getattr(transport, "hostname", None)
    if name:
        return text(name) if isinstance(name, bytes) else str(name)
    if not has_exchanged_keys(transport):
        return None
    return getattr(_peer(transport), "host", None)


def facts(transport: Any) -> ServerFacts:
    """
    What a report tells of the server.
    """
    if not has_exchanged_keys(transport):
        return ServerFacts(host_name(transport))
    version = getattr(transport, "otherVersionString", b"")
    return ServerFacts(
        host=host_name(transport),
        port=_port(transport),
        server_version=printable(text(version), limit=256),
        extensions=tuple(_extensions(transport)),
        host_key=_host_key(transport),
    )


def _port(transport: Any) -> int | None:
    port = getattr(_peer(transport), "port", None)
    return port if isinstance(port, int) else None


def _peer(transport: Any) -> Any:
    return getattr(getattr(transport, "transport", None), "getPeer", lambda: None)()


def _extensions(transport: Any) -> Iterator[tuple[str, str]]:
    extensions = getattr(transport, "peerExtensions", {})
    if not protects(transport, "in"):
        return
    for name, value in islice(extensions.items(), names.MAX_EXTENSIONS):
        yield _extension_text(name), _extension_text(value)


def _extension_text(data: bytes) -> str:
    return printable(text(data), limit=names.MAX_EXTENSION_TEXT)


def _host_key(transport: Any) -> HostKey | None:
    offer = getattr(transport, "hostKeyOffer", None)
    if offer is None:
        return None
    return HostKey(
        printable(text(key_type(offer.key_blob))),
        fingerprint(offer.key_blob),
        printable(text(offer.algorithm)),
        offer.trusted_by or "verifyHostKey",
    )


def own_address(transport: Any) -> str | None:
    """
    The internet address that the connection comes from; C{None} where it has
    none of its own, as in a tunnel.
    """
    own = getattr(getattr(transport, "transport", None), "getHost", lambda: None)()
    return own.host if isinstance(own, IPv4Address | IPv6Address) else None


def watch(transport: Any, lost: Callable[[], object]) -> Callable[[], None]:
    """
    Have C{lost} called once the connection is gone.

    Conch tells a service by C{serviceStopped}, but not every transport passes
    that on (Conch's own endpoint does not), nor every subclass to its base.

    @return: a function that ends this.
    """
    if not has_exchanged_keys(transport):
        return lambda: None
    held = vars(transport)
    before = held.get("connectionLost")
    tell = transport.connectionLost

    def connection_lost(*reason: object) -> None:
        try:
            tell(*reason)
        finally:
            lost()

    def unwatch() -> None:
        if held.get("connectionLost") is connection_lost:
            del held["connectionLost"]
            if before is not None:
                held["connectionLost"] = before

    held["connectionLost"] = connection_lost
    return unwatch

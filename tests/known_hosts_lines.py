"""
Lines of a known_hosts file for the tests: keys, and what is known of them.
"""

from __future__ import annotations

import base64

from conch_auth._knownhosts_lines import FIELDS_OF_KEY
from conch_auth._wire import string
from conch_auth.knownhosts import KnownHosts, VerdictKind

TRUSTED, UNKNOWN, CHANGED = (
    VerdictKind.TRUSTED,
    VerdictKind.UNKNOWN,
    VerdictKind.CHANGED,
)
#: Only the type is a property of a test's key; the rest is any string.
ED25519, ED448, ECDSA, RSA = (
    b"ssh-ed25519",
    b"ssh-ed448",
    b"ecdsa-sha2-nistp256",
    b"ssh-rsa",
)


def key(number: int, key_type: bytes = ED25519) -> bytes:
    fields = [b"%032d" % number] * FIELDS_OF_KEY[key_type]
    return b"".join(map(string, [key_type, *fields]))


def written(blob: bytes) -> bytes:
    """
    A key as a line has it: its type, and its base64.
    """
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length] + b" " + base64.b64encode(blob)


K, OTHER, CA = key(1), key(2), key(3)
K_RSA = key(4, RSA)


def known(*lines: bytes) -> KnownHosts:
    """
    The lines, in which C{K}, C{OTHER}, C{CA} and C{K_RSA} stand for the keys.
    """
    keys = {b"K": K, b"OTHER": OTHER, b"CA": CA, b"K_RSA": K_RSA}
    return KnownHosts.from_bytes(
        b"\n".join(
            b" ".join(
                written(keys[word]) if word in keys else word
                for word in line.split(b" ")
            )
            for line in lines
        ),
        "kh",
    )


def kind(
    hosts: KnownHosts,
    host: str = "h",
    port: int = 22,
    blob: bytes = K,
    address: str | None = None,
) -> VerdictKind:
    return hosts.verdict(host, port, address, blob).kind


def ca_kind(
    hosts: KnownHosts,
    host: str = "h",
    port: int = 22,
    ca: bytes = CA,
    address: str | None = None,
) -> VerdictKind:
    return hosts.ca_verdict(host, port, address, ca, K).kind


#: What C{ssh-keygen -H} of OpenSSH 9.2 made of C{[host.example]:2222}.
HASHED_FIELD = b"|1|ogVi9yiWgtSIv5Q7kA8LV8QaoIA=|Dr+QI+FEYMs8dsEwZsjSLeZ3Dk0="

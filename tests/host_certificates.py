"""
Certificates of host keys, and of users' keys, for tests.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_key,
)
from twisted.conch.ssh.keys import Key

AUTHORITY = ec.generate_private_key(ec.SECP256R1())


def certificate(
    key: Key,
    kind: SSHCertificateType = SSHCertificateType.HOST,
    host: bytes = b"client.example",
    before: int = 2**64 - 1,
    after: int = 0,
) -> bytes:
    """
    The line of a certificate by L{AUTHORITY}.
    """
    public: Any = load_ssh_public_key(key.public().toString("openssh"))
    builder = (
        SSHCertificateBuilder()
        .public_key(public)
        .type(kind)
        .key_id(b"id")
        .valid_principals([host])
        .valid_after(after)
        .valid_before(before)
    )
    return builder.sign(AUTHORITY).public_bytes()

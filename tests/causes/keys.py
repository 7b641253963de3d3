# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Keys that are whole, and are not accepted or not offered.
"""

from __future__ import annotations

from functools import partial

from cryptography.hazmat.primitives.serialization import SSHCertificateType
from twisted.conch.ssh.keys import Key

from conch_auth.errors import LoginError
from tests.causes import (
    ALICE,
    ED25519,
    FOURTH,
    KEYS_ONLY,
    RSA,
    SECOND,
    THIRD,
    Stage,
)
from tests.causes import provokes as _provokes
from tests.host_certificates import AUTHORITY, certificate
from tests.peers.asyncssh_server import Server, Strict

provokes = partial(_provokes, "Keys")


@provokes("algorithm-not-listed")
async def rsa_not_taken(stage: Stage) -> LoginError:
    """
    The server says which signatures it takes (``server-sig-algs``, RFC 8308), and
    the key makes none of them, so it was not offered.
    """
    place = stage.asyncssh(Server, ED25519, signature_algs=["ssh-ed25519"])
    return await stage.fails(place, client_keys=[RSA])


@provokes("algorithm-not-allowed")
async def rsa_not_allowed(stage: Stage) -> LoginError:
    """
    This side does not allow the signatures of the key: ``signatureAlgorithms`` of
    the service says which it does.  All but the weakest are, where nobody has
    changed it.
    """
    stage.limit("signatureAlgorithms", (b"ssh-ed25519",))
    return await stage.fails(stage.sshd(KEYS_ONLY, ALICE, RSA), client_keys=[RSA])


@provokes("keys-left-out")
async def too_many_keys(stage: Stage) -> LoginError:
    """
    There are more keys than most servers let one show, so the last ones were not
    offered: the server would have hung up, and nothing else would have had its turn.
    The right key may be among them; ``conch-auth plan`` shows the order.
    """
    keys = [ED25519, SECOND, THIRD, FOURTH]
    return await stage.fails(stage.sshd(KEYS_ONLY), client_keys=keys, max_auth_tries=2)


@provokes("signature-refused")
async def weak_signature(stage: Stage) -> LoginError:
    """
    The server knew the key, asked for a signature, and then refused it.  It may want
    more than that (a security key that is touched, or asks for its PIN), or another
    algorithm than it had said, as here; or the account is closed.
    """

    class SHA256Only(Strict):
        allowed = (b"rsa-sha2-256",)

    place = stage.asyncssh(SHA256Only, RSA)
    # Where the key is shown first, its signature is told from it.
    return await stage.fails(place, client_keys=[RSA], eager=False)


@provokes("certificate-refused")
async def wrong_principal(stage: Stage) -> LoginError:
    """
    The server was shown a certificate and did not accept it.  It has to trust the
    authority, and to find the user's name among the principals; it may have revoked
    it, or take it from other addresses only.  This one is for ``bob``.
    """
    line = certificate(ED25519, SSHCertificateType.USER, host=b"bob")
    authority = Key(AUTHORITY).public().toString("openssh")
    path = stage.machine().write("authority.pub", authority + b"\n")
    place = stage.sshd(f"TrustedUserCAKeys {path}\n" + KEYS_ONLY)
    return await stage.fails(place, client_keys=[(ED25519, line)])


@provokes("key-refused")
async def unknown_keys(stage: Stage) -> LoginError:
    """
    The server accepts none of the keys that were shown to it.  Their public halves
    are not in the account's ``authorized_keys``, or not in a file that the server
    reads: sshd passes over one that others may write.  A wrong user name looks the
    same.
    """
    place = stage.sshd(KEYS_ONLY, ALICE, FOURTH)
    return await stage.fails(place, client_keys=[ED25519, SECOND, THIRD])


@provokes("identities-only")
async def unnamed_key(stage: Stage) -> LoginError:
    """
    ``IdentitiesOnly`` is set in ``ssh_config``, so that only the keys that it names
    are used; the agent holds others.
    """
    agent = stage.agent(ED25519)
    config = stage.write(
        "config", f"IdentitiesOnly yes\nIdentityAgent {agent.socket}\n".encode()
    )
    place = stage.sshd(KEYS_ONLY, ALICE, ED25519)
    return await stage.fails(place, client_keys=(), agent_path=(), config=config)

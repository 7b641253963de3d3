# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Files of keys and certificates.
"""

from __future__ import annotations

import os
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    SSHCertificateType,
)

from conch_auth.errors import LoginError
from tests.causes import ALICE, ED25519, KEYS_ONLY, SECOND, Stage, public_line
from tests.causes import provokes as _provokes
from tests.causes.signers import agent_and_security_key
from tests.host_certificates import certificate

provokes = partial(_provokes, "Files of keys and certificates")

_USER = SSHCertificateType.USER


async def _with(stage: Stage, path: str, **options: object) -> LoginError:
    """
    Log in with a file that is of no use.
    """
    place = stage.sshd(KEYS_ONLY, ALICE, ED25519)
    return await stage.fails(place, client_keys=[path], **options)


@provokes("key-missing")
async def missing_file(stage: Stage) -> LoginError:
    """
    There is no file of that name.  The path is misspelt, or relative to another
    directory; ``~`` is the home of the user who runs this.
    """
    return await _with(stage, str(stage.home / ".ssh" / "id_ed25591"))


@provokes("key-unreadable")
async def directory(stage: Stage) -> LoginError:
    """
    The file is there and cannot be read: its owner is another user, or it is a
    directory or a pipe.
    """
    return await _with(stage, str(stage.home / ".ssh"))


@provokes("key-exposed")
async def readable_by_others(stage: Stage) -> LoginError:
    """
    Others may read or change the private key, so it may not be private any more.  As
    with ``ssh`` it is not used; ``chmod 600`` makes it its owner's alone.
    """
    path = stage.key_file(ED25519)
    os.chmod(path, 0o644)
    return await _with(stage, path)


@provokes("key-not-private")
async def public_key(stage: Stage) -> LoginError:
    """
    The file holds no private key that can be read: a public one, a certificate, one
    in PuTTY's form, or something else.  What it holds is said.
    """
    return await _with(stage, stage.write("id_ed25519.pub", public_line(ED25519)))


@provokes("key-damaged")
async def cut_short(stage: Stage) -> LoginError:
    """
    The file holds a private key that is not whole: cut short when it was copied, or
    changed by an editor.
    """
    with open(stage.key_file(ED25519), "rb") as file:
        whole = file.read()
    return await _with(stage, stage.write("copied", whole[:200]))


@provokes("key-needs-agent")
async def key_of_a_device(stage: Stage) -> LoginError:
    """
    The file is that of a security key, whose private half is in a device.  An agent
    signs with it, or ``conch_auth.security_keys`` does; a file alone cannot.
    """
    _, path = agent_and_security_key(stage)
    return await _with(stage, str(path))


@provokes("key-unusable")
async def another_curve(stage: Stage) -> LoginError:
    """
    The key is whole and cannot be used in SSH, or not by this package: it is of a
    kind or on a curve that neither knows, or the file holds several.
    """
    private = ec.generate_private_key(ec.SECP256K1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return await _with(stage, stage.write("bitcoin.pem", private))


@provokes("passphrase-missing")
async def nobody_to_ask(stage: Stage) -> LoginError:
    """
    The key is encrypted, and there is no passphrase for it: ``passphrase=`` is not
    given, and there is nobody who could be asked.
    """
    return await _with(stage, stage.key_file(ED25519, passphrase=b"open sesame"))


@provokes("passphrase-wrong")
async def wrong_passphrase(stage: Stage) -> LoginError:
    """
    The key could not be decrypted with what was given.  A person is asked three
    times.
    """
    path = stage.key_file(ED25519, passphrase=b"open sesame")
    return await _with(stage, path, passphrase="open barley")


@provokes("public-half-wrong")
async def another_public_half(stage: Stage) -> LoginError:
    """
    An encrypted key is offered by the ``.pub`` file beside it; that turned out to be
    another key's, once it was decrypted.
    """
    private = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
    )
    path = stage.write("id_ed25519", private)
    stage.write("id_ed25519.pub", public_line(ED25519))
    return await _with(stage, path, passphrase="open sesame")


@provokes("certificate-expired")
async def expired(stage: Stage) -> LoginError:
    """
    The certificate holds no longer, so it was not shown.  Its authority has to issue
    another; the clock of this machine says what time it is.
    """
    return await _certified(stage, certificate(SECOND, _USER, before=1577836800))


@provokes("certificate-not-yet-valid")
async def too_early(stage: Stage) -> LoginError:
    """
    The certificate does not hold yet, by the clock of this machine, so it was not
    shown.
    """
    return await _certified(stage, certificate(SECOND, _USER, after=4102444800))


@provokes("certificate-of-another-key")
async def another_key(stage: Stage) -> LoginError:
    """
    The certificate is of another key than the one that was given with it: the key
    was made anew, or the files were mixed up.
    """
    return await _certified(stage, certificate(ED25519, _USER))


@provokes("certificate-unusable")
async def of_a_host(stage: Stage) -> LoginError:
    """
    The certificate cannot be used to log in with: it is a host's, not properly
    signed, or cannot be read.
    """
    return await _certified(stage, certificate(SECOND, SSHCertificateType.HOST))


async def _certified(stage: Stage, line: bytes) -> LoginError:
    """
    Log in with a key that is not known, and its certificate.
    """
    stage.write("id_ed25519-cert.pub", line)
    return await _with(stage, stage.key_file(SECOND))

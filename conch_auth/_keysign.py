"""
OpenSSH's C{ssh-keysign}, which signs with host keys that only root can read.

It is C{setuid}, reads one request from its standard input, checks that it is
for this host, this user and this connection, and writes the signature
(ssh-keysign.c; there is no other description).  It must be switched on by
C{EnableSSHKeysign} in the system's C{ssh_config}.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath
from zope.interface import implementer

from conch_auth import _keyfiles
from conch_auth._keyforms import several
from conch_auth._signers import CertifiedSigner, Signer
from conch_auth._ssh_program import run
from conch_auth._wire import Reader, string, uint32
from conch_auth.certificates import (
    Certificate,
    InvalidCertificate,
    check_own_host_certificate,
    is_certificate_algorithm,
    key_type,
)
from conch_auth.display import printable
from conch_auth.errors import KeyUnusable, MalformedMessage
from conch_auth.interfaces import ISigner

#: Seconds that it may take, since it looks up the name of an address: three name
#: servers, asked twice for five seconds each, and some to spare.
TIMEOUT = 40.0
#: Where systems have it.
DIRECTORIES = (
    "/usr/lib/openssh",
    "/usr/libexec/openssh",
    "/usr/lib/ssh",
    "/usr/libexec",
    "/usr/local/libexec",
    "/opt/local/libexec",
)
#: The directory whose host keys it signs with, and their names.
_HOST_KEYS = "/etc/ssh"
_NAMES = ("ssh_host_ed25519_key", "ssh_host_ecdsa_key", "ssh_host_rsa_key")
_VERSION = b"\x02"
#: The number that the connection has for it; the first one that is free.
_DESCRIPTOR = 3

_ADVICE = (
    "EnableSSHKeysign must be on in the system's ssh_config, and client_host and "
    "client_username be this host's and this user's own names"
)


def find_keysign(given: bool | str | os.PathLike[str]) -> str:
    """
    The path of C{ssh-keysign}.

    @param given: its path, or C{True} to look where systems have it.
    @raise ValueError: where it cannot be run.
    """
    if given is True:
        paths = [os.path.join(directory, "ssh-keysign") for directory in DIRECTORIES]
    else:
        paths = [os.fspath(given) if given else ""]
    for path in paths:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise ValueError(
        f"ssh-keysign cannot be run at {' or '.join(map(repr, paths))}: install "
        "OpenSSH's client, or give its path as client_host_keysign"
    )


@implementer(ISigner)
class KeysignSigner(Signer):
    """
    A host key that C{ssh-keysign} signs with.

    @param program: the path of C{ssh-keysign}.
    @param transport: the SSH transport that the signature is for.
    @param reactor: runs the program and counts the seconds.
    """

    def __init__(
        self, blob: bytes, source: str, program: str, transport: Any, reactor: Any
    ) -> None:
        super().__init__(blob, source)
        self._program = program
        self._transport = transport
        self._reactor = reactor

    def sign(self, data: bytes, algorithm: bytes) -> Deferred[bytes]:
        """
        The signature by the algorithm that C{data} names, once the program has
        ended; or L{KeyUnusable}.  Cancelling it kills the program.

        @param data: the whole of what a hostbased request signs.  The program
            signs nothing else.
        """
        with _descriptor_of(self._transport) as descriptor:
            ended = run(
                self._reactor,
                self._program,
                (self._program,),
                self._failed,
                given=request(data),
                descriptors={_DESCRIPTOR: descriptor},
            )
        ended.addTimeout(TIMEOUT, self._reactor, self._late)
        return ended.addCallback(self._signature)

    def _signature(self, written: bytes) -> bytes:
        try:
            return signature_in(written)
        except MalformedMessage as error:
            raise self._failed(str(error), "") from None

    def _late(self, _: object, seconds: float) -> Failure:
        return Failure(self._failed(f"it did not end within {seconds:g} s", ""))

    def _failed(self, problem: str, said: str) -> KeyUnusable:
        words = "; ".join(line for line in said.splitlines() if line)
        told = f"; it said: {printable(words, limit=400)}" if words else ""
        return KeyUnusable(
            self._program,
            f"it did not sign: {printable(problem)}{told}",
            "keysign-failed",
            _ADVICE,
        )


def request(data: bytes) -> bytes:
    """
    What C{ssh-keysign} reads: a version, the number of the connection and what
    is to be signed.
    """
    return string(_VERSION + uint32(_DESCRIPTOR) + string(data))


def signature_in(written: bytes) -> bytes:
    """
    The signature in what C{ssh-keysign} wrote.

    @raise MalformedMessage: where there is none.
    """
    whole = Reader(written, "reply of ssh-keysign")
    reply = Reader(whole.string(), "reply of ssh-keysign")
    whole.end()
    version = reply.take(1)
    if version != _VERSION:
        raise reply.malformed(f"its version is {version[0]}, not {_VERSION[0]}")
    signature = reply.string()
    reply.end()
    return signature


@contextmanager
def _descriptor_of(transport: Any) -> Iterator[int]:
    """
    The socket of a connection, whose own address C{ssh-keysign} finds the
    host's name by.  Where a connection has none, as in a tunnel, it takes the
    name that the host calls itself by, and any file does.
    """
    below = getattr(transport, "transport", None)
    handle = getattr(below, "getHandle", lambda: None)()
    if isinstance(handle, socket.socket) and handle.family in (
        socket.AF_INET,
        socket.AF_INET6,
    ):
        yield handle.fileno()
        return
    descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def keysign_keys(
    given: Any,
    program: str,
    transport: Any,
    reactor: Any,
    unusable: Callable[[KeyUnusable], object],
) -> Iterator[ISigner]:
    """
    Signers by C{ssh-keysign}.

    @param given: public host keys and certificates, one or several: the path of
        a file, C{bytes}, the content of one, or a Conch C{Key}.  C{None} and
        C{()} stand for those in C{/etc/ssh}, certificates first.
    @param unusable: called with what is wrong with one that is left out.
    """
    public = list(several(given)) or _default_keys()
    for item in public:
        try:
            blob, source = _public(item)
            yield _signer_of(blob, source, program, transport, reactor)
        except KeyUnusable as error:
            unusable(error)


def _default_keys() -> list[str]:
    paths = [
        os.path.join(_HOST_KEYS, name + suffix)
        for suffix in ("-cert.pub", ".pub")
        for name in _NAMES
    ]
    return [path for path in paths if os.path.exists(path)]


def _public(item: Any) -> tuple[bytes, str]:
    """
    The blob of a public key, and where it came from.
    """
    source = "given host key"
    if isinstance(item, (str, os.PathLike, FilePath)):
        path = item.path if isinstance(item, FilePath) else item
        source = _keyfiles.expanded(os.fsdecode(path))
        item = _keyfiles.read(source)[0]
    if isinstance(item, bytes):
        blob = _keyfiles.public_blob(item)
    else:
        blob = item.blob() if hasattr(item, "blob") else None
    if not isinstance(blob, bytes):
        raise KeyUnusable(
            source,
            "it is not a public key, which is what ssh-keysign is asked by",
            "key-not-private",
        )
    return blob, _keyfiles.shown(source)


def _signer_of(
    blob: bytes, source: str, program: str, transport: Any, reactor: Any
) -> ISigner:
    if not is_certificate_algorithm(key_type(blob)):
        return KeysignSigner(blob, source, program, transport, reactor)
    try:
        certificate = Certificate.parse(blob)
    except InvalidCertificate as error:
        unreadable = f"it is not a certificate to use: {error}"
        raise KeyUnusable(source, unreadable, "certificate-unusable") from None
    problem = check_own_host_certificate(certificate, time.time())
    if problem is not None:
        raise KeyUnusable(source, problem, problem.cause)
    plain = KeysignSigner(certificate.key_blob, source, program, transport, reactor)
    return CertifiedSigner(plain, certificate, source)

# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
"""
L{SSHClientTransport}: Conch's client transport with its gaps closed.

Packets, ciphers and the arithmetic of the key exchange are Conch's.  What is
decided here is whether the server holds the host key that it shows, and who is
asked whether to trust it.
"""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Callable
from typing import Any

from twisted.conch.error import HostKeyChanged as ConchHostKeyChanged
from twisted.conch.ssh import _kex as conch_kex
from twisted.conch.ssh import transport as conch
from twisted.conch.ssh.common import MP
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from conch_auth import names
from conch_auth._ending import abort
from conch_auth._kex import (
    HostKeyProof,
    HostKeyUnproved,
    ProvedKey,
    Reply,
    exchange_hash,
    group_bits,
    prove_host_key,
)
from conch_auth._orderly import OrderlyTransport
from conch_auth._question import Question
from conch_auth._wire import string
from conch_auth.certificates import (
    HostKeyOffer,
    check_host_certificate,
    is_certificate_algorithm,
    key_type,
)
from conch_auth.display import fingerprint as sha256_fingerprint
from conch_auth.display import printable, text
from conch_auth.errors import (
    HostCertificateInvalid,
    HostKeyChanged,
    HostKeyNotVerifiable,
    HostKeyRejected,
    ProtocolError,
    UnusableAnswer,
)
from conch_auth.interfaces import IHostKeyPolicy


class SSHClientTransport(OrderlyTransport):
    """
    The client's end of an SSH connection, up to the service that runs on it.

    The server must sign the key exchange with exactly the negotiated host key
    algorithm before anybody is asked about its key; then C{verifyHostKey} is
    asked, which asks C{hostKeyPolicy}.  Only the answer C{True} goes on.
    Everything else, an error, a cancellation or no answer in time included,
    ends the connection with HOST_KEY_NOT_VERIFIABLE.  When the keys are renewed
    nobody is asked again about the same host key.

    Strict key exchange (OpenSSH's PROTOCOL, "strict key exchange extension") is
    used with every server that has it.  Algorithms that rest on SHA-1, MD5, CBC
    or Triple DES are not offered, nor is compression before authentication; a
    subclass that needs one names it::

        supportedPublicKeys = [*SSHClientTransport.supportedPublicKeys, b"ssh-rsa"]

    @ivar hostKeyPolicy: an L{IHostKeyPolicy}; C{None} refuses every host.
    @ivar hostname: the name of the host, or its alias, to look its key up by
        and to find in its certificate; where it is empty, the address counts.
    @ivar port: the port that was connected to.
    @ivar hostKeyTimeout: seconds in which the question about the host key must
        be answered; C{None} for no limit.  The default is that of every
        question to a person.
    @ivar clock: an L{IReactorTime}; C{None} for the reactor.
    @ivar wallClock: returns the seconds since 1970-01-01 UTC, for the validity
        of certificates.
    @ivar hostKeyOffer: the host key whose possession was proved last.
    @ivar hostKeyProof: how it was proved in the first key exchange, a
        L{HostKeyProof<conch_auth._kex.HostKeyProof>}; C{None} before.
    """

    hostKeyPolicy: IHostKeyPolicy | None = None
    hostname: str = ""
    port: int = 22
    hostKeyTimeout: float | None = names.ANSWER_TIMEOUT
    clock: IReactorTime | None = None
    wallClock: Callable[[], float] = staticmethod(time.time)
    hostKeyOffer: HostKeyOffer | None = None
    hostKeyProof: HostKeyProof | None = None

    supportedKeyExchanges = [
        name
        for name in conch.SSHClientTransport.supportedKeyExchanges
        if not name.endswith(b"-sha1")
    ]
    supportedPublicKeys = [
        b"ssh-ed25519-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp256-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp384-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp521-cert-v01@openssh.com",
        b"rsa-sha2-512-cert-v01@openssh.com",
        b"rsa-sha2-256-cert-v01@openssh.com",
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        names.RSA_SHA2_512,
        names.RSA_SHA2_256,
    ]
    supportedCiphers = [b"aes256-ctr", b"aes192-ctr", b"aes128-ctr"]
    supportedMACs = [b"hmac-sha2-512", b"hmac-sha2-384", b"hmac-sha2-256"]
    supportedCompressions = [b"none"]
    # OpenSSH's least; Conch would take the 1024 bits of RFC 4419, section 3.
    _dhMinimalGroupSize = 2048

    _trustedKey: bytes | None = None

    def connectionMade(self) -> None:
        try:
            self.supportedPublicKeys = self._hostKeyAlgorithms()
        except Exception as error:
            self._log.failure("the host key algorithms could not be ordered")
            self._closing = True
            self._end(error)
            abort(self.transport)
        else:
            super().connectionMade()

    def _hostKeyAlgorithms(self) -> list[bytes]:
        supported = list(self.supportedPublicKeys)
        if self.hostKeyPolicy is None:
            # A verifyHostKey written for Conch knows nothing of authorities.
            return [name for name in supported if not is_certificate_algorithm(name)]
        wanted = self.hostKeyPolicy.order_algorithms(tuple(supported))
        chosen = [name for name in wanted if name in supported]
        if not chosen:
            raise UnusableAnswer("order_algorithms", "left no algorithm")
        return chosen

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        """
        Whether to trust the host.  The server has proved that it holds
        C{hostKey}; C{hostKeyOffer} says all that is known of it.

        @param hostKey: the plain public key, of a certificate too.
        @param fingerprint: its MD5 fingerprint, as Conch gives it.
        @return: C{True}, or a Deferred or coroutine of it.
        """
        if self.hostKeyPolicy is None:
            raise self._untrusted(
                HostKeyRejected, hostKey, "there is no policy that could accept it"
            )
        return self.hostKeyPolicy.accept(self.hostKeyOffer)

    # The server's part of the exchange

    def ssh_KEX_DH_GEX_GROUP(self, packet: bytes) -> None:
        """
        Message 31: the reply of most exchanges, or the group of a group
        exchange (RFC 4419, section 3).
        """
        if not self._inGroupExchange():
            self.ssh_KEX_DH_GEX_REPLY(packet)
            return
        self._awaited = conch.MSG_KEX_DH_GEX_REPLY
        bits = group_bits(packet)
        if not self._dhMinimalGroupSize <= bits <= self._dhMaximalGroupSize:
            raise ProtocolError(f"the server chose a group of {bits} bits")
        super().ssh_KEX_DH_GEX_GROUP(packet)

    def ssh_KEX_DH_GEX_REPLY(self, packet: bytes) -> None:
        """
        The host key, the server's public value and its signature.
        """
        reply = Reply.parse(packet)
        self._awaited = conch.MSG_NEWKEYS
        secret = self._sharedSecret(reply)
        digest = self._exchangeHash(reply, secret)
        try:
            proved = prove_host_key(
                self.keyAlg, reply.host_key, reply.signature, digest
            )
        except HostKeyUnproved as error:
            self._refuse(self._untrusted(HostKeyRejected, reply.host_key, str(error)))
            return
        if self.sessionID is None:
            self.hostKeyProof = HostKeyProof(reply.host_key, digest, reply.signature)
        if proved.blob == self._trustedKey:
            self._keySetup(secret, digest)
        else:
            self._judge(proved, secret, digest)

    def _inGroupExchange(self) -> bool:
        return not (
            conch_kex.isEllipticCurve(self.kexAlg)
            or conch_kex.isFixedGroup(self.kexAlg)
        )

    def _sharedSecret(self, reply: Reply) -> bytes:
        secret: bytes
        if conch_kex.isEllipticCurve(self.kexAlg):
            secret = self._generateECSharedSecret(self.ecPriv, reply.public)
            return secret
        if not 1 < reply.number() < self.p - 1:
            raise ProtocolError("the server's public value is out of range")
        secret = self._finishEphemeralDH(reply.number())
        return secret

    def _exchangeHash(self, reply: Reply, secret: bytes) -> bytes:
        if conch_kex.isEllipticCurve(self.kexAlg):
            ours = string(self._encodeECPublicKey(self.ecPub))
        else:
            ours = self.dhSecretKeyPublicMP
        if self._inGroupExchange():
            sizes = struct.pack(
                ">LLL",
                self._dhMinimalGroupSize,
                self._dhPreferredGroupSize,
                self._dhMaximalGroupSize,
            )
            ours = sizes + MP(self.p) + MP(self.g) + ours
        return exchange_hash(
            conch_kex.getHashProcessor(self.kexAlg),
            (
                self.ourVersionString,
                self.otherVersionString,
                self.ourKexInitPayload,
                self.otherKexInitPayload,
                reply.host_key,
            ),
            ours + string(reply.public),
            secret,
        )

    # The verdict

    def _judge(self, proved: ProvedKey, secret: bytes, digest: bytes) -> None:
        self.hostKeyOffer = HostKeyOffer(
            host=self._host(),
            port=self.port,
            address=self._address(),
            algorithm=self.keyAlg,
            blob=proved.blob,
            key_blob=proved.key_blob,
            certificate=proved.certificate,
        )
        if proved.certificate is not None:
            problem = check_host_certificate(
                proved.certificate, self._host(), self.wallClock()
            )
            if problem is not None:
                self._refuse(
                    self._untrusted(HostCertificateInvalid, proved.key_blob, problem)
                )
                return
        self._ask(proved, lambda: self._keySetup(secret, digest))

    def _ask(self, proved: ProvedKey, go_on: Callable[[], object]) -> None:
        def heard(answer: object) -> None:
            self._question = None
            if answer is not True:
                self._refuse(self._refusal(proved, answer))
                return
            self._trustedKey = proved.blob
            self._start(go_on)
            if question.waited:
                self.dataReceived(b"")

        self._question = question = Question("verifyHostKey", heard)
        question.ask(
            lambda: self.verifyHostKey(
                proved.key_blob, _md5_fingerprint(proved.key_blob)
            ),
            self.hostKeyTimeout,
            self._clock,
        )

    def _clock(self) -> IReactorTime:
        if self.clock is not None:
            return self.clock
        from twisted.internet import reactor

        return IReactorTime(reactor)

    def _refusal(self, proved: ProvedKey, answer: object) -> HostKeyNotVerifiable:
        """
        The error for an answer that is not C{True}.
        """
        if not isinstance(answer, Failure):
            return self._untrusted(HostKeyRejected, proved.key_blob)
        error = answer.value
        if isinstance(error, HostKeyNotVerifiable):
            return error
        refusal = self._untrusted(HostKeyRejected, proved.key_blob, _why(error))
        if isinstance(error, ConchHostKeyChanged):
            refusal = self._untrusted(HostKeyChanged, proved.key_blob)
            if error.path is not None:
                refusal.lines = ((error.path.path, error.lineno),)
        refusal.__cause__ = error
        return refusal

    def _refuse(self, error: HostKeyNotVerifiable) -> None:
        self._leave(
            error,
            conch.DISCONNECT_HOST_KEY_NOT_VERIFIABLE,
            b"host key not verifiable",
        )

    def _address(self) -> str | None:
        return getattr(self.transport.getPeer(), "host", None)

    def _host(self) -> str:
        return self.hostname or self._address() or ""

    def _untrusted(
        self,
        kind: type[HostKeyNotVerifiable],
        blob: bytes,
        problem: str | None = None,
    ) -> HostKeyNotVerifiable:
        return kind(
            self._host(),
            self.port,
            text(key_type(blob)),
            sha256_fingerprint(blob),
            problem=problem,
        )


def _why(error: BaseException | None) -> str:
    if isinstance(error, CancelledError):
        return "the question whether to trust the host key was cancelled"
    said = printable(f"{type(error).__name__}: {error}", limit=200)
    return f"the host key was not accepted: {said}"


def _md5_fingerprint(blob: bytes) -> bytes:
    digest = hashlib.md5(blob, usedforsecurity=False).digest()
    return digest.hex(":").encode("ascii")

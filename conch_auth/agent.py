"""
A client of ssh-agent, and the keys it holds as signers.

>>> agent = await SSHAgentClient.connect()
>>> for key in await agent.identities():
...     print(key.source, await key.sign(data, key.algorithms[0]))

The protocol is draft-ietf-sshm-ssh-agent, with the extensions of OpenSSH's
PROTOCOL.agent.  Keys are carried as the agent gives them: a certificate, the
key of a security key, or one of a type that nobody here has heard of, signs as
any other does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from conch_auth import _agent_messages, names
from conch_auth._agent_connection import AgentConnection
from conch_auth._agent_constraints import Constraints, Destination, Hop
from conch_auth._agent_messages import SESSION_BIND, Request
from conch_auth._frames import drop_frames
from conch_auth.algorithms import signature_algorithms
from conch_auth.certificates import (
    certificate_algorithm,
    is_certificate_algorithm,
    key_type,
    plain_algorithm,
)
from conch_auth.display import fingerprint, printable, text
from conch_auth.errors import AgentError, AgentRefused
from conch_auth.interfaces import ISigner

__all__ = ["AgentKey", "Destination", "Hop", "SSHAgentClient"]

#: A private key that can be added.
PrivateKey = (
    Key
    | rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | dsa.DSAPrivateKey
)


@implementer(ISigner)
class AgentKey:
    """
    A key that an agent holds.

    @ivar comment: the agent's text for it, as it came: show it only through
        L{conch_auth.display.printable}, or show L{source}.
    @ivar source: C{ssh-agent} and the comment, fit to be shown.
    @ivar algorithms: what it can sign, strongest first; of a certificate, under
        the certificate's names.  Empty where the key names no type.
    """

    def __init__(self, agent: SSHAgentClient, blob: bytes, comment: bytes) -> None:
        self._agent = agent
        self._blob = blob
        self.comment = text(comment)
        shown = printable(self.comment, limit=64)
        self.source = f"{names.AGENT} ({shown})" if shown else names.AGENT
        self.algorithms = _algorithms_of(key_type(blob))

    def sshType(self) -> bytes:
        """
        The key's type, the first field of L{blob}; empty where it has none.
        """
        return key_type(self._blob)

    def blob(self) -> bytes:
        """
        The public key, or the certificate, as it is sent.
        """
        return self._blob

    def sign(self, data: bytes, algorithm: bytes) -> Deferred[bytes]:
        """
        The signature (RFC 4253, section 6.6), as the agent made it: of a
        security key with its flags and counter (PROTOCOL.u2f).  An agent may
        know nothing of RFC 8332 and sign with C{ssh-rsa} whatever it is asked
        for: the signature says which it is.

        @param algorithm: one of L{algorithms}; of a certificate, the plain name
            does as well.
        @return: fails with L{AgentError}, or with C{ValueError} for an
            algorithm that the key has not.
        """
        plain = {plain_algorithm(able) for able in self.algorithms}
        if plain_algorithm(algorithm) not in plain:
            shown = printable(text(algorithm), limit=64)
            return fail(ValueError(f"{self!r} cannot sign by {shown}"))
        return self._agent.signWith(self._blob, data, algorithm)

    def __repr__(self) -> str:
        kind = printable(text(self.sshType()), limit=64)
        return f"<AgentKey {kind} {fingerprint(self._blob)} from {self.source}>"


def _algorithms_of(kind: bytes) -> tuple[bytes, ...]:
    if not kind:
        return ()
    plain = signature_algorithms(plain_algorithm(kind))
    if is_certificate_algorithm(kind):
        return tuple(map(certificate_algorithm, plain))
    return plain


class SSHAgentClient(AgentConnection):
    """
    An ssh-agent, over any transport.

    L{connect} is the usual way to have one.  It makes a new connection when it
    needs one: after an agent was restarted, broke its protocol or stumbled on
    an extension.  As a protocol on a transport, as Conch's class of this name
    is used, it has the one connection.

    Requests go out at once, and each fires its Deferred once: with the answer,
    or with an L{AgentError}.  One that is cancelled is forgotten here, though
    the agent may still do it.

    @cvar timeout: seconds for an answer, and for a connection; C{None} for no
        limit, here and below.  They count while the agent is at the request,
        not while it is at those before.
    @cvar signTimeout: seconds for what a person may have to attend to: to sign,
        to add a key, and what concerns a smartcard.
    @cvar clock: what counts them; C{None} for the reactor.
    """

    def __init__(self) -> None:
        super().__init__()
        #: The blobs that L{getPublicKey} has still to give.
        self.blobs: list[bytes] = []
        self._listed: dict[bytes, AgentKey] = {}

    # What an agent can be asked.

    def identities(self) -> Deferred[tuple[AgentKey, ...]]:
        """
        The keys that it holds, in its order.  A locked agent has none to show.
        """
        return self._ask(_agent_messages.identities()).addCallback(
            lambda listed: tuple(AgentKey(self, *pair) for pair in listed)
        )

    def signWith(
        self, blob: bytes, data: bytes, algorithm: bytes | None
    ) -> Deferred[bytes]:
        """
        A signature by the key of a public key blob.

        @param algorithm: for an RSA key, which one (RFC 8332); C{None} leaves
            it to the agent, which takes SHA-1.
        """
        return self._ask(_agent_messages.sign(blob, data, algorithm))

    def add(
        self,
        key: PrivateKey,
        comment: str | bytes = b"",
        *,
        certificate: bytes | None = None,
        lifetime: int | None = None,
        confirm: bool = False,
        destinations: Sequence[Destination] | None = None,
    ) -> Deferred[None]:
        """
        Give it a key.

        @param certificate: the blob of a certificate, to add the key under it.
        @param lifetime: whole seconds after which it is to forget the key.
        @param confirm: it is to ask a person before every signature.
        @param destinations: the only hosts that the key is to be used for.
        @return: fails with C{ValueError} for what cannot be said, and with
            L{AgentRefused} where the agent does not take the key, or says that
            it knows nothing of destinations.  The key was not added then.
        """
        limits = Constraints(lifetime, confirm, destinations)
        return Deferred.fromCoroutine(
            self._add(key, comment, certificate, limits)
        ).addErrback(drop_frames)

    async def _add(
        self,
        key: Any,
        comment: str | bytes,
        certificate: bytes | None,
        limits: Constraints,
    ) -> None:
        private = key if isinstance(key, Key) else Key(key)
        if private.isPublic():
            raise ValueError("a public key was given, not a private one")
        fields = _agent_messages.private_fields(private.privateBlob(), certificate)
        await self._constrained(_agent_messages.add(fields, comment, limits), limits)

    def remove(self, key: AgentKey | Key | bytes) -> Deferred[None]:
        """
        Make it forget a key.

        @param key: the key, or its public key blob.
        """
        blob = key if isinstance(key, bytes) else key.blob()
        return self._ask(_agent_messages.remove(blob))

    def removeAll(self) -> Deferred[None]:
        """
        Make it forget every key.
        """
        return self._ask(_agent_messages.remove_all())

    def lock(self, passphrase: str | bytes) -> Deferred[None]:
        """
        Lock it: until L{unlock} it lists no keys and signs nothing.
        """
        return self._ask(_agent_messages.lock(passphrase))

    def unlock(self, passphrase: str | bytes) -> Deferred[None]:
        """
        Unlock it with the passphrase that it was locked with.
        """
        return self._ask(_agent_messages.unlock(passphrase))

    def addSmartcard(
        self,
        provider: str,
        pin: str | bytes = b"",
        *,
        lifetime: int | None = None,
        confirm: bool = False,
        destinations: Sequence[Destination] | None = None,
    ) -> Deferred[None]:
        """
        Give it the keys of a token.

        @param provider: for OpenSSH, the path of a PKCS#11 library, which must
            be among those that the agent allows (C{ssh-agent -P}).
        @return: as with L{add}.
        """
        limits = Constraints(lifetime, confirm, destinations)
        request = maybeDeferred(_agent_messages.add_smartcard, provider, pin, limits)
        return request.addCallback(
            lambda card: Deferred.fromCoroutine(self._constrained(card, limits))
        ).addErrback(drop_frames)

    def removeSmartcard(self, provider: str, pin: str | bytes = b"") -> Deferred[None]:
        """
        Make it forget the keys of a token.
        """
        return self._ask(_agent_messages.remove_smartcard(provider, pin))

    async def _constrained(self, request: Request[None], limits: Constraints) -> None:
        """
        Some agents take a constraint and do not keep to it.  One that tells
        its extensions, without this one, is not given the key.
        """
        if limits.destinations is not None:
            try:
                known: Sequence[bytes] | None = await self.query()
            except AgentError:
                known = None
            if known is not None and SESSION_BIND not in known:
                said = "it does not know how to keep a key to some destinations"
                raise AgentRefused(request.tried, said)
        await self._ask(request)

    def query(self) -> Deferred[tuple[bytes, ...]]:
        """
        The names of the extensions that it knows.  OpenSSH's agent before 10.0
        refuses, though it knows C{session-bind@openssh.com}.
        """
        return self._ask(_agent_messages.query())

    def extension(self, name: bytes, contents: bytes = b"") -> Deferred[bytes]:
        """
        Ask for an extension.  An agent that closes the connection at it, or
        does not answer, is not asked for it again; whatever else it was asked,
        it is asked anew.

        @return: the contents of the reply; fails with L{AgentRefused} where the
            agent does not know it.
        """
        return self._ask(_agent_messages.extension(name, contents))

    def bindSession(
        self,
        host_key_blob: bytes,
        session_id: bytes,
        signature: bytes,
        forwarding: bool = False,
    ) -> Deferred[bool]:
        """
        Tell it which SSH connection the next signatures are for
        (C{session-bind@openssh.com}); a key for some destinations signs for
        none without.  It holds until the connection to the agent is closed.

        @param session_id: the exchange hash of the first key exchange.
        @param signature: the host key's, of C{session_id}.
        @param forwarding: the connection is one that the agent is forwarded
            over, rather than logged in with.
        @return: C{False} where the agent refused it, or stumbled on it: other
            keys can be used all the same.
        """
        contents = _agent_messages.session_bind(
            host_key_blob, session_id, signature, forwarding
        )
        asked = self.extension(SESSION_BIND, contents)
        return asked.addCallbacks(self._bound, self._not_bound, (contents,))

    def _bound(self, reply: bytes, contents: bytes) -> bool:
        self._bindings.append(contents)
        return True

    def _not_bound(self, failure: Failure) -> bool:
        if SESSION_BIND not in self._stumbled:
            failure.trap(AgentRefused)
        return False

    # Conch's face.

    def requestIdentities(self) -> Deferred[list[tuple[bytes, bytes]]]:
        """
        As Conch's: the keys as pairs of blob and comment.
        """
        return self._ask(_agent_messages.identities()).addCallback(list)

    def getPublicKeys(self) -> Deferred[None]:
        """
        As Conch's: ask for the keys that L{getPublicKey} is to give.
        """
        return self.identities().addCallback(self._list)

    def _list(self, keys: Sequence[AgentKey]) -> None:
        self._listed = {key.blob(): key for key in keys}
        self.blobs = [key.blob() for key in keys]

    def getPublicKey(self) -> AgentKey | None:
        """
        As Conch's: the next key of those asked for last, or C{None}.  It is an
        L{AgentKey}, as a C{Key} cannot be one of every type.
        """
        if not self.blobs:
            return None
        blob = self.blobs.pop(0)
        return self._listed.get(blob) or AgentKey(self, blob, b"")

    def signData(
        self, blob: bytes, data: bytes, algorithm: bytes | None = None
    ) -> Deferred[bytes]:
        """
        As Conch's, but not bound to SHA-1.

        @param algorithm: what to sign by; C{None} for the one that C{data}
            names, where it is a C{publickey} request.
        """
        if algorithm is None:
            algorithm = _agent_messages.algorithm_named_in(data)
        return self.signWith(blob, data, algorithm)

    def addIdentity(self, blob: bytes, comment: bytes = b"") -> Deferred[None]:
        """
        As Conch's: add a private key, given as C{Key.privateBlob} gives it.
        """
        return self._ask(_agent_messages.add(blob, comment, Constraints()))

    def removeIdentity(self, blob: bytes) -> Deferred[None]:
        """
        As Conch's: L{remove}.
        """
        return self.remove(blob)

    def removeAllIdentities(self) -> Deferred[None]:
        """
        As Conch's: L{removeAll}.
        """
        return self.removeAll()

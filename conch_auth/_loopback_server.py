# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
"""
What every server of this process has: host keys, a way to it, and an end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from conch_auth import display, names
from conch_auth._loopback_link import Link, MemoryEndpoint
from conch_auth._loopback_wire import Fault, Wire
from conch_auth.report import AuthReport
from conch_auth.transport import SSHClientTransport
from conch_auth.userauth import SSHUserAuthClient

#: What today's servers accept: everything but SHA-1 and DSA.
SIGNATURE_ALGORITHMS = tuple(
    name for name in names.SIGNATURE_ALGORITHMS if name not in (b"ssh-rsa", b"ssh-dss")
)

_Server = TypeVar("_Server", bound="InProcessServer")

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ecdsa-sha2-nistp256": ec.SECP256R1,
    "ecdsa-sha2-nistp384": ec.SECP384R1,
    "ecdsa-sha2-nistp521": ec.SECP521R1,
}


def generate_key(key_type: str = "ssh-ed25519") -> Key:
    """
    A new private key.

    @param key_type: C{ssh-ed25519}, C{ssh-rsa} (2048 bits) or one of
        C{ecdsa-sha2-nistp256}, C{-nistp384} and C{-nistp521}.
    """
    if key_type == "ssh-ed25519":
        return Key(ed25519.Ed25519PrivateKey.generate())
    if key_type == "ssh-rsa":
        return Key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return Key(ec.generate_private_key(_CURVES[key_type]()))


class ServerTransport(SSHServerTransport):
    """
    A connection's transport, which the server can close and wait for.

    @ivar wire: what its bytes go through.
    """

    factory: ServerFactory
    transport: Any
    wire: Wire

    def makeConnection(self, transport: Any) -> None:
        server = self.factory.server
        self.wire = Wire(transport, self.factory.clock, server.fault)
        server.connection = self
        super().makeConnection(self.wire)

    def connectionMade(self) -> None:
        self.closed: Deferred[None] = Deferred()
        self.factory.server._transports.add(self)
        SSHServerTransport.connectionMade(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)
        self.factory.server._transports.discard(self)
        self.closed.callback(None)

    def sendExtInfo(self, extensions: Any) -> None:
        # Conch lists what its host keys can sign, which says nothing of what
        # a user's key may be (RFC 8308, section 3.1).
        extensions = self.factory.server.extensions
        if extensions is not None:
            SSHServerTransport.sendExtInfo(self, list(extensions.items()))


class ServerFactory(SSHFactory):
    """
    Conch's factory for a server of this process.
    """

    noisy = False
    protocol: Any = ServerTransport
    server: InProcessServer
    clock: Any


class InProcessServer:
    """
    A server that runs in the process of those who log in to it: it listens on
    127.0.0.1, or is connected to in memory.

    @ivar clock: what connections in memory take the time from.
    @ivar host: the address that is listened on.
    @ivar port: the port, once L{listen} was called; 22 before.
    @ivar extensions: what EXT_INFO says (RFC 8308); C{None} sends none.
    @ivar fault: how each new connection breaks, a L{Fault}; C{None} for not at
        all.
    @ivar connection: the server's transport of the connection that was made
        last; C{None} before.
    """

    host = "127.0.0.1"
    port = 22

    def __init__(
        self, host_keys: Sequence[Key], extensions: Mapping[bytes, bytes] | None
    ) -> None:
        self.clock = Clock()
        self.extensions = extensions
        self.fault: Fault | None = None
        self.connection: Any = None
        self._host_keys = list(host_keys) or [generate_key()]
        self._ports: list[Any] = []
        self._links: dict[Link, None] = {}
        self._transports: set[ServerTransport] = set()

    @property
    def host_key(self) -> Key:
        """
        The first host key's public half.
        """
        public: Key = self._host_keys[0].public()
        return public

    @property
    def fingerprint(self) -> str:
        """
        Its SHA256 fingerprint, as OpenSSH prints it.
        """
        return display.fingerprint(self.host_key.blob())

    def known_hosts_line(self, host: str | None = None) -> str:
        """
        A known_hosts line for this server, without line end.

        @param host: the name to write; the address and port where it is not
            given.
        """
        if host is None:
            host = self.host if self.port == 22 else f"[{self.host}]:{self.port}"
        return f"{host} {self.host_key.toString('openssh').decode('ascii').strip()}"

    @property
    def options(self) -> dict[str, Any]:
        """
        The options of L{connect<conch_auth.endpoints.connect>} that lead here:
        C{host}, C{port} and C{known_hosts}.
        """
        known = self.known_hosts_line().encode("ascii")
        return {"host": self.host, "port": self.port, "known_hosts": known}

    def listen(self: _Server, reactor: Any, port: int = 0) -> Deferred[_Server]:
        """
        Listen on 127.0.0.1, on a free port where none is named.

        @return: fires with the server itself.
        """
        factory = self._factory(reactor)
        listening = reactor.listenTCP(port, factory, interface=self.host)
        self._ports.append(listening)
        self.port = listening.getHost().port
        return succeed(self)

    def stop(self) -> Deferred[None]:
        """
        Stop listening, and close every connection.

        @return: fires when all of them are closed.
        """
        waiting: list[Any] = [port.stopListening() for port in self._ports]
        self._ports = []
        for transport in list(self._transports):
            waiting.append(transport.closed)
            transport.transport.loseConnection()
        return DeferredList(waiting).addCallback(lambda _: None)

    def connect_in_memory(self, client: IProtocol) -> Link:
        """
        Connect a client without any socket, and let both sides talk until
        neither has more to say.

        @param client: the client's transport, as an endpoint would build it.
        """
        link = self._join(client)
        link.pump()
        return link

    def endpoint(self) -> MemoryEndpoint:
        """
        An endpoint for clients that connect by one, such as
        L{connect<conch_auth.endpoints.connect>}.  The connection is made in
        memory; the client is to take its time from L{clock}::

            endpoint = server.endpoint()
            connected = connect("server", endpoint=endpoint, reactor=server.clock)
            endpoint.pump()
        """
        return MemoryEndpoint(self._join)

    def log_in(self, client: SSHUserAuthClient) -> Deferred[AuthReport]:
        """
        Let a client log in, in memory, until neither side has more to say.  It
        takes its time from L{clock} and trusts this server's host key.

        @return: what C{client.whenAuthenticated} gives, or why the connection
            ended before the login could begin.
        """
        transport = _ClientTransport()
        transport.clock = client.clock = self.clock
        transport.hostname, transport.service_wanted = self.host, client
        transport.trusted = self.host_key.blob()
        link = self._join(transport)
        ended = transport.whenSecure().addCallback(
            lambda _: client.whenAuthenticated()
        )
        link.pump()
        return ended

    def pump(self) -> None:
        """
        Carry the bytes of every connection in memory, and run what is due,
        until nothing moves.  A test calls it after it has answered a question
        of its client.
        """
        for link in list(self._links):
            link.pump()

    def advance(self, seconds: float) -> None:
        """
        Let time pass, then L{pump}.
        """
        self.clock.advance(seconds)
        self.pump()

    def _join(self, client: IProtocol) -> Link:
        factory = self._factory(self.clock)
        factory.startFactory()
        link = Link(client, factory.buildProtocol(None), self.clock)
        self._links[link] = None
        link.when_lost = self._links.pop
        return link

    def _factory(self, clock: Any) -> Any:
        """
        What builds the server's end of each connection.
        """
        raise NotImplementedError

    def _prepare(self, factory: Any, clock: Any) -> Any:
        factory.server = self
        factory.clock = clock
        factory.privateKeys = {key.sshType(): key for key in self._host_keys}
        factory.publicKeys = {key.sshType(): key.public() for key in self._host_keys}
        return factory


class _ClientTransport(SSHClientTransport):
    """
    The transport of a client that logs in in memory.
    """

    service_wanted: SSHUserAuthClient
    trusted: bytes

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> bool:
        return hostKey == self.trusted

    def connectionSecure(self) -> None:
        self.requestService(self.service_wanted)


def server_sig_algs(algorithms: Sequence[bytes]) -> dict[bytes, bytes]:
    """
    The extensions that announce C{algorithms} (RFC 8308, section 3.1).
    """
    return {names.SERVER_SIG_ALGS: b",".join(algorithms)}

"""
An SSH server in this process: for tests, examples and the demonstration.

It is made of Conch's own parts, makes its keys itself, and needs no
configuration.  It listens on 127.0.0.1, or talks to a client in memory, where
the test moves the bytes and the clock::

    server = LoopbackServer()
    server.add_user("alice", password="wonderland")
    link = server.connect_in_memory(client_protocol)

It is made to be logged in to by its owner's tests.  It is no server for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.error import ConnectionDone, NoProtocol
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from conch_auth import display, names
from conch_auth._loopback_auth import (
    Account,
    AccountChecker,
    LoopbackUserAuthServer,
    rounds_of,
)
from conch_auth._loopback_session import COMMANDS, Command, Realm, Result
from conch_auth.messages import UserAuthRequest

__all__ = ["Link", "LoopbackServer", "MemoryEndpoint", "Result", "generate_key"]

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ecdsa-sha2-nistp256": ec.SECP256R1,
    "ecdsa-sha2-nistp384": ec.SECP384R1,
    "ecdsa-sha2-nistp521": ec.SECP521R1,
}

#: What today's servers accept: everything but SHA-1 and DSA.
SIGNATURE_ALGORITHMS = tuple(
    name for name in names.SIGNATURE_ALGORITHMS if name not in (b"ssh-rsa", b"ssh-dss")
)


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


class LoopbackServer:
    """
    A server, and the users that it knows.

    @ivar accounts: the L{Account} of each user, by name.
    @ivar requests: every USERAUTH_REQUEST that came, in order, as
        L{UserAuthRequest} values without their secrets.
    @ivar clock: what connections in memory take the time from.
    @ivar host: the address that is listened on.
    @ivar port: the port, once L{listen} was called; 22 before.

    @param host_keys: private keys; one new Ed25519 key where none is given.
    @param signature_algorithms: the signature algorithms that are accepted.
    @param announce: whether they are sent as C{server-sig-algs} (RFC 8308).
    @param max_tries: how many requests may fail; one more and the server
        disconnects.
    @param password_delay: seconds until a wrong password is refused.
    """

    host = "127.0.0.1"
    port = 22

    def __init__(
        self,
        *,
        host_keys: Sequence[Key] = (),
        signature_algorithms: Sequence[bytes] = SIGNATURE_ALGORITHMS,
        announce: bool = True,
        max_tries: int = 6,
        password_delay: float = 0.0,
    ) -> None:
        self.accounts: dict[bytes, Account] = {}
        self.requests: list[UserAuthRequest] = []
        self._commands: dict[str, Command] = dict(COMMANDS)
        self.clock = Clock()
        self.max_tries = max_tries
        self.password_delay = password_delay
        self.announced = tuple(signature_algorithms) if announce else ()
        self._host_keys = list(host_keys) or [generate_key()]
        self._checker = AccountChecker(self.accounts, tuple(signature_algorithms))
        self._ports: list[Any] = []
        self._transports: set[_Transport] = set()

    def add_user(
        self,
        name: str,
        *,
        password: str | None = None,
        keys: Iterable[Key] = (),
        prompts: Sequence[Sequence[tuple[str, bool]]] = (),
        answers: Sequence[Sequence[str]] = (),
        instruction: str = "",
        factors: Sequence[Sequence[str]] | None = None,
        banner: str = "",
        password_change: str | None = None,
    ) -> None:
        """
        Let a user log in, or say anew how.

        @param keys: public keys, or private ones of which the public half is
            taken.
        @param prompts: the rounds of keyboard-interactive, each a list of
            C{(prompt, echo)}; a round may be empty.
        @param answers: the right answers, in the same shape.
        @param instruction: the text that goes with the first round.
        @param factors: what has to be passed, as sshd's
            C{AuthenticationMethods}: alternatives, each a list of methods in
            their order.  C{[["publickey", "password"]]} wants a key and then a
            password, C{[["none"]]} no proof at all.  Where it is C{None}, each
            method that the user has something for is enough.
        @param banner: a text that is sent before the first answer.
        @param password_change: a prompt; the server asks with it for a new
            password when the right one was given.
        @raise ValueError: where prompts and answers do not pair up.
        """
        account = Account(
            name.encode(),
            None if password is None else password.encode(),
            frozenset(key.public().blob() for key in keys),
            rounds_of(prompts, answers, instruction),
            banner=banner,
            change_prompt=password_change,
        )
        if factors is None:
            account.factors = tuple((method,) for method in account.methods())
        else:
            account.factors = tuple(
                tuple(method.encode() for method in methods) for methods in factors
            )
        self.accounts[account.name] = account

    def add_command(self, name: str, command: Command) -> None:
        """
        Let sessions run a command.  C{whoami}, C{echo}, C{uptime}, C{exit} with
        a status, and C{cat} without arguments are there already.

        @param command: a function from the user's name and the arguments to
            the text that is written, or to a L{Result}.
        """
        self._commands[name] = command

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

    def listen(self, reactor: Any, port: int = 0) -> Deferred[LoopbackServer]:
        """
        Listen on 127.0.0.1, on a free port where none is named.

        @return: fires with the server itself.
        """
        listening = reactor.listenTCP(port, self._factory(reactor), interface=self.host)
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

    def _join(self, client: IProtocol) -> Link:
        factory = self._factory(self.clock)
        factory.startFactory()
        return Link(client, factory.buildProtocol(None), self.clock)

    def endpoint(self) -> MemoryEndpoint:
        """
        An endpoint for clients that connect by one, such as
        L{connect<conch_auth.endpoints.connect>}.  The connection is made in
        memory; the client is to take its time from L{clock}::

            endpoint = server.endpoint()
            connected = connect("server", endpoint=endpoint, reactor=server.clock)
            endpoint.pump()
        """
        return MemoryEndpoint(self)

    def _factory(self, clock: Any) -> _Factory:
        factory = _Factory()
        factory.server = self
        factory.clock = clock
        factory.portal = Portal(Realm(self._commands, clock), [self._checker])
        factory.privateKeys = {key.sshType(): key for key in self._host_keys}
        factory.publicKeys = {key.sshType(): key.public() for key in self._host_keys}
        return factory


class _Transport(SSHServerTransport):
    """
    A connection's transport, which the server can close and wait for.
    """

    factory: _Factory
    transport: Any

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
        announced = self.factory.server.announced
        if announced:
            listed = [(names.SERVER_SIG_ALGS, b",".join(announced))]
            SSHServerTransport.sendExtInfo(self, listed)


class _Factory(SSHFactory):
    """
    Conch's factory for a L{LoopbackServer}.
    """

    noisy = False
    protocol = _Transport
    server: LoopbackServer
    clock: Any
    portal: Portal
    services: Mapping[bytes, Any] = {  # type: ignore[assignment]
        b"ssh-userauth": LoopbackUserAuthServer,
        b"ssh-connection": SSHConnection,
    }

    @property
    def accounts(self) -> dict[bytes, Account]:
        return self.server.accounts

    @property
    def requests(self) -> list[UserAuthRequest]:
        return self.server.requests

    @property
    def max_tries(self) -> int:
        return self.server.max_tries

    @property
    def password_delay(self) -> float:
        return self.server.password_delay


class Link:
    """
    A client and a server that are joined in memory.

    @ivar client: the client's protocol.
    @ivar server: the server's.
    @ivar clock: the L{Clock} of the server's side; give it to the client, too.
    @ivar closed: whether the connection has ended.
    """

    def __init__(self, client: IProtocol, server: IProtocol, clock: Clock) -> None:
        self.client = client
        self.server = server
        self.clock = clock
        self.closed = False
        self._ends = ((client, StringTransport()), (server, StringTransport()))
        for protocol, transport in self._ends:
            protocol.makeConnection(transport)

    def pump(self, chunk: int | None = None) -> None:
        """
        Carry bytes both ways, and run what is due, until nothing moves.

        @param chunk: the most bytes that are delivered at once.
        """
        while not self.closed and (self._carry(chunk) or self._run_due()):
            pass

    def advance(self, seconds: float) -> None:
        """
        Let time pass, then L{pump}.
        """
        self.clock.advance(seconds)
        self.pump()

    def lose(self) -> None:
        """
        End the connection for both sides; bytes that are under way are lost.
        """
        if not self.closed:
            self.closed = True
            for protocol, _ in self._ends:
                protocol.connectionLost(Failure(ConnectionDone()))

    def _carry(self, chunk: int | None) -> bool:
        (client, upward), (server, downward) = self._ends
        moved = _deliver(upward, server, chunk) or _deliver(downward, client, chunk)
        if not moved and (upward.disconnecting or downward.disconnecting):
            self.lose()
        return moved

    def _run_due(self) -> bool:
        now = self.clock.seconds()
        due = any(call.getTime() <= now for call in self.clock.getDelayedCalls())
        if due:
            self.clock.advance(0)
        return due


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """
    Connects to a L{LoopbackServer} without any socket.

    @ivar links: the L{Link} of each connection, in order.
    """

    def __init__(self, server: LoopbackServer) -> None:
        self._server = server
        self.links: list[Link] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect; nothing moves before L{pump}.
        """
        client = protocolFactory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 22))
        if client is None:
            return fail(NoProtocol())
        self.links.append(self._server._join(client))
        return succeed(client)

    def pump(self) -> None:
        """
        Let every connection talk until there is no more to say.
        """
        for link in self.links:
            link.pump()


def _deliver(origin: StringTransport, target: IProtocol, chunk: int | None) -> bool:
    data = origin.value()
    origin.clear()
    step = chunk or len(data) or 1
    for start in range(0, len(data), step):
        target.dataReceived(data[start : start + step])
    return bool(data)

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth.endpoints}: C{connect} from its first byte to its last,
and what is left open when it is not let finish.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncssh
from twisted.conch.endpoints import SSHCommandClientEndpoint
from twisted.conch.ssh import forwarding
from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
)
from twisted.internet.error import ConnectError, ConnectionDone, NoProtocol
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from conch_auth import SSHClient, connect, create_connection
from conch_auth.errors import (
    AuthenticationCancelled,
    AuthenticationFailed,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    HostKeyNotVerifiable,
    LoginError,
    LoginTimeout,
    NotSSH,
    ProtocolError,
    ServerDisconnected,
)
from conch_auth.knownhosts import insecure_accept_any
from conch_auth.loopback import LoopbackServer, generate_key
from tests.memory import MemoryCase
from tests.peers.asyncssh_server import (
    TIMEOUT,
    AsyncSSHServer,
    Scripted,
    Server,
    String,
)

in_reactor: Callable[..., object] = reactor.callFromThread  # type: ignore[attr-defined]
#: A login that needs no more than a server.
ALONE: dict[str, Any] = {
    "username": "alice",
    "password": "right",
    "client_keys": None,
    "agent_path": None,
    "known_hosts": insecure_accept_any(),
}


class ConnectionTests(MemoryCase):
    """
    The connection that C{connect} gives.
    """

    def test_parts(self) -> None:
        """
        It has its client, its report and the running service for channels.
        """
        made: list[SSHClient] = []

        def make() -> SSHClient:
            made.append(SSHClient())
            return made[0]

        self.log_in(make, password="right")
        connection = self.connection
        self.assertIs(connection.client, made[0])
        self.assertTrue(connection.report.succeeded)
        self.assertIs(connection.transport.service, connection.connection)
        self.assertEqual((connection.host, connection.port), ("server", 22))
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_create_connection(self) -> None:
        """
        C{create_connection} gives the connection and the client, with
        AsyncSSH's order of arguments.
        """
        made = create_connection(
            SSHClient, "server", 22, endpoint=self.endpoint, reactor=self.server.clock,
            **ALONE,
        )
        self.endpoint.pump()
        connection, client = self.successResultOf(made)
        self.assertIs(connection.client, client)

    def test_extra_info(self) -> None:
        """
        It tells AsyncSSH's facts under AsyncSSH's names.
        """
        self.log_in(password="right")
        told = self.connection.get_extra_info
        self.assertEqual(told("username"), "alice")
        self.assertEqual((told("host"), told("port")), ("server", 22))
        self.assertEqual(told("peername")[0], "192.168.1.1")
        self.assertTrue(told("server_version").startswith("SSH-2.0-"))
        self.assertTrue(told("client_version").startswith("SSH-2.0-"))
        self.assertEqual(told("server_host_key"), self.server.host_key.blob())
        for name in ("send_cipher", "recv_cipher", "send_mac", "recv_mac"):
            self.assertIsInstance(told(name), str, name)
        self.assertIsNone(told("weather"))
        self.assertEqual(told("weather", "fine"), "fine")

    def test_extra_info_early(self) -> None:
        """
        So far as they are known.
        """
        seen: list[Any] = []

        class Early(SSHClient):
            def connection_made(self, conn: Any) -> None:
                seen.append(conn.get_extra_info("host"))
                seen.append(conn.get_extra_info("server_host_key", "not yet"))
                seen.append(conn.get_extra_info("server_version", "not yet"))
                seen.append(conn.report)

        self.log_in(Early, password="right")
        self.assertEqual(seen, ["server", "not yet", "not yet", None])

    def test_extra_info_late(self) -> None:
        """
        After the connection has gone they are told still.
        """
        self.log_in(password="right")
        told = self.connection.get_extra_info
        before = told("peername"), told("sockname"), told("server_version")
        self.connection.abort()
        self.assert_closed()
        below = self.connection.transport.transport
        below.getPeer = below.getHost = lambda: self.fail("the socket is closed")
        after = told("peername"), told("sockname"), told("server_version")
        self.assertEqual(after, before)

    def test_ends(self) -> None:
        """
        C{close} and C{abort} close it; whoever waits for that hears of it, and
        twice does no harm.
        """
        for end in ("close", "abort"):
            self.ends, self.endpoint = [], self.server.endpoint()
            self.log_in(password="right")
            waiting = self.connection.wait_closed()
            self.assertNoResult(waiting)
            getattr(self.connection, end)()
            self.assert_closed()
            self.successResultOf(waiting)
            self.successResultOf(self.connection.wait_closed())
            self.connection.close()
            self.connection.abort()

    def test_wait_given_up(self) -> None:
        """
        Who does not want to wait any longer may cancel that.
        """
        self.log_in(password="right")
        waiting = self.connection.wait_closed()
        waiting.cancel()
        self.failureResultOf(waiting, defer.CancelledError)
        self.connection.close()
        self.assert_closed()

    def test_server_is_told(self) -> None:
        """
        Closing says so to the server.
        """
        self.log_in(password="right")
        told: list[Any] = []
        self.peer.receiveError = lambda *reason: told.append(reason)
        self.connection.close()
        self.endpoint.pump()
        self.assertEqual(told, [(11, b"closed")])


class RunningConnectionTests(TestCase):
    """
    The connection on a socket.
    """

    def setUp(self) -> Any:
        self.server = LoopbackServer()
        self.server.add_user("alice", password="right")
        self.addCleanup(self.server.stop)
        return self.server.listen(reactor)

    def connect(self, **options: Any) -> Deferred[Any]:
        return connect(self.server.host, self.server.port, **{**ALONE, **options})

    async def test_command(self) -> None:
        """
        Conch's endpoints run commands over it.
        """
        made = await self.connect()
        heard = Collecting()
        endpoint = SSHCommandClientEndpoint.existingConnection(
            made.connection, b"whoami"
        )
        await endpoint.connect(Factory.forProtocol(lambda: heard))
        self.assertEqual(await heard.over, b"alice\n")
        self.assertFalse(made.transport.failure)
        made.close()
        await made.wait_closed()

    async def test_several(self) -> None:
        """
        Two can be made at the same time.
        """
        first, second = await defer.gatherResults([self.connect(), self.connect()])
        self.assertIsNot(first.connection, second.connection)
        for made in (first, second):
            made.close()
            await made.wait_closed()

    async def test_jump(self) -> None:
        """
        C{endpoint} may lead through another connection; host and port still say
        whose key it is.
        """
        jump = AsyncSSHServer(JumpHost)
        jump.start()
        self.addCleanup(jump.stop)
        first = await connect("127.0.0.1", jump.port, **ALONE)
        way = ThroughChannel(first.connection, self.server.host, self.server.port)
        known = self.server.known_hosts_line().encode()
        second = await self.connect(endpoint=way, known_hosts=known)
        self.assertTrue(second.report.succeeded)
        self.assertIsNone(second.get_extra_info("weather"))
        second.close()
        await second.wait_closed()
        first.close()
        await first.wait_closed()

    async def test_jump_cancelled(self) -> None:
        """
        A channel cannot be aborted, but is closed when the login is cancelled.
        """
        jump = AsyncSSHServer(JumpHost)
        jump.start()
        self.addCleanup(jump.stop)
        first = await connect("127.0.0.1", jump.port, **ALONE)
        way = ThroughChannel(first.connection, self.server.host, self.server.port)
        asked: Deferred[None] = Deferred()

        class Slow(SSHClient):
            def validate_host_public_key(self, *key: Any) -> Any:
                asked.callback(None)
                return Deferred()

        login = self.connect(endpoint=way, known_hosts=None, client_factory=Slow)
        await asked
        login.cancel()
        await self.assert_fails(login, defer.CancelledError)
        await defer.gatherResults([held.closed for held in self.server._transports])
        first.close()
        await first.wait_closed()

    async def assert_fails(self, login: Deferred[Any], kind: type[Exception]) -> Any:
        try:
            await login
        except kind as error:
            return error
        return self.fail(f"{kind.__name__} was not raised")


class JumpHost(Scripted):
    """
    Lets its users connect to anywhere.
    """

    def connection_requested(self, *place: Any) -> bool:
        return True


class Collecting(Protocol):
    """
    Keeps what comes, until the end.
    """

    def __init__(self) -> None:
        self.heard = b""
        self.over: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        self.over.callback(self.heard)


class _Channel(forwarding.SSHConnectForwardingChannel):
    """
    A channel that is a transport for somebody's protocol.
    """

    def __init__(self, place: Any, made: Callable[[Any], Protocol], **kw: Any) -> None:
        super().__init__(*place, **kw)
        self.name = b"direct-tcpip"
        self._made = made
        self._client: Any = None

    def channelOpen(self, specificData: bytes) -> None:
        self._client = self._made(self)

    def openFailed(self, reason: Any) -> None:
        self._made(reason)

    def dataReceived(self, data: bytes) -> None:
        self._client.dataReceived(data)

    def eofReceived(self) -> None:
        self.loseConnection()

    def closed(self) -> None:
        self._client.connectionLost(Failure(ConnectionDone()))


@implementer(IStreamClientEndpoint)
class ThroughChannel:
    """
    Connects by a C{direct-tcpip} channel (RFC 4254, section 7.2).
    """

    def __init__(self, connection: Any, host: str, port: int) -> None:
        self._connection = connection
        self._place = (host.encode(), port)

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        made: Deferred[Any] = Deferred()

        def opened(channel: Any) -> Any:
            protocol = protocolFactory.buildProtocol(None)
            protocol.makeConnection(channel)
            made.callback(protocol)
            return protocol

        channel = _Channel(self._place, opened, conn=self._connection)
        extra = forwarding.packOpen_direct_tcpip(self._place, (b"127.0.0.1", 0))
        self._connection.openChannel(channel, extra)
        return made


class CancelTests(MemoryCase):
    """
    Cancelled at any step, C{connect} leaves nothing open.
    """

    def test_address(self) -> None:
        """
        While the address is looked up, or the connection made.
        """
        clock = MemoryReactorClock()
        login = connect("127.0.0.1", 22, reactor=clock, **ALONE)
        login.addBoth(self.ends.append)
        login.cancel()
        self.assertIsInstance(self.error, defer.CancelledError)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_connected_all_the_same(self) -> None:
        """
        An endpoint that does not heed it is cancelled at once, and what it
        connects later is closed.
        """
        connected: Deferred[Any] = Deferred(lambda _: None)
        memory = self.endpoint

        @implementer(IStreamClientEndpoint)
        class Deaf:
            def connect(self, protocolFactory: Any) -> Deferred[Any]:
                self.factory = protocolFactory
                # Twisted would end a cancelled Deferred by itself.
                passed: Deferred[Any] = Deferred(lambda _: None)
                passed.cancel = lambda: None  # type: ignore[method-assign]
                connected.chainDeferred(passed)
                return passed

        deaf = Deaf()
        login = self.begin(endpoint=deaf)
        login.cancel()
        self.assertIsInstance(self.error, defer.CancelledError)
        memory.connect(deaf.factory).chainDeferred(connected)
        self.assert_closed()

    def test_every_delivery(self) -> None:
        """
        After any number of bytes of the conversation: the version, the key
        exchange, the service, each request.
        """
        steps = 0
        while True:
            self.ends, self.endpoint = [], self.server.endpoint()
            login = self.begin(password="right")
            (link,) = self.endpoint.links
            moved = all(self.carry(link) for _ in range(steps))
            if not moved:
                break
            login.cancel()
            if not login.called:
                self.fail("it is still running")
            (end,) = self.ends
            if not hasattr(end, "value"):
                end.close()
            else:
                self.assertIsInstance(end.value, defer.CancelledError)
            self.assert_closed()
            steps += 1
        self.assertGreater(steps, 6)

    def carry(self, link: Any) -> bool:
        """
        Carry what is under way in one direction.
        """
        return bool(link._carry(None))

    def test_thinking_server(self) -> None:
        """
        While the server thinks about a password.
        """
        self.server.password_delay = 60
        login = self.log_in(password="wrong")
        login.cancel()
        self.assertIsInstance(self.error, AuthenticationCancelled)
        self.assert_closed()

    def test_twice(self) -> None:
        """
        Cancelling twice, or when it is too late, does nothing more.
        """
        login = self.log_in(password="right")
        login.cancel()
        self.assertFalse(self.endpoint.links[0].closed)
        self.connection.close()
        self.assert_closed()

    def test_transport_that_cannot_be_aborted(self) -> None:
        """
        A transport that can only be closed in order is.
        """
        login = self.begin()
        (link,) = self.endpoint.links
        channel = type("Channel", (), {})()
        closed: list[bool] = []
        channel.loseConnection = lambda: closed.append(True)
        client: Any = link.client
        client.transport = channel
        login.cancel()
        self.assertIn(True, closed)


class SilentServer(Protocol):
    """
    Says one thing, and nothing more.
    """

    says = b""

    def connectionMade(self) -> None:
        self.lost: Deferred[None] = Deferred()
        self.factory.connected.callback(self)
        if self.says:
            self.transport.write(self.says)  # type: ignore[union-attr]

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class StrangeServerTests(TestCase):
    """
    Servers that are none, on sockets.
    """

    async def serve(self, says: bytes) -> int:
        factory = Factory.forProtocol(type("Strange", (SilentServer,), {"says": says}))
        self.connected: Deferred[Any] = Deferred()
        factory.connected = self.connected  # type: ignore[attr-defined]
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            factory
        )
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    async def assert_fails(self, kind: type[Exception], *place: Any, **how: Any) -> Any:
        try:
            await connect(*place, **{**ALONE, **how})
        except kind as error:
            return error
        return self.fail(f"{kind.__name__} was not raised")

    async def test_refused(self) -> None:
        """
        A port that nobody listens on.
        """
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Factory()
        )
        number = port.getHost().port
        await port.stopListening()
        error = await self.assert_fails(ConnectFailed, "127.0.0.1", number)
        self.assertIn("refused", str(error))
        self.assertIn(str(number), str(error))
        self.assertIsInstance(error, ConnectError)
        self.assertIsNotNone(error.__cause__)

    async def test_no_such_host(self) -> None:
        """
        A name without an address.
        """
        error = await self.assert_fails(ConnectFailed, "nowhere.invalid", 22)
        self.assertIn("no address", str(error))

    async def test_not_ssh(self) -> None:
        """
        A server that speaks something else: what it said is told, and the
        connection is closed.
        """
        port = await self.serve(b"HTTP/1.1 400 Bad Request\r\n" * 3000)
        error = await self.assert_fails(NotSSH, "127.0.0.1", port)
        self.assertIn("HTTP/1.1 400", str(error))
        await (await self.connected).lost

    async def test_silent(self) -> None:
        """
        A server that says nothing is left after C{connect_timeout}.
        """
        port = await self.serve(b"")
        await self.assert_fails(
            ConnectTimeout, "127.0.0.1", port, connect_timeout=0.05
        )
        await (await self.connected).lost

    async def test_silent_after_version(self) -> None:
        """
        So is one that says no more than its version.
        """
        port = await self.serve(b"SSH-2.0-Silent\r\n")
        await self.assert_fails(
            ConnectTimeout, "127.0.0.1", port, connect_timeout="0.05s"
        )
        await (await self.connected).lost

    async def test_cancelled(self) -> None:
        """
        Cancelling reaches the server as the loss of the connection.
        """
        for says in (b"", b"SSH-2.0-Silent\r\n"):
            port = await self.serve(says)
            login = connect("127.0.0.1", port, **ALONE)
            server = await self.connected
            login.cancel()
            with self.assertRaises(defer.CancelledError):
                await login
            await server.lost

    async def test_relay(self) -> None:
        """
        An endpoint is used as it is; the host need not even exist.
        """
        server = LoopbackServer()
        server.add_user("alice", password="right")
        await server.listen(reactor)
        self.addCleanup(server.stop)
        for endpoint in (
            TCP4ClientEndpoint(reactor, "127.0.0.1", server.port),
            HostnameEndpoint(reactor, "127.0.0.1", server.port),
        ):
            made = await connect("nowhere.invalid", endpoint=endpoint, **ALONE)
            self.assertEqual(made.get_extra_info("host"), "nowhere.invalid")
            made.close()
            await made.wait_closed()


class FailingEndpointTests(SynchronousTestCase):
    """
    An endpoint that does not connect.
    """

    def test_every_failure(self) -> None:
        """
        Whatever it fails with is a ConnectFailed.
        """
        for problem in (ConnectError(string="broken"), ValueError("odd"), OSError(5)):

            @implementer(IStreamClientEndpoint)
            class Broken:
                def connect(
                    self, protocolFactory: Any, problem: Exception = problem
                ) -> Any:
                    return defer.fail(problem)

            lost: list[Any] = []

            class Client(SSHClient):
                def connection_lost(
                    self, exc: Exception | None, lost: list[Any] = lost
                ) -> None:
                    lost.append(exc)

            clock = Clock()
            login = connect(
                "server",
                endpoint=Broken(),
                reactor=clock,
                client_factory=Client,
                **ALONE,
            )
            error = self.failureResultOf(login, ConnectFailed).value
            self.assertIs(error.__cause__, problem)
            self.assertEqual((lost, clock.getDelayedCalls()), ([], []))

    def test_built_and_failed(self) -> None:
        """
        It may have built the protocol before it failed.
        """

        @implementer(IStreamClientEndpoint)
        class Broken:
            def connect(self, protocolFactory: Any) -> Any:
                protocolFactory.buildProtocol(None)
                return defer.fail(ConnectError())

        login = connect("server", endpoint=Broken(), reactor=Clock(), **ALONE)
        self.failureResultOf(login, ConnectFailed)


class AddressTests(SynchronousTestCase):
    def test_no_resolver(self) -> None:
        """
        An address is connected to at once, and no resolver is asked, which
        would take a thread.
        """
        for address in ("192.0.2.1", "2001:db8::1"):
            reactor = MemoryReactorClock()
            connect(address, reactor=reactor, **ALONE).addErrback(lambda _: None)
            self.assertEqual(reactor.tcpClients[0][:2], (address, 22))


class TimeTests(MemoryCase):
    """
    C{connect_timeout} and C{login_timeout}, with a clock.
    """

    def test_no_server(self) -> None:
        """
        The connection cannot be made in time.
        """
        clock = MemoryReactorClock()
        login = connect("127.0.0.1", 22, reactor=clock, connect_timeout=5, **ALONE)
        clock.advance(4)
        self.assertNoResult(login)
        clock.advance(2)
        error = self.failureResultOf(login, ConnectTimeout).value
        self.assertIn("5", str(error))
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_key_exchange(self) -> None:
        """
        The key exchange belongs to C{connect_timeout}.
        """
        self.begin(connect_timeout="1m30s")
        self.server.clock.advance(89)
        self.assertEqual(self.ends, [])
        self.server.clock.advance(2)
        self.assertIsInstance(self.error, ConnectTimeout)
        self.assert_closed()

    def test_service(self) -> None:
        """
        So does a server that never accepts the service.
        """
        self.begin(connect_timeout=5, password="right")
        self.peer.ssh_SERVICE_REQUEST = lambda packet: None
        self.endpoint.pump()
        self.assertEqual(self.ends, [])
        self.server.clock.advance(6)
        self.assertIsInstance(self.error, ConnectTimeout)
        self.assert_closed()

    def test_not_the_login(self) -> None:
        """
        The login does not.
        """
        self.server.password_delay = 30
        self.log_in(connect_timeout=5, password="wrong")
        self.server.clock.advance(29)
        self.assertEqual(self.ends, [])
        self.endpoint.links[0].advance(2)
        self.assertIs(type(self.error), AuthenticationFailed)
        self.assert_closed()

    def test_login(self) -> None:
        """
        A server that is too slow with a login is left after C{login_timeout}.
        """
        self.server.password_delay = 60
        self.log_in(login_timeout=10, password="wrong")
        self.server.clock.advance(9)
        self.assertEqual(self.ends, [])
        self.server.clock.advance(2)
        self.assertIsInstance(self.error, LoginTimeout)
        self.assert_closed()

    def test_no_limit(self) -> None:
        """
        With C{None} there is no limit.
        """
        for none in (None, 0):
            self.ends, self.endpoint = [], self.server.endpoint()
            self.begin(connect_timeout=none, password="right")
            self.server.clock.advance(10**6)
            self.endpoint.pump()
            self.connection.close()
            self.assert_closed()

    def test_default(self) -> None:
        """
        There are limits by default.
        """
        self.begin()
        self.server.clock.advance(61)
        self.assertIsInstance(self.error, ConnectTimeout)
        self.assert_closed()


class ReasonTests(MemoryCase):
    """
    The error says what happened.
    """

    def test_service_refused(self) -> None:
        """
        The server leaves, with its reason, instead of accepting the service.
        """
        self.begin()
        peer = self.peer
        peer.ssh_SERVICE_REQUEST = lambda packet: peer.sendDisconnect(7, b"none here")
        self.endpoint.pump()
        self.assertIsInstance(self.error, ServerDisconnected)
        self.assertEqual(self.error.code, 7)
        self.assert_closed()

    def test_breach_during_login(self) -> None:
        """
        What the transport objects to during the login is the error, not the
        loss that follows.
        """
        self.log_in(type("Slow", (SSHClient,), {"password_auth_requested": slow}))
        self.peer.sendPacket(4, b"")
        self.endpoint.pump()
        self.assertIsInstance(self.error, ProtocolError)
        self.assertEqual(self.error.report.user, "alice")
        self.assert_closed()

    def test_server_is_told(self) -> None:
        """
        The server hears why, before the connection closes.
        """
        cases: tuple[tuple[int, dict[str, Any]], ...] = (
            (14, {"password": "wrong"}),
            (9, {"known_hosts": None}),
        )
        for code, options in cases:
            self.ends, self.endpoint = [], self.server.endpoint()
            told: list[int] = []
            self.begin(**options)
            self.peer.receiveError = lambda code, text, told=told: told.append(code)
            self.endpoint.pump()
            self.assertEqual(told, [code])
            self.assert_closed()

    def test_no_cycle(self) -> None:
        """
        No error is its own cause.
        """
        self.log_in(password="wrong")
        self.assertIsNot(self.error.__cause__, self.error)

    def test_kinds(self) -> None:
        """
        Every one is a LoginError, with the report once the login has begun.
        """
        for options in ({"password": "wrong"}, {"known_hosts": None}):
            self.ends, self.endpoint = [], self.server.endpoint()
            self.log_in(**options)
            self.assertIsInstance(self.error, LoginError)
        self.assertIsInstance(self.error, HostKeyNotVerifiable)


def slow(client: SSHClient) -> Any:
    return Deferred()


class SeenByServerTests(TestCase):
    """
    What AsyncSSH's server sees when a login ends early.
    """

    def serve(self, factory: Callable[[], Any]) -> AsyncSSHServer:
        server = AsyncSSHServer(factory)
        server.start()
        self.addCleanup(server.stop)
        return server

    async def seen(self, server: AsyncSSHServer) -> Any:
        """
        What the last connection ended with there.
        """
        lost = server.connections[-1].lost
        return await deferToThread(lost.result, TIMEOUT)

    async def fails(self, server: AsyncSSHServer, **options: Any) -> Any:
        try:
            await connect("127.0.0.1", server.port, **{**ALONE, **options})
        except LoginError as error:
            return error
        return self.fail("logged in")

    async def test_told(self) -> None:
        """
        A login that is given up says so.
        """
        server = self.serve(Scripted)
        await self.fails(server, password="wrong")
        self.assertEqual((await self.seen(server)).code, 14)

    async def test_not_trusted(self) -> None:
        """
        A server that is not trusted is left.  It is told, but what it sends
        meanwhile may make its own side drop that.
        """
        server = self.serve(Scripted)
        await self.fails(server, known_hosts=None)
        seen = await self.seen(server)
        self.assertIsInstance(seen, asyncssh.HostKeyNotVerifiable | OSError)

    async def test_cancelled(self) -> None:
        """
        A cancelled login says so while the server thinks.
        """
        asked: Deferred[None] = Deferred()

        class Thinking(Server):
            def password_auth_supported(self) -> bool:
                return True

            async def validate_password(self, username: str, password: str) -> bool:
                in_reactor(asked.callback, None)
                await asyncio.sleep(60)
                return True

        server = self.serve(Thinking)
        login = connect("127.0.0.1", server.port, **ALONE)
        await asked
        login.cancel()
        with self.assertRaises(AuthenticationCancelled):
            await login
        self.assertEqual((await self.seen(server)).code, 13)

    async def test_closed(self) -> None:
        """
        A connection that is closed in order is no error there.
        """
        server = self.serve(Scripted)
        made = await connect("127.0.0.1", server.port, **ALONE)
        made.close()
        await made.wait_closed()
        self.assertIsNone(await self.seen(server))

    async def test_wrong_service(self) -> None:
        """
        A server that accepts another service broke the protocol.
        """

        class Wrong(Scripted):
            def connection_made(self, conn: Any) -> None:
                super().connection_made(conn)
                send = self.conn.send_packet

                def other(number: int, *payload: Any, **kw: Any) -> None:
                    if number == 6:
                        payload = (String(b"ssh-connection"),)
                    send(number, *payload, **kw)

                self.conn.send_packet = other

        error = await self.fails(self.serve(Wrong))
        self.assertIsInstance(error, ProtocolError)


class AgainTests(MemoryCase):
    """
    One login after another.
    """

    def test_keys_are_loaded_for_each(self) -> None:
        """
        The same options may be used for login after login.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        for _ in range(2):
            self.ends, self.endpoint = [], self.server.endpoint()
            self.log_in(client_keys=[key])
            self.assertIn("publickey", self.connection.report.proof)
            self.connection.close()
            self.assert_closed()

    def test_lost_at_once(self) -> None:
        """
        A connection that is lost right after it was made.
        """
        self.begin()
        self.endpoint.links[0].lose()
        self.assertIsInstance(self.error, ConnectionLost)
        self.assert_closed()


class MemoryEndpointTests(MemoryCase):
    """
    The loopback server's endpoint.
    """

    def test_no_protocol(self) -> None:
        """
        A factory that gives no protocol is not connected.
        """
        nothing: Any = Factory()
        nothing.buildProtocol = lambda address: None
        self.failureResultOf(self.endpoint.connect(nothing), NoProtocol)
        self.assertEqual(self.endpoint.links, [])

    def test_links(self) -> None:
        """
        It keeps the link of each connection, and lets all of them talk.
        """
        for _ in range(2):
            self.begin(password="right")
        self.assertEqual(self.ends, [])
        self.endpoint.pump()
        self.assertEqual(len(self.endpoint.links), 2)
        self.assertEqual([made.report.succeeded for made in self.ends], [True, True])
        for made in self.ends:
            made.close()
        self.endpoint.pump()
        self.assertEqual([link.closed for link in self.endpoint.links], [True, True])

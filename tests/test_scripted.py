"""
Tests for L{conch_auth.scripted}: what a script says is what a client sees.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.endpoints import SSHCommandClientEndpoint
from twisted.conch.ssh.connection import SSHConnection
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import SSHUserAuthClient, connect
from conch_auth.errors import (
    AuthenticationFailed,
    ConnectionLost,
    LoginTimeout,
    ProtocolError,
    ServerDisconnected,
    TrivialAuthenticationRefused,
    UnexpectedMessage,
)
from conch_auth.loopback import LoopbackServer, generate_key
from conch_auth.messages import (
    InfoResponse,
    NoneRequest,
    PasswordRequest,
    PublicKeyRequest,
)
from conch_auth.scripted import (
    Fault,
    Packet,
    ScriptedServer,
    ScriptedTransport,
    banner,
    change_request,
    close,
    cut,
    disconnect,
    ext_info,
    failure,
    info_request,
    later,
    pk_ok,
    raw,
    rekey,
    reset,
    split,
    stall,
    success,
    unimplemented,
)
from tests.test_command_endpoint import Reading

KEY = generate_key()
PEERS = (ScriptedTransport, ScriptedServer)


class Owner(SSHUserAuthClient):
    """
    Has a key, a password and an answer.
    """

    def __init__(self) -> None:
        super().__init__(b"alice", SSHConnection())
        self.banners: list[str] = []
        self._keys = [KEY]
        self.passwords: list[Any] = [b"wonderland"]

    def getPublicKey(self) -> Any:
        return self._keys.pop() if self._keys else None

    def getPrivateKey(self) -> Any:
        return KEY

    def getPassword(self, prompt: bytes | None = None) -> Any:
        return self.passwords.pop() if self.passwords else None

    def getGenericAnswers(self, name: Any, instruction: Any, prompts: Any) -> Any:
        return [b"42"] * len(prompts)

    def bannerReceived(self, message: str, language: str) -> None:
        self.banners.append(message)


class ScriptTests(SynchronousTestCase):
    """
    The same script on either stage.
    """

    def log_in(self, peer: Any) -> tuple[Owner, Any]:
        client = Owner()
        ends: list[Any] = []
        peer.log_in(client).addBoth(ends.append)
        self.ends = ends
        return client, peer

    def error(self) -> Any:
        (end,) = self.ends
        return end.value

    def test_list(self) -> None:
        """
        A list answers one message after the other; what the client sent is
        there to be compared.
        """
        for kind in PEERS:
            script = [failure("password"), success()]
            _, peer = self.log_in(kind(script))
            (report,) = self.ends
            self.assertTrue(report.succeeded)
            asked = [message.request for message in peer.received]
            self.assertEqual(asked, [NoneRequest(), PasswordRequest(b"wonderland")])
            self.assertEqual(peer.received[0].user, b"alice")
            self.assertEqual(peer.left, 0)

    def test_function(self) -> None:
        """
        A function is given each message, and makes its answer.
        """

        def server(message: Any) -> Any:
            if isinstance(message, InfoResponse):
                return success() if message.answers == (b"42", b"42") else close()
            if message.request == NoneRequest():
                return failure("keyboard-interactive")
            return info_request("Answer: ", ("Again: ", True), name="Quiz")

        for kind in PEERS:
            self.log_in(kind(server))
            (report,) = self.ends
            self.assertTrue(report.succeeded)

    def test_flight(self) -> None:
        """
        A list within the list is one answer; C{pk_ok} is for the key that was
        offered.
        """
        for kind in PEERS:
            script = [failure("publickey"), [banner("hello"), pk_ok], success()]
            client, peer = self.log_in(kind(script))
            (report,) = self.ends
            self.assertTrue(report.succeeded)
            self.assertEqual(client.banners, ["hello"])
            offer, signed = (message.request for message in peer.received[1:])
            self.assertEqual(
                offer, PublicKeyRequest(b"ssh-ed25519", KEY.public().blob())
            )
            self.assertIsNotNone(signed.signature)

    def test_silence(self) -> None:
        """
        C{None}, the end of the script and C{stall} are silence, until the client
        has waited enough.
        """
        for kind in PEERS:
            for script in ([None], [], [[stall(), failure("password")]]):
                client, peer = self.log_in(kind(script))
                self.assertEqual(self.ends, [])
                peer.advance(client.serverTimeout)
                self.assertIsInstance(self.error(), LoginTimeout)
                self.assertEqual(peer.clock.getDelayedCalls(), [])

    def test_change(self) -> None:
        """
        PASSWD_CHANGEREQ, which no sshd sends.
        """
        for kind in PEERS:
            script = [failure("password"), change_request("New: "), success()]
            peer = kind(script)
            client = Owner()
            client.passwords = [b"new", b"old", b"old"]
            peer.log_in(client)
            self.assertEqual(peer.received[-1].request, PasswordRequest(b"old", b"new"))

    def test_any_message(self) -> None:
        """
        A message that has no place there goes out all the same.
        """
        for kind in PEERS:
            self.log_in(kind([Packet(60, b"not now")]))
            self.assertIsInstance(self.error(), ProtocolError)

    def test_unsolicited(self) -> None:
        """
        C{send} says something that the script does not have.
        """
        for kind in PEERS:
            _, peer = self.log_in(kind([failure("password")]))
            peer.send(success())
            (report,) = self.ends
            self.assertTrue(report.succeeded)
            _, peer = self.log_in(kind())
            peer.send(success())
            self.assertIsInstance(self.error(), TrivialAuthenticationRefused)
            said = [code for code, _ in peer.disconnects]
            self.assertEqual(said, [14])

    def test_disconnect(self) -> None:
        """
        DISCONNECT with its code and text.
        """
        for kind in PEERS:
            self.log_in(kind([disconnect(11, "go away")]))
            self.assertIsInstance(self.error(), ServerDisconnected)
            self.assertIn("go away", str(self.error()))

    def test_gone(self) -> None:
        """
        The connection ends without a word.
        """
        for kind in PEERS:
            for end in (close(), reset()):
                self.log_in(kind([end]))
                self.assertIsInstance(self.error(), ConnectionLost)

    def test_later(self) -> None:
        """
        An answer that takes its time, and one that comes too late.
        """
        for kind in PEERS:
            _, peer = self.log_in(kind([failure("password"), later(5, success())]))
            peer.advance(4.9)
            self.assertEqual(self.ends, [])
            peer.advance(0.1)
            self.assertTrue(self.ends[0].succeeded)
            _, peer = self.log_in(kind([[later(5, success()), close()]]))
            peer.advance(5)
            self.assertIsInstance(self.error(), ConnectionLost)

    def test_later_reads_what_was_sent(self) -> None:
        """
        A function in a delayed answer is given the message that it answers.
        """
        for kind in PEERS:
            script = [failure("publickey"), later(1, pk_ok), success()]
            _, peer = self.log_in(kind(script))
            peer.advance(1)
            self.assertTrue(self.ends[0].succeeded)

    def test_unimplemented(self) -> None:
        """
        A server that knows no authentication at all.
        """
        for kind in PEERS:
            self.log_in(kind([unimplemented()]))
            self.assertIsInstance(self.error(), ProtocolError)

    def test_pending_question(self) -> None:
        """
        A client that waits for a person goes on with C{pump}.
        """
        for kind in PEERS:
            peer = kind([failure("password"), success()])
            client, answer = Owner(), Deferred[bytes]()
            client.passwords = [answer]
            login = peer.log_in(client)
            self.assertNoResult(login)
            answer.callback(b"late")
            peer.pump()
            self.assertTrue(self.successResultOf(login).succeeded)

    def test_no_key_offered(self) -> None:
        """
        C{pk_ok} where there is no key to confirm is a mistake in the script.
        """
        for peer in (ScriptedTransport([pk_ok]), ScriptedServer([pk_ok])):
            self.assertRaises(TypeError, peer.log_in, Owner())

    def test_no_answer(self) -> None:
        """
        What is no answer is a mistake in the script, too.
        """
        for answer in (b"bytes", "text", 3):
            self.assertRaises(TypeError, ScriptedTransport([answer]).log_in, Owner())

    def test_malformed_request(self) -> None:
        """
        A request that is not what its method says is kept as it came.
        """
        for kind in PEERS:
            client, peer = self.log_in(kind())
            client.transport.sendPacket(50, b"garbage")
            client.transport.sendPacket(61, b"unasked")
            peer.pump()
            self.assertEqual(
                peer.received[1:], [Packet(50, b"garbage"), Packet(61, b"unasked")]
            )


class TransportTests(SynchronousTestCase):
    """
    What L{ScriptedTransport} has of a transport.
    """

    def test_next_service(self) -> None:
        """
        The service that follows the login runs, and the client's is stopped.
        """
        peer = ScriptedTransport([failure("password"), success()])
        client = Owner()
        peer.log_in(client)
        self.assertIs(peer.service, client.instance)
        self.assertIs(client.instance.transport, peer)

    def test_unknown_message(self) -> None:
        """
        What the client does not know it refuses, and that is counted.
        """
        peer = ScriptedTransport()
        peer.log_in(Owner())
        peer.send(Packet(79))
        self.assertEqual(peer.refused, 1)

    def test_insecure(self) -> None:
        """
        No password is sent where the transport is not encrypted.
        """
        peer = ScriptedTransport([failure("password")])
        peer.secure = False
        login = peer.log_in(Owner())
        self.failureResultOf(login, AuthenticationFailed)
        self.assertEqual(len(peer.received), 1)

    def test_extensions(self) -> None:
        """
        The client sees the server's extensions.
        """
        listed = {b"server-sig-algs": b"rsa-sha2-512"}
        peer = ScriptedTransport(extensions=listed)
        client = Owner()
        peer.log_in(client)
        self.assertEqual(client.serverSignatureAlgorithms(), (b"rsa-sha2-512",))

    def test_no_bytes(self) -> None:
        """
        What is done to bytes takes a connection.
        """
        for word in (rekey(), raw(b"x"), split(1, success()), cut(1, success())):
            error = self.assertRaises(
                TypeError, ScriptedTransport([word]).log_in, Owner()
            )
            self.assertIn("ScriptedServer", str(error))


GOOD = (failure("publickey"), pk_ok, success())


class ServerTests(SynchronousTestCase):
    """
    What L{ScriptedServer} does to a connection, in memory.
    """

    def log_in(self, server: Any) -> Owner:
        client = Owner()
        self.ends: list[Any] = []
        server.log_in(client).addBoth(self.ends.append)
        return client

    def succeeded(self) -> bool:
        (end,) = self.ends
        return getattr(end, "succeeded", False)

    def test_rekey(self) -> None:
        """
        What follows a key exchange waits for its end; a packet does not, and
        breaks the protocol.
        """
        self.log_in(ScriptedServer([[rekey(), failure("publickey")], pk_ok, success()]))
        self.assertTrue(self.succeeded())
        client = self.log_in(
            ScriptedServer([[rekey(), Packet(51, failure("x").build())]])
        )
        self.assertIsInstance(client.transport.failure, UnexpectedMessage)

    def test_split_and_merged(self) -> None:
        """
        The client reads the same however its bytes arrive.
        """
        for size in (1, 3, 17):
            server = ScriptedServer(
                [split(size, failure("publickey"), banner("x" * 100)), pk_ok, success()]
            )
            client = self.log_in(server)
            self.assertTrue(self.succeeded())
            self.assertEqual(client.banners, ["x" * 100])

    def test_cut(self) -> None:
        """
        The connection breaks within a packet, and after it.
        """
        for how in ("close", "reset", "stall"):
            for size in (0, 1, 20):
                server = ScriptedServer([cut(size, failure("publickey"), how)])
                client = self.log_in(server)
                server.advance(client.serverTimeout)
                (end,) = self.ends
                kind = LoginTimeout if how == "stall" else ConnectionLost
                self.assertIsInstance(end.value, kind)
                self.assertEqual(len(server.received), 1)

    def test_fault_at_each_packet(self) -> None:
        """
        A fault at any packet of the server's, and within it, ends the login, and
        no packet after it arrives.
        """
        server = ScriptedServer(GOOD)
        self.log_in(server)
        self.assertTrue(self.succeeded())
        sizes = server.connection.wire.sizes
        # Version, KEXINIT, REPLY, NEWKEYS, EXT_INFO, ACCEPT, FAILURE, PK_OK, SUCCESS
        self.assertEqual(len(sizes), 9)
        for packet, size in enumerate(sizes):
            for byte in (0, 1, size - 1):
                server.fault = Fault(packet, byte)
                client = self.log_in(server)
                (end,) = self.ends
                self.assertIsInstance(end.value, ConnectionLost, (packet, byte))
                self.assertFalse(client.report.succeeded)
                self.assertEqual(server.clock.getDelayedCalls(), [])

    def test_no_more_after_a_fault(self) -> None:
        """
        A connection that stalls stays open and silent.
        """
        server = ScriptedServer(GOOD)
        server.fault = Fault(6, 0, "stall")
        client = self.log_in(server)
        self.assertEqual(self.ends, [])
        server.advance(client.serverTimeout)
        (end,) = self.ends
        self.assertIsInstance(end.value, LoginTimeout)

    def test_fault_of_a_loopback_server(self) -> None:
        """
        The other server breaks in the same way.
        """
        server = LoopbackServer()
        server.add_user("alice", password="wonderland")
        server.fault = Fault(6)
        self.log_in(server)
        (end,) = self.ends
        self.assertIsInstance(end.value, ConnectionLost)

    def test_after_and_instead(self) -> None:
        """
        Messages that no script answers can be followed and replaced.
        """
        client = self.log_in(ScriptedServer(GOOD, after={6: Packet(6)}))
        self.assertIn("SERVICE_ACCEPT", str(client.transport.failure))
        server = ScriptedServer(GOOD, instead={6: None})
        self.log_in(server)
        self.assertEqual((self.ends, server.received), ([], []))
        server = ScriptedServer(GOOD, after={20: Packet(52)})
        self.log_in(server)
        (end,) = self.ends
        self.assertIsInstance(end.value, UnexpectedMessage)
        self.assertEqual([code for code, _ in server.disconnects], [2])

    def test_extensions(self) -> None:
        """
        EXT_INFO says what it is told to say, or nothing, or comes where it must
        not.
        """
        given = {b"server-sig-algs": b"ssh-ed25519", b"x@example.org": b"\x00"}
        for extensions in (given, {}, None):
            client = self.log_in(ScriptedServer(GOOD, extensions=extensions))
            self.assertEqual(client.transport.peerExtensions, extensions or {})
        self.log_in(ScriptedServer([[ext_info({}), ext_info({})]]))
        (end,) = self.ends
        self.assertIsInstance(end.value, ConnectionLost)

    def test_raw(self) -> None:
        """
        Bytes that are no packet are taken for one, which is too long or has a
        wrong MAC.
        """
        self.log_in(ScriptedServer([raw(bytes(1024 * 1024 + 64))]))
        (end,) = self.ends
        self.assertIsInstance(end.value, ConnectionLost)

    def test_each_connection_anew(self) -> None:
        """
        Each connection has the script from its beginning.
        """
        server = ScriptedServer(GOOD)
        for _ in range(2):
            self.log_in(server)
            self.assertTrue(self.succeeded())
            self.assertEqual(server.left, 0)


class ListeningTests(TestCase):
    """
    L{ScriptedServer} on 127.0.0.1.
    """

    async def start(self, *args: Any, **kwargs: Any) -> ScriptedServer:
        from twisted.internet import reactor

        server = await ScriptedServer(*args, **kwargs).listen(reactor)
        self.addCleanup(server.stop)
        return server

    def connect(self, server: ScriptedServer) -> Any:
        return connect(
            **server.options,
            username="alice",
            client_keys=[KEY],
            agent_path=None,
            eager=False,
        )

    async def test_command(self) -> None:
        """
        After SUCCESS a command can be run.
        """
        server = await self.start([failure("publickey"), pk_ok, split(1, success())])
        connection = await self.connect(server)
        endpoint = SSHCommandClientEndpoint.existingConnection(
            connection.connection, b"whoami"
        )
        output = await connectProtocol(endpoint, Reading())
        self.assertEqual(await output.done, b"alice\n")
        connection.close()
        await connection.wait_closed()

    async def test_broken(self) -> None:
        """
        A connection that is closed, or reset once its bytes have arrived.
        """
        for how in ("close", "reset"):
            for size in (0, 10):
                server = await self.start([cut(size, failure("publickey"), how)])
                with self.assertRaises(ConnectionLost):
                    await self.connect(server)
                self.assertEqual(len(server.received), 1)

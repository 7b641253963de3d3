"""
Tests for L{conch_auth.loopback}, with Conch's own client and with ours.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.conch.endpoints import SSHCommandClientEndpoint
from twisted.conch.ssh import userauth as conch_userauth
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth._wire import boolean, string
from conch_auth.display import fingerprint
from conch_auth.loopback import Link, LoopbackServer, generate_key
from conch_auth.messages import (
    Failure,
    InfoResponse,
    KeyboardInteractiveRequest,
    MethodRequest,
    PasswordRequest,
    PublicKeyRequest,
    Success,
    UserAuthRequest,
)
from conch_auth.signing import data_to_sign
from conch_auth.userauth import SSHUserAuthClient

ED25519 = generate_key()
OTHER = generate_key()
RSA = generate_key("ssh-rsa")


class ClientTransport(SSHClientTransport):
    """
    Conch's client transport, which asks for one service and notes its end.
    """

    service_wanted: Any
    host_key: bytes | None = None
    error: tuple[int, bytes] | None = None
    #: What Conch's command endpoint says of the other side.
    creator = SimpleNamespace(username=b"alice", command=b"")

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        self.host_key = hostKey
        return succeed(True)

    def connectionSecure(self) -> None:
        self.requestService(self.service_wanted)

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        self.error = (reasonCode, description)


class RecordingAuth(conch_userauth.SSHUserAuthClient):
    """
    Sends the requests it is given, and keeps the messages that come.
    """

    def __init__(self, user: bytes) -> None:
        super().__init__(user, SSHConnection())
        self.received: list[Any] = []

    def serviceStarted(self) -> None:
        pass

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        # Conch writes a true boolean as 255, which is legal to read.
        failed = messageNum == Failure.number
        message = Failure.parse(packet) if failed else (messageNum, packet)
        self.received.append(message)


class Wire:
    """
    A client made of single messages.
    """

    def __init__(self, server: LoopbackServer, user: bytes = b"alice") -> None:
        self.auth = RecordingAuth(user)
        self.transport = ClientTransport()
        self.transport.service_wanted = self.auth
        self.link = server.connect_in_memory(self.transport)

    def ask(self, request: MethodRequest) -> list[Any]:
        whole = UserAuthRequest(self.auth.user, b"ssh-connection", request)
        return self.send(whole.number, whole.build())

    def send(self, number: int, payload: bytes) -> list[Any]:
        """
        @return: the messages that came in reply.
        """
        before = len(self.auth.received)
        self.transport.sendPacket(number, payload)
        self.link.pump()
        return self.auth.received[before:]

    def answer(self, *answers: bytes) -> list[Any]:
        return self.send(61, InfoResponse(answers).build())

    def signed(self, key: Key, algorithm: bytes) -> PublicKeyRequest:
        request = PublicKeyRequest(algorithm, key.public().blob())
        data = data_to_sign(
            self.transport.sessionID, self.auth.user, b"ssh-connection", request
        )
        return request.signed_with(key.sign(data, algorithm))


def failure(*methods: bytes, partial: bool = False) -> Failure:
    return Failure(methods, partial)


SUCCESS = (52, Success().build())


class ServerTests(SynchronousTestCase):
    """
    What the server answers, message by message.
    """

    def setUp(self) -> None:
        self.server = LoopbackServer()

    def test_host_key(self) -> None:
        """
        The key that a client is shown is the one the server tells of.
        """
        wire = Wire(self.server)
        self.assertEqual(wire.transport.host_key, self.server.host_key.blob())
        self.assertEqual(self.server.fingerprint, fingerprint(wire.transport.host_key))

    def test_known_hosts_line(self) -> None:
        """
        A known_hosts line names the host, and the port where it is not 22.
        """
        key = self.server.host_key.toString("openssh").decode().strip()
        self.assertEqual(self.server.known_hosts_line(), f"127.0.0.1 {key}")
        self.server.port = 2222
        self.assertEqual(self.server.known_hosts_line(), f"[127.0.0.1]:2222 {key}")
        self.assertEqual(self.server.known_hosts_line("h"), f"h {key}")

    def test_options(self) -> None:
        """
        The options for connect() say where the server is and which key it has.
        """
        self.assertEqual(
            self.server.options,
            {
                "host": "127.0.0.1",
                "port": 22,
                "known_hosts": self.server.known_hosts_line().encode(),
            },
        )

    def test_server_sig_algs(self) -> None:
        """
        The server lists the algorithms that it takes from users, and no SHA-1.
        """
        listed = Wire(self.server).transport.peerExtensions[b"server-sig-algs"]
        self.assertIn(b"rsa-sha2-512", listed.split(b","))
        self.assertNotIn(b"ssh-rsa", listed.split(b","))

    def test_no_server_sig_algs(self) -> None:
        """
        With announce=False nothing is listed.
        """
        wire = Wire(LoopbackServer(announce=False))
        self.assertEqual(wire.transport.peerExtensions, {})

    def test_stranger(self) -> None:
        """
        A user who does not exist is asked for everything and refused.
        """
        wire = Wire(self.server, b"mallory")
        refused = failure(b"publickey", b"password", b"keyboard-interactive")
        for request in (
            PasswordRequest(b"x"),
            PublicKeyRequest(b"ssh-ed25519", ED25519.public().blob()),
            KeyboardInteractiveRequest(),
        ):
            self.assertEqual(wire.ask(request), [refused])

    def test_methods_of_user(self) -> None:
        """
        A user is offered the methods for which there is something to show.
        """
        self.server.add_user("alice", password="pw", keys=[ED25519])
        self.assertEqual(
            Wire(self.server).send(
                50, string(b"alice") + string(b"ssh-connection") + string(b"none")
            ),
            [failure(b"publickey", b"password")],
        )

    def test_password(self) -> None:
        """
        The right password logs in, a wrong one does not.
        """
        self.server.add_user("alice", password="pw")
        wire = Wire(self.server)
        self.assertEqual(wire.ask(PasswordRequest(b"wp")), [failure(b"password")])
        self.assertEqual(wire.ask(PasswordRequest(b"pw")), [SUCCESS])

    def test_password_delay(self) -> None:
        """
        A wrong password is refused when the delay is over on the clock.
        """
        self.server.password_delay = 3
        self.server.add_user("alice", password="pw")
        wire = Wire(self.server)
        self.assertEqual(wire.ask(PasswordRequest(b"wp")), [])
        wire.link.advance(3)
        self.assertEqual(wire.auth.received, [failure(b"password")])

    def test_delay_ends_with_connection(self) -> None:
        """
        Nothing is left on the clock when the connection goes during the delay.
        """
        self.server.password_delay = 3
        self.server.add_user("alice", password="pw")
        wire = Wire(self.server)
        wire.ask(PasswordRequest(b"wp"))
        wire.link.lose()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_password_change(self) -> None:
        """
        An expired password is asked to be changed until the new one is good,
        and the new one counts from then on.
        """
        self.server.add_user("alice", password="old", password_change="New: ")
        wire = Wire(self.server)
        asked = (60, string(b"New: ") + string(b""))
        self.assertEqual(wire.ask(PasswordRequest(b"old")), [asked])
        self.assertEqual(wire.ask(PasswordRequest(b"old", b"")), [asked])
        self.assertEqual(wire.ask(PasswordRequest(b"old", b"old")), [asked])
        self.assertEqual(
            wire.ask(PasswordRequest(b"bad", b"new")), [failure(b"password")]
        )
        self.assertEqual(wire.ask(PasswordRequest(b"old", b"new")), [SUCCESS])
        again = Wire(self.server)
        self.assertEqual(again.ask(PasswordRequest(b"old")), [failure(b"password")])
        self.assertEqual(again.ask(PasswordRequest(b"new")), [SUCCESS])

    def test_publickey_query(self) -> None:
        """
        A query is answered by what was asked, for keys of the user only.
        """
        self.server.add_user("alice", keys=[ED25519])
        wire = Wire(self.server)
        asked = PublicKeyRequest(b"ssh-ed25519", ED25519.public().blob())
        self.assertEqual(
            wire.ask(asked), [(60, string(asked.algorithm) + string(asked.blob))]
        )
        asked = PublicKeyRequest(b"ssh-ed25519", OTHER.public().blob())
        self.assertEqual(wire.ask(asked), [failure(b"publickey")])

    def test_publickey_types(self) -> None:
        """
        Each type of key logs in with each of its algorithms that is taken.
        """
        for key, algorithm in (
            (ED25519, b"ssh-ed25519"),
            (RSA, b"rsa-sha2-256"),
            (RSA, b"rsa-sha2-512"),
            (generate_key("ecdsa-sha2-nistp256"), b"ecdsa-sha2-nistp256"),
            (generate_key("ecdsa-sha2-nistp384"), b"ecdsa-sha2-nistp384"),
            (generate_key("ecdsa-sha2-nistp521"), b"ecdsa-sha2-nistp521"),
        ):
            self.server.add_user("alice", keys=[key])
            wire = Wire(self.server)
            self.assertEqual(wire.ask(wire.signed(key, algorithm)), [SUCCESS])

    def test_sha1(self) -> None:
        """
        An RSA signature with SHA-1 is refused, as OpenSSH refuses it.
        """
        self.server.add_user("alice", keys=[RSA])
        wire = Wire(self.server)
        request = wire.signed(RSA, b"ssh-rsa")
        self.assertEqual(wire.ask(request), [failure(b"publickey")])

    def test_algorithm_named(self) -> None:
        """
        A signature made by another algorithm than the request names is refused
        (RFC 8332, section 3.2).
        """
        self.server.add_user("alice", keys=[RSA])
        wire = Wire(self.server)
        request = wire.signed(RSA, b"rsa-sha2-512")
        mixed = PublicKeyRequest(b"rsa-sha2-256", request.blob, request.signature)
        self.assertEqual(wire.ask(mixed), [failure(b"publickey")])

    def test_wrong_signature(self) -> None:
        """
        A signature over anything else is refused; so is one that is none.
        """
        self.server.add_user("alice", keys=[ED25519])
        wire = Wire(self.server)
        request = wire.signed(ED25519, b"ssh-ed25519")
        for signature in (ED25519.sign(b"else"), b"", b"\x00\x00\x00\x01"):
            self.assertEqual(
                wire.ask(request.signed_with(signature)), [failure(b"publickey")]
            )

    def test_rounds(self) -> None:
        """
        Keyboard-interactive goes through each round, one of them empty.
        """
        self.server.add_user(
            "alice",
            prompts=[[("Code: ", True), ("PIN: ", False)], []],
            answers=[["123", "0000"], []],
            instruction="Two things",
        )
        wire = Wire(self.server)
        ((number, first),) = wire.ask(KeyboardInteractiveRequest())
        self.assertEqual(number, 60)
        self.assertEqual(
            first,
            string(b"")
            + string(b"Two things")
            + string(b"")
            + b"\x00\x00\x00\x02"
            + string(b"Code: ")
            + boolean(True)
            + string(b"PIN: ")
            + boolean(False),
        )
        empty = string(b"") * 3 + b"\x00\x00\x00\x00"
        self.assertEqual(wire.answer(b"123", b"0000"), [(60, empty)])
        self.assertEqual(wire.answer(), [SUCCESS])

    def test_wrong_answers(self) -> None:
        """
        Wrong answers, and too few, are refused; a new exchange starts anew.
        """
        self.server.add_user("alice", prompts=[[("Code: ", True)]], answers=[["1"]])
        wire = Wire(self.server)
        for answers in ((b"2",), (), (b"1", b"1")):
            wire.ask(KeyboardInteractiveRequest())
            self.assertEqual(wire.answer(*answers), [failure(b"keyboard-interactive")])
        wire.ask(KeyboardInteractiveRequest())
        self.assertEqual(wire.answer(b"1"), [SUCCESS])

    def test_new_request_ends_questions(self) -> None:
        """
        After another request the questions that were open count no more (RFC
        4256, section 3.1): an answer to them breaks the protocol.
        """
        self.server.add_user("alice", prompts=[[("Code: ", True)]], answers=[["1"]])
        wire = Wire(self.server)
        wire.ask(KeyboardInteractiveRequest())
        wire.ask(PasswordRequest(b"x"))
        wire.answer(b"1")
        self.assertEqual(wire.transport.error, (2, b"nothing was asked"))

    def test_unpaired_answers(self) -> None:
        """
        There must be one answer to each prompt.
        """
        with self.assertRaises(ValueError):
            self.server.add_user("alice", prompts=[[("Code: ", True)]], answers=[[]])

    def test_none(self) -> None:
        """
        A user who needs no proof is let in by "none".
        """
        self.server.add_user("guest", factors=[["none"]])
        wire = Wire(self.server, b"guest")
        self.assertEqual(wire.ask(PasswordRequest(b"")), [failure()])
        payload = string(b"guest") + string(b"ssh-connection") + string(b"none")
        self.assertEqual(wire.send(50, payload), [SUCCESS])

    def test_factors(self) -> None:
        """
        Every factor of one alternative is needed, in its order, and after each
        the server lists what may come next.
        """
        self.server.add_user(
            "alice",
            password="pw",
            keys=[ED25519],
            factors=[["publickey", "password"], ["password", "publickey"]],
        )
        for key_first in True, False:
            wire = Wire(self.server)
            key = wire.signed(ED25519, b"ssh-ed25519")
            password = PasswordRequest(b"pw")
            first, second = (key, password) if key_first else (password, key)
            left = b"password" if key_first else b"publickey"
            self.assertEqual(wire.ask(first), [failure(left, partial=True)])
            self.assertEqual(wire.ask(second), [SUCCESS])

    def test_factor_out_of_order(self) -> None:
        """
        A factor that is not first in any alternative is refused.
        """
        self.server.add_user(
            "alice", password="pw", keys=[ED25519], factors=[["publickey", "password"]]
        )
        wire = Wire(self.server)
        self.assertEqual(wire.ask(PasswordRequest(b"pw")), [failure(b"publickey")])

    def test_two_keys(self) -> None:
        """
        "publickey,publickey" takes two keys, not the same one twice.
        """
        self.server.add_user(
            "alice", keys=[ED25519, OTHER], factors=[["publickey", "publickey"]]
        )
        wire = Wire(self.server)
        first = wire.signed(ED25519, b"ssh-ed25519")
        self.assertEqual(wire.ask(first), [failure(b"publickey", partial=True)])
        self.assertEqual(wire.ask(first), [failure(b"publickey")])
        self.assertEqual(wire.ask(wire.signed(OTHER, b"ssh-ed25519")), [SUCCESS])

    def test_change_of_user(self) -> None:
        """
        What one user has proved does not count for another (RFC 4252, section
        5).
        """
        both = [["password", "publickey"]]
        self.server.add_user("alice", password="pw", keys=[ED25519], factors=both)
        self.server.add_user("bob", password="pw", keys=[ED25519], factors=both)
        wire = Wire(self.server)
        wire.ask(PasswordRequest(b"pw"))
        wire.auth.user = b"bob"
        self.assertEqual(
            wire.ask(wire.signed(ED25519, b"ssh-ed25519")), [failure(b"password")]
        )

    def test_banner(self) -> None:
        """
        A banner comes once, before the first answer.
        """
        self.server.add_user("alice", password="pw", banner="Authorised only")
        wire = Wire(self.server)
        banner = (53, string(b"Authorised only") + string(b""))
        self.assertEqual(
            wire.ask(PasswordRequest(b"x")), [banner, failure(b"password")]
        )
        self.assertEqual(wire.ask(PasswordRequest(b"pw")), [SUCCESS])

    def test_max_tries(self) -> None:
        """
        One failure more than max_tries and the server disconnects.
        """
        self.server.max_tries = 2
        self.server.add_user("alice", password="pw")
        wire = Wire(self.server)
        for _ in range(2):
            self.assertEqual(wire.ask(PasswordRequest(b"x")), [failure(b"password")])
        self.assertEqual(wire.ask(PasswordRequest(b"x")), [])
        self.assertEqual(wire.transport.error, (14, b"too many bad auths"))
        self.assertTrue(wire.link.closed)

    def test_malformed(self) -> None:
        """
        A request that cannot be read ends the connection.
        """
        wire = Wire(self.server)
        wire.send(50, b"\x00\x00\x00\x09alice")
        assert wire.transport.error is not None
        self.assertEqual(wire.transport.error[0], 2)

    def test_malformed_answers(self) -> None:
        """
        Answers that cannot be read end the connection.
        """
        self.server.add_user("alice", prompts=[[("Code: ", True)]], answers=[["1"]])
        wire = Wire(self.server)
        wire.ask(KeyboardInteractiveRequest())
        wire.send(61, b"\x00\x00\x00\x09")
        assert wire.transport.error is not None
        self.assertEqual(wire.transport.error[0], 2)

    def test_requests(self) -> None:
        """
        The server keeps what it was asked, without the secrets.
        """
        self.server.add_user("alice", password="pw")
        Wire(self.server).ask(PasswordRequest(b"pw"))
        self.assertEqual(
            self.server.requests,
            [UserAuthRequest(b"alice", b"ssh-connection", PasswordRequest(b""))],
        )

    def test_secrets_do_not_print(self) -> None:
        """
        Neither passwords nor answers are in an account's repr.
        """
        self.server.add_user(
            "alice", password="hunter2", prompts=[[("C", True)]], answers=[["hunter2"]]
        )
        self.assertNotIn("hunter2", repr(self.server.accounts))

    def test_chunks(self) -> None:
        """
        A link can deliver byte by byte, with the same outcome.
        """
        self.server.add_user("alice", password="pw")
        wire = Wire(self.server)
        request = UserAuthRequest(b"alice", b"ssh-connection", PasswordRequest(b"pw"))
        wire.transport.sendPacket(request.number, request.build())
        wire.link.pump(chunk=1)
        self.assertEqual(wire.auth.received, [SUCCESS])


class Output(Protocol):
    """
    Collects what a command writes.
    """

    def __init__(self) -> None:
        self.data = b""
        self.done: Deferred[Any] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.done.callback(reason.value)


def run(connection: SSHConnection, command: bytes, feed: bytes = b"") -> Deferred[Any]:
    """
    @return: fires with what the command wrote and the error it ended with.
    """
    endpoint = SSHCommandClientEndpoint.existingConnection(connection, command)
    connected = connectProtocol(endpoint, Output())

    def started(output: Any) -> Deferred[Any]:
        if feed:
            output.transport.write(feed)
            output.transport.conn.sendEOF(output.transport)
        return output.done.addCallback(lambda error: (output.data, error))

    return connected.addCallback(started)


class Answers:
    """
    What an owner answers, as Conch's users write it.
    """

    triedPublicKeys: list[Any]

    password: str | None = None
    key: Key | None = None
    answers: dict[str, str] | None = None

    def getPublicKey(self) -> Any:
        return None if self.key is None or self.triedPublicKeys else self.key.public()

    def getPrivateKey(self) -> Any:
        return succeed(self.key)

    def getPassword(self, prompt: Any = None) -> Any:
        if self.password is None:
            return None
        return succeed(self.password.encode())

    def getGenericAnswers(self, name: Any, instruction: Any, prompts: Any) -> Any:
        if self.answers is None:
            return fail(NotImplementedError())
        return succeed([self.answers[text.decode()] for text, _ in prompts])


class ConchOwner(Answers, conch_userauth.SSHUserAuthClient):
    """
    An owner on Conch's own class.
    """


class OurOwner(Answers, SSHUserAuthClient):
    """
    The same owner on ours.
    """


class Started(SSHConnection):
    """
    A connection that tells that it has begun.
    """

    started = False

    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.started = True


class LoginTestsMixin:
    """
    A client logs in, in memory.

    @cvar owner: the class of the client's service.
    """

    owner: Any

    def setUp(self) -> None:
        self.server = LoopbackServer()

    def login(self, **attributes: Any) -> tuple[Link, Started]:
        connection = Started()
        auth = self.owner(b"alice", connection)
        auth.clock = self.server.clock
        for name, value in attributes.items():
            setattr(auth, name, value)
        transport = ClientTransport()
        transport.service_wanted = self.auth = auth
        return self.server.connect_in_memory(transport), connection

    def test_password(self) -> None:
        """
        A password logs in.
        """
        self.server.add_user("alice", password="pw")
        _, connection = self.login(password="pw")
        self.assertTrue(connection.started)

    def test_publickey(self) -> None:
        """
        A key logs in.
        """
        self.server.add_user("alice", keys=[ED25519])
        _, connection = self.login(key=ED25519)
        self.assertTrue(connection.started)

    def test_keyboard_interactive(self) -> None:
        """
        Answers log in.
        """
        self.server.add_user("alice", prompts=[[("Code: ", True)]], answers=[["1"]])
        _, connection = self.login(answers={"Code: ": "1"})
        self.assertTrue(connection.started)

    def test_two_factors(self) -> None:
        """
        A key and then a password log in, where both are needed.
        """
        self.server.add_user(
            "alice", password="pw", keys=[ED25519], factors=[["publickey", "password"]]
        )
        _, connection = self.login(key=ED25519, password="pw")
        self.assertTrue(connection.started)

    def test_commands(self) -> None:
        """
        Commands run over the connection, and their status comes back.
        """
        self.server.add_user("alice", password="pw")
        self.server.add_command("twice", lambda user, words: words[0] * 2)
        link, connection = self.login(password="pw")
        for command, output, status in (
            (b"whoami", b"alice\n", None),
            (b"echo 'a  b' c", b"a  b c\n", None),
            (b"twice ab", b"abab", None),
            (b"uptime", b"up 0 days, 1 user\n", None),
            (b"exit 7", b"", 7),
            (b"exit x", b"", 1),
            (b"nonsense", b"", 127),
            (b"echo 'open", b"", 2),
        ):
            result = run(connection, command)
            link.pump()
            written, error = self.successResultOf(result)
            self.assertEqual(written, output)
            if status is not None:
                self.assertIsInstance(error, ProcessTerminated)
                self.assertEqual(error.exitCode, status)

    def test_input(self) -> None:
        """
        C{cat} gives back its input, until that ends.
        """
        self.server.add_user("alice", password="pw")
        link, connection = self.login(password="pw")
        result = run(connection, b"cat", b"one\ntwo\n")
        link.pump()
        written, _ = self.successResultOf(result)
        self.assertEqual(written, b"one\ntwo\n")

    def test_connection_ends(self) -> None:
        """
        When the client disconnects, both sides learn it and nothing is left on
        the clock.
        """
        self.server.add_user("alice", password="pw")
        link, _ = self.login(password="pw")
        link.client.loseConnection()
        link.pump()
        self.assertTrue(link.closed)
        self.assertEqual(self.server.clock.getDelayedCalls(), [])


class ConchClientTests(LoginTestsMixin, SynchronousTestCase):
    """
    Conch's own client.
    """

    owner = ConchOwner


class OurClientTests(LoginTestsMixin, SynchronousTestCase):
    """
    Our client.
    """

    owner = OurOwner

    def test_rsa(self) -> None:
        """
        An RSA key logs in with SHA-2, which Conch's client cannot do.
        """
        self.server.add_user("alice", keys=[RSA])
        _, connection = self.login(key=RSA)
        self.assertTrue(connection.started)
        self.assertEqual(
            self.server.requests[-1].request,
            PublicKeyRequest(b"rsa-sha2-512", RSA.public().blob(), b""),
        )

    def test_password_change(self) -> None:
        """
        An expired password is changed by the way.
        """
        self.server.add_user("alice", password="pw", password_change="New: ")

        def get_password(prompt: Any = None) -> Any:
            return succeed(b"new" if prompt == b"New: " else b"pw")

        _, connection = self.login(getPassword=get_password)
        self.assertTrue(connection.started)
        self.assertEqual(self.server.accounts[b"alice"].password, b"new")

    def test_report(self) -> None:
        """
        What was refused can be read in the report.
        """
        self.server.add_user("alice", password="pw", banner="Hello")
        self.login(password="wp")
        report = self.auth.report
        self.assertEqual([str(banner) for banner in report.banners], ["Hello"])
        self.assertIn(
            ("password", "refused"),
            [(attempt.method, attempt.outcome) for attempt in report.attempts],
        )


class ListeningTests(TestCase):
    """
    The server on 127.0.0.1.
    """

    timeout = 20

    async def test_login_and_stop(self) -> None:
        """
        A client logs in over a socket, and stop() closes its connection.
        """
        from twisted.internet import reactor

        server = await LoopbackServer().listen(reactor)
        server.add_user("alice", password="pw")
        connection = Reporting()
        transport = ClosingTransport()
        auth = ConchOwner(b"alice", connection)
        auth.password = "pw"
        transport.service_wanted = auth
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", server.port)
        await endpoint.connect(Factory.forProtocol(lambda: transport))
        await connection.begun
        written, _ = await run(connection, b"whoami")
        self.assertEqual(written, b"alice\n")
        await server.stop()
        await transport.closed


class Reporting(SSHConnection):
    """
    A connection that can be waited for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begun: Deferred[None] = Deferred()

    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.begun.callback(None)


class ClosingTransport(ClientTransport):
    """
    A transport whose end can be waited for.
    """

    def __init__(self) -> None:
        self.closed: Deferred[None] = Deferred()

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.closed.callback(None)

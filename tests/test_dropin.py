"""
What subclasses of Conch's class do, done to L{conch_auth.userauth}.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.ssh.service import SSHService
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from conch_auth import errors
from conch_auth.messages import (
    Failure,
    NoneRequest,
    OtherRequest,
    PasswordRequest,
    PublicKeyOk,
)
from conch_auth.userauth import SSHUserAuthClient
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
    NextService,
    RecordingTransport,
    failure,
    new_key,
    questions,
)

KEY = new_key()


class DropInTests(LoginTestCase):
    """
    What subclasses of Conch's class do.
    """

    def test_own_beginning(self) -> None:
        """
        A subclass need not call our C{__init__}, C{serviceStarted} or
        C{serviceStopped}, and may have attributes of its own.
        """

        class Own(SSHUserAuthClient):
            def __init__(self) -> None:
                self.user = b"alice"
                self.instance = NextService()
                self.transport = RecordingTransport()
                self.password, self.keys, self.key = b"pw", [KEY], KEY
                self.options, self.usedFiles = {}, []
                self.agent = self.keyAgent = None

            def serviceStarted(self) -> None:
                self.askForAuth(b"none", b"")

            def serviceStopped(self) -> None:
                pass

            def getPassword(self) -> Any:  # type: ignore[override]
                return succeed(self.password)

        client = Own()
        client.serviceStarted()
        client.packetReceived(51, failure(b"publickey", b"password").build())
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        client.packetReceived(52, b"")
        self.assertTrue(self.successResultOf(client.whenAuthenticated()).succeeded)
        client.serviceStopped()

    def test_own_success(self) -> None:
        """
        A subclass that starts the next service by itself is told of a success
        all the same, where the transport stops this one then.
        """

        class Own(Client):
            def ssh_USERAUTH_SUCCESS(self, packet: bytes) -> None:
                self.transport.setService(self.instance)
                self.serviceStopped()

        client = Own(passwords=[b"pw"])
        self.start(client)
        client.receive(failure(b"password"))
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_success_that_is_put_off(self) -> None:
        """
        A subclass may take its time before it passes a success on.
        """

        class Own(Client):
            def ssh_USERAUTH_SUCCESS(self, packet: bytes) -> None:
                pass

        client = Own(passwords=[b"pw"])
        self.start(client)
        client.receive(failure(b"password"))
        client.receive(SUCCESS)
        client.clock.advance(10000)
        SSHUserAuthClient.ssh_USERAUTH_SUCCESS(client, b"")
        self.assert_succeeded(client)

    def test_unbound_calls(self) -> None:
        """
        The doors and switches can be called unbound, with Conch's arguments.
        """
        client = self.login(passwords=[b"pw"])
        SSHUserAuthClient.ssh_USERAUTH_FAILURE(
            client, failure(b"keyboard-interactive").build()
        )
        SSHUserAuthClient.auth_password(client)
        self.assertEqual(
            [request.method for request in client.transport.sent],
            [b"none", b"keyboard-interactive", b"password"],
        )
        SSHUserAuthClient.ssh_USERAUTH_SUCCESS(client, b"")
        self.assertEqual(client.transport.services, [client.instance])

    def test_own_failure(self) -> None:
        """
        A copy of Conch's C{ssh_USERAUTH_FAILURE} works, with names that it
        does not sort out.
        """

        class Copy(Client):
            def ssh_USERAUTH_FAILURE(self, packet: bytes) -> Any:
                listed = Failure.parse(packet).methods
                return self._cbUserauthFailure(None, iter(listed))

        client = Copy(passwords=[b"pw"])
        self.start(client)
        client.receive(failure(b"", b"p\xc3\xa9", b"x", b"password"))
        self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])

    def test_own_end_of_the_attempt(self) -> None:
        """
        C{_ebAuth} is called where an attempt fails on this side.
        """
        seen: list[Any] = []

        class Own(Client):
            def _ebAuth(self, ignored: Any, *args: Any) -> None:
                seen.append(ignored)

        client = Own([KEY], [ValueError()], [ValueError()])
        client.getPrivateKey = lambda: None  # type: ignore[method-assign]
        self.start(client)
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.ssh_USERAUTH_FAILURE(failure(b"password").build())
        client.ssh_USERAUTH_FAILURE(failure(b"keyboard-interactive").build())
        client.receive(questions(b"?"))
        self.assertEqual(
            [type(ended.value) for ended in seen],
            [errors.UnusableAnswer, ValueError, ValueError],
        )

    def test_own_next_step(self) -> None:
        """
        C{_cbUserauthFailure} is asked to go on, with what is left of the list.
        """
        seen: list[Any] = []

        class Own(Client):
            def _cbUserauthFailure(self, result: Any, iterator: Any) -> Any:
                left = list(iterator)
                seen.append((result, left))
                return super()._cbUserauthFailure(result, iter(left))

        client = Own(passwords=[b"pw"])
        self.start(client)
        client.receive(failure(b"password", b"keyboard-interactive"))
        self.assertEqual(seen, [(None, [b"password", b"keyboard-interactive"])])
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))

    def test_doors_called_cold(self) -> None:
        """
        Each C{ssh_} method may be called before anything was asked for, with
        whatever payload: what is no message asks for C{none}.
        """
        for door in (
            "ssh_USERAUTH_PK_OK",
            "ssh_USERAUTH_PK_OK_publickey",
            "ssh_USERAUTH_PK_OK_password",
            "ssh_USERAUTH_PK_OK_keyboard_interactive",
            "ssh_USERAUTH_FAILURE",
        ):
            for payload in (b"", b"\0", b"\xff" * 9):
                client = Client()
                getattr(client, door)(payload)
                self.assertEqual(client.transport.sent, [NoneRequest()], door)
        client = Client()
        client.ssh_USERAUTH_BANNER(b"")
        self.assertEqual(client.transport.sent, [])

    def test_last_auth_is_honoured(self) -> None:
        """
        C{lastAuth}, set from outside, says which method message 60 is for;
        what is no message of that method ends the attempt, and not in an
        error.
        """
        client = self.login([KEY], [b"pw"])
        client.receive(failure(b"publickey", b"password"))
        for method in (b"unknown", b"password", b"p\xff", b""):
            client.lastAuth = method
            client.ssh_USERAUTH_PK_OK(b"")
        self.assert_failed(client, errors.AuthenticationFailed)
        client = self.login([KEY], [b"pw"])
        client.receive(failure(b"publickey", b"password"))
        client.lastAuth = b"keyboard-interactive"
        self.confirm(client)
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        self.assertIn("USERAUTH_INFO_REQUEST", client.report.attempts[1].reason)

    def test_one_door_calls_another(self) -> None:
        """
        An override may hand its packet to another door.
        """

        class Own(Client):
            def ssh_USERAUTH_PK_OK(self, packet: bytes) -> Any:
                return self.ssh_USERAUTH_FAILURE(packet)

        client = Own([KEY], [b"pw"])
        self.start(client)
        client.receive(failure(b"publickey", b"password"))
        self.confirm(client)
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))

    def test_changed_on_the_way(self) -> None:
        """
        An override may hand on another packet than it was given.
        """

        class Own(Client):
            def ssh_USERAUTH_FAILURE(self, packet: bytes) -> Any:
                return super().ssh_USERAUTH_FAILURE(failure(b"password").build())

        client = Own([KEY], [b"pw"])
        self.start(client)
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))

    def test_confirmed_cold(self) -> None:
        """
        A PK_OK that is handed in before any key was offered confirms none.
        """
        client = Client([KEY])
        confirmed = PublicKeyOk(KEY.sshType(), KEY.blob())
        client.ssh_USERAUTH_PK_OK_publickey(confirmed.build())
        self.assertEqual(client.transport.sent, [NoneRequest()])

    def test_is_a_conch_service(self) -> None:
        """
        It is a service of Conch's, with Conch's name and messages.
        """
        self.assertTrue(issubclass(SSHUserAuthClient, SSHService))
        self.assertEqual(SSHUserAuthClient.name, b"ssh-userauth")
        self.assertEqual(SSHUserAuthClient.protocolMessages[60], "MSG_USERAUTH_PK_OK")

    def test_defaults(self) -> None:
        """
        What is not overridden has no key, and fails for all else.
        """
        client = SSHUserAuthClient(b"alice", NextService())
        self.assertIsNone(client.getPublicKey())
        for answer in (
            client.getPrivateKey(),
            client.getPassword(),
            client.getGenericAnswers(b"", b"", []),
        ):
            self.failureResultOf(answer, NotImplementedError)

    def test_nothing_overridden(self) -> None:
        """
        A client that overrides nothing comes to an end, and the report says
        what it does not provide.
        """
        client: Any = SSHUserAuthClient(b"alice", NextService())
        client.transport = RecordingTransport()
        client.clock = Clock()
        self.start(client)
        client.packetReceived(
            51, failure(b"publickey", b"password", b"keyboard-interactive").build()
        )
        client.packetReceived(60, questions(b"?").build())
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertIn("getPassword is not provided", str(report))
        self.assertIn("getGenericAnswers is not provided", str(report))

    def test_method_of_its_own(self) -> None:
        """
        C{auth_newmethod} and C{ssh_USERAUTH_PK_OK_newmethod} on the instance
        make a method.
        """
        seen: list[bytes] = []
        client = self.login()

        def auth_newmethod() -> bool:
            client.askForAuth(b"newmethod", b"data")
            return True

        client.auth_newmethod = auth_newmethod  # type: ignore[attr-defined]
        client.ssh_USERAUTH_PK_OK_newmethod = seen.append  # type: ignore[attr-defined]
        client.receive(failure(b"newmethod"))
        self.assertEqual(client.transport.sent[-1], OtherRequest(b"newmethod", b"data"))
        client.packetReceived(60, b"token")
        self.assertEqual(seen, [b"token"])
        client.receive(SUCCESS)
        self.assert_succeeded(client)


class AnotherConnectionTests(LoginTestCase):
    """
    A service that is used again.
    """

    def test_own_beginning_on_a_second_connection(self) -> None:
        """
        A login on another connection is a login of its own, also where the
        subclass begins it without us.
        """

        class Own(SSHUserAuthClient):
            def serviceStarted(self) -> None:
                self.askForAuth(b"none", b"")

        client = Own(b"alice", NextService())
        for _ in range(2):
            client.transport = RecordingTransport()
            client.serviceStarted()
            waited = client.whenAuthenticated()
            self.assertEqual(len(client.transport.packets), 1)
            client.serviceStopped()
            self.failureResultOf(waited, errors.ConnectionLost)

    def test_second_connection_after_success(self) -> None:
        """
        What was proved on one connection is not proved on another: the login
        begins anew there.
        """
        client = Client(allowTrivialAuth=True)
        client.serviceStarted()
        client.receive(SUCCESS)
        client.transport = RecordingTransport()
        client.serviceStarted()
        waited = client.whenAuthenticated()
        self.assertEqual(len(client.transport.packets), 1)
        self.assertNoResult(waited)
        client.serviceStopped()
        self.failureResultOf(waited, errors.ConnectionLost)

    def test_after_the_end(self) -> None:
        """
        On the connection that it ended on, nothing begins anew, and the report
        stays where the transport is taken away.
        """
        client = SSHUserAuthClient(b"alice", NextService())
        client.transport = RecordingTransport()
        client.serviceStarted()
        client.serviceStopped()
        client.askForAuth(b"none", b"")
        self.assertEqual(len(client.transport.packets), 1)
        client.transport = None
        self.assertEqual(client.report.ending, "the connection was lost")

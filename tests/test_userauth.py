"""
Tests for L{conch_auth.userauth}: the course of a login.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure as TwistedFailure

from conch_auth import errors
from conch_auth._wire import string
from conch_auth.messages import (
    InfoRequest,
    InfoResponse,
    MethodReply,
    NoneRequest,
    OtherRequest,
    PasswordRequest,
)
from conch_auth.methods import METHODS, Method
from conch_auth.report import AuthReport
from tests.support import (
    SUCCESS,
    Cancellable,
    Client,
    LoginTestCase,
    RecordingTransport,
    banner,
    expired,
    failure,
    flat,
    new_key,
    partial,
    questions,
)

KEY = new_key()


class StartTests(LoginTestCase):
    def test_none_first(self) -> None:
        """
        The first request is C{none}, sent in the same call, and nothing follows
        the name of the method.
        """
        client = self.login()
        self.assertEqual(
            client.transport.packets,
            [(50, string(b"alice") + string(b"nancy") + string(b"none"))],
        )
        self.assertEqual(client.asked, [])

    def test_none_once(self) -> None:
        """
        C{none} is not asked for again, also not after a failure on this side:
        servers count it as an attempt.
        """
        client = self.login([ValueError()], [ValueError(), b"pw"])
        client.receive(failure(b"publickey", b"password", b"keyboard-interactive"))
        client.receive(failure(b"keyboard-interactive"))
        self.assertEqual(client.transport.sent.count(NoneRequest()), 1)

    def test_empty_user(self) -> None:
        """
        The empty user name is a name like any other.
        """
        client = Client()
        client.user = b""
        self.start(client)
        self.assertEqual(
            client.transport.packets[0][1],
            string(b"") + string(b"nancy") + string(b"none"),
        )

    def test_started_again_after_success(self) -> None:
        """
        A login that has succeeded is not begun again where the transport asks
        for the service after a key exchange.
        """
        client = self.login(allowTrivialAuth=True)
        client.receive(SUCCESS)
        client.serviceStarted()
        self.assertEqual(len(client.transport.packets), 1)
        self.assert_succeeded(client)

    def test_started_again_after_failure(self) -> None:
        """
        A service that has failed may be started on another connection, and
        knows nothing of the login before.
        """
        client = self.login([KEY], [b"pw"])
        client.receive(failure(b"publickey"))
        client.receive(banner(b"hello"))
        client.serviceStopped()
        client.transport = RecordingTransport()
        client.serviceStarted()
        self.ends.clear()
        client.whenAuthenticated().addBoth(self.ends.append)
        self.assertEqual(client.transport.sent, [NoneRequest()])
        self.assertEqual(client.triedPublicKeys, [])
        self.assertEqual(client.report.attempts, ())
        self.assertEqual(client.report.banners, ())
        client.receive(failure(b"password"))
        client.receive(SUCCESS)
        self.assert_succeeded(client)


    def test_started_again_where_it_failed(self) -> None:
        """
        It may be on the same connection, if that is still there.
        """
        client = self.login()
        client.receive(failure())
        client.serviceStarted()
        self.assertEqual(client.transport.sent, [NoneRequest(), NoneRequest()])


class EchoMethod(Method):
    """
    Sends back what the server sends, once.
    """

    name = b"echo@example.org"

    async def _start(self) -> bool:
        if self.exhausted(1):
            return False
        self.count_try()
        self.service.askForAuth(self.name, b"")
        return True

    def replied(self, payload: bytes) -> None:
        self.service.askForAuth(self.name, payload)


class OwnMethodTests(LoginTestCase):
    """
    A method that is in the table, and has no C{auth_}.
    """

    def test_by_the_table(self) -> None:
        """
        It is started, hears message 60, and what it sends is its proof.
        """
        client = self.login(methods={**METHODS, EchoMethod.name: EchoMethod})
        client.receive(failure(EchoMethod.name))
        client.receive(MethodReply(b"hear"))
        self.assertEqual(
            client.transport.sent[1:],
            [OtherRequest(EchoMethod.name), OtherRequest(EchoMethod.name, b"hear")],
        )
        client.receive(SUCCESS)
        self.assertEqual(self.assert_succeeded(client).proof, "echo@example.org")

    def test_not_in_the_table(self) -> None:
        """
        A method that nobody knows is passed over; its message 60 has no place.
        """
        client = self.login()
        client.receive(failure(EchoMethod.name))
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertEqual([attempt.method for attempt in report.attempts], ["none"])

    def test_switched_off(self) -> None:
        """
        So is one that is switched off by C{None}: nothing of it failed.
        """
        client = self.login(auth_password=None)
        client.receive(failure(b"password"))
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertEqual([attempt.method for attempt in report.attempts], ["none"])

    def test_waits_for_a_deferred_within_a_deferred(self) -> None:
        """
        A method of Conch's kind may not know yet whether it sends anything, in
        as many steps as it likes.
        """
        client, later = self.login(passwords=[b"pw"]), Deferred[bool]()
        client.auth_other = lambda: (  # type: ignore[attr-defined]
            succeed(None).addCallback(lambda _: later)
        )
        client.preferredOrder = [b"other", b"password"]
        client.receive(failure(b"other", b"password"))
        self.assertEqual(client.asked, [])
        later.callback(False)
        self.assertEqual(client.asked, ["getPassword"])


class SuccessTests(LoginTestCase):
    def test_starts_the_next_service(self) -> None:
        """
        SUCCESS starts the service that was to follow, once.
        """
        client = self.login(passwords=[b"pw"])
        client.receive(failure(b"password"))
        client.receive(SUCCESS)
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(report, client.report)
        self.assertEqual(
            (report.user, report.service, report.proof, report.round_trips),
            ("alice", "nancy", "password", 2),
        )

    def test_handed_in_twice(self) -> None:
        """
        Nor is it started twice where somebody hands SUCCESS in by himself.
        """
        client = self.login(allowTrivialAuth=True)
        client.ssh_USERAUTH_SUCCESS(b"")
        client.ssh_USERAUTH_SUCCESS(b"")
        self.assert_succeeded(client)

    def test_nothing_is_sent_afterwards(self) -> None:
        """
        Nothing of this protocol follows SUCCESS, whatever is answered or
        received late.
        """
        client = self.login(passwords=[b"pw"])
        client.receive(failure(b"password"))
        client.receive(SUCCESS)
        sent = len(client.transport.packets)
        client.receive(failure(b"password"))
        client._cbPassword(b"late")
        client._ebAuth(None)
        client._cbGenericAnswers(["late"])
        client._setOldPass(b"late")
        client._setNewPass(b"late")
        client.tryNextMethod()
        client.serviceStopped()
        self.assertEqual(len(client.transport.packets), sent)
        self.assert_succeeded(client)

    def test_next_service_is_started_before_anybody_is_told(self) -> None:
        """
        Whoever waits for the login finds the next service set.
        """
        client = Client(allowTrivialAuth=True)
        seen: list[Any] = []
        client.whenAuthenticated().addCallback(
            lambda report: seen.append(list(client.transport.services))
        )
        client.serviceStarted()
        client.receive(SUCCESS)
        self.assertEqual(seen, [[client.instance]])


class TrivialSuccessTests(LoginTestCase):
    """
    A success for which nobody proved anything.
    """

    def trivial(self, **attributes: Any) -> list[Client]:
        """
        A client in each state in which the server could say that all is well
        though nothing was proved.
        """
        none = Client(**attributes)
        key = Client([KEY], **attributes)
        interactive = Client(**attributes)
        unasked = Client(**attributes)
        empty = Client(answers=[["", b""]], **attributes)
        self.all: dict[Client, list[Any]] = {}
        for client in (none, key, interactive, unasked, empty):
            self.start(client)
            self.all[client] = self.ends
        key.receive(failure(b"publickey"))
        for client in (interactive, unasked, empty):
            client.receive(failure(b"keyboard-interactive"))
        interactive.receive(questions())
        interactive.receive(questions(text=b"Welcome"))
        empty.receive(questions(b"one", b"two"))
        return list(self.all)

    def test_refused(self) -> None:
        """
        A success in reply to C{none}, to the offer of a key, or to a
        keyboard-interactive exchange in which nothing was answered, ends the
        login; the next service is not started.
        """
        for client in self.trivial():
            self.ends = self.all[client]
            client.receive(SUCCESS)
            report = self.assert_failed(client, errors.TrivialAuthenticationRefused)
            self.assertIn("allowTrivialAuth", report.ending)

    def test_not_let_in(self) -> None:
        """
        An override of what SUCCESS leads to never hears of it.
        """

        class Own(Client):
            def ssh_USERAUTH_SUCCESS(self, packet: bytes) -> None:
                self.told.append("success")

        client = Own()
        self.start(client)
        client.receive(SUCCESS)
        self.assertEqual(client.told, [])
        report = self.assert_failed(client, errors.TrivialAuthenticationRefused)
        self.assertEqual(client.report, report)

    def test_allowed(self) -> None:
        """
        With C{allowTrivialAuth} it is a success, without proof.
        """
        for client in self.trivial(allowTrivialAuth=True):
            self.ends = self.all[client]
            client.receive(SUCCESS)
            self.assertIsNone(self.assert_succeeded(client).proof)

    def test_an_earlier_factor_is_proof(self) -> None:
        """
        What the server accepted as a first factor is proof enough.
        """
        client = self.login([KEY])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"keyboard-interactive"))
        client.receive(questions())
        client.receive(SUCCESS)
        self.assertIn("publickey", str(self.assert_succeeded(client).proof))

    def test_a_trivial_factor_is_none(self) -> None:
        """
        A factor that was accepted without proof does not make up for it.
        """
        client = self.login()
        client.receive(partial(b"keyboard-interactive"))
        client.receive(questions())
        client.receive(SUCCESS)
        self.assert_failed(client, errors.TrivialAuthenticationRefused)

    def test_answered_past_the_exit(self) -> None:
        """
        An override that answers by itself, as Conch's methods do, proves
        something where it was asked something.
        """

        class Past(Client):
            def ssh_USERAUTH_PK_OK_keyboard_interactive(self, packet: bytes) -> None:
                prompts = InfoRequest.parse(packet).prompts
                answers = InfoResponse((b"42",) * len(prompts))
                self.transport.sendPacket(answers.number, answers.build())

        for asked, proof in (((), None), ((b"?",), "keyboard-interactive")):
            client = Past()
            self.start(client)
            client.receive(failure(b"keyboard-interactive"))
            client.receive(questions(*asked))
            client.receive(SUCCESS)
            if proof is None:
                self.assert_failed(client, errors.TrivialAuthenticationRefused)
            else:
                self.assertEqual(self.assert_succeeded(client).proof, proof)

    def test_an_accepted_key_is_not_another_factor(self) -> None:
        """
        A key that was accepted is not offered again, though its owner gives it
        again; one that was refused before may do as another factor.
        """
        other = new_key()
        client = self.login([other, KEY, KEY, other])
        client.receive(failure(b"publickey"))
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(other))
        reasons = [attempt.reason for attempt in client.report.attempts]
        self.assertIn("it was accepted before", reasons)

    def test_a_refused_proof_is_none(self) -> None:
        """
        A password that was refused does not prove the next request.
        """
        client = self.login([KEY], [b"pw"], preferredOrder=[b"password"])
        client.receive(failure(b"password", b"publickey"))
        client.receive(failure(b"publickey"))
        client.receive(SUCCESS)
        self.assert_failed(client, errors.TrivialAuthenticationRefused)

    def test_a_method_of_the_subclass(self) -> None:
        """
        What a method of a subclass's own sends is its proof.
        """
        client = self.login()
        client.auth_other = lambda: (  # type: ignore[attr-defined]
            client.askForAuth(b"other", b"proof") or True
        )
        client.receive(failure(b"other"))
        client.receive(SUCCESS)
        self.assertEqual(self.assert_succeeded(client).proof, "other")


class WhenAuthenticatedTests(LoginTestCase):
    def test_before_during_and_after(self) -> None:
        """
        Each call has a Deferred of its own, which fires once, whenever it was
        asked for.
        """
        client = Client(passwords=[b"pw"])
        waiting = [client.whenAuthenticated()]
        client.serviceStarted()
        waiting.append(client.whenAuthenticated())
        client.receive(failure(b"password"))
        self.assertNoResult(waiting[0])
        self.assertNoResult(waiting[1])
        client.receive(SUCCESS)
        waiting.append(client.whenAuthenticated())
        for waiter in waiting:
            self.assertEqual(self.successResultOf(waiter), client.report)

    def test_failure(self) -> None:
        """
        A failure is told to each, with the report.
        """
        client = Client()
        waiting = [client.whenAuthenticated()]
        client.serviceStarted()
        client.receive(failure(b"hostbased"))
        waiting.append(client.whenAuthenticated())
        for waiter in waiting:
            error = self.failureResultOf(waiter, errors.AuthenticationFailed).value
            self.assertEqual(error.report, client.report)
            self.assertEqual(str(error), str(client.report))

    def test_one_waiter_does_not_disturb_another(self) -> None:
        """
        What one waiter makes of the result is not what the next one gets.
        """
        client = Client(allowTrivialAuth=True)
        first = client.whenAuthenticated().addCallback(lambda report: 1 / 0)
        second = client.whenAuthenticated()
        client.serviceStarted()
        client.receive(SUCCESS)
        self.failureResultOf(first, ZeroDivisionError)
        self.assertIsInstance(self.successResultOf(second), AuthReport)

    def test_cancelled(self) -> None:
        """
        Cancelling one ends the login for all: the server is told, and what the
        owner was asked is cancelled.
        """
        answer = Cancellable()
        client = Client(passwords=[answer])
        waiting = [client.whenAuthenticated(), client.whenAuthenticated()]
        client.serviceStarted()
        client.receive(failure(b"password"))
        waiting[0].cancel()
        for waiter in waiting:
            self.failureResultOf(waiter, errors.AuthenticationCancelled)
            self.failureResultOf(client.whenAuthenticated(), CancelledError)
        self.assertEqual(answer.cancelled, 1)
        self.assertEqual(client.transport.disconnects, [(13, b"cancelled")])
        self.assert_nothing_pending(client)

    def test_cancelled_before_the_start(self) -> None:
        """
        Cancelling needs no connection.
        """
        client = Client()
        client.transport = None
        waiting = client.whenAuthenticated()
        waiting.cancel()
        self.failureResultOf(waiting, errors.AuthenticationCancelled)

    def test_cancelled_after_the_end(self) -> None:
        """
        Cancelling changes nothing once the login is over.
        """
        client = Client(allowTrivialAuth=True)
        waiting = client.whenAuthenticated()
        client.serviceStarted()
        client.receive(SUCCESS)
        waiting.cancel()
        client.whenAuthenticated().cancel()
        self.assertTrue(self.successResultOf(waiting).succeeded)
        self.assertEqual(client.transport.disconnects, [])

    def test_one_waiter_cancels_another(self) -> None:
        """
        A waiter may cancel another while both are told.
        """
        client = Client()
        first, second = client.whenAuthenticated(), client.whenAuthenticated()
        first.addErrback(lambda _: second.cancel())
        client.serviceStarted()
        client.receive(failure())
        self.successResultOf(first)
        self.failureResultOf(second)

    def test_elapsed_counts_from_the_start(self) -> None:
        """
        The seconds of a login do not begin with who first waits for it.
        """
        client = Client(allowTrivialAuth=True)
        client.whenAuthenticated()
        client.clock.advance(100)
        client.serviceStarted()
        client.clock.advance(3)
        client.receive(SUCCESS)
        self.assertEqual(client.report.elapsed, 3.0)


class StoppedTests(LoginTestCase):
    def test_before_the_start(self) -> None:
        """
        A service that was never started, and has no transport, can be stopped,
        and more than once.
        """
        client = Client()
        client.transport = None
        client.serviceStopped()
        client.serviceStopped()

    def test_while_waiting_for_the_server(self) -> None:
        """
        Losing the connection ends the login, once, and sends nothing.
        """
        client = self.login(passwords=[b"pw"])
        client.receive(failure(b"password"))
        client.serviceStopped()
        client.serviceStopped()
        self.assertIsInstance(self.error, errors.ConnectionLost)
        self.assertEqual(self.error.report.ending, "the connection was lost")
        self.assertEqual(client.transport.disconnects, [])
        self.assert_nothing_pending(client)

    def test_while_the_owner_is_asked(self) -> None:
        """
        What the owner is asked is cancelled then, and no failure is logged.
        """
        answer = Cancellable()
        client = self.login(passwords=[answer])
        client.receive(failure(b"password"))
        client.serviceStopped()
        self.assertEqual(answer.cancelled, 1)
        self.assert_nothing_pending(client)
        del answer
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_answers_that_cannot_be_cancelled(self) -> None:
        """
        An answer that comes all the same, as from a thread, is dropped.
        """
        for late in (b"pw", ValueError("late")):
            answer: Deferred[Any] = Deferred()
            client = self.login(passwords=[answer])
            client.receive(failure(b"password"))
            client.serviceStopped()
            if isinstance(late, Exception):
                answer.errback(late)
            else:
                answer.callback(late)
            self.assertEqual(len(client.transport.packets), 1)
            self.assert_nothing_pending(client)
            del answer
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancellation_that_fails(self) -> None:
        """
        An answer whose cancellation raises is logged, and everybody is told
        of the end.
        """

        def raises(_: Deferred[Any]) -> None:
            raise ValueError

        client = self.login(passwords=[Deferred(raises)])
        client.receive(failure(b"password"))
        client.serviceStopped()
        self.assertIsInstance(self.error, errors.ConnectionLost)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_asking_ends_the_connection(self) -> None:
        """
        An answer that is promised while the connection goes is cancelled.
        """
        answer = Cancellable()

        class Leaves(Client):
            def getPassword(self, prompt: bytes | None = None) -> Any:
                self.serviceStopped()
                return answer

        client = Leaves()
        self.start(client)
        client.receive(failure(b"password"))
        self.assertEqual(answer.cancelled, 1)
        self.assertIsInstance(self.error, errors.ConnectionLost)
        self.assert_nothing_pending(client)

    def test_a_step_ends_the_connection(self) -> None:
        """
        Nothing more is asked once a step of the owner's has ended the login.
        """

        class Leaves(Client):
            def _setOldPass(self, op: Any) -> None:
                self.serviceStopped()

        client = Leaves(passwords=[b"pw", b"old", b"new"])
        self.start(client)
        client.receive(failure(b"password"))
        client.receive(expired())
        self.assertEqual(
            client.asked, ["getPassword", ("getPassword", b"Old Password: ")]
        )

    def test_coroutine(self) -> None:
        """
        A coroutine that is asked finds out by a cancellation.
        """
        seen: list[BaseException] = []

        async def password() -> bytes:
            try:
                return bytes(await Deferred())
            except CancelledError as error:
                seen.append(error)
                raise

        client = self.login(passwords=[password()])
        client.receive(failure(b"password"))
        client.serviceStopped()
        self.assertEqual(len(seen), 1)

    def test_server_said_why(self) -> None:
        """
        The reason that the server gave is the error's.
        """
        client = self.login()
        client.disconnectReceived(2, "Too many authentication failures\x1b")
        client.serviceStopped()
        self.assertIsInstance(self.error, errors.ServerDisconnected)
        self.assertEqual(self.error.code, 2)
        self.assertIn("Too many authentication failures\\x1b", flat(self.error))
        self.assertEqual(
            self.error.report.ending,
            "the server disconnected (code 2): Too many authentication failures\\x1b",
        )
        self.assertEqual(self.error.cause, "too-many-tries")

    def test_nothing_is_kept(self) -> None:
        """
        A service that has ended is not held by anything, its owner's key and
        password neither.
        """
        client = self.login([new_key()], [b"pw"])
        client.receive(failure(b"publickey", b"password"))
        client.receive(failure(b"password"))
        client.receive(failure())
        held = [weakref.ref(client), weakref.ref(client.transport)]
        self.ends.clear()
        del client
        gc.collect()
        self.assertEqual([ref() for ref in held], [None, None])


class WatchedTransport(RecordingTransport):
    """
    A transport that has exchanged keys, and passes no loss on.
    """

    currentEncryptions = object()
    hostname = b"example.org"

    def isVerified(self, direction: str) -> bool:
        return True

    def connectionLost(self, reason: Any) -> None:
        self.lost = reason


class ConnectionTests(LoginTestCase):
    """
    A transport that forgets to tell its service of the end.
    """

    def watched(self) -> Client:
        client = Client(passwords=[b"pw"])
        client.transport = WatchedTransport()
        self.start(client)
        return client

    def test_loss_is_noticed(self) -> None:
        """
        A login ends with its connection; the transport is told as ever.
        """
        client = self.watched()
        reason = TwistedFailure(ConnectionDone())
        client.transport.connectionLost(reason)
        self.assertIsInstance(self.error, errors.ConnectionLost)
        self.assertIs(client.transport.lost, reason)
        self.assertEqual(self.error.report.host, "example.org")

    def test_transport_is_left_as_it_was(self) -> None:
        """
        After the login, the transport has no trace of it.
        """
        for last in (SUCCESS, failure()):
            client = self.watched()
            client.receive(failure(b"password"))
            client.receive(last)
            self.assertNotIn("connectionLost", vars(client.transport))

    def test_not_verified(self) -> None:
        """
        Without integrity protection no password is sent, and the report says
        why.
        """
        client = self.watched()
        client.transport.isVerified = lambda direction: False
        client.receive(failure(b"password"))
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertIn("does not protect", report.attempts[-1].reason)
        self.assertEqual(client.asked, [])


class BannerTests(LoginTestCase):
    def test_delivered_at_any_time(self) -> None:
        """
        A banner is delivered as text, with its language, in whichever state it
        comes, and disturbs nothing.
        """
        client = self.login(passwords=[Deferred()])
        client.receive(banner("Grüße".encode(), b"de"))
        client.receive(failure(b"password"))
        client.receive(banner(b""))
        self.assertEqual(client.banners, [("Grüße", "de"), ("", "")])
        self.assertEqual(client.asked, ["getPassword"])
        self.assertEqual(client.report.banners, ("Grüße", ""))
        self.assertEqual(client.report.banners[0].language, "de")

    def test_as_it_came(self) -> None:
        """
        Control characters come as they were sent; bytes that are no UTF-8 are
        replaced.
        """
        client = self.login()
        client.receive(banner(b"\x1b[2J\xff\r\n"))
        self.assertEqual(client.banners, [("\x1b[2J\ufffd\r\n", "")])

    def test_hook_that_fails(self) -> None:
        """
        A hook that raises or whose Deferred fails is logged, and the login
        goes on.
        """
        for result in (ValueError(), fail(ValueError())):

            def received(message: str, language: str, result: Any = result) -> Any:
                if isinstance(result, Exception):
                    raise result
                return result

            client = self.login(bannerReceived=received, passwords=[b"pw"])
            client.receive(banner(b"hello"))
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
            client.receive(failure(b"password"))
            client.receive(SUCCESS)
            self.assert_succeeded(client)

    def test_hook_that_never_answers(self) -> None:
        """
        Nobody waits for the hook.
        """
        client = self.login(
            bannerReceived=lambda *banner: Deferred(), allowTrivialAuth=True
        )
        client.receive(banner(b"hello"))
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_own_door(self) -> None:
        """
        Subclasses that define C{ssh_USERAUTH_BANNER}, which Conch's class does
        not have, get the packet.
        """
        seen: list[bytes] = []
        client = self.login(ssh_USERAUTH_BANNER=seen.append)
        client.receive(banner(b"hello"))
        self.assertEqual(seen, [banner(b"hello").build()])


class UnimplementedTests(LoginTestCase):
    """
    The server does not know a message of ours (RFC 4253, section 11.4).
    """

    def test_request_is_refused(self) -> None:
        """
        A request whose reply is awaited is then refused.
        """
        client = self.login([KEY], [b"pw"])
        client.receive(failure(b"publickey", b"password"))
        client.requestUnimplemented(4)
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))

    def test_first_request(self) -> None:
        """
        A server that does not know the first one cannot log anybody in.
        """
        client = self.login()
        client.requestUnimplemented(4)
        self.assert_failed(client, errors.ProtocolError, code=2)

    def test_no_reply_is_awaited(self) -> None:
        """
        Where the server waits for us, it means another message.
        """
        client = self.login([KEY], getPrivateKey=Deferred)
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.requestUnimplemented(4)
        self.assertEqual(self.ends, [])
        answer = Cancellable()
        client = self.login(answers=[answer])
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"?"))
        client.requestUnimplemented(4)
        self.assertEqual((self.ends, answer.cancelled), ([], 0))

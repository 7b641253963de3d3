# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth.callbacks}: what a client may answer, and how.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable
from typing import Any

import asyncssh
from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import SSHClient, connect
from conch_auth.callbacks import is_overridden
from conch_auth.errors import (
    AuthenticationCancelled,
    AuthenticationFailed,
    ConnectionLost,
    HostKeyNotVerifiable,
    LoginTimeout,
    ServerDisconnected,
)
from conch_auth.loopback import LoopbackServer, generate_key
from tests.memory import MemoryCase
from tests.support import Cancellable

CALLBACKS = [
    name for name in vars(asyncssh.SSHClient) if not name.startswith("_")
]


class Sour(Exception):
    """
    What a callback of the tests raises.
    """


def plain(answer: Any) -> Callable[..., Any]:
    return lambda *arguments: answer


def coroutine(answer: Any) -> Callable[..., Any]:
    async def callback(*arguments: Any) -> Any:
        return answer

    return callback


def deferred(answer: Any) -> Callable[..., Any]:
    return lambda *arguments: defer.succeed(answer)


def waiting_coroutine(answer: Any) -> Callable[..., Any]:
    async def callback(*arguments: Any) -> Any:
        return await defer.succeed(answer)

    return callback


KINDS = (plain, coroutine, deferred, waiting_coroutine)


def raising(*arguments: Any) -> Any:
    raise Sour("milk")


async def raising_coroutine(*arguments: Any) -> Any:
    raise Sour("milk")


def failing(*arguments: Any) -> Any:
    return defer.fail(Sour("milk"))


FAILURES = (raising, raising_coroutine, failing)


def client(**callbacks: Callable[..., Any]) -> Callable[[], SSHClient]:
    """
    Makes clients with these callbacks.
    """

    def make() -> SSHClient:
        made = SSHClient()
        for name, callback in callbacks.items():
            setattr(made, name, callback)
        return made

    return make


class SameAsAsyncSSHTests(SynchronousTestCase):
    """
    The class has AsyncSSH's names, arguments and defaults.
    """

    def test_arguments(self) -> None:
        """
        Each callback of AsyncSSH's is here, with the same parameters.
        """
        for name in CALLBACKS:
            theirs = inspect.signature(getattr(asyncssh.SSHClient, name))
            ours = inspect.signature(getattr(SSHClient, name))
            self.assertEqual(list(ours.parameters), list(theirs.parameters), name)

    def test_defaults(self) -> None:
        """
        Each gives what AsyncSSH's gives where it is not overridden.
        """
        for name in CALLBACKS:
            wanted = inspect.signature(getattr(SSHClient, name)).parameters
            arguments = [None] * (len(wanted) - 1)
            self.assertIs(
                getattr(SSHClient(), name)(*arguments),
                getattr(asyncssh.SSHClient(), name)(*arguments),
                name,
            )


    def test_overridden(self) -> None:
        """
        A callback may come from a subclass, or be set on the client.
        """

        class Own(SSHClient):
            def begin_auth(self, username: str) -> None:
                pass

        name = "begin_auth"
        self.assertTrue(is_overridden(Own(), name))
        self.assertTrue(is_overridden(client(begin_auth=plain(None))(), name))
        self.assertFalse(is_overridden(SSHClient(), name))
        self.assertFalse(is_overridden(Own(), "auth_completed"))


class AnswerTests(MemoryCase):
    """
    Plain, a Deferred or a coroutine: the answer is the same.
    """

    def setUp(self) -> None:
        super().setUp()
        self.key = generate_key()
        add = self.server.add_user
        add("key", keys=[self.key])
        add("asked", prompts=[[("Word: ", False)]], answers=[["milk"]])
        add("expired", password="old", password_change="New password: ")

    def assert_logs_in(self, user: str, proof: str, **answers: Any) -> None:
        for kind in KINDS:
            self.ends = []
            self.log_in(
                client(**{name: kind(answers[name]) for name in answers}),
                username=user,
            )
            self.assertIn(proof, self.connection.report.proof)
            self.connection.close()
            self.endpoint.pump()
            self.server.add_user(
                "expired", password="old", password_change="New password: "
            )

    def test_key(self) -> None:
        """
        C{public_key_auth_requested} gives a key.
        """
        self.assert_logs_in("key", "publickey", public_key_auth_requested=[self.key])

    def test_one_key(self) -> None:
        """
        One key need not be in a list.
        """
        self.assert_logs_in("key", "publickey", public_key_auth_requested=self.key)

    def test_password(self) -> None:
        """
        C{password_auth_requested} gives a password.
        """
        self.assert_logs_in("alice", "password", password_auth_requested="right")

    def test_password_change(self) -> None:
        """
        C{password_change_requested} gives both passwords, as a tuple or a list.
        """
        for change in (("old", "new"), ["old", "new"]):
            self.assert_logs_in(
                "expired",
                "password, which was changed",
                password_auth_requested="old",
                password_change_requested=change,
            )

    def test_questions(self) -> None:
        """
        C{kbdint_challenge_received} gives the answers.
        """
        self.assert_logs_in(
            "asked",
            "keyboard-interactive",
            kbdint_auth_requested="",
            kbdint_challenge_received=["milk"],
        )

    def test_host_key(self) -> None:
        """
        C{validate_host_public_key} gives a verdict.
        """
        for kind in KINDS:
            self.ends = []
            trusting = client(validate_host_public_key=kind(True))
            self.log_in(trusting, known_hosts=None, password="right")
            self.connection.close()
            self.endpoint.pump()

    def test_begin(self) -> None:
        """
        C{connection_made} and C{auth_completed} may take their time, and the
        login waits for them.
        """
        for name in ("connection_made", "auth_completed"):
            self.ends, answer = [], Deferred[None]()
            self.log_in(client(**{name: plain(answer)}), password="right")
            self.assertEqual(self.ends, [], name)
            answer.callback(None)
            self.endpoint.pump()
            self.connection.close()
            self.endpoint.pump()

    def test_password_given(self) -> None:
        """
        C{password} may be text, a function, a coroutine function, or an
        awaitable, and is asked for when it is needed, once.
        """
        for password in (
            "right",
            *(kind("right") for kind in KINDS),
            coroutine("right")(),
            defer.succeed("right"),
        ):
            self.ends = []
            self.log_in(password=password)
            self.connection.close()
            self.endpoint.pump()

    def test_password_not_needed(self) -> None:
        """
        A password is not asked for where a key does.
        """
        self.server.add_user("alice", password="right", keys=[self.key])
        self.log_in(client_keys=[self.key], password=raising)
        self.assertEqual(self.connection.report.attempts[-1].method, "publickey")

    def test_types(self) -> None:
        """
        All texts are C{str}, and a prompt is a tuple with a C{bool}.
        """
        heard: list[Any] = []

        def hear(*arguments: Any) -> list[str]:
            heard.extend(arguments)
            return ["milk"]

        self.log_in(
            client(
                begin_auth=lambda user: heard.append(user),
                kbdint_auth_requested=plain(""),
                kbdint_challenge_received=hear,
            ),
            username="asked",
        )
        self.assertEqual(heard, ["asked", "", "", "", [("Word: ", False)]])
        self.assertIsInstance(heard[-1][0], tuple)
        self.assertIs(heard[-1][0][1], False)


class FailureTests(MemoryCase):
    """
    A callback that fails ends that attempt, and no more.
    """

    def setUp(self) -> None:
        super().setUp()
        self.server.add_user(
            "alice",
            password="right",
            keys=[generate_key()],
            prompts=[[("Word: ", False)]],
            answers=[["milk"]],
        )

    def assert_goes_on(self, method: str, **callbacks: Callable[..., Any]) -> None:
        """
        The attempt failed with the exception, and the login succeeded by the
        password that was given.
        """
        callbacks.setdefault("kbdint_auth_requested", plain(None))
        self.ends = []
        self.log_in(client(**callbacks), password="right")
        attempts = self.connection.report.attempts
        (failed,) = (attempt for attempt in attempts if attempt.outcome == "failed")
        self.assertEqual(failed.method, method)
        self.assertIsInstance(failed.error, Sour)
        self.assertIsNone(failed.error.__traceback__)
        self.assertNotIn("milk", failed.reason)
        self.connection.close()
        self.endpoint.pump()

    def test_key(self) -> None:
        """
        C{public_key_auth_requested} fails.
        """
        for failure in FAILURES:
            self.assert_goes_on("publickey", public_key_auth_requested=failure)

    def test_submethods(self) -> None:
        """
        C{kbdint_auth_requested} fails.
        """
        for failure in FAILURES:
            self.assert_goes_on("keyboard-interactive", kbdint_auth_requested=failure)

    def test_challenge(self) -> None:
        """
        C{kbdint_challenge_received} fails.
        """
        for failure in FAILURES:
            self.assert_goes_on(
                "keyboard-interactive",
                kbdint_auth_requested=plain(""),
                kbdint_challenge_received=failure,
            )

    def test_password(self) -> None:
        """
        C{password_auth_requested} fails: nothing is left.
        """
        for failure in FAILURES:
            self.ends = []
            self.log_in(client(password_auth_requested=failure))
            self.assertIsInstance(self.error, AuthenticationFailed)
            (failed,) = (
                attempt
                for attempt in self.error.report.attempts
                if attempt.outcome == "failed"
            )
            self.assertEqual(failed.method, "password")
            self.assertIsInstance(failed.error, Sour)

    def test_password_given(self) -> None:
        """
        A C{password} that cannot be had is an attempt that failed; the callback
        is not asked instead.
        """
        for failure in FAILURES:
            self.ends = []
            self.log_in(
                client(password_auth_requested=plain("right")), password=failure
            )
            self.assertIsInstance(self.error, AuthenticationFailed)

    def test_change(self) -> None:
        """
        C{password_change_requested} fails.
        """
        self.server.add_user("alice", password="old", password_change="New: ")
        for failure in FAILURES:
            self.ends = []
            self.log_in(client(password_change_requested=failure), password="old")
            self.assertIsInstance(self.error, AuthenticationFailed)
            self.assertIsInstance(self.error.report.attempts[0].error, Sour)

    def test_cancelled_by_itself(self) -> None:
        """
        A callback in which something was cancelled has failed as well, under
        asyncio's name too.
        """
        for error in (asyncio.CancelledError, defer.CancelledError):

            def cancelled(error: type[BaseException] = error) -> Any:
                raise error

            async def cancelled_later(error: type[BaseException] = error) -> Any:
                raise error

            for callback in (cancelled, cancelled_later):
                self.ends = []
                self.log_in(
                    client(public_key_auth_requested=callback), password="right"
                )
                self.connection.close()
                self.endpoint.pump()

    def test_unusable(self) -> None:
        """
        So has one whose answer cannot be used; the report says why, and not
        what it was.
        """
        for name, answer in (
            ("password_auth_requested", 5),
            ("password_auth_requested", "\ud800"),
            ("kbdint_auth_requested", 5),
        ):
            self.ends = []
            self.log_in(client(**{name: plain(answer)}))
            report = self.error.report
            (failed,) = (a for a in report.attempts if a.outcome == "failed")
            self.assertNotEqual(failed.reason, "", name)
            self.assertIsNotNone(failed.error, name)

    def test_key_unusable(self) -> None:
        """
        A key that is none is left out, and the report says so.
        """
        self.log_in(client(public_key_auth_requested=plain(5)), password="right")
        (told,) = (
            attempt
            for attempt in self.connection.report.attempts
            if attempt.method == "publickey"
        )
        self.assertIn(told.outcome, ("skipped", "failed"))
        self.assertIn("key", told.reason)

    def test_challenge_unusable(self) -> None:
        """
        Answers are one for each prompt, in a list.
        """
        for answer in ([], ["milk", "more"], "m", 5, [5]):
            self.ends = []
            self.log_in(
                client(
                    kbdint_auth_requested=plain(""),
                    kbdint_challenge_received=plain(answer),
                )
            )
            report = self.error.report
            (failed,) = (a for a in report.attempts if a.outcome == "failed")
            self.assertEqual(failed.method, "keyboard-interactive")

    def test_change_unusable(self) -> None:
        """
        A change is a pair of texts.
        """
        self.server.add_user("alice", password="old", password_change="New: ")
        for answer in (5, ("old",), ("old", "new", "newer"), ("old", 5), (5, "new")):
            self.ends = []
            self.log_in(
                client(password_change_requested=plain(answer)), password="old"
            )
            failed = self.error.report.attempts[0]
            self.assertEqual((failed.method, failed.outcome), ("password", "failed"))
            self.assertNotIn("old", failed.reason)

    def test_not_in_words(self) -> None:
        """
        The error is not printed, not compared, and not in the dictionary: its
        text may be a secret.
        """
        self.log_in(client(password_auth_requested=raising))
        report = self.error.report
        self.assertNotIn("milk", f"{report!r} {report} {report.as_dict()}")
        self.assertNotIn("error", report.as_dict()["attempts"][-1])

    def test_hooks(self) -> None:
        """
        What only listens may fail; it is logged.
        """
        self.server.add_user("alice", password="right", banner="Be good")
        for name in ("begin_auth", "auth_banner_received", "connection_lost"):
            for failure in FAILURES:
                self.ends = []
                self.log_in(client(**{name: failure}), password="right")
                self.connection.close()
                self.endpoint.pump()
                self.assertEqual(len(self.flushLoggedErrors(Sour)), 1, name)

    def test_debug(self) -> None:
        """
        So may C{debug_msg_received}.
        """
        self.log_in(client(debug_msg_received=raising), password="right")
        self.peer.sendDebug(b"milk")
        self.endpoint.pump()
        self.assertEqual(len(self.flushLoggedErrors(Sour)), 1)
        self.connection.close()

    def test_change_hooks(self) -> None:
        """
        So may C{password_changed} and C{password_change_failed}.
        """
        for name, change in (
            ("password_changed", ("old", "new")),
            ("password_change_failed", ("bad", "new")),
        ):
            self.server.add_user("alice", password="old", password_change="New: ")
            self.log_in(
                client(
                    **{
                        "password_change_requested": plain(change),
                        name: raising,
                    }
                ),
                password="old",
            )
            self.assertEqual(len(self.flushLoggedErrors(Sour)), 1, name)

    def test_steps(self) -> None:
        """
        C{connection_made} and C{auth_completed} end the connection with what
        they raise.
        """
        for name in ("connection_made", "auth_completed"):
            for failure in FAILURES:
                self.ends = []
                lost: list[Any] = []
                endpoint = self.endpoint = self.server.endpoint()
                self.log_in(
                    client(**{name: failure, "connection_lost": lost.append}),
                    password="right",
                )
                self.assertIsInstance(self.error, Sour)
                self.assert_closed()
                self.assertEqual(lost, [self.error])
                self.assertEqual(len(endpoint.links), 1)

    def test_factory(self) -> None:
        """
        So does a factory that fails, before any connection.
        """
        self.assertRaises(Sour, self.begin, raising)
        self.assertEqual(self.endpoint.links, [])


class PendingTests(MemoryCase):
    """
    A callback that has not answered yet.
    """

    def setUp(self) -> None:
        super().setUp()
        self.server.add_user(
            "alice",
            password="right",
            keys=[generate_key()],
            prompts=[[("Word: ", False)]],
            answers=[["milk"]],
            banner="Be good",
        )

    def pending(self) -> list[tuple[str, dict[str, Callable[..., Any]], Cancellable]]:
        """
        Clients each of which waits in one of the callbacks.
        """
        clients = []
        for name in (
            "connection_made",
            "auth_completed",
            "public_key_auth_requested",
            "kbdint_auth_requested",
            "kbdint_challenge_received",
            "password_auth_requested",
        ):
            answer = Cancellable()
            callbacks = {name: plain(answer)}
            if name == "kbdint_challenge_received":
                callbacks["kbdint_auth_requested"] = plain("")
            if name == "auth_completed":
                callbacks["password_auth_requested"] = plain("right")
            clients.append((name, callbacks, answer))
        return clients

    def test_hung_up(self) -> None:
        """
        When the server hangs up, the callback is cancelled and the login ends
        with that loss.
        """
        for name, callbacks, answer in self.pending():
            self.ends, self.endpoint = [], self.server.endpoint()
            self.log_in(client(**callbacks))
            self.assertEqual((self.ends, answer.cancelled), ([], 0), name)
            self.endpoint.links[0].lose()
            self.assertEqual(answer.cancelled, 1, name)
            self.assertIsInstance(self.error, ConnectionLost, name)
            self.assert_closed()

    def test_disconnected(self) -> None:
        """
        When the server says why it goes, the login ends with that.
        """
        for name, callbacks, answer in self.pending():
            self.ends, self.endpoint = [], self.server.endpoint()
            self.log_in(client(**callbacks))
            self.peer.sendDisconnect(11, b"closed for today")
            self.endpoint.pump()
            self.assertEqual(answer.cancelled, 1, name)
            self.assertIsInstance(self.error, ServerDisconnected, name)
            self.assertEqual(self.error.description, "closed for today")
            self.assert_closed()

    def test_caller_cancels(self) -> None:
        """
        When whoever called C{connect} cancels it, the callback is cancelled and
        nothing is left open.
        """
        for name, callbacks, answer in self.pending():
            self.ends, self.endpoint = [], self.server.endpoint()
            login = self.log_in(client(**callbacks))
            login.cancel()
            self.assertEqual(answer.cancelled, 1, name)
            self.assertIsInstance(self.error, defer.CancelledError, name)
            self.assert_closed()

    def test_cleaning_up(self) -> None:
        """
        A coroutine that cleans up when it is cancelled is allowed to finish,
        and the login has ended meanwhile.
        """
        for error in (asyncio.CancelledError, defer.CancelledError):
            steps: list[str] = []
            cleaned: Deferred[None] = Deferred()

            async def ask(
                error: type[BaseException] = error,
                steps: list[str] = steps,
                cleaned: Deferred[None] = cleaned,
            ) -> str:
                try:
                    await Deferred()
                except error:
                    steps.append("cancelled")
                    await cleaned
                    steps.append("cleaned up")
                    raise
                return ""

            self.ends, self.endpoint = [], self.server.endpoint()
            self.log_in(client(password_auth_requested=ask))
            self.endpoint.links[0].lose()
            self.assertIsInstance(self.error, ConnectionLost)
            self.assertEqual(steps, ["cancelled"])
            cleaned.callback(None)
            self.assertEqual(steps, ["cancelled", "cleaned up"])

    def test_keeps_on(self) -> None:
        """
        One that will not be cancelled is left to itself; what it gives then is
        dropped.
        """
        again: Deferred[str] = Deferred()

        async def ask() -> str:
            try:
                await Deferred()
            except defer.CancelledError:
                return await again
            return ""

        self.log_in(client(password_auth_requested=ask))
        self.endpoint.links[0].lose()
        again.callback("right")
        self.assert_closed()
        self.assertEqual([asked.request.method for asked in self.server.requests], [
            b"none"
        ])

    def test_moved_on(self) -> None:
        """
        When the server answers for itself, the question is cancelled, and its
        late answer goes nowhere.
        """
        answer = Cancellable()
        self.log_in(client(password_auth_requested=plain(answer)))
        service = self.peer.service
        service.transport.sendPacket(51, b"\0\0\0\x08password\0")
        self.endpoint.pump()
        self.assertEqual(answer.cancelled, 1)

    def test_late(self) -> None:
        """
        An answer that nobody can cancel and that comes late is dropped.
        """
        late: Deferred[str] = Deferred()
        self.log_in(client(password_auth_requested=plain(late)))
        self.endpoint.links[0].lose()
        late.callback("right")
        self.assert_closed()

    def test_never(self) -> None:
        """
        A person who never answers is waited for as long as a person may take;
        then it is the turn of what is left, and here nothing is.
        """
        self.log_in(client(password_auth_requested=plain(Deferred())))
        self.server.clock.advance(599)
        self.assertEqual(self.ends, [])
        self.server.clock.advance(2)
        self.assertIsInstance(self.error, AuthenticationFailed)
        self.assertNotIsInstance(self.error, LoginTimeout)
        self.assert_closed()

    def test_a_persons_time(self) -> None:
        """
        C{login_timeout} does not count the time in which a person is asked,
        for a key neither.
        """
        for name in ("public_key_auth_requested", "password_auth_requested"):
            answer: Deferred[Any] = Deferred()
            self.ends, self.endpoint = [], self.server.endpoint()
            callbacks = {"password_auth_requested": plain("right"), name: plain(answer)}
            self.log_in(client(**callbacks), login_timeout=10)
            self.server.clock.advance(500)
            self.assertEqual(self.ends, [], name)
            answer.callback("right" if name.startswith("password") else None)
            self.endpoint.pump()
            self.connection.close()
            self.assert_closed()

    def test_hooks_hold_up_nothing(self) -> None:
        """
        A banner, or the begin, may be thought over for ever.
        """
        self.log_in(
            client(
                auth_banner_received=plain(Deferred()), begin_auth=plain(Deferred())
            ),
            password="right",
        )
        self.connection.close()
        self.assert_closed()

    def test_cancelled_login(self) -> None:
        """
        A login that is cancelled keeps its report, and the server is told.
        """
        login = self.log_in(client(password_auth_requested=plain(Deferred())))
        login.cancel()
        self.assertIsInstance(self.error, AuthenticationCancelled)
        self.assertEqual(self.error.report.user, "alice")

    def test_nothing_unhandled(self) -> None:
        """
        No Deferred is left with an error that nobody has seen.
        """
        for _, callbacks, _ in self.pending():
            self.ends, self.endpoint = [], self.server.endpoint()
            self.log_in(client(**callbacks)).cancel()
            self.endpoint.pump()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])


class RunningTests(TestCase):
    """
    The same on a socket, in the reactor of the test run: where that is
    asyncio's, coroutines run as its tasks.
    """

    def setUp(self) -> Any:
        self.server = LoopbackServer()
        self.server.add_user(
            "alice",
            password="right",
            prompts=[[("Word: ", False)]],
            answers=[["milk"]],
        )
        self.addCleanup(self.server.stop)
        return self.server.listen(reactor)

    def log_in(self, **callbacks: Callable[..., Any]) -> Deferred[Any]:
        return connect(
            self.server.host,
            self.server.port,
            client_factory=client(**callbacks),
            username="alice",
            client_keys=None,
            agent_path=None,
            known_hosts=None,
        )

    async def test_coroutines(self) -> None:
        """
        Every question is answered by a coroutine that waits.
        """

        def later(answer: Any) -> Callable[..., Any]:
            async def callback(*arguments: Any) -> Any:
                await deferLater(reactor, 0)
                return answer

            return callback

        made = await self.log_in(
            connection_made=later(None),
            validate_host_public_key=later(True),
            begin_auth=later(None),
            public_key_auth_requested=later(None),
            kbdint_auth_requested=later(""),
            kbdint_challenge_received=later(None),
            password_auth_requested=later("right"),
            auth_completed=later(None),
        )
        self.assertEqual(made.report.proof, "password")
        made.close()
        await made.wait_closed()

    async def test_refusing_coroutine(self) -> None:
        """
        A coroutine that is not C{True} trusts no host.
        """
        for verdict in (False, None, 1):
            with self.assertRaises(HostKeyNotVerifiable):
                await self.log_in(validate_host_public_key=coroutine(verdict))

    async def test_failing_coroutines(self) -> None:
        """
        What a coroutine raises is in the report.
        """
        try:
            await self.log_in(
                validate_host_public_key=coroutine(True),
                kbdint_auth_requested=raising_coroutine,
                password_auth_requested=raising_coroutine,
            )
        except AuthenticationFailed as failed:
            errors = [type(attempt.error) for attempt in failed.report.attempts]
            self.assertEqual(errors.count(Sour), 2)
        else:
            self.fail("logged in")

    async def test_hung_up(self) -> None:
        """
        The server goes while a coroutine waits: it is cancelled, and may clean
        up.
        """
        cleaned: Deferred[str] = Deferred()

        async def ask() -> str:
            deferLater(reactor, 0, self._hang_up)
            try:
                await Deferred()
            except asyncio.CancelledError:
                await deferLater(reactor, 0)
                cleaned.callback("cleaned up")
                raise
            return "right"

        with self.assertRaises(ConnectionLost):
            await self.log_in(
                validate_host_public_key=coroutine(True), password_auth_requested=ask
            )
        self.assertEqual(await cleaned, "cleaned up")

    def _hang_up(self) -> None:
        for transport in self.server._transports:
            transport.transport.abortConnection()

    async def test_cancelled(self) -> None:
        """
        The caller goes while a coroutine waits.
        """
        asked: Deferred[None] = Deferred()
        cancelled: Deferred[BaseException] = Deferred()

        async def ask() -> None:
            asked.callback(None)
            try:
                await Deferred()
            except BaseException as error:
                cancelled.callback(error)
                raise

        login = self.log_in(
            validate_host_public_key=coroutine(True), password_auth_requested=ask
        )
        await asked
        login.cancel()
        with self.assertRaises(AuthenticationCancelled):
            await login
        self.assertIsInstance(await cancelled, asyncio.CancelledError)


class EndTests(MemoryCase):
    """
    C{connection_lost} is called once, with the reason.
    """

    def lost(self, **options: Any) -> list[Any]:
        lost: list[Any] = []
        self.log_in(client(connection_lost=lost.append), **options)
        return lost

    def test_closed(self) -> None:
        """
        With C{None} after it was closed here.
        """
        for end in ("close", "abort"):
            self.ends, self.endpoint = [], self.server.endpoint()
            lost = self.lost(password="right")
            getattr(self.connection, end)()
            self.assert_closed()
            self.assertEqual(lost, [None])

    def test_closed_there(self) -> None:
        """
        With C{None} where the server closed it in order.
        """
        lost = self.lost(password="right")
        self.peer.sendDisconnect(11, b"bye")
        self.assert_closed()
        self.assertEqual(lost, [None])

    def test_ended_there(self) -> None:
        """
        With the server's reason where it had another one.
        """
        lost = self.lost(password="right")
        self.peer.sendDisconnect(2, b"nonsense")
        self.assert_closed()
        self.assertIsInstance(lost[0], ServerDisconnected)
        self.assertEqual((len(lost), lost[0].code), (1, 2))

    def test_lost(self) -> None:
        """
        With the loss where nobody said anything.
        """
        lost = self.lost(password="right")
        self.endpoint.links[0].lose()
        self.assertIsInstance(lost[0], ConnectionLost)

    def test_failed(self) -> None:
        """
        With what the login ended with.
        """
        lost = self.lost(password="wrong")
        self.assertIsInstance(self.error, AuthenticationFailed)
        self.assert_closed()
        self.assertEqual(lost, [self.error])

    def test_cancelled(self) -> None:
        """
        With the cancellation.
        """
        lost: list[Any] = []
        login = self.log_in(
            client(
                connection_lost=lost.append, password_auth_requested=plain(Deferred())
            )
        )
        login.cancel()
        self.assert_closed()
        self.assertEqual(lost, [self.error])

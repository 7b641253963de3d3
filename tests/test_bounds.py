"""
Tests for what keeps a login from going on for ever, or from hanging: each of
these would loop or never end without its bound.
"""

from __future__ import annotations

import itertools
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred

from conch_auth import names
from conch_auth._wire import string
from conch_auth.errors import (
    AuthenticationFailed,
    LoginTimeout,
    TooManyAttempts,
)
from conch_auth.messages import (
    InfoRequest,
    KeyboardInteractiveRequest,
    Message,
    NoneRequest,
    PasswordRequest,
    Prompt,
    PublicKeyOk,
    PublicKeyRequest,
)
from tests.support import (
    SUCCESS,
    Cancellable,
    Client,
    LoginTestCase,
    Sent,
    banner,
    expired,
    failure,
    new_key,
    partial,
    questions,
)

KEY = new_key()
ALL = (b"publickey", b"password", b"keyboard-interactive")


class Numbered:
    """
    A public key that costs nothing to make.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def sshType(self) -> bytes:
        return b"ssh-ed25519"

    def blob(self) -> bytes:
        return string(b"ssh-ed25519") + string(self._number.to_bytes(32, "big"))


class BoundsTestCase(LoginTestCase):
    def against(self, server: Callable[[Sent], Message], client: Client) -> Client:
        """
        A login with a server that replies within the call that sends to it.
        """
        client.transport.replies = lambda sent: [server(sent)]
        self.start(client)
        return client


class RequestTests(BoundsTestCase):
    """
    How much is sent to a server that never has enough.
    """

    def test_endless_keys(self) -> None:
        """
        C{maxAttempts} bounds the requests of a login.
        """
        client = self.against(
            lambda sent: failure(b"publickey"),
            Client(map(Numbered, itertools.count()), maxAttempts=20),
        )
        report = self.assert_failed(client, TooManyAttempts)
        self.assertEqual(len(client.transport.packets), 20)
        self.assertEqual(report.ending, "too many requests (maxAttempts is 20)")

    def test_endless_methods_of_a_subclass(self) -> None:
        """
        It bounds those of a subclass's own methods, too.
        """
        client = Client(maxAttempts=20)
        client.auth_x = lambda: (  # type: ignore[attr-defined]
            client.askForAuth(b"x", b"") or True
        )
        self.against(lambda sent: failure(b"x"), client)
        self.assert_failed(client, TooManyAttempts)
        self.assertEqual(len(client.transport.packets), 20)

    def test_endless_passwords(self) -> None:
        """
        C{maxPasswordAttempts} bounds the passwords in a row.
        """
        client = self.against(
            lambda sent: failure(b"password"), Client([], itertools.repeat(b"pw"))
        )
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(client.asked, ["getPassword"] * 3)
        self.assertIn("3 were refused", report.attempts[-1].reason)
        client = self.against(
            lambda sent: failure(b"password"),
            Client([], itertools.repeat(b"pw"), maxPasswordAttempts=1),
        )
        self.assertEqual(client.asked, ["getPassword"])

    def test_passwords_count_anew(self) -> None:
        """
        After another factor the count begins anew.
        """
        replies = iter(
            [
                failure(b"password"),
                failure(b"password"),
                failure(b"password"),
                failure(b"keyboard-interactive", b"password"),
                questions(b"?"),
                partial(b"password"),
                failure(b"password"),
                SUCCESS,
            ]
        )
        client = self.against(
            lambda sent: next(replies),
            Client([], itertools.repeat(b"pw"), [["a"]]),
        )
        self.assert_succeeded(client)

    def test_endless_interactive(self) -> None:
        """
        C{maxInteractiveAttempts} bounds the exchanges in a row.
        """

        def server(sent: Sent) -> Message:
            if isinstance(sent, KeyboardInteractiveRequest):
                return questions(b"?")
            return failure(b"keyboard-interactive")

        client = self.against(server, Client([], [], itertools.repeat(["bad"])))
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(len(client.asked), 3)

    def test_endless_changes(self) -> None:
        """
        C{maxPasswordAttempts} bounds the new passwords, too.
        """

        def server(sent: Sent) -> Message:
            if isinstance(sent, PasswordRequest):
                return expired()
            return failure(b"password")

        client = self.against(server, Client([], itertools.repeat(b"pw")))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(len(client.asked), 1 + 1 + 3)
        self.assertIn("too many new passwords", report.attempts[-1].reason)

    def test_endless_rounds(self) -> None:
        """
        C{maxRounds} bounds the rounds of one exchange, those that ask nothing
        included; the methods after it follow.
        """
        for round_ in (questions(), questions(b"?")):

            def server(sent: Sent, round_: Message = round_) -> Message:
                if isinstance(sent, PasswordRequest):
                    return SUCCESS
                if isinstance(sent, NoneRequest):
                    return failure(b"keyboard-interactive", b"password")
                return round_

            client = self.against(
                server,
                Client(
                    [],
                    [b"pw"],
                    itertools.repeat(["a"]),
                    maxRounds=10,
                    preferredOrder=[b"keyboard-interactive", b"password"],
                ),
            )
            report = self.assert_succeeded(client)
            self.assertEqual(len(client.transport.packets), 2 + 10 + 1)
            self.assertIn("maxRounds is 10", report.attempts[1].reason)

    def test_a_round_of_many_prompts(self) -> None:
        """
        C{maxPrompts} bounds the questions of one round.
        """
        for count, asked in ((3, 1), (4, 0)):
            client = self.login([], [b"pw"], [["a"]], maxPrompts=3)
            client.receive(failure(b"keyboard-interactive"))
            client.receive(InfoRequest(b"", b"", b"", (Prompt(b"?", False),) * count))
            self.assertEqual(len(client.asked), asked)

    def test_endless_answers(self) -> None:
        """
        It bounds the answers as well, which need not be a list.
        """
        client = self.login([], [], [itertools.repeat("a")], maxPrompts=3)
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"?"))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertIn("too many answers", report.attempts[-1].reason)

    def test_endless_partial_success(self) -> None:
        """
        A server that accepts everything and always wants more is left, whether
        the owner has no end of keys or the same for ever.
        """

        def server(sent: Sent) -> Message:
            if isinstance(sent, PublicKeyRequest) and sent.signature is None:
                return PublicKeyOk(sent.algorithm, sent.blob)
            if isinstance(sent, KeyboardInteractiveRequest):
                return questions(b"?")
            return partial(*ALL)

        client = Client(
            itertools.repeat(KEY), itertools.repeat(b"pw"), itertools.repeat(["a"])
        )
        self.against(server, client)
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(
            [a.method for a in report.attempts if a.outcome == "partial"],
            ["none", *map(bytes.decode, ALL)],
        )
        client = Client(map(Numbered, itertools.count()), maxAttempts=20)
        client.signData = lambda key, data: (  # type: ignore[method-assign]
            string(b"ssh-ed25519") + string(b"s")
        )
        self.against(server, client)
        self.assert_failed(client, TooManyAttempts)
        self.assertEqual(len(client.transport.packets), 20)

    def test_a_server_that_refuses_everything(self) -> None:
        """
        A server that always lists everything and accepts nothing is left,
        however much the owner has to offer.
        """

        def server(sent: Sent) -> Message:
            if isinstance(sent, KeyboardInteractiveRequest):
                return questions(b"?")
            return failure(*ALL)

        client = self.against(
            server,
            Client(
                itertools.repeat(KEY), itertools.repeat(b"pw"), itertools.repeat(["a"])
            ),
        )
        self.assert_failed(client, AuthenticationFailed)
        self.assertLess(len(client.transport.packets), 20)

    def test_the_same_key_for_ever(self) -> None:
        """
        An owner that always gives the same key is asked a bounded number of
        times, and the next method follows.
        """
        client = self.against(
            lambda sent: (
                SUCCESS
                if isinstance(sent, PasswordRequest)
                else failure(b"publickey", b"password")
            ),
            Client(itertools.repeat(KEY), [b"pw"], maxAttempts=20),
        )
        self.assert_succeeded(client)
        self.assertEqual(
            client.transport.sent[1:], [self.query(KEY), PasswordRequest(b"pw")]
        )
        self.assertEqual(client.asked.count("getPublicKey"), 1 + 20)

    def test_a_method_that_always_fails_by_itself(self) -> None:
        """
        A subclass whose method fails and says so to C{_ebAuth}, as Conch's
        does, is not begun for ever.
        """
        client = Client(maxAttempts=20)
        tried: list[None] = []

        def auth_password() -> bool:
            tried.append(None)
            client._ebAuth(None)
            return True

        client.auth_password = auth_password  # type: ignore[method-assign]
        self.start(client)
        client.receive(failure(b"password"))
        report = self.assert_failed(client, TooManyAttempts)
        self.assertEqual(len(tried), 21)
        self.assertEqual(report.ending, "too many failures (maxAttempts is 20)")


class BannerTests(BoundsTestCase):
    def test_count(self) -> None:
        """
        C{maxBanners} bounds the banners that are kept and delivered; the login
        goes on.
        """
        client = self.login(maxBanners=5, allowTrivialAuth=True)
        for _ in range(10000):
            client.receive(banner(b"x"))
        self.assertEqual(len(client.banners), 5)
        self.assertEqual(len(client.report.banners), 5)
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_bytes(self) -> None:
        """
        C{maxBannerBytes} bounds their bytes together; one that is too large is
        no reason to drop those that fit.
        """
        client = self.login(maxBannerBytes=10)
        for text in (b"12345", b"12345678", b"123", b"12", b""):
            client.receive(banner(text))
        self.assertEqual(
            [text for text, _ in client.banners], ["12345", "123", "12", ""]
        )
        client = self.login(maxBannerBytes=10)
        client.receive(banner(b"12345", b"67890"))
        client.receive(banner(b"1"))
        client.receive(banner(b"", b"1"))
        self.assertEqual(client.banners, [("12345", "67890")])

    def test_a_large_one_by_default(self) -> None:
        """
        The largest banners that are known in the field are delivered.
        """
        client = self.login()
        client.receive(banner(b"x" * 200_000))
        self.assertEqual(len(client.banners[0][0]), 200_000)


class StackTests(BoundsTestCase):
    """
    A transport that replies within the call that sends.
    """

    count = 500

    def refused(self, deliver: Any) -> Client:
        client = Client(map(Numbered, range(self.count)))
        client.transport.deliver = deliver(client)
        depth = 0

        def server(sent: Sent) -> Iterator[Message]:
            nonlocal depth
            depth = max(depth, _depth())
            yield failure(b"publickey")

        client.transport.replies = server
        before = _depth()
        self.start(client)
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(len(client.transport.packets), 1 + self.count)
        self.assertLess(depth - before, 100)
        return client

    def test_keys_through_the_door(self) -> None:
        """
        Five hundred refused keys take no more stack than a few, through
        C{packetReceived}.
        """
        self.refused(lambda client: client.receive)

    def test_keys_through_an_override(self) -> None:
        """
        Nor do they through C{ssh_USERAUTH_FAILURE}, called directly.
        """
        self.refused(
            lambda client: lambda message: client.ssh_USERAUTH_FAILURE(message.build())
        )

    def test_rounds(self) -> None:
        """
        Nor do rounds of questions.
        """

        def server(sent: Sent) -> Message:
            if len(client.transport.packets) == 1:
                return failure(b"keyboard-interactive")
            return questions(b"?")

        client = Client(
            [], [], itertools.repeat(["a"]), maxRounds=self.count, maxAttempts=2
        )
        self.against(server, client)
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(len(client.transport.packets), 2 + self.count)

    def test_failures_of_a_method(self) -> None:
        """
        Nor do failures on this side.
        """
        client = Client()
        client.auth_password = lambda: (  # type: ignore[method-assign]
            client._ebAuth(None) or True
        )
        self.against(lambda sent: failure(b"password"), client)
        self.assert_failed(client, TooManyAttempts)

    def test_methods_without_anything(self) -> None:
        """
        Nor does a long list of methods that have nothing to send.
        """
        client = self.login()
        listed = [b"x%d" % number for number in range(names.MAX_METHODS)]
        for name in listed:
            setattr(client, f"auth_{name.decode()}", lambda: None)
        client.receive(failure(*listed))
        self.assert_failed(client, AuthenticationFailed)

    def test_every_step(self) -> None:
        """
        Each step of each method may be answered within the call that takes it.
        """

        def server(sent: Sent) -> Message:
            return next(replies)

        replies = iter(
            [
                failure(*ALL),
                PublicKeyOk(KEY.sshType(), KEY.blob()),
                partial(b"password", b"keyboard-interactive"),
                expired(),
                expired(),
                partial(b"keyboard-interactive"),
                questions(),
                questions(b"?"),
                failure(b"keyboard-interactive"),
                questions(b"?"),
                SUCCESS,
            ]
        )
        client = Client([KEY], [b"1", b"2", b"3", b"4"], [["a"], ["b"]])
        self.against(server, client)
        report = self.assert_succeeded(client)
        self.assertEqual(report.round_trips, 11)
        self.assertEqual(
            [(a.method, a.outcome) for a in report.attempts],
            [
                ("none", "refused"),
                ("publickey", "partial"),
                ("password", "partial"),
                ("keyboard-interactive", "refused"),
                ("keyboard-interactive", "accepted"),
            ],
        )


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
    return depth


class NameListTests(BoundsTestCase):
    def test_many_names(self) -> None:
        """
        A list of a hundred thousand names is looked at in part, and not kept.
        """
        listed = failure(
            *(b"method-%d" % number for number in range(100_000)), b"password"
        )
        client = self.login(passwords=[b"pw"])
        tracemalloc.start()
        try:
            client.receive(listed)
            kept = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        self.assertEqual(len(client.report.server_methods), names.MAX_METHODS)
        self.assertLess(kept, 2**20)
        self.assert_failed(client, AuthenticationFailed)

    def test_many_names_of_none(self) -> None:
        """
        Names that are repeated or not usable do not hide those that are.
        """
        listed = failure(*[b"", b"\xff", b"a_b", b"x"] * 25_000, b"password")
        client = self.login(passwords=[b"pw"])
        client.receive(listed)
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))


class ServerTimeTests(BoundsTestCase):
    """
    C{serverTimeout} and C{loginTimeout}.
    """

    def test_silence(self) -> None:
        """
        A server that does not answer in C{serverTimeout} seconds is left,
        whatever it owes an answer to.
        """
        waiting: list[Callable[[Client], object]] = [
            lambda client: None,
            lambda client: client.receive(failure(b"password")),
            lambda client: (
                client.receive(failure(b"publickey")),
                self.confirm(client),
            ),
            lambda client: (
                client.receive(failure(b"keyboard-interactive")),
                client.receive(questions(b"?")),
            ),
        ]
        for until in waiting:
            client = self.login([KEY], [b"pw"], [["a"]])
            until(client)
            client.clock.advance(119)
            self.assertEqual(self.ends, [])
            client.clock.advance(1)
            report = self.assert_failed(client, LoginTimeout)
            self.assertEqual(report.ending, "the server did not answer in 120 seconds")

    def test_each_reply(self) -> None:
        """
        Each reply has its whole time; a banner is none.
        """
        client = self.login(passwords=[b"1", b"2"])
        client.clock.advance(100)
        client.receive(failure(b"password"))
        client.clock.advance(100)
        client.receive(banner(b"wait"))
        client.clock.advance(20)
        self.assert_failed(client, LoginTimeout)

    def test_whole(self) -> None:
        """
        C{loginTimeout} bounds a login whose every step is in time.
        """
        client = self.login(
            map(Numbered, itertools.count()), loginTimeout=1000, serverTimeout=120
        )
        for _ in range(9):
            client.clock.advance(110)
            client.receive(failure(b"publickey"))
        client.clock.advance(9)
        self.assertEqual(self.ends, [])
        client.clock.advance(1)
        report = self.assert_failed(client, LoginTimeout)
        self.assertEqual(report.ending, "it took longer than 1000 seconds")

    def test_a_person_does_not_count(self) -> None:
        """
        The time in which a person is asked is not the login's, nor the
        server's.
        """
        answer: Deferred[Any] = Deferred()
        client = self.login(passwords=[answer], loginTimeout=100, serverTimeout=50)
        client.clock.advance(40)
        client.receive(failure(b"password"))
        client.clock.advance(500)
        answer.callback(b"pw")
        client.clock.advance(49)
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(
            (report.attempts[1].person_seconds, report.attempts[1].server_seconds),
            (500, 49),
        )

    def test_no_limits(self) -> None:
        """
        C{None} is no limit.
        """
        client = self.login(serverTimeout=None, loginTimeout=None)
        client.clock.advance(1e9)
        self.assertEqual(self.ends, [])
        self.assert_nothing_pending(client)

    def test_a_method_that_never_begins(self) -> None:
        """
        A subclass whose method never comes to a request is left when the whole
        time is over.
        """
        client = self.login(loginTimeout=50)
        client.auth_x = Deferred  # type: ignore[attr-defined]
        client.receive(failure(b"x"))
        client.clock.advance(50)
        self.assert_failed(client, LoginTimeout)

    def test_a_step_that_goes_nowhere(self) -> None:
        """
        So is one whose step or ending does nothing.
        """
        for step in ("_cbPassword", "_ebAuth", "methodsExhausted"):
            client = self.login(passwords=[ValueError()], loginTimeout=50)
            if step == "_cbPassword":
                client = self.login(passwords=[b"pw"], loginTimeout=50)
            setattr(client, step, lambda *ignored: None)
            client.receive(failure(b"password"))
            if step == "methodsExhausted":
                self.assertEqual(len(client.report.attempts), 2)
            self.assertEqual(self.ends, [])
            client.clock.advance(50)
            self.assert_failed(client, LoginTimeout)


class OwnerTimeTests(BoundsTestCase):
    """
    C{signTimeout} and C{answerTimeout}.
    """

    def asked(self, question: str) -> tuple[Client, Cancellable]:
        """
        A login that waits for the answer to C{question}, and would go on with
        a password.
        """
        answer = Cancellable()
        client = Client([KEY, None], [b"pw"], [["a"]])
        client.preferredOrder = [b"publickey", b"keyboard-interactive", b"password"]
        listed = {
            "getSubmethods": b"keyboard-interactive",
            "getGenericAnswers": b"keyboard-interactive",
        }.get(question, b"publickey")
        setattr(client, question, lambda *arguments: answer)
        self.start(client)
        client.receive(failure(listed, b"password"))
        if question in ("signData", "getPrivateKey"):
            self.confirm(client)
        elif question == "getGenericAnswers":
            client.receive(questions(b"?"))
        return client, answer

    def test_no_answer(self) -> None:
        """
        A question that is not answered in time is cancelled, the next method
        follows, and the report says whose answer did not come; so no hook
        hangs the login.
        """
        for question, seconds, told in (
            ("getPublicKey", 120, "getPublicKey"),
            ("signData", 120, "signData"),
            ("getPrivateKey", 120, "signData"),
            ("getSubmethods", 600, "getSubmethods"),
            ("getGenericAnswers", 600, "getGenericAnswers"),
        ):
            client, answer = self.asked(question)
            client.clock.advance(seconds - 1)
            self.assertEqual(answer.cancelled, 0, question)
            client.clock.advance(1)
            self.assertEqual(answer.cancelled, 1, question)
            self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
            attempt = client.report.attempts[1]
            self.assertEqual(attempt.outcome, "failed")
            self.assertEqual(
                attempt.reason, f"{told} did not answer in {seconds} seconds"
            )
            client.receive(SUCCESS)
            self.assert_succeeded(client)

    def test_no_password(self) -> None:
        """
        So it is with a password, and a new one.
        """
        answer = Cancellable()
        client = self.login(passwords=[answer])
        client.receive(failure(b"password", b"keyboard-interactive"))
        client.clock.advance(600)
        self.assertEqual(answer.cancelled, 1)
        self.assertEqual(client.transport.sent[-1], KeyboardInteractiveRequest())
        for passwords in ([b"pw", Cancellable()], [b"pw", b"old", Cancellable()]):
            client = self.login(passwords=passwords)
            client.receive(failure(b"password", b"keyboard-interactive"))
            client.receive(expired())
            client.clock.advance(600)
            self.assertEqual(client.transport.sent[-1], KeyboardInteractiveRequest())

    def test_answer_after_its_time(self) -> None:
        """
        An answer that comes after its time is dropped.
        """
        late: Deferred[Any] = Deferred()
        client = self.login(passwords=[late])
        client.receive(failure(b"password", b"keyboard-interactive"))
        client.clock.advance(600)
        late.callback(b"pw")
        self.assertEqual(client.transport.sent[1:], [KeyboardInteractiveRequest()])

    def test_limits_are_attributes(self) -> None:
        """
        Each limit is an attribute, and C{None} is none.
        """
        client = self.login(passwords=[Deferred()], answerTimeout=None)
        client.receive(failure(b"password"))
        client.clock.advance(1e9)
        self.assertEqual(self.ends, [])
        client = self.login([Deferred()], signTimeout=3)
        client.receive(failure(b"publickey"))
        client.clock.advance(3)
        self.assert_failed(client, AuthenticationFailed)

    def test_an_agent_counts(self) -> None:
        """
        The time that an agent takes is the login's.
        """
        client = self.login([Deferred()], signTimeout=100, loginTimeout=50)
        client.receive(failure(b"publickey"))
        client.clock.advance(50)
        self.assert_failed(client, LoginTimeout)


class HookTests(BoundsTestCase):
    """
    Every question, answered in every way that is of no use.
    """

    def useless(self) -> list[Callable[..., Any]]:
        async def coroutine_that_fails() -> Any:
            raise ValueError

        async def coroutine() -> Any:
            return object()

        def raises(*arguments: Any) -> Any:
            raise ValueError

        def errback(*arguments: Any) -> Any:
            failing: Deferred[Any] = Deferred()
            failing.errback(ValueError())
            return failing

        answers: list[Any] = [None, 7, object(), b"", "", [], {}, (None,), [[]], True]
        return [
            raises,
            errback,
            lambda *arguments: coroutine_that_fails(),
            lambda *arguments: coroutine(),
            lambda *arguments: Deferred(),
            *(lambda *arguments, answer=answer: answer for answer in answers),
        ]

    def test_every_hook(self) -> None:
        """
        The login ends, with everything that was pending, against a server
        that answers each step and refuses in the end.
        """

        def server(sent: Sent) -> Message:
            if isinstance(sent, PublicKeyRequest) and sent.signature is None:
                return PublicKeyOk(sent.algorithm, sent.blob)
            if isinstance(sent, KeyboardInteractiveRequest):
                return questions(b"?")
            if isinstance(sent, PasswordRequest) and sent.new_password is None:
                return expired()
            return failure(*ALL)

        for hook in (
            "getPublicKey",
            "getPrivateKey",
            "signData",
            "getPassword",
            "getGenericAnswers",
            "getSubmethods",
            "bannerReceived",
            "informationReceived",
            "passwordChanged",
            "passwordChangeFailed",
        ):
            for answer in self.useless():
                client = Client([KEY], [b"1", b"2", b"3"], [["a"]], maxAttempts=30)
                setattr(client, hook, answer)
                self.against(server, client)
                client.receive(banner(b"hello"))
                for _ in range(100):
                    client.clock.advance(600)
                self.assert_failed(client, AuthenticationFailed)
                self.flushLoggedErrors(ValueError)

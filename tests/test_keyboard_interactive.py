"""
Tests for the C{keyboard-interactive} method.
"""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from conch_auth._wire import string, uint32
from conch_auth.errors import AuthenticationFailed, MalformedMessage
from conch_auth.messages import (
    InfoRequest,
    InfoResponse,
    KeyboardInteractiveRequest,
    NoneRequest,
    PasswordRequest,
    Prompt,
)
from tests.support import (
    SUCCESS,
    Cancellable,
    Client,
    LoginTestCase,
    failure,
    questions,
)

PASSWORD_NEXT = [b"keyboard-interactive", b"password"]


class InteractiveTestCase(LoginTestCase):
    def exchange(self, *answers: Any, **attributes: Any) -> Client:
        """
        A login that has asked for the server's questions, and would go on with
        a password.
        """
        client = self.login(
            [], [b"pw"], answers, preferredOrder=PASSWORD_NEXT, **attributes
        )
        client.receive(failure(b"keyboard-interactive", b"password"))
        return client


class WhoAsksTests(InteractiveTestCase):
    """
    What a prompt knows of its round.
    """

    def test_rounds_are_counted(self) -> None:
        """
        Each round has its number, and whose login it is.
        """
        client = self.exchange([b"1"], [b"2"])
        for number in (1, 2):
            client.receive(questions(b"?"))
            (prompt,) = client.asked[-1][3]
            self.assertEqual(prompt.challenge.round, number)
            self.assertEqual(prompt.challenge.user, "alice")

    def test_as_many_answers_as_there_may_be(self) -> None:
        """
        The most questions that may be asked may be answered.
        """
        client = self.exchange([b"1", b"2"], maxPrompts=2)
        client.receive(questions(b"one", b"two"))
        self.assertEqual(client.transport.sent[-1], InfoResponse((b"1", b"2")))

    def test_tried_again_as_another_factor(self) -> None:
        """
        A server that listed the method and asked nothing may mean it once
        another factor was accepted.
        """
        client = self.login([], [b"pw"], preferredOrder=PASSWORD_NEXT)
        client.receive(failure(b"keyboard-interactive", b"password"))
        client.receive(failure(b"keyboard-interactive", b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        client.receive(failure(b"keyboard-interactive", partial=True))
        self.assertEqual(client.transport.sent[-1], KeyboardInteractiveRequest())


class ExchangeTests(InteractiveTestCase):
    def test_logs_in(self) -> None:
        """
        The server's questions go to the owner as they came, and the answers to
        the server, in order.
        """
        client = self.exchange([b"1", "zw\u00f6lf"])
        self.assertEqual(client.transport.sent[-1], KeyboardInteractiveRequest())
        client.receive(
            InfoRequest(
                b"name",
                b"text\xff",
                b"en",
                (Prompt(b"one", True), Prompt(b"two\xff", False)),
            )
        )
        self.assertEqual(
            client.asked,
            [
                (
                    "getGenericAnswers",
                    b"name",
                    b"text\xff",
                    [(b"one", True), (b"two\xff", False)],
                )
            ],
        )
        self.assertEqual(
            client.transport.sent[-1], InfoResponse((b"1", "zw\u00f6lf".encode()))
        )
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(report.proof, "keyboard-interactive")
        self.assertEqual(len(report.attempts), 2)

    def test_rounds(self) -> None:
        """
        Each round of questions has one response, without another request.
        """
        client = self.exchange(["1"], ["2", "3"])
        client.receive(questions(b"one"))
        client.receive(questions())
        client.receive(questions(b"two", b"three"))
        self.assertEqual(
            client.transport.sent[2:],
            [
                InfoResponse((b"1",)),
                InfoResponse(()),
                InfoResponse((b"2", b"3")),
            ],
        )
        client.receive(SUCCESS)
        self.assertEqual(self.assert_succeeded(client).round_trips, 5)

    def test_no_questions(self) -> None:
        """
        A round without a question is answered at once; the owner is told what
        the server shows, and asked nothing.
        """
        client = self.exchange()
        client.receive(questions(name=b"name", text=b"Welcome"))
        self.assertEqual(client.transport.sent[-1], InfoResponse(()))
        self.assertEqual(client.asked, [])
        self.assertEqual(client.told, [(b"name", b"Welcome")])

    def test_hook_that_fails(self) -> None:
        """
        A hook that fails is logged, and the exchange goes on.
        """
        client = self.exchange(informationReceived=lambda *said: fail(ValueError()))
        client.receive(questions(text=b"Welcome"))
        self.assertEqual(client.transport.sent[-1], InfoResponse(()))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_answers_in_every_form(self) -> None:
        """
        A list, a tuple and a generator, and a Deferred or coroutine of one,
        are all answers.
        """

        async def coroutine() -> list[str]:
            return ["a"]

        for answer in (
            ["a"],
            (b"a",),
            (text for text in "a"),
            succeed(["a"]),
            coroutine(),
        ):
            client = self.exchange(answer)
            client.receive(questions(b"?"))
            self.assertEqual(client.transport.sent[-1], InfoResponse((b"a",)))

    def test_as_many_answers_as_there_are(self) -> None:
        """
        The answers are sent as they were given, also where they are more or
        fewer than the questions.
        """
        for given in (["a", "b"], []):
            client = self.exchange(given)
            client.receive(questions(b"?"))
            self.assertEqual(
                client.transport.sent[-1],
                InfoResponse(tuple(answer.encode() for answer in given)),
            )

    def test_nonsense(self) -> None:
        """
        An owner that raises, fails or gives what are no answers leads to the
        next method, and is not asked again.
        """
        for answer, reason in (
            (ValueError(), "getGenericAnswers raised ValueError"),
            (fail(ValueError()), "getGenericAnswers raised ValueError"),
            (7, "getGenericAnswers raised TypeError"),
            ("text", "getGenericAnswers gave one text, not a list"),
            (b"text", "getGenericAnswers gave one text, not a list"),
            ([7], "getGenericAnswers gave int, neither str nor bytes"),
            ([None], "getGenericAnswers gave NoneType, neither str nor bytes"),
            (["\udcff"], "getGenericAnswers gave text that UTF-8 cannot express"),
        ):
            client = self.exchange(answer, ["good"])
            client.receive(questions(b"?"))
            self.assertEqual(client.transport.sent[2:], [PasswordRequest(b"pw")])
            attempt = client.report.attempts[1]
            self.assertEqual((attempt.outcome, attempt.reason), ("failed", reason))
            client.receive(failure(b"keyboard-interactive"))
            self.assert_failed(client, AuthenticationFailed)
            self.assertEqual(len(client.asked), 2)

    def test_no_answers(self) -> None:
        """
        C{None} is no answer: the next method follows, and no response.
        """
        late: Deferred[Any] = Deferred()
        for answer in (None, late):
            client = self.exchange(answer)
            client.receive(questions(b"?"))
            if answer is late:
                late.callback(None)
            self.assertEqual(client.transport.sent[2:], [PasswordRequest(b"pw")])

    def test_wrong_answers(self) -> None:
        """
        After wrong answers, the server's questions are asked for again.
        """
        client = self.exchange(["bad"], ["good"])
        client.receive(questions(b"?"))
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"?"))
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(
            [attempt.outcome for attempt in report.attempts],
            ["refused", "refused", "accepted"],
        )

    def test_server_that_asks_nothing(self) -> None:
        """
        A server that refuses before it has asked anything is not asked for its
        questions again.
        """
        client = self.exchange()
        client.receive(failure(b"keyboard-interactive", b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        self.assertEqual(client.asked, ["getPassword"])


class SubmethodsTests(InteractiveTestCase):
    def test_named(self) -> None:
        """
        The submethods that the owner wants are asked for.
        """
        for wanted in (b"pam,bsdauth", "pam,bsdauth", succeed("pam,bsdauth")):
            client = self.exchange(getSubmethods=lambda wanted=wanted: wanted)
            self.assertEqual(
                client.transport.sent[-1],
                KeyboardInteractiveRequest(submethods=b"pam,bsdauth"),
            )

    def test_none(self) -> None:
        """
        With C{None}, the method is left out.
        """
        client = self.exchange(getSubmethods=lambda: None)
        self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])
        self.assertEqual(client.report.attempts[1].outcome, "skipped")

    def test_nonsense(self) -> None:
        """
        So it is where the owner fails or gives nonsense.
        """

        def raises() -> None:
            raise ValueError

        for wanted in (raises, lambda: 7, lambda: fail(ValueError())):
            client = self.exchange(getSubmethods=wanted)
            self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])
            self.assertEqual(client.report.attempts[1].outcome, "failed")


class ServerIsFasterTests(InteractiveTestCase):
    """
    The server goes on while a person is typing.
    """

    def test_other_questions(self) -> None:
        """
        Only the newest questions are answered; who answers the ones before is
        told so.
        """
        first, second = Cancellable(), Cancellable()
        client = self.exchange(first, second)
        client.receive(questions(b"one"))
        client.receive(questions(b"two"))
        self.assertEqual((first.cancelled, second.cancelled), (1, 0))
        second.callback(["2"])
        self.assertEqual(client.transport.sent[2:], [InfoResponse((b"2",))])

    def test_late_answer(self) -> None:
        """
        An answer to questions that the server gave up on is dropped, and the
        next method was begun.
        """
        for late in (["1"], ValueError()):
            answer: Deferred[Any] = Deferred()
            client = self.exchange(answer)
            client.receive(questions(b"one"))
            client.receive(failure(b"password"))
            self.assertEqual(client.transport.sent[2:], [PasswordRequest(b"pw")])
            if isinstance(late, Exception):
                answer.errback(late)
            else:
                answer.callback(late)
            self.assertEqual(len(client.transport.packets), 3)

    def test_next_method_is_overtaken(self) -> None:
        """
        Where the server gives up on its questions while the next method asks
        the owner already, that question is dropped, and its method begun anew
        from the server's new list, once.
        """
        first = Cancellable()
        client = self.login(
            [], [first, b"pw"], [ValueError()], preferredOrder=PASSWORD_NEXT
        )
        client.receive(failure(*PASSWORD_NEXT, b"publickey"))
        client.receive(questions(b"?"))
        self.assertEqual(client.asked[1:], ["getPassword"])
        client.receive(failure(*PASSWORD_NEXT, b"publickey"))
        self.assertEqual(first.cancelled, 1)
        self.assertEqual(client.asked[1:], ["getPassword"] * 2)
        self.assertEqual(client.transport.sent[2:], [PasswordRequest(b"pw")])

    def test_banner(self) -> None:
        """
        A banner does not disturb who is typing.
        """
        answer = Cancellable()
        client = self.exchange(answer)
        client.receive(questions(b"one"))
        client.packetReceived(53, string(b"hello") + string(b""))
        self.assertEqual(answer.cancelled, 0)
        answer.callback(["1"])
        self.assertEqual(client.transport.sent[-1], InfoResponse((b"1",)))


class MalformedTests(InteractiveTestCase):
    def test_malformed(self) -> None:
        """
        What is no INFO_REQUEST ends the connection, and nobody is asked.
        """
        head = string(b"") * 3
        for payload in (
            b"",
            head,
            head + uint32(1),
            head + uint32(2) + string(b"?") + b"\0",
            head + uint32(2**32 - 1),
            head + uint32(0) + b"x",
        ):
            client = self.exchange(["a"])
            client.packetReceived(60, payload)
            self.assert_failed(client, MalformedMessage, code=2)
            self.assertEqual(client.asked, [])


class OwnMethodTests(InteractiveTestCase):
    """
    Overrides of Conch's steps, and copies of its methods.
    """

    def test_step(self) -> None:
        """
        C{_cbGenericAnswers} is given the answers, and may change them.
        """

        class Own(Client):
            def _cbGenericAnswers(self, responses: Any) -> None:
                super()._cbGenericAnswers([answer + "!" for answer in responses])

        client = Own(answers=[["a"]])
        self.start(client)
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"?"))
        self.assertEqual(client.transport.sent[-1], InfoResponse((b"a!",)))

    def log_in(self, client: Client) -> None:
        """
        Two rounds and the success.
        """
        self.start(client)
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"one"))
        client.receive(questions(b"two"))
        self.assertEqual(
            client.transport.sent[2:], [InfoResponse((b"1",)), InfoResponse((b"2",))]
        )
        client.receive(SUCCESS)
        self.assertEqual(self.assert_succeeded(client).proof, "keyboard-interactive")

    def test_copy_of_the_step(self) -> None:
        """
        A copy of Conch's C{_cbGenericAnswers}, which sends past the exit, logs
        in.
        """
        for answers in (
            [["1"], ["2"]],
            [_later(["1"]), _later(["2"])],
        ):
            self.log_in(CopiedStep(answers=answers))

    def test_copy_of_the_reply(self) -> None:
        """
        So does a copy of Conch's C{ssh_USERAUTH_PK_OK_keyboard_interactive}.
        """

        class Copy(CopiedStep):
            def ssh_USERAUTH_PK_OK_keyboard_interactive(self, packet: bytes) -> None:
                request = InfoRequest.parse(packet)
                answers = self.getGenericAnswers(
                    request.name, request.instruction, list(request.prompts)
                )
                answers.addCallback(self._cbGenericAnswers)
                answers.addErrback(self._ebAuth)

        self.log_in(Copy(answers=[succeed(["1"]), succeed(["2"])]))

    def test_copy_that_answers_late(self) -> None:
        """
        While such a copy waits for a person, no server is blamed for its
        silence.
        """

        class Copy(CopiedStep):
            def ssh_USERAUTH_PK_OK_keyboard_interactive(self, packet: bytes) -> None:
                self.getGenericAnswers(b"", b"", []).addCallback(self._cbGenericAnswers)

        answer: Deferred[Any] = Deferred()
        client = Copy(answers=[answer])
        self.start(client)
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions(b"one"))
        client.clock.advance(client.serverTimeout + 1)
        self.assertEqual(self.ends, [])
        answer.callback(["1"])
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_copy_of_the_switch(self) -> None:
        """
        A copy of Conch's C{auth_keyboard_interactive} logs in.
        """

        class Copy(Client):
            def auth_keyboard_interactive(self) -> bool:
                self.askForAuth(b"keyboard-interactive", string(b"") + string(b""))
                return True

        self.log_in(Copy(answers=[["1"], ["2"]]))

    def test_nothing_is_taken_for_an_answer(self) -> None:
        """
        A step that gives the exchange up has not answered: a success then is
        none.
        """

        class GivesUp(Client):
            def _cbGenericAnswers(self, responses: Any) -> None:
                self._ebAuth(None)

        client = GivesUp(answers=[["1"]], preferredOrder=[b"keyboard-interactive"])
        client.auth_other = Deferred  # type: ignore[attr-defined]
        self.start(client)
        client.receive(failure(b"keyboard-interactive", b"other"))
        client.auth_keyboard_interactive = None  # type: ignore
        client.receive(questions(b"?"))
        client.receive(SUCCESS)
        self.assertEqual(client.transport.services, [])
        self.assertEqual(len(self.ends), 1)

    def test_called_cold(self) -> None:
        """
        Conch's tests call the door before anything was asked for.
        """
        client = Client(answers=[["1", "2"]])
        client.lastAuth = b"none"
        client.ssh_USERAUTH_PK_OK_keyboard_interactive(questions(b"?").build())
        self.assertEqual(client.transport.sent, [InfoResponse((b"1", b"2"))])

    def test_no_answer_is_cold_too(self) -> None:
        """
        Nothing to answer with asks for C{none} there.
        """
        client = Client(answers=[ValueError()])
        client.ssh_USERAUTH_PK_OK_keyboard_interactive(questions(b"?").build())
        self.assertEqual(client.transport.sent, [NoneRequest()])


class CopiedStep(Client):
    """
    Sends its answers as Conch does.
    """

    def _cbGenericAnswers(self, responses: Any) -> None:
        data = struct.pack("!L", len(responses))
        for response in responses:
            data += string(response.encode("UTF8"))
        self.transport.sendPacket(61, data)


def _later(answers: list[str]) -> Any:
    async def coroutine() -> list[str]:
        await succeed(None)
        return answers

    return coroutine()

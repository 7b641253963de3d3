"""
Tests for L{conch_auth._person}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._person import Asker, Person
from conch_auth._terminal import NoTerminal
from conch_auth.prompts import Challenge, Prompt


def prompts(*asked: tuple[str, bool]) -> list[Prompt[str]]:
    sent = tuple((prompt.encode(), echo) for prompt, echo in asked)
    return Challenge(b"", b"", b"", sent, 1, "alice", "host").texts()


class FakeTerminal:
    """
    A terminal that knows the answers.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.screen: list[Any] = []
        self.closed = False

    def show(self, text: str) -> None:
        self.screen.append(text)

    def ask(self, prompt: str, echo: bool = False) -> Deferred[bytes | None]:
        self.screen.append((prompt, echo))
        return succeed(self.answers.pop(0))

    def close(self) -> None:
        self.closed = True


class PersonTests(SynchronousTestCase):
    """
    L{Person} on a L{FakeTerminal}.
    """

    def person(self, *answers: bytes | None) -> Person:
        self.terminal = FakeTerminal(*answers)
        self.told: list[str] = []
        self.banners: list[str] = []
        self.asker = Asker(lambda: self.terminal, self.told.append)  # type: ignore
        person = Person(self.asker, "host", self.banners.append)
        person.begin_auth("alice")
        return person

    def answered(self, answer: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(answer))

    def test_password(self) -> None:
        """
        The password is asked for unseen; after a refusal that is said.
        """
        person = self.person(b"one", b"two")
        self.assertEqual(self.answered(person.password_auth_requested()), b"one")
        self.assertEqual(self.answered(person.password_auth_requested()), b"two")
        prompt = ("alice@host's password: ", False)
        self.assertEqual(
            self.terminal.screen,
            [prompt, "Permission denied, please try again.\n", prompt],
        )

    def test_banner(self) -> None:
        """
        A banner is shown with its lines, and without what acts on a terminal.
        """
        person = self.person()
        person.auth_banner_received("one\n\x1b[31mtwo\n", "en")
        self.assertEqual(self.banners, ["one\n\\x1b[31mtwo\n"])

    def test_questions(self) -> None:
        """
        Every line of the server says whose it is, and the answers come in
        order.
        """
        person = self.person(b"1", b"2")
        asked = person.kbdint_challenge_received(
            "Token",
            "First\nSecond",
            "",
            prompts(("Code: ", True), ("\u202ePIN: ", False)),
        )
        self.assertEqual(self.answered(asked), [b"1", b"2"])
        self.assertEqual(
            self.terminal.screen,
            [
                "(alice@host) Token\n",
                "(alice@host) First\n",
                "(alice@host) Second\n",
                ("(alice@host) Code: ", True),
                ("(alice@host) \\u202ePIN: ", False),
            ],
        )

    def test_prompt_of_lines(self) -> None:
        """
        Of a prompt of several lines each says whose it is.
        """
        person = self.person(b"1")
        prompt = "Welcome\r\nPassphrase for key x: \nCode: "
        self.answered(
            person.kbdint_challenge_received("", "", "", prompts((prompt, True)))
        )
        self.assertEqual(
            self.terminal.screen,
            [
                "(alice@host) Welcome\n",
                "(alice@host) Passphrase for key x: \n",
                ("(alice@host) Code: ", True),
            ],
        )

    def test_prompt_of_many_lines(self) -> None:
        """
        One of a great many lines does not fill the screen either.
        """
        person = self.person(b"1")
        self.answered(
            person.kbdint_challenge_received("", "", "", prompts(("a\n" * 50, True)))
        )
        ((prompt, _),) = self.terminal.screen
        self.assertTrue(prompt.startswith("(alice@host) a\\x0aa"))

    def test_long_prompt(self) -> None:
        """
        No prompt fills the screen.
        """
        person = self.person(b"1")
        self.answered(
            person.kbdint_challenge_received(
                "", "", "", prompts(("x" * 10_000, True))
            )
        )
        ((prompt, _),) = self.terminal.screen
        self.assertEqual(len(prompt), len("(alice@host) ") + 400)

    def test_no_answer(self) -> None:
        """
        Where one question gets no answer, none is answered.
        """
        person = self.person(b"1", None)
        asked = person.kbdint_challenge_received(
            "", "", "", prompts(("a", True), ("b", True), ("c", True))
        )
        self.assertIsNone(self.answered(asked))

    def test_password_change(self) -> None:
        """
        The new password is asked for until it was typed twice alike.
        """
        person = self.person(b"old", b"new", b"now", b"new", b"new")
        changed = person.password_change_requested("Expired\x07", "")
        self.assertEqual(self.answered(changed), (b"old", b"new"))
        self.assertEqual(self.terminal.screen[0], "(alice@host) Expired\\x07\n")
        self.assertIn("These are two different passwords.\n", self.terminal.screen)

    def test_no_password_change(self) -> None:
        """
        Without an answer to each question nothing is changed.
        """
        for answers in (None,), (b"old", None, b"x"), (b"old", b"x", None):
            changed = self.person(*answers).password_change_requested("Expired", "")
            self.assertIsNone(self.answered(changed))

    def test_passphrase(self) -> None:
        """
        The question for a passphrase does not look like one of a server.
        """
        self.person(b"a", b"b")
        for number in (1, 2):
            self.answered(self.asker.ask_passphrase("/home/x/\x1bkey", number))
        prompt = ("Passphrase for key /home/x/\\x1bkey: ", False)
        self.assertEqual(
            self.terminal.screen, [prompt, "That is not its passphrase.\n", prompt]
        )

    def test_close(self) -> None:
        """
        The terminal is closed if it was opened.
        """
        person = self.person(b"x")
        self.asker.close()
        self.assertFalse(self.terminal.closed)
        self.answered(person.password_auth_requested())
        self.asker.close()
        self.assertTrue(self.terminal.closed)

    def test_no_terminal(self) -> None:
        """
        That nobody can be asked is told once.
        """

        def none() -> Any:
            raise NoTerminal("there is no terminal")

        self.person()
        asker = Asker(none, self.told.append)
        self.assertIsNone(self.answered(asker.ask("x")))
        self.assertIsNone(self.answered(asker.ask("x")))
        asker.show("x")
        self.assertEqual(self.told, ["there is no terminal; nobody can be asked"])

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
What the password given to C{connect} answers in keyboard-interactive, as
C{docs/secrets.rst} says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conch_auth.errors import AuthenticationFailed
from conch_auth.loopback import LoopbackServer
from conch_auth.messages import InfoResponse
from tests.memory import MemoryCase

Prompts = Sequence[tuple[str, bool]]
PASSWORD = ("Password: ", False)


class StoredPasswordTests(MemoryCase):
    def answers(self, *rounds: Prompts, **options: Any) -> list[tuple[bytes, ...]]:
        """
        Log in to a server that asks these rounds, whatever is answered.

        @return: each round of answers that it got.
        """
        self.server = LoopbackServer()
        self.endpoint = self.server.endpoint()
        self.ends = []
        self.server.add_user(
            "asked",
            prompts=rounds,
            answers=[["right"] * len(asked) for asked in rounds],
        )
        got: list[tuple[bytes, ...]] = []
        parse = InfoResponse.parse

        def noted(payload: bytes) -> InfoResponse:
            message = parse(payload)
            got.append(message.answers)
            return message

        restored = self.patch(InfoResponse, "parse", noted)
        self.log_in(**{"username": "asked", "password": "right", **options})
        restored.restore()
        return got

    def test_asked_for(self) -> None:
        """
        One question for the password, whose answer is not shown, gets it.
        """
        for prompt in (
            "Password: ",
            "password:",
            "asked's password: ",
            "(asked@host) Password: ",
            "Enter your passcode",
            "Password for asked: ",
        ):
            self.assertEqual(self.answers([(prompt, False)]), [(b"right",)], prompt)
            self.assertTrue(self.connection.report.succeeded)

    def test_text_before(self) -> None:
        """
        Rounds that ask nothing do not count.
        """
        self.assertEqual(self.answers([], [], [PASSWORD]), [(), (), (b"right",)])

    def test_something_else(self) -> None:
        """
        A question for something else, or whose answer is shown, or one of
        several, is left.
        """
        for asked in (
            [("Password: ", True)],
            [PASSWORD, PASSWORD],
            [PASSWORD, ("Code: ", False)],
            [("The password of your bank: ", False)],
            [("New password: ", False)],
            [("Token: ", False)],
            [("Password:\nand your PIN: ", False)],
            [("", False)],
        ):
            self.assertEqual(self.answers(asked), [], asked)
            self.assertIsInstance(self.error, AuthenticationFailed)

    def test_later_round(self) -> None:
        """
        A round after one that asked something gets nothing: neither after
        another question, nor the password again.
        """
        self.assertEqual(self.answers([("Token: ", False)], [PASSWORD]), [])
        self.assertEqual(self.answers([PASSWORD], [PASSWORD]), [(b"right",)])
        self.assertIsInstance(self.error, AuthenticationFailed)

    def test_once(self) -> None:
        """
        The password that was sent as itself answers no question afterwards.
        """
        self.assertEqual(self.answers([PASSWORD]), [(b"right",)])
        server = self.server
        server.add_user(
            "both", password="other", prompts=[[PASSWORD]], answers=[["right"]]
        )
        self.ends = []
        self.log_in(
            username="both",
            password="right",
            preferred_auth=["password", "keyboard-interactive"],
        )
        self.assertIsInstance(self.error, AuthenticationFailed)
        asked = [r.request.method for r in server.requests if r.user == b"both"]
        self.assertEqual(asked.count(b"password"), 1)

    def test_unused_stays(self) -> None:
        """
        Where another question came first, it is still there for the method
        C{password}.
        """
        self.server.add_user(
            "both",
            password="right",
            prompts=[[("Token: ", False)]],
            answers=[["123456"]],
        )
        self.log_in(
            username="both",
            password="right",
            preferred_auth=["keyboard-interactive", "password"],
        )
        self.assertEqual(self.connection.report.proof, "password")

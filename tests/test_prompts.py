# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth.prompts}, and for where its values arrive.
"""

from __future__ import annotations

import copy
import pickle
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth.messages import InfoRequest
from conch_auth.messages import Prompt as SentPrompt
from conch_auth.prompts import INSTRUCTION_LIMIT, PROMPT_LIMIT, Challenge, Prompt
from tests.support import Client, LoginTestCase, failure

BIDI = "\u202e".encode()


def challenge(
    *asked: tuple[bytes, bool], host: str | None = "host", **told: Any
) -> Challenge:
    fields = {"name": b"", "instruction": b"", "language": b"", "round": 1, **told}
    return Challenge(asked=asked, user="alice", host=host, **fields)


class PromptTests(SynchronousTestCase):
    """
    One prompt.
    """

    def test_is_a_pair(self) -> None:
        """
        It is equal to, and is unpacked as, the pair of Conch or of AsyncSSH.
        """
        round_ = challenge((b"PIN\xff: ", False))
        self.assertEqual(round_.prompts(), [(b"PIN\xff: ", False)])
        self.assertEqual(round_.texts(), [("PIN\ufffd: ", False)])
        ((shown, echo),) = round_.texts()
        self.assertEqual((shown, echo), ("PIN\ufffd: ", False))
        self.assertIn(("PIN\ufffd: ", False), set(round_.texts()))

    def test_knows(self) -> None:
        """
        It has the bytes that came, and all that is known of the round.
        """
        round_ = challenge((b"PIN\xff: ", True), name=b"n", instruction=b"i", round=3)
        both: list[Prompt[Any]] = [*round_.prompts(), *round_.texts()]
        for prompt in both:
            self.assertEqual(prompt.raw, b"PIN\xff: ")
            self.assertIs(prompt.echo, True)
            self.assertEqual(prompt.prompt, prompt[0])
            self.assertEqual(
                (prompt.challenge.name, prompt.challenge.instruction), (b"n", b"i")
            )
            self.assertEqual(prompt.challenge.round, 3)
            self.assertEqual(
                (prompt.challenge.user, prompt.challenge.host), ("alice", "host")
            )

    def test_frozen(self) -> None:
        """
        It does not change.
        """
        (prompt,) = challenge((b"PIN", False)).prompts()
        for name in ("raw", "challenge", "anything"):
            with self.assertRaises(AttributeError):
                setattr(prompt, name, b"")

    def test_copied(self) -> None:
        """
        A copy, a pickled one included, knows the same.
        """
        (prompt,) = challenge((b"PIN", False)).texts()
        for same in (copy.deepcopy(prompt), pickle.loads(pickle.dumps(prompt))):
            self.assertEqual(same, prompt)
            self.assertEqual((same.raw, same.challenge), (b"PIN", prompt.challenge))

    def test_shown(self) -> None:
        """
        As text it says who asks, and acts on no terminal.
        """
        (prompt,) = challenge((b"\x1b[2JPIN" + BIDI + b": ", False)).prompts()
        self.assertEqual(prompt.displayed, "\\x1b[2JPIN\\u202e: ")
        self.assertEqual(str(prompt), "(alice@host) \\x1b[2JPIN\\u202e: ")

    def test_host_is_data_too(self) -> None:
        """
        A host's name may hold anything; where there is none the user stands
        alone.
        """
        self.assertEqual(challenge(host="h\x07").origin, "alice@h\\x07")
        self.assertEqual(challenge(host=None).origin, "alice")

    @given(st.binary(max_size=1000))
    def test_any_bytes(self, raw: bytes) -> None:
        """
        Whatever comes is shown without a character that acts, in bounds.
        """
        (prompt,) = challenge((raw, False)).prompts()
        self.assertLessEqual(len(prompt.displayed), PROMPT_LIMIT)
        for character in str(prompt):
            self.assertNotIn(unicodedata.category(character), {"Cc", "Cf", "Zl", "Zp"})


class ChallengeTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """
        Name and instruction are lines that are safe for a screen.
        """
        round_ = challenge(name=b"Token", instruction=b"First\r\n\x1bSecond\n")
        self.assertEqual(round_.lines, ["Token", "First", "\\x1bSecond"])
        self.assertEqual(challenge().lines, [])

    def test_bounded(self) -> None:
        """
        No instruction fills the screen.
        """
        (line,) = challenge(instruction=b"x" * 10_000).lines
        self.assertEqual(len(line), INSTRUCTION_LIMIT)


class ArrivalTests(LoginTestCase):
    """
    What C{getGenericAnswers} is given.
    """

    def test_rounds(self) -> None:
        """
        The prompts of each round know the round and whose login it is.
        """
        client = Client(answers=[[b"1"], [b"2"]], user="al\u00edce".encode())
        client.transport.hostname = "host.example"
        self.start(client)
        client.receive(failure(b"keyboard-interactive"))
        for _ in range(2):
            client.receive(
                InfoRequest(b"n", b"i", b"en", (SentPrompt(b"PIN: ", False),))
            )
        rounds = []
        for *_, (prompt,) in client.asked:
            self.assertIsInstance(prompt, Prompt)
            rounds.append(prompt.challenge)
        asked = (SentPrompt(b"PIN: ", False),)
        self.assertEqual(
            rounds,
            [
                Challenge(b"n", b"i", b"en", asked, n, "al\u00edce", "host.example")
                for n in (1, 2)
            ],
        )

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth._saslprep}, and for where it is used.
"""

from __future__ import annotations

import asyncssh.saslprep
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._saslprep import saslprep
from conch_auth.messages import PasswordRequest
from conch_auth.userauth import SSHUserAuthClient
from tests.support import LoginTestCase, NextService, failure

# Printable ASCII.
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


class SaslprepTests(SynchronousTestCase):
    def test_rfc(self) -> None:
        """
        The examples of RFC 4013, section 3.
        """
        for before, after in (
            ("I\xadX", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\xaa", "a"),
            ("\u2168", "IX"),
        ):
            self.assertEqual(saslprep(before), after)
        for prohibited in ("\x07", "\u0627\u0031"):
            self.assertRaises(ValueError, saslprep, prohibited)

    def test_spaces(self) -> None:
        """
        Every space is the space of ASCII.
        """
        self.assertEqual(saslprep("a\xa0b\u3000c"), "a b c")

    def test_prohibited(self) -> None:
        """
        Of each table that is prohibited, a character is refused.
        """
        for character in (
            *("\x00", "\x7f", "\x80", "\u06dd", "\ue000", "\ufdd0", "\ud800"),
            *("\ufffd", "\u2ff0", "\u200e", "\U000e0001"),
        ):
            self.assertRaises(ValueError, saslprep, f"a{character}b")

    def test_directions(self) -> None:
        """
        Text from right to left begins and ends so, and has nothing else in it.
        """
        self.assertEqual(saslprep("\u0627 1 \u0628"), "\u0627 1 \u0628")
        for mixed in ("\u0627a\u0628", "1\u0627", "\u06271"):
            self.assertRaises(ValueError, saslprep, mixed)

    def test_later_than_unicode_3_2(self) -> None:
        """
        What is newer than the tables stays as it is.
        """
        self.assertEqual(saslprep("pass\U0001f600"), "pass\U0001f600")

    @given(PLAIN)
    def test_plain(self, text: str) -> None:
        """
        Printable ASCII stays as it is.
        """
        self.assertEqual(saslprep(text), text)

    @given(st.text())
    def test_again(self, text: str) -> None:
        """
        What was prepared once stays as it is; an error tells nothing of the
        text.
        """
        try:
            prepared = saslprep(text)
        except ValueError as error:
            self.assertIn("SASLprep", str(error))
            self.assertTrue(str(error).isascii())
        else:
            self.assertEqual(saslprep(prepared), prepared)

    @given(st.text())
    def test_as_asyncssh(self, text: str) -> None:
        """
        AsyncSSH, which refuses unassigned code points too, prepares alike what
        it prepares at all.
        """
        try:
            theirs = asyncssh.saslprep.saslprep(text)
        except asyncssh.saslprep.SASLPrepError:
            return
        self.assertEqual(saslprep(text), theirs)


class LoginTests(LoginTestCase):
    """
    Where it is used in a login.
    """

    def test_password(self) -> None:
        """
        A password is sent as it was given: the server compares bytes.
        """
        for given_one, sent in (
            ("\xaa\u2168\xad", "\xaa\u2168\xad".encode()),
            ("e\u0301", "e\u0301".encode()),
            (b"\xff\x00", b"\xff\x00"),
        ):
            client = self.login(passwords=[given_one])
            client.receive(failure(b"password"))
            self.assertEqual(client.transport.sent[-1], PasswordRequest(sent))

    def test_user(self) -> None:
        """
        A user's name that is text is prepared, as AsyncSSH does; one that is
        bytes stays.
        """
        prepared = SSHUserAuthClient("al\xadice\u2168", NextService())
        self.assertEqual(prepared.user, b"aliceIX")
        raw = SSHUserAuthClient("\u2168".encode(), NextService())
        self.assertEqual(raw.user, "\u2168".encode())
        # There is no method yet that could fail.
        odd = SSHUserAuthClient("a\x07", NextService())
        self.assertEqual(odd.user, b"a\x07")

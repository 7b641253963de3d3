"""
Tests for L{conch_auth.display}.
"""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.keys import FingerprintFormats
from twisted.trial.unittest import SynchronousTestCase

from conch_auth.display import fingerprint, printable, text, wrapped
from tests.support import new_key


class TextTests(SynchronousTestCase):
    def test_utf8(self) -> None:
        """
        Text is UTF-8; a byte that is not becomes a replacement character.
        """
        self.assertEqual(text("grün".encode()), "grün")
        self.assertEqual(text(b"a\xffb"), "a\ufffdb")


class PrintableTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """
        Text that does nothing to a terminal stays as it is.
        """
        self.assertEqual(printable("Grüß Gott, 世界 🌍!"), "Grüß Gott, 世界 🌍!")

    def test_escapes(self) -> None:
        """
        What could act on a terminal, or hide or reorder text, is spelled out.
        """
        for character, shown in (
            ("\x1b", "\\x1b"),
            ("\x00", "\\x00"),
            ("\x7f", "\\x7f"),
            ("\x9b", "\\x9b"),
            ("\n", "\\x0a"),
            ("\r", "\\x0d"),
            ("\u202e", "\\u202e"),
            ("\u2066", "\\u2066"),
            ("\u200b", "\\u200b"),
            ("\u2028", "\\u2028"),
            ("\U000e0041", "\\U000e0041"),
            ("\ud800", "\\ud800"),
            ("\ue000", "\\ue000"),
        ):
            self.assertEqual(printable(f"a{character}b"), f"a{shown}b")

    def test_lines(self) -> None:
        """
        Text of several lines keeps its lines, and no other control character:
        a carriage return alone would write over what was shown.
        """
        self.assertEqual(
            printable("a\r\nb\n\tc\rd\x1b", lines=True), "a\nb\n\tc\\x0dd\\x1b"
        )

    def test_limit(self) -> None:
        """
        What is too long ends in dots, and is no longer than the limit, whatever
        it is made of.
        """
        self.assertEqual(printable("abcdef", limit=6), "abcdef")
        self.assertEqual(printable("abcdefg", limit=6), "abc...")
        self.assertEqual(len(printable("\x1b" * 400, limit=400)), 400)

    @given(st.text(), st.booleans(), st.none() | st.integers(0, 40))
    def test_nothing_unsafe(self, message: str, lines: bool, limit: int | None) -> None:
        """
        Nothing unsafe comes out, and never more than the limit.
        """
        shown = printable(message, lines=lines, limit=limit)
        kept = "\n\t" if lines else ""
        unsafe = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        self.assertEqual(
            [c for c in shown if unicodedata.category(c) in unsafe and c not in kept],
            [],
        )
        if limit is not None:
            self.assertLessEqual(len(shown), limit)


class FingerprintTests(SynchronousTestCase):
    def test_as_openssh_prints_it(self) -> None:
        """
        A fingerprint is what ssh-keygen -l shows.
        """
        key = new_key()
        conchs = key.fingerprint(FingerprintFormats.SHA256_BASE64)
        self.assertEqual(fingerprint(key.blob()), "SHA256:" + conchs.rstrip("="))


class WrappedTests(SynchronousTestCase):
    """
    Lines that fit a terminal.
    """

    def test_short(self) -> None:
        """
        A line that fits stays as it is.
        """
        self.assertEqual(wrapped("  two  words "), "  two  words ")

    def test_long(self) -> None:
        """
        One that does not is broken between words, and a word is never broken:
        it may be a fingerprint to be copied.
        """
        word = "x" * 100
        self.assertEqual(
            wrapped(f"{'a' * 40} {'b' * 40} {word} c"),
            f"{'a' * 40}\n  {'b' * 40}\n  {word}\n  c",
        )

    def test_items(self) -> None:
        """
        The text of an item stays in its column.
        """
        long = f"{'a' * 40} {'b' * 40}"
        for head in ("  - ", "    ", "  12. "):
            first, second = wrapped(head + long).split("\n")
            self.assertEqual(first, head + "a" * 40)
            self.assertEqual(second, " " * len(head) + "b" * 40)

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
How long a secret is cannot be told from what passes on the wire.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.internet.testing import StringTransport

from conch_auth import SSHClient
from conch_auth._transports import filling
from conch_auth.names import PADDED_TO
from conch_auth.userauth import SSHUserAuthClient
from tests.memory import MemoryCase


def on_the_wire(payload: int, block: int) -> int:
    """
    The bytes of a packet, without its MAC: two length fields, the payload and
    four bytes of padding at least, in whole blocks (RFC 4253, section 6).
    """
    return (4 + 1 + payload + 4 + block - 1) // block * block


class Answering(SSHClient):
    word = ""

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(self, *asked: Any) -> list[str]:
        return [self.word for _ in asked[-1]]

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        return self.word, "new" + self.word


class LengthTests(MemoryCase):
    def sent_for(self, word: str, **options: Any) -> tuple[int, int]:
        """
        Log in with C{word} as the secret.

        @return: how many bytes the client sent, and how many IGNOREs.
        """
        self.setUp()
        sent: list[tuple[Any, int]] = []
        ignored: list[bytes] = []
        write, ignore = StringTransport.write, SSHServerTransport.ssh_IGNORE

        def noted_write(transport: StringTransport, data: bytes) -> None:
            sent.append((transport, len(data)))
            write(transport, data)

        def noted_ignore(transport: SSHServerTransport, packet: bytes) -> None:
            ignored.append(packet)
            ignore(transport, packet)

        patches = [
            self.patch(StringTransport, "write", noted_write),
            self.patch(SSHServerTransport, "ssh_IGNORE", noted_ignore),
        ]
        for name, account in (
            ("alice", {"password": word}),
            ("asked", {"prompts": [[("Word: ", False)]], "answers": [[word]]}),
            ("expired", {"password": word, "password_change": "New: "}),
        ):
            self.server.add_user(name, **account)
        self.log_in(type("Client", (Answering,), {"word": word}), **options)
        for patch in patches:
            patch.restore()
        self.assertTrue(self.connection.report.succeeded)
        client = self.connection.transport.transport
        return sum(size for at, size in sent if at is client), len(ignored)

    def test_password(self) -> None:
        """
        A login sends as many bytes for a short password as for a long one.
        """
        sent = {self.sent_for(w, password=w) for w in ("a", "a" * 16, "a" * 100)}
        self.assertEqual(len(sent), 1, sent)
        self.assertEqual(sent.pop()[1], 1)

    def test_answers(self) -> None:
        """
        So it does for answers.
        """
        sent = {self.sent_for(w, username="asked") for w in ("a", "a" * 16, "a" * 100)}
        self.assertEqual(len(sent), 1, sent)

    def test_change(self) -> None:
        """
        So it does for a change of the password.
        """
        sent = {
            self.sent_for(w, password=w, username="expired")
            for w in ("a", "a" * 16, "a" * 60)
        }
        self.assertEqual(len(sent), 1, sent)
        self.assertEqual(sent.pop()[1], 2)

    def test_switched_off(self) -> None:
        """
        C{hideLengths} switches it off, and then the length is there to be seen.
        """
        self.patch(SSHUserAuthClient, "hideLengths", False)
        sent = {self.sent_for(w, password=w) for w in ("a", "a" * 100)}
        self.assertEqual(len(sent), 2)
        self.assertEqual({ignored for _, ignored in sent}, {0})

    def test_no_secret(self) -> None:
        """
        A round without a question has no answer to hide.
        """
        self.server.add_user(
            "told", prompts=[[], [("Word: ", False)]], answers=[[], ["a"]]
        )
        ignored: list[bytes] = []
        self.patch(
            SSHServerTransport, "ssh_IGNORE", lambda _, packet: ignored.append(packet)
        )
        self.log_in(type("Client", (Answering,), {"word": "a"}), username="told")
        self.assertTrue(self.connection.report.succeeded)
        self.assertEqual(len(ignored), 1)

    @given(st.integers(1, 100_000), st.sampled_from([8, 16]))
    def test_sum(self, size: int, block: int) -> None:
        """
        Both packets together have a multiple of C{PADDED_TO} bytes, and the
        few of an empty IGNORE.
        """
        ignore = on_the_wire(1 + 4 + filling(size, block), block)
        whole = ignore - on_the_wire(5, block) + on_the_wire(size, block)
        self.assertEqual(whole % PADDED_TO, 0)
        self.assertLess(whole - on_the_wire(size, block), PADDED_TO)

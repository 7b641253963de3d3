# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Conversations with OpenSSH, recorded in C{tests/conversations}.
"""

from __future__ import annotations

import difflib
from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth.errors import LoginError
from conch_auth.report import AuthReport
from conch_auth.scripted import ScriptedServer, ScriptedTransport
from conch_auth.transcript import Transcript
from tests.conversation_cases import (
    BANNER,
    CASES,
    PASSWORD,
    PLACE,
    Case,
    Client,
    StandIn,
)
from tests.peers import missing
from tests.record_conversations import Studio, stored


class ReplayTests(SynchronousTestCase):
    """
    Without a server: the client says what it said then.
    """

    def replay(self, case: Case, peer: Any) -> Any:
        """
        What the login ends with.
        """
        client = Client(case, [StandIn(blob) for blob in stored(case).keys])
        ends: list[Any] = []
        peer.log_in(client).addBoth(ends.append)
        (end,) = ends
        self.assertEqual(peer.clock.getDelayedCalls(), [], case.name)
        farewell = stored(case).farewell
        self.assertEqual(peer.disconnects, [farewell] if farewell else [], case.name)
        return end

    def assert_as_recorded(self, case: Case, end: Any) -> None:
        succeeded = any("USERAUTH_SUCCESS" in line for line in stored(case).lines)
        self.assertIs(isinstance(end, AuthReport), succeeded, (case.name, end))
        if not succeeded:
            self.assertIsInstance(end.value, LoginError, case.name)

    def test_directly(self) -> None:
        """
        Message by message.
        """
        for case in CASES:
            transcript = stored(case)
            peer = ScriptedTransport(
                transcript.script(), extensions=transcript.extensions
            )
            self.assert_as_recorded(case, self.replay(case, peer))
            said = [line for line in transcript.lines if line.startswith("> ")]
            of_login = len(said) - len(peer.disconnects)
            self.assertEqual(len(peer.received), of_login, case.name)

    def test_over_a_connection(self) -> None:
        """
        Through a key exchange and ciphers.
        """
        for case in CASES:
            transcript = stored(case)
            server = ScriptedServer(
                transcript.script(), extensions=transcript.extensions
            )
            self.assert_as_recorded(case, self.replay(case, server))

    def test_every_file_is_replayed(self) -> None:
        """
        There is a file for each case, and none besides.
        """
        files = sorted(file.stem for file in PLACE.iterdir())
        self.assertEqual(files, sorted(case.name for case in CASES))

    def test_no_secret_was_recorded(self) -> None:
        """
        No password, answer or signature is in a file.
        """
        for case in CASES:
            text = str(stored(case))
            given = {PASSWORD, *case.passwords, *(case.answers or {}).values()}
            for secret in given:
                self.assertNotIn(f'"{secret}"', text, case.name)

    def test_banner(self) -> None:
        """
        What the server has to say arrives as it was.
        """
        (case,) = (case for case in CASES if case.name == "banner")
        transcript = stored(case)
        peer = ScriptedTransport(transcript.script())
        report = self.replay(case, peer)
        self.assertEqual(report.banners, (BANNER,))

    def test_another_client(self) -> None:
        """
        A client that talks differently is told where.
        """
        (case,) = (case for case in CASES if case.name == "password")
        client = Client(case, [])
        client.preferredOrder = [b"publickey"]
        client.user = b"somebody"
        peer = ScriptedTransport(stored(case).script())
        error = self.assertRaises(AssertionError, peer.log_in, client)
        self.assertIn('the client said\n  > 50 USERAUTH_REQUEST "somebody"', str(error))


class RecordingTests(TestCase):
    """
    With the sshd of this machine.
    """

    timeout = 120

    async def test_server_talks_as_it_did(self) -> None:
        """
        A fresh recording is what is stored.  Another version of the server than
        was recorded may talk differently: this says how, and where tests must
        not be left out, it fails.
        """
        from twisted.internet import reactor

        studio = Studio()
        self.addCleanup(studio.close)
        for case in CASES:
            fresh, kept = await studio.record(case, reactor), stored(case)
            if fresh.lines == kept.lines:
                continue
            told = f"{case.name}: {difference(kept, fresh)}"
            self.assertNotEqual(fresh.notes[0], kept.notes[0], told)
            missing(f"this sshd talks differently: {told}")


def difference(kept: Transcript, fresh: Transcript) -> str:
    """
    What a fresh recording has in place of what is kept.
    """
    lines = difflib.unified_diff(
        kept.lines, fresh.lines, kept.notes[0], fresh.notes[0], lineterm="", n=1
    )
    return "\n".join(lines)


class DifferenceTests(SynchronousTestCase):
    def test_told(self) -> None:
        """
        Each version is named, with the lines that only it has.
        """
        kept = Transcript(["< 51 A", "< 52 B"], ["OpenSSH_9"])
        fresh = Transcript(["< 51 A", "< 52 C"], ["OpenSSH_10"])
        told = difference(kept, fresh).splitlines()
        self.assertEqual(told[:2], ["--- OpenSSH_9", "+++ OpenSSH_10"])
        self.assertEqual(told[3:], [" < 51 A", "-< 52 B", "+< 52 C"])

"""
Tests for L{conch_auth._story} and what prints it: the story of a login as text
and as a table.
"""

from __future__ import annotations

import io
import re
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _story_table
from conch_auth._story import Story, course_of, story_of, story_of_error
from conch_auth._story_text import plain
from conch_auth.errors import ConnectFailed
from conch_auth.report import Attempt, AuthReport, HostKey
from tests.stories import ACCEPTED, ED25519, FACTS, NOT_BEGUN, REFUSED

REPORT = AuthReport(
    user="al\x1bice",
    service="ssh-connection",
    host="example.org",
    port=2222,
    ending="no method is left to try",
    server_version="SSH-2.0-OpenSSH_9.2p1\x07",
    extensions=(("server-sig-algs", "ssh-ed25519,rsa-sha2-512"),),
    host_key=HostKey("ssh-ed25519", "SHA256:x", "ssh-ed25519", "line 3"),
    attempts=(Attempt("none", "refused", server_seconds=0.25),),
    server_seconds=0.25,
    server_methods=("publickey", "password"),
    round_trips=1,
    elapsed=0.3,
)


class StoryOfTests(SynchronousTestCase):
    """
    What a report and an error have to tell.
    """

    def test_facts(self) -> None:
        """
        The facts are fit to be shown, each under its label.
        """
        story = story_of(REPORT)
        self.assertEqual(story.who, "al\\x1bice@example.org")
        self.assertEqual(story.verdict, "not logged in: no method is left to try")
        self.assertEqual(
            story.facts,
            (
                ("host", "example.org, port 2222"),
                ("server", "SSH-2.0-OpenSSH_9.2p1\\x07"),
                ("host key", "ssh-ed25519 SHA256:x"),
                ("trusted by", "line 3"),
                ("EXT_INFO", "server-sig-algs: ssh-ed25519, rsa-sha2-512"),
                ("round trips", "1"),
                ("seconds", "0.300; waited for: server 0.250"),
                ("still accepted", "publickey, password"),
            ),
        )

    def test_verdicts(self) -> None:
        """
        A login has succeeded with its proof, has failed for its reason, or still
        runs.
        """
        for report, verdict in (
            (replace(REPORT, ending=""), "still logging in"),
            (replace(REPORT, succeeded=True, proof="a key"), "logged in: a key"),
            (replace(REPORT, succeeded=True), "logged in: without any proof"),
        ):
            self.assertEqual(story_of(report).verdict, verdict)

    def test_banners(self) -> None:
        """
        What the server had to say is among the facts, without what acts.
        """
        from conch_auth.report import Banner

        report = replace(REPORT, banners=(Banner("Hello\x07\nyou"), Banner("Bye\n")))
        self.assertIn(("banner", "Hello\\x07 / you"), story_of(report).facts)
        self.assertIn(("banner", "Bye"), story_of(report).facts)

    def test_error(self) -> None:
        """
        Of a login that has not begun it is told why.
        """
        error = ConnectFailed("h", 22, "no")
        story = story_of_error("a@h\n", "it did not begin", FACTS, error)
        self.assertEqual(story.who, "a@h\\x0a")
        self.assertEqual(story.verdict, "not logged in: it did not begin")
        self.assertEqual(story.diagnoses, error.diagnosis())

    def test_course(self) -> None:
        """
        Of an attempt everything is told that is known.
        """
        attempt = Attempt(
            "publickey",
            "refused",
            "the server does not know it",
            key=ED25519,
            algorithm="rsa-sha2-512",
            algorithm_reason="the first that the server lists",
            source="the ag\x1bent",
            offered=True,
            signed=True,
            answers=("USERAUTH_PK_OK", "USERAUTH_FAILURE"),
            server_methods=("publickey",),
            agent_seconds=1.5,
        )
        self.assertEqual(
            list(course_of(attempt)),
            [
                ("key", str(ED25519)),
                ("from", "the ag\\x1bent"),
                ("using", "rsa-sha2-512: the first that the server lists"),
                ("sent", "the key and a signature"),
                ("answer", "USERAUTH_PK_OK, USERAUTH_FAILURE; can continue: publickey"),
                ("why", "the server does not know it"),
                ("seconds", "agent 1.500"),
            ],
        )
        unsigned = dict(course_of(replace(attempt, signed=False)))
        self.assertEqual(unsigned["sent"], "the key without a signature")
        self.assertEqual(list(course_of(Attempt("none", "failed"))), [])


PLAIN = """\
alice@build.example.org: not logged in: no method is left to try

  host        build.example.org, port 2222
  server      SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2
  host key    ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU
  trusted by  known_hosts: /home/alice/.ssh/known_hosts:3

  1. none: asks what is accepted

  2. publickey: not tried
     key   ssh-rsa SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLlPxzjMfmpOmpqEBg
     from  ~/r
     why   no common algorithm

  3. publickey: refused
     key      ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU
     from     the agent
     using    ssh-ed25519: listed by the server
     sent     the key without a signature
     answer   USERAUTH_FAILURE; can continue: publickey, password
     seconds  server 0.290

  4. password: refused
     seconds  server 0.200, person 4.717

What to do:
  - The key is not known.
    Add it on the server.
  - The password is wrong.
    Type another one.
"""


class PlainTests(SynchronousTestCase):
    """
    L{plain}.
    """

    def test_whole(self) -> None:
        """
        The verdict stands first and what to do last.
        """
        self.assertEqual(plain(REFUSED), PLAIN)

    def test_width(self) -> None:
        """
        Lines are of 80 characters at most, fingerprints in one piece.
        """
        long = replace(
            REFUSED, verdict="why " * 60, facts=(("host", "example " * 30),)
        )
        for line in plain(long).splitlines():
            self.assertLessEqual(len(line), 80)
        self.assertIn(ED25519.fingerprint, plain(REFUSED))

    def test_short(self) -> None:
        """
        What there is nothing of is left out.
        """
        self.assertEqual(
            plain(NOT_BEGUN),
            "carol@no-such-host.invalid: not logged in: no address is known for this "
            "name\n\n  host  no-such-host.invalid\n\n"
            "What to do:\n  - It has no address.\n    Spell it right.\n",
        )


class TableTests(SynchronousTestCase):
    """
    The table on a terminal.
    """

    def rendered(self, story: Story, width: int = 80) -> str:
        from rich.console import Console

        console = Console(
            file=io.StringIO(), force_terminal=True, width=width, markup=False
        )
        return _story_table.rendered(story, console)

    def text_of(self, story: Story, width: int = 80) -> str:
        return re.sub(r"\x1b\[[\d;]*m", "", self.rendered(story, width))

    def test_words(self) -> None:
        """
        It has every word that the plain text has.
        """
        for story in REFUSED, ACCEPTED, NOT_BEGUN:
            words = set(re.sub(r"\d\. (\w+):", r"\1", plain(story)).split())
            self.assertLessEqual(words, {*self.text_of(story).split(), "none:"})

    def test_width(self) -> None:
        """
        It fits 80 columns, fingerprints in one piece; and wide terminals are
        not filled.
        """
        for columns, most in (80, 80), (300, 110):
            lines = self.text_of(REFUSED, columns).splitlines()
            self.assertLessEqual(max(map(len, map(str.rstrip, lines))), most)
            self.assertTrue(any(ED25519.fingerprint in line for line in lines))

    def test_colours(self) -> None:
        """
        The verdict has its colour.
        """
        self.assertIn("\x1b[1;31mnot logged in", self.rendered(REFUSED))
        self.assertIn("\x1b[1;32mlogged in", self.rendered(ACCEPTED))

    def test_markup(self) -> None:
        """
        Nothing in the text is taken for markup.
        """
        story = replace(NOT_BEGUN, who="[bold]x[/bold] :smile:")
        self.assertIn("[bold]x[/bold] :smile:", self.text_of(story))

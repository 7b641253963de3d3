# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
The documentation says what the code does.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import runpy
from pathlib import Path
from typing import Any
from unittest import TestResult, TestSuite, defaultTestLoader

from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.cred.portal import Portal
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import AuthReport, SSHClientTransport, cli
from conch_auth._states import State
from conch_auth._status import Status, described
from conch_auth.loopback import Link, generate_key
from tests.page_case import PageCase
from tests.pages import DOCS, blocks_of, check_commands

#: The commands of C{conch-auth}.
COMMANDS = ("completion", "demo", "explain", "login", "plan")


class EveryPageTests(SynchronousTestCase):
    """
    All pages together.
    """

    def test_code_is_run(self) -> None:
        """
        There is no page with code on it that no test runs.
        """
        for file in Path(__file__).parent.glob("test_docs_*.py"):
            importlib.import_module(f"tests.{file.stem}")
        alone = (
            BuildingPageTests,
            CommandPageTests,
            OwnMethodPageTests,
            TestingPageTests,
        )
        run = PageCase.pages | {case.page for case in alone}
        for file in DOCS.rglob("*.rst"):
            languages = {block.language for block in blocks_of(file.read_text())}
            if languages & {"python", "sh", "diff"}:
                name = file.relative_to(DOCS).with_suffix("")
                self.assertIn(str(name), run)

    def test_every_page_is_reached(self) -> None:
        """
        Each page is in one table of contents, so that Sphinx, which CI runs, has
        nothing to say.
        """
        tree = re.compile(r"^\.\. toctree::\n((?:   .*\n|\n)*)", re.MULTILINE)
        entry = re.compile(r"^   ([\w/-]+)$", re.MULTILINE)
        reached = [
            str((file.parent / name).relative_to(DOCS))
            for file in DOCS.rglob("*.rst")
            for entries in tree.findall(file.read_text())
            for name in entry.findall(entries)
        ]
        pages = [
            str(file.relative_to(DOCS).with_suffix("")) for file in DOCS.rglob("*.rst")
        ]
        self.assertEqual(sorted(reached), sorted(set(pages) - {"index"}))

    def test_names_of_other_projects(self) -> None:
        """
        Each name that is linked to is one that its project has.
        """
        projects = runpy.run_path(str(DOCS / "external.py"))["PROJECTS"]
        for project in projects.values():
            for name in project.names:
                module, _, attribute = name.rpartition(".")
                found = importlib.import_module(module or "builtins")
                self.assertTrue(hasattr(found, attribute), name)


class BuildingPageTests(SynchronousTestCase):
    """
    C{docs/building.rst}.
    """

    page = "building"

    def test_commands(self) -> None:
        """
        Each command names what there is.
        """
        for block in blocks_of((DOCS / f"{self.page}.rst").read_text()):
            self.assertTrue(check_commands(self, block.text), block)


class CommandPageTests(SynchronousTestCase):
    """
    C{docs/command.rst}.
    """

    page = "command"

    def setUp(self) -> None:
        self.text = (DOCS / f"{self.page}.rst").read_text()

    def test_examples(self) -> None:
        """
        Each command can be given so.
        """
        for block in blocks_of(self.text):
            self.assertTrue(check_commands(self, block.text), block)

    def test_every_option(self) -> None:
        """
        Each command and each of its options is told of.
        """
        helped = io.StringIO()
        for arguments in [], *([command] for command in COMMANDS):
            with contextlib.redirect_stdout(helped):
                self.assertRaises(SystemExit, cli.parse, [*arguments, "--help"])
        options = set(re.findall(r"--[a-z][a-z-]+", helped.getvalue()))
        for name in {*COMMANDS, *options - {"--help", "--version"}}:
            self.assertIn(f"``{name}``", self.text)

    def test_every_status(self) -> None:
        """
        Each exit status has its words.
        """
        for status in Status:
            words = described(status).partition(": ")[2].rstrip(".")
            number, _, meaning = words.partition(" ")
            self.assertIn(f"   * - {number}\n     - {meaning}\n", self.text)


class StatesPageTests(SynchronousTestCase):
    """
    C{docs/states.rst}.
    """

    def test_printed_from_the_table(self) -> None:
        """
        The page is what the table prints.
        """
        page = runpy.run_path(str(DOCS / "print_states.py"))["page"]()
        self.assertEqual(page, (DOCS / "states.rst").read_text())

    def test_drawn_from_the_table(self) -> None:
        """
        The picture was drawn from what the table gives (C{draw_states.py} draws
        it anew), and takes its colours from the page.
        """
        source = runpy.run_path(str(DOCS / "draw_states.py"))["source"]()
        drawn = (DOCS / "states.svg").read_text()
        self.assertIn(f"<!--\n{source}-->", drawn)
        self.assertNotIn('"black"', drawn)

    def test_every_state_is_drawn(self) -> None:
        """
        Each state is entered and left, but for those that are first and last.
        """
        source = runpy.run_path(str(DOCS / "draw_states.py"))["source"]()
        for state in State:
            first = state in (State.NOT_ACCEPTED, State.CHOOSING)
            if not first and state not in (State.ENDED, State.OTHER_SENT):
                self.assertIn(f"-> {state.name} [", source)
            if state not in (State.ENDED, State.SUCCEEDED):
                self.assertIn(f"  {state.name} -> ", source)


class TestingPageTests(SynchronousTestCase):
    """
    C{docs/testing.rst}.
    """

    page = "testing"

    def test_every_example_passes(self) -> None:
        """
        The tests that the page shows are tests, and pass.
        """
        shown: dict[str, Any] = {"__name__": "testing_page"}
        for block in blocks_of((DOCS / f"{self.page}.rst").read_text()):
            if block.language == "python":
                exec(block.text, shown)
        cases = [
            value
            for value in shown.values()
            if isinstance(value, type)
            and issubclass(value, SynchronousTestCase)
            and value is not SynchronousTestCase
        ]
        suite = TestSuite(map(defaultTestLoader.loadTestsFromTestCase, cases))
        result = TestResult()
        suite.run(result)
        self.assertEqual(result.errors + result.failures, [])
        self.assertEqual(result.testsRun, 6)


class OwnMethodPageTests(SynchronousTestCase):
    """
    C{docs/your-own-method.rst}.
    """

    page = "your-own-method"

    def setUp(self) -> None:
        self.names: dict[str, Any] = {}
        for block in blocks_of((DOCS / f"{self.page}.rst").read_text()):
            if block.language == "python":
                exec(block.text, self.names)

    def log_in(self, client: Any) -> AuthReport:
        """
        Log in to the server of the page, to whatever end.
        """
        factory: Any = SSHFactory()
        key = generate_key()
        factory.noisy = False
        factory.privateKeys = {key.sshType(): key}
        factory.publicKeys = {key.sshType(): key.public()}
        factory.portal = Portal(None)  # type: ignore[arg-type]
        factory.services = {
            b"ssh-userauth": self.names["HMACServer"],
            b"ssh-connection": SSHConnection,
        }
        factory.startFactory()
        client.clock = clock = Clock()
        transport = Requesting()
        transport.clock, transport.wanted = clock, client
        transport.hostname = "127.0.0.1"
        Link(transport, factory.buildProtocol(None), clock).pump()
        report: AuthReport = client.report
        return report

    def test_logs_in(self) -> None:
        """
        Both ways log in, and are in the report by their names.
        """
        for kind, name in (
            ("ConchStyleClient", "hmac"),
            ("MethodClient", "hmac@example.org"),
        ):
            report = self.log_in(self.names[kind](b"alice", SSHConnection()))
            self.assertTrue(report.succeeded, str(report))
            self.assertEqual(report.proof, name)
            (_, tried) = report.attempts
            self.assertEqual((tried.method, tried.outcome), (name, "accepted"))
            said = f"alice is logged in to 127.0.0.1: {name}"
            self.assertEqual(str(report).splitlines()[0], said)

    def test_refused(self) -> None:
        """
        With another secret both are refused, once, and the login ends.
        """
        for kind in ("ConchStyleClient", "MethodClient"):
            client = self.names[kind](b"alice", SSHConnection())
            client.secret = b"another"
            report = self.log_in(client)
            self.assertFalse(report.succeeded)
            self.assertEqual(report.ending, "no method is left to try")
            tried = [a.outcome for a in report.attempts if a.method != "none"]
            self.assertEqual(
                [outcome for outcome in tried if outcome != "skipped"], ["refused"]
            )

    def test_no_answer(self) -> None:
        """
        A question of the method's own that has no answer is in the report.
        """
        client = self.names["MethodClient"](b"alice", SSHConnection())
        client.secret = None
        report = self.log_in(client)
        self.assertEqual(report.attempts[-1].reason, "there is no secret")


class Requesting(SSHClientTransport):
    """
    A transport that trusts its server, and requests one service.
    """

    wanted: Any

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> bool:
        return True

    def connectionSecure(self) -> None:
        self.requestService(self.wanted)

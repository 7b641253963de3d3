# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
The documentation says what the code does.
"""

from __future__ import annotations

import re
import runpy
import textwrap
from pathlib import Path
from typing import Any

from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.cred.portal import Portal
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import AuthReport, SSHClientTransport
from conch_auth.loopback import Link, generate_key

_PYTHON = re.compile(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", re.MULTILINE)
DOCS = Path(__file__).parent.parent / "docs"


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


class OwnMethodPageTests(SynchronousTestCase):
    """
    C{docs/your-own-method.rst}.
    """

    def setUp(self) -> None:
        text = (DOCS / "your-own-method.rst").read_text()
        self.page: dict[str, Any] = {}
        for block in _PYTHON.findall(text):
            exec(textwrap.dedent(block), self.page)

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
            b"ssh-userauth": self.page["HMACServer"],
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
            report = self.log_in(self.page[kind](b"alice", SSHConnection()))
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
            client = self.page[kind](b"alice", SSHConnection())
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
        client = self.page["MethodClient"](b"alice", SSHConnection())
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

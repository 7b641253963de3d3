# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The programs of C{docs/methods}, against the servers that they name.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key

from tests.page_case import PageCase, Programs, RealmPageCase, SshdPageCase
from tests.peers.sshd import machine


class NoneTests(Programs, SshdPageCase):
    """
    C{docs/methods/none.rst}.
    """

    page = "methods/none"


class PublicKeyTests(Programs, SshdPageCase):
    """
    C{docs/methods/publickey.rst}.
    """

    page = "methods/publickey"


class PasswordTests(Programs, SshdPageCase):
    """
    C{docs/methods/password.rst}.
    """

    page = "methods/password"


class KeyboardInteractiveTests(Programs, PageCase):
    """
    C{docs/methods/keyboard-interactive.rst}.
    """

    page = "methods/keyboard-interactive"


class HostBasedTests(Programs, SshdPageCase):
    """
    C{docs/methods/hostbased.rst}.
    """

    page = "methods/hostbased"

    def setUp(self) -> None:
        """
        The server is set as the page says, and knows this host.
        """
        super().setUp()
        key = Key(ed25519.Ed25519PrivateKey.generate())
        file = self.home / "host_key"
        file.write_bytes(key.toString("openssh", subtype="v1"))
        file.chmod(0o600)
        known = f"client.example.org {key.public().toString('openssh').decode()}\n"
        self.write("/etc/ssh/ssh_known_hosts", known)
        self.write("/etc/ssh/shosts.equiv", "client.example.org\n")

    def write(self, path: str, content: str) -> None:
        """
        Write a file of the server's, until the test is over.
        """
        computer = machine([])
        computer.run("sh", "-c", f"cat >{path} && chmod 644 {path}", given=content)
        self.addCleanup(computer.run, "rm", path)


class GSSAPITests(Programs, RealmPageCase):
    """
    C{docs/methods/gssapi-with-mic.rst}.
    """

    page = "methods/gssapi-with-mic"

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The programs of C{docs/recipes}, against the servers that they name.
"""

from __future__ import annotations

import inspect
import re
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _events, tunnel_endpoint
from conch_auth.security_keys import SecurityKey, SecurityKeySigner
from tests.keygen import ssh_keygen
from tests.page_case import PageCase, Programs, RealmPageCase, SshdPageCase
from tests.peers import missing
from tests.peers.ssh_agent import DUMMY_SECURITY_KEY, SSHAgent
from tests.peers.sshd import User, machine
from tests.support import new_key

CAROL = User("carol", "wonderland", expired=True)


class HostKeyTests(SshdPageCase):
    """
    C{docs/recipes/host-keys.rst}.
    """

    page = "recipes/host-keys"

    def setUp(self) -> None:
        """
        One host is new, one is known by another key, and one is certified.
        """
        super().setUp()
        self.certify("certified.example.org")
        self.stage.add("new.example.org", self.server.port)
        self.stage.add("changed.example.org", self.server.port)
        with open(self.home / ".ssh/known_hosts", "a") as known_hosts:
            key = new_key().public().toString("openssh").decode()
            known_hosts.write(f"changed.example.org {key}\n")

    def certify(self, host: str) -> None:
        """
        Have a host whose key an authority has certified.
        """
        authority, key = str(self.home / "authority"), str(self.home / "host.pub")
        Path(key).write_bytes(self.server.host_keys[0].toString("openssh"))
        ssh_keygen("-t", "ed25519", "-N", "", "-f", authority)
        ssh_keygen("-s", authority, "-h", "-I", host, "-n", host, key)
        certificate = (self.home / "host-cert.pub").read_bytes()
        path = machine([]).write("host-cert.pub", certificate)
        server = self.sshd(f"UsePAM yes\nHostCertificate {path}\n")
        self.stage.add(host, server.port)
        line = (self.home / "authority.pub").read_text()
        (self.home / "authorities").write_text(f"@cert-authority *.example.org {line}")

    async def test_programs(self) -> None:
        """
        Each prints what is said of it; the host that was new is then known.
        """
        await self.run_page()
        known = (self.home / ".ssh/known_hosts").read_text()
        self.assertIn("new.example.org ssh-ed25519", known)


class AgentCase(SshdPageCase):
    """
    A page whose reader has an agent with a key.
    """

    kind = "ed25519"
    options: tuple[str, ...] = ()

    def setUp(self) -> None:
        super().setUp()
        self.agent = SSHAgent(Path(self.mktemp()), self.environment())
        self.addCleanup(self.agent.stop)
        self.set_environment(SSH_AUTH_SOCK=self.agent.socket)
        file = self.home / "key"
        self.agent.run(
            *("ssh-keygen", "-q", "-t", self.kind, "-N", "", "-f", file),
            *("-C", "alice@laptop", *self.options),
        )
        self.agent.run("ssh-add", "-q", file)
        self.keys = (Path(f"{file}.pub").read_text().strip(),)

    def environment(self) -> dict[str, str]:
        """
        What the agent gets besides this process's.
        """
        return {}


class AgentTests(AgentCase):
    """
    C{docs/recipes/agent.rst}.
    """

    page = "recipes/agent"

    async def test_programs(self) -> None:
        """
        Each prints what is said of it, and the client of Conch's shape gets
        the agent's key.
        """
        await self.run_page()
        client: Any = self.names["AgentClient"](b"alice", None)
        key = await client.getPublicKey()
        self.assertEqual(key.sshType(), b"ssh-ed25519")
        client.signatureAlgorithm = b"ssh-ed25519"
        self.assertIn(b"ssh-ed25519", await client.signData(key, b"data"))
        self.assertIsNone(await client.getPublicKey())


class SecurityKeyTests(Programs, AgentCase):
    """
    C{docs/recipes/security-keys.rst}.
    """

    page = "recipes/security-keys"
    kind = "ed25519-sk"
    options = ("-w", str(DUMMY_SECURITY_KEY))

    def environment(self) -> dict[str, str]:
        if not DUMMY_SECURITY_KEY.exists():
            missing("openssh-tests is not installed")
        return {"SSH_SK_PROVIDER": str(DUMMY_SECURITY_KEY)}

    def setUp(self) -> None:
        """
        The key of the agent is plugged in as well.
        """
        try:
            from tests.fido2_device import SoftwareKey
        except ImportError:
            missing("the fido2 library is not installed")
        super().setUp()
        file = shutil.copy(self.home / "key", self.home / ".ssh/id_ed25519_sk")
        handle = SecurityKey.parse(file.read_bytes(), "FILE").handle
        self.patch(SecurityKeySigner, "_plugged_in", lambda _: [SoftwareKey(handle)])


class CertificateTests(Programs, SshdPageCase):
    """
    C{docs/recipes/certificates.rst}.
    """

    page = "recipes/certificates"
    # The certificates alone let her in.
    authorizes = False

    def setUp(self) -> None:
        """
        The server trusts an authority.
        """
        place = Path(tempfile.mkdtemp(prefix="authority-"))
        self.addCleanup(shutil.rmtree, place)
        ssh_keygen("-t", "ed25519", "-N", "", "-f", str(place / "user_ca"))
        machine([]).write("user_ca.pub", (place / "user_ca.pub").read_bytes())
        super().setUp()
        shutil.copy(place / "user_ca", self.home)


class KerberosTests(Programs, RealmPageCase):
    """
    C{docs/recipes/kerberos.rst}.
    """

    page = "recipes/kerberos"

    def setUp(self) -> None:
        """
        The server has another name as well.
        """
        super().setUp()
        self.stage.add("alias.example.org", self.server.port)


class SeveralFactorsTests(Programs, SshdPageCase):
    """
    C{docs/recipes/several-factors.rst}.
    """

    page = "recipes/several-factors"


class ExpiredPasswordTests(Programs, SshdPageCase):
    """
    C{docs/recipes/expired-passwords.rst}.
    """

    page = "recipes/expired-passwords"
    config = "UsePAM yes\nPasswordAuthentication no\n"
    users = (CAROL,)


class ManyKeysTests(Programs, PageCase):
    """
    C{docs/recipes/many-keys.rst}.
    """

    page = "recipes/many-keys"


class SSHConfigTests(Programs, SshdPageCase):
    """
    C{docs/recipes/ssh-config.rst}.
    """

    page = "recipes/ssh-config"


class JumpTests(Programs, SshdPageCase):
    """
    C{docs/recipes/jump.rst}.
    """

    page = "recipes/jump"

    def setUp(self) -> None:
        """
        The gate is reached as any other host; the server, from the gate only.
        """
        super().setUp()
        gate = self.sshd("UsePAM yes\n")
        self.stage.add("gate.example.org", gate.port)
        self.know("gate.example.org", gate)
        self.stage.remove("server.example.org")
        pack, port = tunnel_endpoint.packOpen_direct_tcpip, self.server.port
        places = {("server.example.org", 22): ("127.0.0.1", port)}
        self.patch(
            tunnel_endpoint,
            "packOpen_direct_tcpip",
            lambda where, origin: pack(places[where], origin),
        )


class TimeoutTests(Programs, PageCase):
    """
    C{docs/recipes/timeouts.rst}.
    """

    page = "recipes/timeouts"


class LoggingTests(Programs, PageCase):
    """
    C{docs/recipes/logging.rst}.
    """

    page = "recipes/logging"

    def test_every_event(self) -> None:
        """
        Each event and each of its fields is told of.
        """
        source = Path(inspect.getsourcefile(_events) or "").read_text()
        events = set(re.findall(r'"(login-[a-z]+)"', source))
        events |= set(re.findall(r'conch_auth="([a-z-]+)"', source))
        fields = set(re.findall(r"^            (\w+)=", source, re.MULTILINE))
        self.assertGreater(len(events), 5)
        for name in events | fields - {"conch_auth"}:
            self.assertIn(f"``{name}``", self.file.read_text())


class TestingTests(PageCase):
    """
    C{docs/recipes/testing.rst}.
    """

    page = "recipes/testing"

    async def test_programs(self) -> None:
        """
        The tests on the page pass.
        """
        await self.run_page()
        suite = unittest.TestSuite()
        for value in self.names.values():
            own = getattr(value, "__module__", "") == "__main__"
            if own and issubclass(value, SynchronousTestCase):
                suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(value))
        result = unittest.TestResult()
        suite.run(result)
        self.assertEqual(result.errors + result.failures, [])
        self.assertEqual(result.testsRun, 5)

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for the plan of a login that is not begun, as C{conch-auth plan} prints it,
and for what C{conch-auth login} remembers.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.trial.unittest import SkipTest, TestCase

from conch_auth import SSHClient
from conch_auth._options import Options
from conch_auth._planning import plan_login
from conch_auth.display import fingerprint
from conch_auth.loopback import generate_key
from conch_auth.memory import Memory
from conch_auth.plan import IDENTITIES_ONLY, Plan
from conch_auth.report import Attempt, AuthReport, KeyIdentity
from tests import keygen
from tests.cli_process import LoginCase, start
from tests.peers.ssh_agent import SSHAgent

OPTIONS = Options(
    host="host",
    port=None,
    client_factory=SSHClient,
    username="alice",
    password=None,
    client_keys=None,
    client_certs=(),
    passphrase=None,
    agent_path=None,
    known_hosts=(),
    preferred_auth=None,
    disabled_auth=frozenset((b"gssapi-with-mic",)),
    host_key_alias=None,
    login_timeout=None,
    connect_timeout=None,
    allow_trivial_auth=False,
)


class PlaceCase(TestCase):
    """
    A directory for keys.
    """

    timeout = 60

    def setUp(self) -> None:
        if not keygen.has_ssh_keygen():
            raise SkipTest("there is no ssh-keygen")
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()

    def key(self, name: str, passphrase: str = "", *options: str) -> str:
        path = str(self.place / name)
        made = ("-t", "ed25519", "-N", passphrase, "-a", "1", "-C", name, "-f", path)
        keygen.ssh_keygen(*made, *options)
        return path


class PlanLoginTests(PlaceCase):
    """
    L{plan_login}.
    """

    async def plan(self, client: SSHClient | None = None, **options: Any) -> Plan:
        return await plan_login(
            replace(OPTIONS, **options), client or SSHClient(), reactor
        )

    def sources(self, plan: Plan) -> list[str]:
        return [os.path.basename(s.source) or s.method for s in plan.tried]

    def agent(self, *paths: str) -> str:
        """
        The socket of an agent with these keys.
        """
        agent = SSHAgent(self.place / "agent")
        self.addCleanup(agent.stop)
        for path in paths:
            agent.run("ssh-add", "-q", path)
        return agent.socket

    async def test_methods(self) -> None:
        """
        Methods stand in their order, and one that nobody here can answer is
        left out.
        """
        plan = await self.plan(password="pw", client_host_keys=["no key"])
        self.assertEqual(
            [s.method for s in plan.tried],
            ["hostbased", "keyboard-interactive", "password"],
        )
        (interactive, password) = (await self.plan()).left_out
        self.assertIn("nobody is there to answer", interactive.left_out)
        self.assertIn("nobody is there to answer", password.left_out)

    async def test_gssapi(self) -> None:
        """
        Whether there is a ticket is not looked up; it costs the keys no try.
        """
        keys = [self.key(str(number)) for number in range(6)]
        plan = await self.plan(disabled_auth=frozenset(), client_keys=keys)
        self.assertEqual(plan.tried[0].note, "where there is a ticket for the host")
        self.assertEqual(len(plan.tried), 7)

    async def test_spent_before(self) -> None:
        """
        A method that comes before the keys costs them a try.
        """
        keys = [self.key(str(number)) for number in range(6)]
        order = (b"password", b"publickey")
        plan = await self.plan(
            password="pw", client_keys=keys, preferred_auth=order
        )
        self.assertEqual(self.sources(plan), ["password", *"01234"])

    async def test_remembered(self) -> None:
        """
        What is remembered counts.
        """
        keys = [self.key("a"), self.key("b")]
        blob = Key.fromFile(keys[1] + ".pub").blob()
        memory = Memory(self.place / "memory")
        accepted = Attempt(
            "publickey", "accepted", key=KeyIdentity.of(b"ssh-ed25519", blob)
        )
        told = AuthReport("alice", "ssh-connection", None, True, (accepted,))
        memory.learn("alice", "host", 22, told)
        plan = await self.plan(client_keys=keys, memory=memory)
        self.assertEqual(self.sources(plan), ["b", "a"])

    async def test_identities_only(self) -> None:
        """
        Of an agent's keys only those that are named are used.
        """
        keys = [self.key("a"), self.key("b")]
        plan = await self.plan(
            agent_path=self.agent(*keys), client_keys=keys[1:], identities_only=True
        )
        self.assertEqual(self.sources(plan), ["ssh-agent (b)"])
        self.assertEqual(plan.left_out[0].source, "ssh-agent (a)")
        self.assertEqual(plan.left_out[0].left_out, IDENTITIES_ONLY)

    async def test_expired_certificate(self) -> None:
        """
        A certificate that has expired is left out, and its plain key is not.
        """
        path, authority = self.key("a"), self.key("authority")
        keygen.ssh_keygen(
            *("-s", authority, "-I", "x", "-n", "alice"),
            *("-V", "20200101:20200102", path + ".pub"),
        )
        plan = await self.plan(client_keys=[path])
        self.assertEqual(self.sources(plan), ["a"])
        self.assertIn("expired", plan.left_out[0].left_out)

    async def test_same_key_twice(self) -> None:
        """
        A key that is named twice is tried once.
        """
        path = self.key("a")
        shutil.copy(path, path + "-copy")
        plan = await self.plan(client_keys=[path, path + "-copy"])
        self.assertEqual(self.sources(plan), ["a"])
        self.assertIn("it is the key from", plan.left_out[0].left_out)

    async def test_no_agent(self) -> None:
        """
        An agent that is not there is among what is left out.
        """
        # Shorter than trial's directories: a socket's path has room for 107 bytes.
        plan = await self.plan(agent_path="/nonexistent/agent")
        self.assertEqual(plan.left_out[0].source, "ssh-agent")

    async def test_encrypted(self) -> None:
        """
        A key for which no passphrase can come is left out, without a question.
        """
        path = self.key("a", "a passphrase")
        plan = await self.plan(client_keys=[path])
        self.assertIn("no passphrase was given", plan.left_out[0].left_out)


class CommandTests(PlaceCase):
    """
    C{conch-auth plan}.
    """

    async def plan(self, *arguments: str) -> list[str]:
        running = start("plan", *arguments)
        self.assertEqual(await running.status, 0, running.complaints)
        self.assertEqual(running.complaints, b"")
        return running.screen.decode().splitlines()

    async def test_plan(self) -> None:
        """
        It prints what would be tried, without asking for a passphrase and
        though nothing answers at the host.
        """
        path = self.key("id", "a passphrase")
        shown = await self.plan("-p2222", "-i", path, "-Fnone", "alice@h.invalid")
        identity = fingerprint(Key.fromFile(path + ".pub").blob())
        self.assertEqual(
            shown[0],
            "To log in as alice on h.invalid, port 2222, these would be tried:",
        )
        (line,) = (line for line in shown if "publickey" in line)
        self.assertTrue(
            line.endswith(f"publickey with ssh-ed25519 {identity} (from {path})")
        )

    async def test_left_out(self) -> None:
        """
        A key that cannot be used is left out, with the reason.
        """
        missing = str(self.place / "missing")
        shown = await self.plan("-i", missing, "-F", "none", "alice@h.invalid")
        self.assertIn("These would be left out:", shown)
        (line,) = (line for line in shown if "publickey" in line)
        self.assertIn("it cannot be read: No such file or directory", line)

    async def test_configured(self) -> None:
        """
        What is configured for ssh counts, and by which way the host is reached
        does not.
        """
        if shutil.which("ssh") is None:
            raise SkipTest("there is no ssh")
        path = self.key("configured")
        config = self.place / "config"
        config.write_text(
            f"Host h\n HostName real.invalid\n User bob\n ProxyJump x\n"
            f" IdentityFile {path}\n PasswordAuthentication no\n"
        )
        shown = await self.plan("-F", str(config), "h")
        self.assertIn("as bob on real.invalid, port 22", shown[0])
        self.assertTrue(any(path in line for line in shown))
        self.assertFalse(any(line.endswith(". password") for line in shown))


class LoginTests(LoginCase):
    """
    The memory of C{conch-auth login}.
    """

    async def setUp(self) -> None:
        await super().setUp()
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.file = self.home / ".ssh" / "conch_auth_memory"
        self.keys = [generate_key() for _ in range(2)]
        self.server.add_user("alice", keys=self.keys[1:])
        self.files = [self.key_file(key) for key in self.keys]

    async def report(self, *options: str) -> str:
        named = [word for file in self.files for word in ("-i", file)]
        arguments = self.login()
        running = start(
            *(arguments[0], *named, *options, *arguments[1:]), HOME=str(self.home)
        )
        await self.ended(running, 0)
        return running.screen.decode()

    async def test_remembered(self) -> None:
        """
        The second login shows the key that worked, and no other.
        """
        self.assertIn("refused", await self.report())
        self.assertTrue(self.file.exists())
        self.assertNotIn("refused", await self.report())

    async def test_no_memory(self) -> None:
        """
        With C{--no-memory} nothing is written.
        """
        await self.report("--no-memory")
        self.assertFalse(self.file.exists())

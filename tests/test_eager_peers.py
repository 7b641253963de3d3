# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Logins that go ahead, to the servers that there are: OpenSSH's, AsyncSSH's,
Conch's, Dropbear and Paramiko's (of the extra bench).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import asyncssh
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from conch_auth import connect
from conch_auth.display import fingerprint
from conch_auth.knownhosts import PinnedKey
from conch_auth.loopback import LoopbackServer
from conch_auth.report import AuthReport
from tests.peers.agent_login import AgentLoginCase, public_line
from tests.peers.asyncssh_server import AsyncSSHServer, Server
from tests.peers.dropbear import Dropbear
from tests.peers.login import ED25519, OTHER_ED25519, RSA_3072
from tests.peers.paramiko_server import ParamikoServer
from tests.peers.sshd import User, machine

EVE = User("eve", "right", home="/etc/peers/homes/eve")
WRONG = OTHER_ED25519


class EagerCase(TestCase):
    """
    Logs in to one kind of server; the rules are the same for all.
    """

    timeout = 60


    async def start(self, *authorized: Key) -> Any:
        """
        @param authorized: the keys that let eve in.
        @return: the server: its C{port} and its C{host_keys}.
        """
        raise NotImplementedError

    async def log_in(self, server: Any, **options: Any) -> AuthReport:
        pins = [fingerprint(key.blob()) for key in server.host_keys]
        settings: dict[str, Any] = {
            "username": EVE.name,
            "client_keys": None,
            "agent_path": None,
            "known_hosts": PinnedKey(*pins),
            **options,
        }
        connection = await connect("127.0.0.1", server.port, **settings)
        self.addCleanup(connection.wait_closed)
        self.addCleanup(connection.close)
        report: AuthReport = connection.report
        return report

    def outcomes(self, report: AuthReport) -> list[tuple[str, str]]:
        return [(attempt.method, attempt.outcome) for attempt in report.attempts]

    async def test_key(self) -> None:
        """
        The one key that is configured takes one round trip, and nothing else is
        asked.
        """
        server = await self.start(ED25519)
        report = await self.log_in(server, client_keys=[ED25519])
        self.assertEqual(self.outcomes(report), [("publickey", "accepted")])
        self.assertEqual(report.round_trips, 1)

    async def test_rsa(self) -> None:
        """
        So does an RSA key, by an algorithm that the server takes.
        """
        server = await self.start(RSA_3072)
        report = await self.log_in(server, client_keys=[RSA_3072])
        self.assertEqual(self.outcomes(report), [("publickey", "accepted")])
        self.assertEqual(report.round_trips, 1)
        self.assertIn(report.attempts[0].algorithm, ("rsa-sha2-512", "rsa-sha2-256"))

    async def test_password(self) -> None:
        """
        So does a password.
        """
        server = await self.start()
        report = await self.log_in(server, password=EVE.password)
        self.assertEqual(self.outcomes(report), [("password", "accepted")])
        self.assertEqual(report.round_trips, 1)

    async def test_refused(self) -> None:
        """
        Where the server refuses the first guess and takes the second, it is two;
        the server is not asked for its list.
        """
        server = await self.start(ED25519)
        report = await self.log_in(
            server, client_keys=[WRONG], password=EVE.password
        )
        self.assertEqual(
            self.outcomes(report), [("publickey", "refused"), ("password", "accepted")]
        )
        self.assertEqual(report.round_trips, 2)

    async def test_remembered(self) -> None:
        """
        A key that is remembered goes first, and at once, and then the only one
        that is left.
        """
        memory = self.mktemp()
        server = await self.start(ED25519)
        both = [WRONG, ED25519]
        report = await self.log_in(server, client_keys=both, memory=memory)
        self.assertEqual(report.round_trips, 3)
        report = await self.log_in(server, client_keys=both, memory=memory)
        self.assertEqual(report.round_trips, 1)

    async def test_not_eager(self) -> None:
        """
        C{eager=False} asks first.
        """
        server = await self.start(ED25519)
        report = await self.log_in(server, client_keys=[ED25519], eager=False)
        self.assertEqual(
            self.outcomes(report), [("none", "refused"), ("publickey", "accepted")]
        )
        self.assertEqual(report.round_trips, 3)


class OpenSSHTests(EagerCase):
    async def start(self, *authorized: Key) -> Any:
        server = machine([EVE]).sshd("KbdInteractiveAuthentication no\n")
        self.addCleanup(server.stop)
        server.authorize(EVE.name, *authorized)
        return server

    async def test_host_bound(self) -> None:
        """
        The signature names the host's key, as one that was asked for does.
        """
        server = await self.start(ED25519)
        await self.log_in(server, client_keys=[ED25519])
        server.wait_for("publickey-hostbound-v00@openssh.com")


class AsyncSSHTests(EagerCase):
    async def start(self, *authorized: Key) -> Any:
        class Passwords(Server):
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return password == EVE.password

            def kbdint_auth_supported(self) -> bool:
                return False

        lines = (key.public().toString("openssh").decode() for key in authorized)
        options = {
            "authorized_client_keys": asyncssh.import_authorized_keys("\n".join(lines))
        }
        server = AsyncSSHServer(Passwords, **options if authorized else {})
        server.start()
        self.addCleanup(server.stop)
        return server


class ConchTests(EagerCase):
    async def start(self, *authorized: Key) -> Any:
        server = LoopbackServer()
        server.add_user(EVE.name, password=EVE.password, keys=authorized)
        await server.listen(reactor)
        self.addCleanup(server.stop)
        return SimpleNamespace(port=server.port, host_keys=[server.host_key])


class DropbearTests(EagerCase):
    async def start(self, *authorized: Key) -> Any:
        server = Dropbear(machine([EVE]), EVE)
        server.start(*authorized)
        self.addCleanup(server.stop)
        return server


class ParamikoTests(EagerCase):
    async def start(self, *authorized: Key) -> Any:
        server = ParamikoServer(EVE.password or "", *authorized)
        self.addCleanup(server.stop)
        return server


class AgentTests(AgentLoginCase):
    """
    The keys of a real agent, with sshd.
    """

    def remembering(self, **options: Any) -> dict[str, Any]:
        return {"memory": str(self.directory / "memory"), **options}

    async def test_remembered_of_ten(self) -> None:
        """
        The sixth of ten keys is found the first time, and takes one round trip
        the second.
        """
        keys = [self.new_key("ed25519") for _ in range(10)]
        for key in keys:
            self.agent.run("ssh-add", "-q", key)
        server = self.sshd("", public_line(keys[5]))
        trips = [
            (await self.connect(server, **self.remembering())).round_trips
            for _ in range(2)
        ]
        self.assertEqual(trips, [8, 1])

    async def test_confirmed(self) -> None:
        """
        A key whose use a person allows each time is asked about each time.
        """
        askpass = self.directory / "askpass"
        askpass.write_text("#!/bin/sh\nsleep 0.4\necho yes\n")
        key = self.new_key("ed25519")
        self.agent.run("ssh-add", "-q", "-c", key)
        server = self.sshd("", public_line(key))
        for _ in range(2):
            report = await self.connect(server, **self.remembering())
            self.assertEqual(report.round_trips, 3)

    async def test_rsa(self) -> None:
        """
        An RSA key waits for what the server says of algorithms.
        """
        key = self.new_key("rsa")
        self.agent.run("ssh-add", "-q", key)
        server = self.sshd("", public_line(key))
        for trips in (3, 1):
            report = await self.connect(server, **self.remembering())
            self.assertEqual(report.round_trips, trips)
            self.assertEqual(report.attempts[-1].algorithm, "rsa-sha2-512")

    async def test_for_one_host(self) -> None:
        """
        The signature of a key that is kept to one host names it.
        """
        key = self.new_key("ed25519")
        server = self.sshd("", public_line(key))
        known = self.directory / "hosts"
        place = f"[127.0.0.1]:{server.port}"
        lines = (k.toString("openssh").decode() for k in server.host_keys)
        known.write_text("".join(f"{place} {line}\n" for line in lines))
        self.agent.run("ssh-add", "-q", "-H", known, "-h", place, key)
        for trips in (3, 1):
            report = await self.connect(server, **self.remembering())
            self.assertEqual(report.round_trips, trips)


del EagerCase

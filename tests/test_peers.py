# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The servers that the tests log in to, tried with OpenSSH's own client.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import asyncssh
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import FailTest, SkipTest, SynchronousTestCase

from tests.peers import missing
from tests.peers.asyncssh_server import (
    AsyncSSHServer,
    Limited,
    Partial,
    PasswordChange,
    Rounds,
    Scripted,
    Server,
    Strict,
    String,
)
from tests.peers.openssh import ssh
from tests.peers.sshd import Sshd, User, machine

USERS = (
    User("peer_password", "Secret-1"),
    User("peer_empty", ""),
    User("peer_locked", "Secret-2", locked=True),
    User("peer_expired", "Secret-3", expired=True),
    User(
        "peer_rounds",
        rounds=("info:Welcome", "off:Password: =pw1", "on:Token: =123456"),
    ),
)
PAM = "UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\n"


class MissingTests(SynchronousTestCase):
    """
    What happens on a machine that cannot run a peer.
    """

    def setUp(self) -> None:
        self.patch(os, "environ", {})

    def test_skipped(self) -> None:
        """
        Elsewhere than in CI, the test is skipped, with the reason.
        """
        self.assertEqual(
            str(self.assertRaises(SkipTest, missing, "no gcc")), "no gcc"
        )

    def test_required(self) -> None:
        """
        In CI, or where it is asked for, the test fails.
        """
        for name in ("CI", "CONCH_AUTH_REQUIRE_PEERS"):
            self.patch(os, "environ", {name: "1"})
            self.assertIn("no gcc", str(self.assertRaises(FailTest, missing, "no gcc")))


class ClientCase(SynchronousTestCase):
    """
    A test with OpenSSH's client.
    """

    def log_in(
        self, port: int, user: str, *answers: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return ssh(port, user, Path(self.mktemp()), answers, **options)

    def assert_in(self, login: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual((login.stdout, login.returncode), ("in\n", 0), login.stderr)

    def assert_refused(self, login: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual(login.returncode, 255, login.stderr)
        self.assertIn("Permission denied", login.stderr)


class SshdTests(ClientCase):
    """
    OpenSSH's server.
    """

    def sshd(self, config: str = "") -> Sshd:
        server = machine(USERS).sshd(config)
        self.addCleanup(server.stop)
        return server

    def test_machine_untouched(self) -> None:
        """
        The users exist for the server only, not on this machine.
        """
        machine(USERS)
        self.assertNotIn("peer_", Path("/etc/passwd").read_text())

    def test_stopped(self) -> None:
        """
        A server that was stopped listens no more.
        """
        server = self.sshd()
        server.stop()
        with socket.socket() as client:
            refused = client.connect_ex(("127.0.0.1", server.port))
        self.assertNotEqual(refused, 0)

    def test_bad_configuration(self) -> None:
        """
        A server that does not start says why.
        """
        error = self.assertRaises(AssertionError, self.sshd, "Nonsense yes\n")
        self.assertIn("Bad configuration option: Nonsense", str(error))

    def test_public_key(self) -> None:
        """
        Only an authorized key gets in, and the log tells which.
        """
        server = self.sshd()
        ours, other = (Key(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))
        server.authorize("peer_password", ours)
        options = ["BatchMode=yes"]
        self.assert_refused(
            self.log_in(server.port, "peer_password", keys=[other], options=options)
        )
        self.assert_in(
            self.log_in(server.port, "peer_password", keys=[ours], options=options)
        )
        server.wait_for("Accepted publickey for peer_password")

    def test_password(self) -> None:
        """
        A user has the password that was given, and an account may be locked.
        """
        server = self.sshd("UsePAM yes\nKbdInteractiveAuthentication no\n")
        options = ["NumberOfPasswordPrompts=1"]
        self.assert_in(self.log_in(server.port, "peer_password", "Secret-1"))
        for user, password in (
            ("peer_password", "Secret-2"),
            ("peer_locked", "Secret-2"),
            ("peer_nobody", "Secret-1"),
        ):
            self.assert_refused(
                self.log_in(server.port, user, password, options=options)
            )

    def test_empty_password(self) -> None:
        """
        A user with an empty password needs none where the server permits it.
        """
        server = self.sshd("PermitEmptyPasswords yes\n")
        login = self.log_in(server.port, "peer_empty")
        self.assert_in(login)
        self.assertIn('using "none"', login.stderr)

    def test_rounds(self) -> None:
        """
        PAM asks its questions one after the other, and wants each answer.
        """
        server = self.sshd(PAM)
        login = self.log_in(server.port, "peer_rounds", "pw1", "123456")
        self.assert_in(login)
        self.assertIn(") Welcome\nPassword: \nasked: ", login.stderr)
        options = ["NumberOfPasswordPrompts=1"]
        self.assert_refused(
            self.log_in(server.port, "peer_rounds", "pw1", "0", options=options)
        )

    def test_expired(self) -> None:
        """
        An expired password is changed in a keyboard-interactive exchange.
        """
        server = self.sshd(PAM)
        new = "Brand-new-secret-9"
        answers = ("Secret-3", "Secret-3", new, new)
        self.assert_in(self.log_in(server.port, "peer_expired", *answers))
        self.assert_in(self.log_in(server.port, "peer_expired", new))


class AsyncSSHServerTests(ClientCase):
    """
    AsyncSSH's server, and what it is made to do here.
    """

    def serve(self, factory: type[Server], **options: Any) -> AsyncSSHServer:
        class Serving(factory):  # type: ignore[valid-type,misc]
            def session_requested(self) -> Any:
                return _say_in

        server = AsyncSSHServer(Serving, **options)
        server.start()
        self.addCleanup(server.stop)
        return server

    def test_strict(self) -> None:
        """
        L{Strict} records the algorithms of signatures and refuses the others.
        """
        key = Key(rsa.generate_private_key(65537, 2048))
        server = self.serve(Strict, authorized_client_keys=_authorized(key))
        wanted = ["PubkeyAcceptedAlgorithms=ssh-rsa", "BatchMode=yes"]
        self.assert_in(self.log_in(server.port, "u", keys=[key]))
        self.assert_refused(
            self.log_in(server.port, "u", keys=[key], options=wanted)
        )
        self.assertEqual(
            [connection.signed_with for connection in server.connections],
            [[b"rsa-sha2-512"], [b"ssh-rsa"]],
        )

    def test_partial(self) -> None:
        """
        L{Partial} wants one factor after the other.
        """
        key = Key(ed25519.Ed25519PrivateKey.generate())
        server = self.serve(Partial, authorized_client_keys=_authorized(key))
        login = self.log_in(server.port, "u", "right", keys=[key])
        self.assert_in(login)
        self.assertIn('using "publickey" with partial success', login.stderr)

    def test_limited(self) -> None:
        """
        L{Limited} disconnects as sshd does.
        """
        server = self.serve(Limited)
        login = self.log_in(server.port, "u", "wrong", "wrong", "wrong")
        self.assertIn("Too many authentication failures", login.stderr)

    def test_rounds(self) -> None:
        """
        L{Rounds} asks two questions at once, which sshd does not.
        """
        server = self.serve(Rounds)
        self.assert_in(self.log_in(server.port, "u", "a", "b", "123456"))

    def test_password_change(self) -> None:
        """
        L{PasswordChange} asks for a new password until it is long enough.
        """
        server = self.serve(PasswordChange)
        answers = ("old", "old", "short", "short", "old", "new", "new")
        self.assert_in(self.log_in(server.port, "u", *answers))

    def test_scripted(self) -> None:
        """
        L{Scripted} sends what it is told to, when it is told to: here a banner
        before the reply to the answer.
        """

        class Late(Scripted):
            steps = {"kbdint": lambda to: to.send(53, String("Late") + String(""))}

        login = self.log_in(self.serve(Late).port, "u", "right")
        self.assert_in(login)
        self.assertIn("Late", login.stderr)


def _authorized(key: Key) -> asyncssh.SSHAuthorizedKeys:
    return asyncssh.import_authorized_keys(key.public().toString("openssh").decode())


def _say_in(stdin: Any, stdout: Any, stderr: Any) -> None:
    stdout.write("in\n")
    stdout.channel.exit(0)

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The C{hostbased} method, as L{conch_auth.connect} uses it, with real servers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import asyncssh
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.serialization import SSHCertificateType
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import TestCase

from conch_auth import AuthReport, connect
from conch_auth._keysign import find_keysign
from conch_auth.errors import AuthenticationFailed
from conch_auth.keys import Keys
from conch_auth.knownhosts import insecure_accept_any
from conch_auth.report import KeyIdentity
from tests.host_certificates import AUTHORITY, certificate
from tests.peers import missing
from tests.peers.asyncssh_server import AsyncSSHServer, Partial, Server
from tests.peers.sshd import Sshd, User, machine
from tests.support import flat, new_key
from tests.transport_pair import RSA

KEY, OTHER = new_key(), new_key()
ECDSA = tuple(
    Key(ec.generate_private_key(curve()))
    for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
)
HOST = "client.example"
AUTHORITY_KEY = Key(AUTHORITY)
USER = User("host_user")


def known(key: Key, host: str = HOST, mark: str = "") -> str:
    """
    A line of known_hosts.
    """
    return f"{mark}{host} {key.public().toString('openssh').decode()}\n"


class HostBasedCase(TestCase):
    timeout = 60

    async def log_in(self, server: Any, user: str = "alice", **options: Any) -> Any:
        """
        @return: the report of a login by C{connect}, which succeeded or not.
        """
        alone: dict[str, Any] = {
            "username": user,
            "client_keys": None,
            "agent_path": None,
            "known_hosts": insecure_accept_any(),
            "client_host": HOST,
            "client_username": "bob",
        }
        try:
            conn = await connect("127.0.0.1", server.port, **{**alone, **options})
        except AuthenticationFailed as error:
            return error.report
        conn.close()
        await conn.wait_closed()
        return conn.report

    def assert_by(self, report: AuthReport, key: Key) -> None:
        """
        The login succeeded by the word of the host whose key is C{key}.
        """
        self.assertTrue(report.succeeded, str(report))
        identity = KeyIdentity.of(key.sshType(), key.blob())
        self.assertEqual(report.proof, f"hostbased with {identity}")

    def assert_tried(self, report: AuthReport, *outcomes: str) -> None:
        """
        These are the outcomes of the method, and the login failed.
        """
        self.assertFalse(report.succeeded, str(report))
        tried = [a.outcome for a in report.attempts if a.method == "hostbased"]
        self.assertEqual(tried, list(outcomes), str(report))


class AsyncSSHTests(HostBasedCase):
    """
    AsyncSSH's server.
    """

    def serve(self, *lines: str, factory: Any = Server, **options: Any) -> Any:
        class Serving(factory):  # type: ignore[misc]
            def validate_host_based_user(self, user: str, host: str, of: str) -> bool:
                self.said = user, host, of
                return of == "bob"

        server = AsyncSSHServer(
            Serving,
            known_client_hosts=asyncssh.import_known_hosts("".join(lines))
            if lines
            else None,
            **{"trust_client_host": True, **options},
        )
        server.start()
        self.addCleanup(server.stop)
        return server

    async def test_every_key_type(self) -> None:
        """
        Host keys of every type vouch; RSA by the best that the server lists.
        """
        keys = (KEY, *ECDSA, RSA, Key(dsa.generate_private_key(1024)))
        server = self.serve(*map(known, keys))
        for key in keys:
            report = await self.log_in(server, client_host_keys=[key])
            self.assert_by(report, key)
            expected = {"ssh-rsa": "rsa-sha2-512"}.get(key.sshType().decode())
            self.assertEqual(
                report.attempts[-1].algorithm, expected or key.sshType().decode()
            )
            self.assertEqual(server.connections[-1].said, ("alice", HOST, "bob"))

    async def test_rsa_as_listed(self) -> None:
        """
        An RSA key signs with what the server lists.
        """
        for listed in ("rsa-sha2-256", "ssh-rsa"):
            server = self.serve(known(RSA), signature_algs=[listed])
            report = await self.log_in(server, client_host_keys=[RSA])
            self.assert_by(report, RSA)
            self.assertEqual(report.attempts[-1].algorithm, listed)

    async def test_next_key(self) -> None:
        """
        A host key that the server does not know is followed by the next.
        """
        server = self.serve(known(KEY))
        self.assert_by(await self.log_in(server, client_host_keys=[OTHER, KEY]), KEY)

    async def test_next_method(self) -> None:
        """
        Where no host key does, what else there is follows.
        """
        ak = asyncssh.import_authorized_keys(KEY.public().toString("openssh").decode())
        server = self.serve(known(KEY), authorized_client_keys=ak)
        report = await self.log_in(
            server, client_host_keys=[OTHER], client_keys=[KEY]
        )
        self.assertTrue(report.succeeded, str(report))
        self.assertEqual(
            [(a.method, a.outcome) for a in report.attempts],
            [
                ("none", "refused"),
                ("hostbased", "refused"),
                ("publickey", "accepted"),
            ],
        )

    async def test_refused(self) -> None:
        """
        Another host, another user, or a key of another host is refused.
        """
        server = self.serve(known(KEY))
        for options in (
            {"client_host": "other.example"},
            {"client_username": "eve"},
            {"client_host_keys": [OTHER]},
        ):
            report = await self.log_in(server, **{"client_host_keys": KEY, **options})
            self.assert_tried(report, "refused")

    async def test_trailing_dot(self) -> None:
        """
        A dot at the end of the host's name is sent as it was given, and does
        not count.
        """
        server = self.serve(known(KEY))
        report = await self.log_in(
            server, client_host_keys=[KEY], client_host=HOST + "."
        )
        self.assert_by(report, KEY)

    async def test_default_host(self) -> None:
        """
        Without a name, the host goes by that of its address, which the server
        finds too.
        """
        server = self.serve(known(KEY, "localhost,127.0.0.1"), trust_client_host=False)
        report = await self.log_in(server, client_host_keys=[KEY], client_host=None)
        self.assert_by(report, KEY)
        self.assertIn(server.connections[-1].said[1], ("localhost", "127.0.0.1"))

    async def test_certificate(self) -> None:
        """
        A host certificate vouches, and its key's own; one that has expired, or
        is a user's, is not sent.
        """
        server = self.serve(known(AUTHORITY_KEY, mark="@cert-authority "))
        for key in (KEY, *ECDSA, RSA):
            report = await self.log_in(
                server, client_host_keys=[(key, certificate(key))]
            )
            self.assertTrue(report.succeeded, str(report))
            (last,) = report.attempts[-1:]
            self.assertEqual(last.key.type, _certified(key))
        report = await self.log_in(
            server, client_host_keys=[KEY], client_host_certs=[certificate(KEY)]
        )
        self.assertEqual(report.attempts[-1].key.type, _certified(KEY))
        for unusable in (
            certificate(KEY, before=1),
            certificate(KEY, SSHCertificateType.USER),
        ):
            report = await self.log_in(server, client_host_keys=[(KEY, unusable)])
            self.assert_tried(report, "skipped", "refused")

    async def test_files(self) -> None:
        """
        A key may be in a file; one that cannot be read is told, and the next
        vouches.
        """
        server = self.serve(known(KEY))
        path = Path(self.mktemp())
        path.write_bytes(KEY.toString("openssh", subtype="v1"))
        path.chmod(0o600)
        report = await self.log_in(
            server, client_host_keys=["/nowhere/key", str(path)]
        )
        self.assert_by(report, KEY)
        (skipped,) = [a for a in report.attempts if a.outcome == "skipped"]
        self.assertEqual(skipped.method, "hostbased")
        self.assertEqual(skipped.source, "/nowhere/key")

    async def test_encrypted(self) -> None:
        """
        A key may need a passphrase; it is not kept after the login.
        """
        server = self.serve(known(KEY))
        text = KEY.toString("openssh", subtype="v1", passphrase=b"secret")
        forgotten: list[object] = []
        forget = Keys.forget

        def noted(keys: Keys) -> None:
            forgotten.extend(keys._encrypted)
            forget(keys)

        self.patch(Keys, "forget", noted)
        report = await self.log_in(
            server, client_host_keys=[text], passphrase="secret"
        )
        self.assert_by(report, KEY)
        self.assertEqual(len(set(forgotten)), 1)

    async def test_not_wanted(self) -> None:
        """
        The method is not used where it was switched off, or where other
        methods were asked for.
        """
        server = self.serve(known(KEY))
        for options in ({"host_based_auth": False}, {"preferred_auth": "password"}):
            report = await self.log_in(server, client_host_keys=[KEY], **options)
            self.assert_tried(report)

    async def test_trivial(self) -> None:
        """
        A host's signature is proof enough where trivial logins are refused,
        which they are unless an application allows them.
        """
        server = self.serve(known(KEY))
        report = await self.log_in(
            server, client_host_keys=[KEY], disable_trivial_auth=True
        )
        self.assert_by(report, KEY)

    async def test_chain(self) -> None:
        """
        A host's word and a key make a login, in either order.
        """

        class Chain(Partial):
            def host_based_auth_supported(self) -> bool:
                return self._is_next("hostbased")

            def validate_host_public_key(self, *host: Any) -> bool:
                return bool(host[-1].public_data == KEY.blob())

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return bool(key.public_data == OTHER.blob())

        for chain in (["hostbased", "publickey"], ["publickey", "hostbased"]):
            server = self.serve(factory=type("Chained", (Chain,), {"chain": chain}))
            report = await self.log_in(
                server, client_host_keys=[OTHER, KEY], client_keys=[OTHER]
            )
            self.assertTrue(report.succeeded, str(report))
            used = [a.method for a in report.attempts if a.outcome != "refused"]
            self.assertEqual(used, chain)


def _certified(key: Key) -> str:
    return key.sshType().decode() + "-cert-v01@openssh.com"


class SshdTests(HostBasedCase):
    """
    OpenSSH's server, which knows some client hosts.
    """

    CONFIG = """\
HostbasedAuthentication yes
HostbasedUsesNameFromPacketOnly yes
IgnoreUserKnownHosts yes
"""

    def sshd(self, config: str = "") -> Sshd:
        self.machine = machine([USER])
        keys = (KEY, *ECDSA, RSA)
        lines = "".join(map(known, keys)) + known(
            AUTHORITY_KEY, "certified.example", "@cert-authority "
        )
        lines += "".join(known(key, "localhost") for key in keys)
        self.write("ssh_known_hosts", lines)
        self.write(
            "shosts.equiv", f"{HOST} bob\ncertified.example bob\nlocalhost {_own()}\n"
        )
        server = self.machine.sshd(self.CONFIG + config)
        self.addCleanup(server.stop)
        return server

    def write(self, name: str, content: str, mode: str = "644") -> None:
        """
        Write a file in C{/etc/ssh}, inside.
        """
        path = f"/etc/ssh/{name}"
        self.machine.run(
            "sh", "-c", f"cat > {path} && chmod {mode} {path}", given=content
        )

    async def test_every_key_type(self) -> None:
        """
        Host keys of every type vouch, RSA with SHA-2.
        """
        server = self.sshd()
        for key in (KEY, *ECDSA, RSA):
            report = await self.log_in(server, "host_user", client_host_keys=[key])
            self.assert_by(report, key)
        self.assertIn("Accepted hostbased for host_user", server.log())
        self.assertIn("rsa-sha2-512", server.log())

    async def test_certificate(self) -> None:
        """
        A host certificate vouches.
        """
        server = self.sshd()
        line = certificate(RSA, host=b"certified.example")
        report = await self.log_in(
            server,
            "host_user",
            client_host_keys=[(RSA, line)],
            client_host="certified.example",
        )
        self.assertTrue(report.succeeded, str(report))
        self.assertEqual(report.attempts[-1].key.type, _certified(RSA))

    async def test_refused(self) -> None:
        """
        Another key, another user or another host is refused; the key that is
        known vouches after one that is not.
        """
        server = self.sshd()
        for options in (
            {"client_host_keys": [OTHER]},
            {"client_username": "eve"},
            {"client_host": "other.example"},
        ):
            report = await self.log_in(
                server, "host_user", **{"client_host_keys": KEY, **options}
            )
            self.assert_tried(report, "refused")
        report = await self.log_in(server, "host_user", client_host_keys=[OTHER, KEY])
        self.assert_by(report, KEY)

    async def test_algorithms(self) -> None:
        """
        A key vouches by what the server accepts.  sshd's C{server-sig-algs} does
        not tell what it accepts from hosts, so that an RSA key is refused where
        that is less.
        """
        server = self.sshd("HostbasedAcceptedAlgorithms rsa-sha2-256,ssh-ed25519\n")
        report = await self.log_in(server, "host_user", client_host_keys=[RSA, KEY])
        self.assertEqual(
            [(a.algorithm, a.outcome) for a in report.attempts[1:]],
            [("rsa-sha2-512", "refused"), ("ssh-ed25519", "accepted")],
        )

    async def test_chain(self) -> None:
        """
        The host's word and then a key, as AuthenticationMethods has it, and the
        other way round.  (sshd takes no key twice, whether a host's or a user's.)
        """
        for chain in ("hostbased,publickey", "publickey,hostbased"):
            server = self.sshd(f"AuthenticationMethods {chain}\n")
            server.authorize("host_user", OTHER)
            report = await self.log_in(
                server, "host_user", client_host_keys=[KEY], client_keys=[OTHER]
            )
            self.assertTrue(report.succeeded, str(report))
            used = [a.method for a in report.attempts if a.outcome != "refused"]
            self.assertEqual(",".join(used), chain)

    def keysign(self, config: str = "EnableSSHKeysign yes\n") -> str:
        """
        The real C{ssh-keysign}, with L{KEY} and L{RSA} for its host keys.

        @return: the path of what runs it inside.
        """
        try:
            program = find_keysign(True)
        except ValueError as error:
            missing(str(error))
        self.write("ssh_config", config)
        for name, key in (("ed25519", KEY), ("rsa", RSA)):
            text = key.toString("openssh", subtype="v1").decode()
            self.write(f"ssh_host_{name}_key", text, "600")
        path = Path(self.mktemp()).absolute()
        enter = [word for word in self.machine.inside(program) if "--pid" not in word]
        path.write_text(f"#!/bin/sh\nexec {' '.join(enter)}\n")
        path.chmod(0o755)
        return str(path)

    async def by_keysign(self, server: Sshd, program: str, **options: Any) -> Any:
        given: dict[str, Any] = {
            "client_host_keysign": program,
            "client_host_keys": [KEY.public()],
            "client_host": None,
            "client_username": None,
        }
        return await self.log_in(server, "host_user", **{**given, **options})

    async def test_keysign(self) -> None:
        """
        OpenSSH's own program signs, with keys that we cannot read, for a host
        whose name has a dot at its end.
        """
        server = self.sshd()
        program = self.keysign()
        for key in (KEY, RSA):
            report = await self.by_keysign(
                server, program, client_host_keys=[key.public()]
            )
            self.assert_by(report, key)
        self.assertIn("chost localhost.", server.log())
        report = await self.by_keysign(server, program, client_host="localhost")
        self.assert_by(report, KEY)

    async def test_keysign_certificate(self) -> None:
        """
        It signs for a certificate as well.
        """
        server = self.sshd()
        program = self.keysign()
        self.write(
            "ssh_known_hosts", known(AUTHORITY_KEY, "localhost", "@cert-authority ")
        )
        report = await self.by_keysign(
            server, program, client_host_keys=[certificate(RSA, host=b"localhost")]
        )
        self.assertTrue(report.succeeded, str(report))

    async def test_keysign_refuses(self) -> None:
        """
        What it does not sign is told with its own words, and the next key
        follows: a key that it has not, a host or user that is not this one, or
        where it is not switched on.
        """
        server = self.sshd()
        program = self.keysign()
        report = await self.by_keysign(
            server, program, client_host_keys=[OTHER.public(), KEY.public()]
        )
        self.assert_by(report, KEY)
        self.assertIn("no matching hostkey found", _failures(report))
        for options in ({"client_host": HOST}, {"client_username": "bob"}):
            report = await self.by_keysign(server, program, **options)
            self.assert_tried(report, "failed")
            self.assertIn("not a valid request", _failures(report))
        program = self.keysign("EnableSSHKeysign no\n")
        report = await self.by_keysign(server, program)
        self.assert_tried(report, "failed")
        self.assertIn("ssh-keysign not enabled in /etc/ssh/ssh_config", flat(report))

    def test_keysign_not_there(self) -> None:
        """
        A path that holds no program is an error of the call.
        """
        self.assertRaises(
            ValueError, connect, "127.0.0.1", 1, client_host_keysign="/nowhere"
        )


def _own() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _failures(report: AuthReport) -> str:
    return "".join(a.reason for a in report.attempts if a.outcome == "failed")

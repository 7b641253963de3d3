# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
User certificates before an sshd that trusts an authority, and revokes.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from conch_auth.endpoints import connect
from conch_auth.errors import AuthenticationFailed
from conch_auth.knownhosts import insecure_accept_any
from conch_auth.report import AuthReport
from tests.keygen import ssh_keygen
from tests.peers.sshd import User, machine


class TrustedAuthorityTests(TestCase):
    """
    C{TrustedUserCAKeys} and C{RevokedKeys}.
    """

    def setUp(self) -> None:
        self.machine = machine([User("somebody")])
        # sshd reads some of it as another user.
        self.place = Path(tempfile.mkdtemp(prefix="certificates-"))
        self.addCleanup(shutil.rmtree, self.place)
        self.place.chmod(0o755)
        self.authority = self.key("authority")

    def key(self, name: str, kind: str = "ed25519") -> str:
        path = str(self.place / name)
        ssh_keygen("-t", kind, "-N", "", "-f", path)
        return path

    def certify(self, path: str, *options: str, principal: str = "somebody") -> None:
        ssh_keygen(
            *("-s", self.authority, "-I", "test", "-n", principal, *options),
            f"{path}.pub",
        )

    async def login(self, *keys: str, config: str = "", **options: Any) -> AuthReport:
        """
        The report of a login, whether it succeeds or not.
        """
        trusted = f"TrustedUserCAKeys {self.authority}.pub\n"
        server = self.machine.sshd(trusted + config)
        self.addCleanup(server.stop)
        try:
            connection = await connect(
                "127.0.0.1",
                server.port,
                username="somebody",
                client_keys=list(keys),
                agent_path=None,
                preferred_auth="publickey",
                known_hosts=insecure_accept_any(),
                **options,
            )
        except AuthenticationFailed as error:
            return error.report
        connection.close()
        await connection.wait_closed()
        assert connection.report is not None
        return connection.report

    def outcomes(self, report: AuthReport) -> list[tuple[str, str]]:
        """
        What became of each key, by the end of where it came from.
        """
        return [
            (Path(attempt.source or "").name, attempt.outcome)
            for attempt in report.attempts
            if attempt.method == "publickey"
        ]

    async def test_trusted(self) -> None:
        """
        The certificate beside a key follows the plain key, which sshd does not
        know, and logs in.
        """
        for kind in ("ed25519", "ecdsa", "rsa"):
            path = self.key(kind, kind)
            self.certify(path)
            self.assertEqual(
                self.outcomes(await self.login(path)),
                [(kind, "refused"), (f"{kind}-cert.pub", "accepted")],
            )

    async def test_given(self) -> None:
        """
        A certificate that is given comes first, also where only certificates
        are taken.
        """
        path = self.key("k", "rsa")
        self.certify(path)
        report = await self.login(
            path,
            config="PubkeyAcceptedAlgorithms *-cert-v01@openssh.com\n",
            client_certs=[f"{path}-cert.pub"],
        )
        self.assertEqual(self.outcomes(report), [("k-cert.pub", "accepted")])

    async def test_revoked(self) -> None:
        """
        A certificate of a key that the server has revoked is refused, and the
        next key follows.
        """
        revoked, other = self.key("revoked"), self.key("other")
        self.certify(revoked)
        self.certify(other)
        report = await self.login(
            revoked, other, config=f"RevokedKeys {revoked}.pub\n"
        )
        self.assertEqual(
            self.outcomes(report),
            [
                ("revoked", "refused"),
                ("revoked-cert.pub", "refused"),
                ("other", "refused"),
                ("other-cert.pub", "accepted"),
            ],
        )

    async def test_not_for_this_user(self) -> None:
        """
        The server refuses a certificate for somebody else.
        """
        path = self.key("k")
        self.certify(path, principal="nobody")
        self.assertEqual(
            self.outcomes(await self.login(path)),
            [("k", "refused"), ("k-cert.pub", "refused")],
        )

    async def test_expired(self) -> None:
        """
        One that has expired costs no try.
        """
        path = self.key("k")
        self.certify(path, "-V", "20200101:20200102")
        report = await self.login(path)
        self.assertEqual(
            self.outcomes(report), [("k-cert.pub", "skipped"), ("k", "refused")]
        )
        self.assertIn("expired", str(report))

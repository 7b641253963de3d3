# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Logging in with keys of PKCS#11 tokens, through an agent (C{ssh-add -s}).  The
token is SoftHSM's.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from twisted.conch.ssh.keys import Key
from twisted.internet.endpoints import UNIXClientEndpoint

from conch_auth.agent import SSHAgentClient
from conch_auth.errors import AgentRefused
from tests.peers import missing
from tests.peers.agent_login import AgentLoginCase
from tests.peers.login import tried
from tests.peers.ssh_agent import SOFTHSM

PIN, WRONG_PIN = "1234", "0000"
RSA_KEY = rsa.generate_private_key(65537, 2048)
ECDSA_KEY = ec.generate_private_key(ec.SECP256R1())


def line_of(private: Any) -> str:
    """
    The line of authorized_keys for a key.
    """
    line: str = Key(private).public().toString("openssh").decode()
    return line


class TokenTests(AgentLoginCase):
    """
    A token with an RSA key and an ECDSA key.
    """

    def setUp(self) -> None:
        if not SOFTHSM.exists():
            missing("SoftHSM is not installed")
        super().setUp()
        self._fill_token()

    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": f"{self.directory.absolute()}/softhsm.conf"}

    def _fill_token(self) -> None:
        tokens = self.directory.absolute() / "tokens"
        tokens.mkdir()
        (self.directory / "softhsm.conf").write_text(
            f"directories.tokendir = {tokens}\n"
        )
        self.agent.run(
            *("softhsm2-util", "--init-token", "--free", "--label", "token"),
            *("--pin", PIN, "--so-pin", "5678"),
        )
        for number, key in enumerate((RSA_KEY, ECDSA_KEY), 1):
            self._import(key, str(number))

    def _import(self, key: Any, number: str) -> None:
        pem = self.directory / f"{number}.pem"
        pem.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        self.agent.run(
            *("softhsm2-util", "--import", pem, "--token", "token", "--pin", PIN),
            *("--label", f"key {number}", "--id", f"0{number}"),
        )
        pem.unlink()

    def add(self, pin: str = PIN, expect: int = 0) -> str:
        """
        Give the agent the token, as a person does.

        @param expect: the exit status of ssh-add.
        """
        self.agent.answer(pin)
        return self.agent.run("ssh-add", "-s", SOFTHSM, expect=expect)

    async def test_each_key(self) -> None:
        """
        A key of the token logs in, an RSA key by SHA-2, and the report names
        the agent as its source.
        """
        self.add()
        for key, algorithm in (
            (RSA_KEY, "rsa-sha2-512"),
            (ECDSA_KEY, "ecdsa-sha2-nistp256"),
        ):
            report = await self.connect(self.sshd("", line_of(key)))
            self.assertEqual(tried(report)[-1], ("publickey", "accepted"))
            attempt = report.attempts[-1]
            self.assertEqual(attempt.algorithm, algorithm)
            self.assertTrue(str(attempt.source).startswith("ssh-agent"))

    async def test_token_removed(self) -> None:
        """
        Once the token is removed from the agent, its keys are not offered.
        """
        self.add()
        self.agent.run("ssh-add", "-e", SOFTHSM)
        report = await self.refused(self.sshd("", line_of(RSA_KEY)))
        self.assertEqual(tried(report), [])

    async def test_wrong_pin(self) -> None:
        """
        With a wrong PIN the agent has no keys of it.
        """
        self.add(WRONG_PIN, expect=1)
        report = await self.refused(self.sshd("", line_of(RSA_KEY)))
        self.assertEqual(tried(report), [])

    async def test_given_by_a_program(self) -> None:
        """
        A program can give the agent a token as well, and log in with it; the
        error for a wrong PIN does not tell it.
        """
        from twisted.internet import reactor

        agent = await SSHAgentClient.connect(
            UNIXClientEndpoint(reactor, self.agent.socket)
        )
        self.addCleanup(agent.close)
        wrong: Any = agent.addSmartcard(str(SOFTHSM), WRONG_PIN)
        error = await self.assertFailure(wrong, AgentRefused)
        self.assertNotIn(WRONG_PIN, str(error))
        await agent.addSmartcard(str(SOFTHSM), PIN)
        report = await self.connect(self.sshd("", line_of(RSA_KEY)))
        self.assertEqual(tried(report)[-1], ("publickey", "accepted"))

# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
Tests for L{conch_auth._kex}: the key exchange, without a transport.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.conch.ssh import keys
from twisted.conch.ssh.common import MP
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._kex import (
    HostKeyUnproved,
    KeyExchangeInit,
    group_bits,
    guessed_wrong,
    prove_host_key,
)
from conch_auth._wire import string
from conch_auth.errors import MalformedMessage
from tests.transport_pair import ED25519, RSA

NONE = (b"none",)
OURS = KeyExchangeInit(
    bytes(16), (b"a", b"b"), (b"x", b"y"), NONE, NONE, NONE, NONE, NONE, NONE, (), ()
)
BLOB = ED25519.public().blob()


class InitTests(SynchronousTestCase):
    """
    KEXINIT.
    """

    def test_there_and_back(self) -> None:
        """
        What was built is read, and nothing may follow it.
        """
        self.assertEqual(KeyExchangeInit.parse(OURS.build()), OURS)
        for payload in (OURS.build() + b"\x00", OURS.build()[:-1]):
            self.assertRaises(MalformedMessage, KeyExchangeInit.parse, payload)

    def test_guess(self) -> None:
        """
        A packet was sent on a guess where KEXINIT says so; the guess was wrong
        where the first algorithm of either kind is another (RFC 4253, section
        7).
        """
        for changes, wrong in (
            ({}, False),
            ({"key_exchanges": (b"b", b"a")}, True),
            ({"host_keys": (b"y",)}, True),
            ({"key_exchanges": (b"b",), "host_keys": (b"y",)}, True),
            ({"key_exchanges": ()}, True),
        ):
            changed: dict[str, Any] = changes
            theirs = replace(OURS, **changed)
            self.assertIs(guessed_wrong(OURS, theirs), False)
            guessing = replace(theirs, guess_follows=True)
            self.assertIs(guessed_wrong(OURS, guessing), wrong, changes)

    def test_group(self) -> None:
        """
        A group is a prime and a generator, and nothing more.
        """
        group = MP(2**2047 + 1) + MP(2)
        self.assertEqual(group_bits(group), 2048)
        self.assertRaises(MalformedMessage, group_bits, group + b"\x00")


class ProofTests(SynchronousTestCase):
    """
    L{prove_host_key}.
    """

    def unproved(
        self, algorithm: bytes, blob: bytes, signature: bytes, digest: bytes = b"hash"
    ) -> str:
        error = self.assertRaises(
            HostKeyUnproved, prove_host_key, algorithm, blob, signature, digest
        )
        return str(error)

    def test_proved(self) -> None:
        """
        The right key, the right algorithm and the right hash.
        """
        signature = ED25519.sign(b"hash")
        proved = prove_host_key(b"ssh-ed25519", BLOB, signature, b"hash")
        self.assertEqual((proved.blob, proved.key_blob), (BLOB, BLOB))
        self.assertIsNone(proved.certificate)
        told = self.unproved(b"ssh-ed25519", BLOB, signature, b"another hash")
        self.assertIn("signature of the exchange is wrong", told)

    def test_names_are_neutralised(self) -> None:
        """
        What the server calls its algorithms may be anything; it is short and
        harmless in the error, and "none" where it is nothing.
        """
        for name, shown in (
            (b"\x1b[31m", "\\x1b[31m"),
            (b"x" * 500, "x" * 61 + "..."),
            (b"", "none"),
        ):
            blob = string(name) + string(b"key")
            told = self.unproved(b"ssh-ed25519", blob, b"")
            self.assertIn(f"of type {shown} where", told)
            told = self.unproved(b"ssh-ed25519", BLOB, string(name) + string(b""))
            self.assertIn(f"signed with {shown} where", told)

    def test_unreadable(self) -> None:
        """
        A key, a certificate or a signature that cannot be read proves nothing.
        """
        broken = string(b"ssh-ed25519") + string(b"short")
        good = ED25519.sign(b"hash")
        told = self.unproved(b"ssh-ed25519", broken, good)
        self.assertEqual(told, "the host key cannot be read")
        told = self.unproved(b"ssh-ed25519", BLOB, good + b"\x00")
        self.assertIn("1 bytes too many", told)
        kind = b"ssh-ed25519-cert-v01@openssh.com"
        told = self.unproved(kind, string(kind) + string(b"nonce"), good)
        self.assertIn("certificate cannot be read", told)

    def test_verifying_fails(self) -> None:
        """
        A library that raises while it verifies has not verified.
        """
        for answer in (RuntimeError(), None, 1):

            def verify(*_: object, answer: Any = answer) -> Any:
                if isinstance(answer, Exception):
                    raise answer
                return answer

            self.patch(keys.Key, "verify", verify)
            told = self.unproved(b"ssh-ed25519", BLOB, ED25519.sign(b"hash"))
            self.assertIn("signature of the exchange is wrong", told)

    def test_another_algorithm(self) -> None:
        """
        A key must sign with the very algorithm that was negotiated.
        """
        blob = RSA.public().blob()
        for made in (b"rsa-sha2-256", b"ssh-rsa"):
            signature = RSA.sign(b"hash", made)
            told = self.unproved(b"rsa-sha2-512", blob, signature)
            self.assertIn(f"signed with {made.decode()} where rsa-sha2-512", told)

"""
Tests for L{conch_auth.signing}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from conch_auth._wire import string
from conch_auth.errors import UnusableAnswer
from conch_auth.messages import PublicKeyRequest
from conch_auth.signing import algorithm_of, check_signature, data_to_sign
from tests.support import new_key


class DataToSignTests(SynchronousTestCase):
    def test_layout(self) -> None:
        """
        What is signed is the session identifier and the request up to its
        signature (RFC 4252, section 7), whether it has one yet or not.
        """
        expected = (
            string(b"session")
            + b"\x32"
            + string(b"alice")
            + string(b"ssh-connection")
            + string(b"publickey")
            + b"\x01"
            + string(b"rsa-sha2-512")
            + string(b"blob")
        )
        for signature in (None, b"", b"signature"):
            request = PublicKeyRequest(b"rsa-sha2-512", b"blob", signature)
            self.assertEqual(
                data_to_sign(b"session", b"alice", b"ssh-connection", request),
                expected,
            )


class AlgorithmOfTests(SynchronousTestCase):
    def test_first_field(self) -> None:
        """
        A signature begins with its algorithm; what follows, the flags and
        counter of a security key included, is its own.
        """
        self.assertEqual(algorithm_of(new_key().sign(b"data")), b"ssh-ed25519")
        sk = string(b"sk-ssh-ed25519@openssh.com") + string(b"s" * 64)
        self.assertEqual(
            algorithm_of(sk + b"\x01\0\0\0\x07"), b"sk-ssh-ed25519@openssh.com"
        )

    def test_no_signature(self) -> None:
        """
        What is no signature is an unusable answer, which the error describes
        and does not repeat.
        """
        for answer, problem in (
            (b"\0\0\0\x09SECRET", "gave a malformed signature: 3 bytes are missing"),
            (b"", "gave a malformed signature: 4 bytes are missing"),
            ("SECRET", "gave str, not bytes"),
            (None, "gave NoneType, not bytes"),
            (7, "gave int, not bytes"),
        ):
            error = self.assertRaises(UnusableAnswer, algorithm_of, answer)
            self.assertEqual(error.question, "signData")
            self.assertNotIn("SECRET", str(error))
            self.assertEqual(error.problem, problem)


class CheckSignatureTests(SynchronousTestCase):
    def test_the_algorithm_named(self) -> None:
        """
        A signature by the algorithm that its request names will do, as will a
        request without one.
        """
        signature = string(b"rsa-sha2-512") + string(b"s")
        check_signature(PublicKeyRequest(b"rsa-sha2-512", b"blob", signature))
        check_signature(PublicKeyRequest(b"rsa-sha2-512", b"blob"))

    def test_a_certificates_algorithm(self) -> None:
        """
        A certificate is signed for by the algorithm of the key in it.
        """
        check_signature(
            PublicKeyRequest(
                b"ssh-ed25519-cert-v01@openssh.com",
                b"blob",
                string(b"ssh-ed25519") + string(b"s"),
            )
        )

    def test_another_algorithm(self) -> None:
        """
        A signature by another algorithm will not do.
        """
        signature = string(b"ssh-rsa") + string(b"s")
        error = self.assertRaises(
            UnusableAnswer,
            check_signature,
            PublicKeyRequest(b"rsa-sha2-512", b"blob", signature),
        )
        self.assertEqual(
            str(error),
            "signData signed with ssh-rsa where rsa-sha2-512 was asked for",
        )

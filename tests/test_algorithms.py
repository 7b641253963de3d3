"""
Tests for L{conch_auth.algorithms}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from conch_auth import names
from conch_auth._wire import string
from conch_auth.algorithms import (
    Choice,
    choose_signature,
    confirms,
    key_type_of,
    may_fall_back,
    signature_algorithms,
)
from conch_auth.messages import PublicKeyOk, PublicKeyRequest

RSA, SHA256, SHA512 = b"ssh-rsa", b"rsa-sha2-256", b"rsa-sha2-512"
ED = b"ssh-ed25519"
ALL = names.SIGNATURE_ALGORITHMS
ANY_RSA = (SHA512, SHA256, RSA)
SK_ECDSA = b"sk-ecdsa-sha2-nistp256@openssh.com"
WEBAUTHN = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"


class SignatureAlgorithmsTests(SynchronousTestCase):
    def test_rsa(self) -> None:
        """
        An RSA key can sign three ways, the strongest first (RFC 8332).
        """
        self.assertEqual(signature_algorithms(RSA), ANY_RSA)

    def test_others(self) -> None:
        """
        Every other key signs by the algorithm of its own name.
        """
        for key_type in (ED, b"ecdsa-sha2-nistp521", SK_ECDSA, b"x@example.org"):
            self.assertEqual(signature_algorithms(key_type), (key_type,))


class ChooseSignatureTests(SynchronousTestCase):
    """
    Key x C{signatureAlgorithms} x C{server-sig-algs}.
    """

    def test_table(self) -> None:
        """
        What the client wants most of what both allow is named; without a list
        of the server's, C{ssh-rsa}, if it is allowed; SHA-1 otherwise only
        where nothing else is common.
        """
        for able, allowed, listed, chosen in (
            # The server says what it knows.
            (ANY_RSA, ALL, (SHA512, SHA256, RSA), SHA512),
            (ANY_RSA, ALL, (RSA, SHA256, SHA512), SHA512),
            (ANY_RSA, ALL, (SHA256, RSA), SHA256),
            (ANY_RSA, ALL, (RSA,), RSA),
            (ANY_RSA, ALL, (ED, RSA), RSA),
            (ANY_RSA, ALL, (ED,), None),
            # The client has its own order, and may allow little.
            (ANY_RSA, (SHA256, SHA512), (SHA512, SHA256), SHA256),
            (ANY_RSA, (SHA512,), (SHA512, SHA256, RSA), SHA512),
            (ANY_RSA, (SHA512,), (SHA256, RSA), None),
            (ANY_RSA, (RSA,), (SHA512, SHA256), None),
            (ANY_RSA, (RSA,), (RSA,), RSA),
            (ANY_RSA, (ED,), (SHA512,), None),
            (ANY_RSA, (), (SHA512,), None),
            # SHA-1 comes last, even if the client wants it first.
            (ANY_RSA, (RSA, SHA512), (RSA, SHA512), SHA512),
            # The server says nothing.
            (ANY_RSA, ALL, (), RSA),
            (ANY_RSA, (SHA512, SHA256), (), SHA512),
            (ANY_RSA, (SHA256, SHA512), (), SHA256),
            (ANY_RSA, (ED,), (), None),
            # A signer that can do but one.
            ((RSA,), ALL, (SHA512, SHA256, RSA), RSA),
            ((RSA,), ALL, (SHA512, SHA256), None),
            ((RSA,), (SHA512,), (), None),
            # Keys with one algorithm.
            ((ED,), ALL, (), ED),
            ((ED,), ALL, (ED, SHA512), ED),
            ((ED,), ALL, (SHA512,), None),
            ((ED,), (SHA512,), (ED,), None),
            ((SK_ECDSA,), ALL, (WEBAUTHN, SK_ECDSA), SK_ECDSA),
            ((b"x509v3-ssh-rsa",), ALL, (b"x509v3-ssh-rsa",), None),
        ):
            choice = choose_signature(able, allowed, listed)
            self.assertEqual(choice.algorithm, chosen, (able, allowed, listed))
            self.assertTrue(choice.reason)

    def test_reasons(self) -> None:
        """
        Where no algorithm is left, the reason says whose choice that was.
        """
        self.assertEqual(
            choose_signature((ED,), (SHA512,), ()),
            Choice(
                None,
                "ssh-ed25519 is not among the algorithms allowed here",
                "algorithm-not-allowed",
            ),
        )
        self.assertEqual(
            choose_signature((SHA512, SHA256), ALL, (ED, b"x\x1b")),
            Choice(
                None,
                "no common signature algorithm: the server lists ssh-ed25519, x\\x1b, "
                "the key can sign rsa-sha2-512, rsa-sha2-256",
                "algorithm-not-listed",
            ),
        )


class FallBackTests(SynchronousTestCase):
    def test_table(self) -> None:
        """
        A signer that makes another signature than was asked for may do so only
        with an algorithm of its key that the client allows and the server
        does not leave out.
        """
        for made, key_type, allowed, listed, may in (
            (RSA, RSA, ALL, (), True),
            (RSA, RSA, ALL, (SHA512, RSA), True),
            (RSA, RSA, ALL, (SHA512,), False),
            (RSA, RSA, (SHA512,), (SHA512, RSA), False),
            (SHA256, RSA, ALL, (SHA512, SHA256), True),
            (ED, RSA, ALL, (ED,), False),
            (SHA512, ED, ALL, (SHA512,), False),
        ):
            self.assertIs(
                may_fall_back(made, key_type, allowed, listed), may, (made, listed)
            )


class ConfirmsTests(SynchronousTestCase):
    blob = string(RSA) + b"rest"

    def test_table(self) -> None:
        """
        A PK_OK confirms the key that was asked about, under the algorithm that
        was asked for or, from servers older than RFC 8332, the key's type.
        """
        for algorithm, blob, confirmed in (
            (SHA512, self.blob, True),
            (RSA, self.blob, True),
            (SHA256, self.blob, False),
            (ED, self.blob, False),
            (b"", self.blob, False),
            (SHA512, self.blob + b"x", False),
            (SHA512, b"", False),
        ):
            self.assertIs(
                confirms(
                    PublicKeyOk(algorithm, blob), PublicKeyRequest(SHA512, self.blob)
                ),
                confirmed,
            )

    def test_key_type(self) -> None:
        """
        A key's type is in its blob; where that is none, the algorithm stands
        for it.
        """
        self.assertEqual(key_type_of(PublicKeyRequest(SHA512, self.blob)), RSA)
        self.assertEqual(key_type_of(PublicKeyRequest(SHA512, b"\xff")), SHA512)

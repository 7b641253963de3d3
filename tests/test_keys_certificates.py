"""
Tests for the certificates of L{conch_auth.keys}, signed by C{ssh-keygen}.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_ssh_public_identity
from twisted.internet.defer import Deferred
from twisted.python.filepath import FilePath
from zope.interface import implementer

from conch_auth import names
from conch_auth._wire import Reader
from conch_auth.algorithms import signature_algorithms
from conch_auth.certificates import (
    Certificate,
    certificate_algorithm,
    is_certificate_algorithm,
    plain_algorithm,
)
from conch_auth.interfaces import ISigner
from conch_auth.keys import Keys, default_identities, load_keys
from tests import keygen
from tests.key_case import DATA, KeyTestCase, public

CERTIFICATE = "-cert-v01@openssh.com"
#: A moment for certificates that have not always held.
NOW = 1_600_000_000.0
BEFORE = "20000101000000Z:20010101000000Z"
AFTER = "20400101000000Z:20410101000000Z"


@implementer(ISigner)
class RecordingSigner:
    """
    A signer that is not ours, as one in an agent.
    """

    source = "ssh-agent"

    def __init__(self, path: str) -> None:
        self.key = public(path)
        self.algorithms = signature_algorithms(self.sshType())
        self.asked: list[tuple[bytes, bytes]] = []

    def sshType(self) -> bytes:
        return self.key.sshType()

    def blob(self) -> bytes:
        return self.key.blob()

    def sign(self, data: bytes, algorithm: bytes) -> Deferred[bytes]:
        self.asked.append((data, algorithm))
        return Deferred()


def blob_in(path: str) -> bytes:
    """
    The certificate in a file.
    """
    return base64.b64decode(FilePath(path).getContent().split(b" ")[1])


class CertificateTestCase(KeyTestCase):
    """
    Keys with certificates.
    """

    def certify(self, path: str, *options: str, **more: Any) -> str:
        return self.ring.certify(path, *options, **more)

    def offered(self, keys: Any) -> list[str]:
        """
        The types and the sources, in order.
        """
        return [f"{key.sshType().decode()} from {key.source}" for key in keys]

    def reasons(self, keys: Keys) -> list[str]:
        return [
            f"{os.path.basename(error.path)}: {error.problem}"
            for error in keys.unusable
        ]


class NameTests(CertificateTestCase):
    """
    The names of algorithms.
    """

    def test_back_and_forth(self) -> None:
        """
        Each plain algorithm has one name for certificates, and that one is its.
        """
        for name in names.SIGNATURE_ALGORITHMS:
            certified = certificate_algorithm(name)
            self.assertTrue(is_certificate_algorithm(certified))
            self.assertEqual(plain_algorithm(certified), name)


class BesideTests(CertificateTestCase):
    """
    A certificate in the file beside the key.
    """

    def test_every_type(self) -> None:
        """
        It is offered after its key, by the certificate's own type and names;
        what is signed is the plain key's signature, which names the plain
        algorithm.
        """
        for kind in keygen.types():
            if kind == "ssh-dss":
                continue
            path = self.key(kind)
            blob = blob_in(self.certify(path))
            plain, certified = load_keys(path)
            self.assertSigns(plain, path)
            self.assertTrue(ISigner.providedBy(certified))
            self.assertEqual(certified.blob(), blob)
            self.assertEqual(certified.sshType().decode(), kind + CERTIFICATE)
            self.assertEqual(
                certified.algorithms,
                tuple(name + CERTIFICATE.encode() for name in plain.algorithms),
            )
            for name, able in zip(plain.algorithms, certified.algorithms, strict=True):
                made = self.signature(certified, able)
                self.assertEqual(Reader(made, "").string(), name)
                self.assertTrue(public(path).verify(made, DATA))

    def test_source(self) -> None:
        """
        Each says the file that it came from.
        """
        path = self.key(name="id")
        self.certify(path)
        self.assertEqual(
            self.offered(load_keys(path)),
            ["ssh-ed25519 from ~/id", f"ssh-ed25519{CERTIFICATE} from ~/id-cert.pub"],
        )

    def test_encrypted(self) -> None:
        """
        An encrypted key and its certificate need one question.
        """
        asked = []

        def ask(*question: Any) -> str:
            asked.append(question)
            return keygen.PASSPHRASE

        path = self.key(encrypted=True)
        self.certify(path)
        for key in load_keys(path, ask_passphrase=ask):
            self.assertTrue(public(path).verify(self.signature(key), DATA))
        self.assertEqual(asked, [(path, 1)])

    def test_encrypted_for_good(self) -> None:
        """
        Without a passphrase to come, neither is offered.
        """
        path = self.key(encrypted=True, name="id")
        self.certify(path)
        keys = load_keys(path)
        self.assertEqual(self.unlocked(keys), [])
        reason = "it is encrypted and no passphrase was given"
        self.assertEqual(
            self.reasons(keys), [f"id: {reason}", f"id-cert.pub: its key: {reason}"]
        )

    def test_locked(self) -> None:
        """
        The certificate of a locked key follows it when it is unlocked.
        """
        path = self.key("ssh-rsa", form="PEM", encrypted=True, name="id")
        self.certify(path)
        os.remove(path + ".pub")
        keys = load_keys(path, ask_passphrase=lambda *asked: keygen.PASSPHRASE)
        self.assertEqual(
            self.offered(self.unlocked(keys)),
            ["ssh-rsa from ~/id", f"ssh-rsa{CERTIFICATE} from ~/id-cert.pub"],
        )

    def test_useless(self) -> None:
        """
        A certificate that is of no use is left out with the reason, and the
        plain key is there without it.
        """
        path = self.key(name="id")
        other = self.certify(self.key(number=1))
        for make, reason in (
            (lambda: self.certify(path, valid=BEFORE), "the certificate expired at"),
            (lambda: self.certify(path, valid=AFTER), "the certificate is not valid"),
            (lambda: self.certify(path, "-h"), "the certificate is a host's, not"),
            (
                lambda: os.replace(other, path + "-cert.pub"),
                "it certifies another key than that of ~/id",
            ),
            (
                lambda: FilePath(path + "-cert.pub").setContent(b"junk"),
                "it is not a certificate",
            ),
            (
                lambda: os.replace(path + ".pub", path + "-cert.pub"),
                "it is not a certificate to use: it is a plain key",
            ),
        ):
            make()
            keys = load_keys(path, now=NOW)
            self.assertEqual(self.offered(keys), ["ssh-ed25519 from ~/id"])
            (told,) = self.reasons(keys)
            self.assertIn(f"id-cert.pub: {reason}", told)

    def test_forged(self) -> None:
        """
        A certificate whose signature does not hold is of no use.
        """
        path = self.key(name="id")
        line = FilePath(self.certify(path)).getContent()
        kind, body, *_ = line.split(b" ")
        at = body.rindex(b"=") - 8
        changed = bytearray(body)
        changed[at] = ord("A") if body[at] != ord("A") else ord("B")
        FilePath(path + "-cert.pub").setContent(kind + b" " + changed)
        keys = load_keys(path)
        self.assertEqual(len(keys), 1)
        self.assertIn("signature of the certificate is wrong", self.reasons(keys)[0])

    def test_now(self) -> None:
        """
        The moment that counts is now, unless another one is given.
        """
        path = self.key()
        self.certify(path, valid="-1h:+1h")
        self.assertEqual(len(load_keys(path)), 2)
        self.assertEqual(len(load_keys(path, now=NOW)), 1)

    def test_default(self) -> None:
        """
        The certificates of the default identities are found, too.
        """
        ssh = self.home.child(".ssh")
        ssh.makedirs()
        self.certify(self.ring.key(ssh, name="id_ed25519"))
        self.assertEqual(
            self.offered(default_identities()),
            [
                "ssh-ed25519 from ~/.ssh/id_ed25519",
                f"ssh-ed25519{CERTIFICATE} from ~/.ssh/id_ed25519-cert.pub",
            ],
        )


class GivenCertificateTests(CertificateTestCase):
    """
    Certificates that were given.
    """

    def setUp(self) -> None:
        super().setUp()
        self.paths = [self.key(name=f"id{n}", number=n) for n in range(2)]
        self.certificates = [
            self.certify(path, to=self.home.child(f"c{n}").path)
            for n, path in enumerate(self.paths)
        ]

    def test_first(self) -> None:
        """
        They are offered first, in their order, each with the key that it
        certifies; the ones beside the keys are then not looked for.
        """
        self.certify(self.paths[0])
        keys = load_keys(self.paths, certificates=self.certificates[::-1])
        self.assertEqual(
            self.offered(keys),
            [
                f"ssh-ed25519{CERTIFICATE} from ~/c1",
                f"ssh-ed25519{CERTIFICATE} from ~/c0",
                "ssh-ed25519 from ~/id0",
                "ssh-ed25519 from ~/id1",
            ],
        )
        for key, path in zip(keys, self.paths[::-1], strict=False):
            self.assertTrue(public(path).verify(self.signature(key), DATA))

    def test_forms(self) -> None:
        """
        A certificate is given as a path, as the content of a file, parsed by
        this package or by C{cryptography}; alone or as one of several.
        """
        path = self.certificates[0]
        content = FilePath(path).getContent()
        parsed = load_ssh_public_identity(content)
        blob = blob_in(path)
        for form in (
            path,
            Path(path),
            FilePath(path),
            "~/c0",
            content,
            b"# comment\n\n" + content,
            parsed,
            Certificate.parse(blob),
            [path],
            (path,),
            iter([content]),
        ):
            keys = load_keys(self.paths[0], certificates=form)
            self.assertEqual([key.blob() for key in keys][:1], [blob])
            self.assertEqual((len(keys), keys.unusable), (2, []))
            self.assertIn(keys[0].source, ("~/c0", "given certificate"))

    def test_pair(self) -> None:
        """
        One that was given with its key goes before that key.
        """
        keys = load_keys([self.paths[0], (self.paths[1], self.certificates[1])])
        self.assertEqual(
            self.offered(keys),
            [
                "ssh-ed25519 from ~/id0",
                f"ssh-ed25519{CERTIFICATE} from ~/c1",
                "ssh-ed25519 from ~/id1",
            ],
        )

    def test_wrong_pair(self) -> None:
        """
        One that was given with another key is left out with the reason.
        """
        keys = load_keys((self.paths[0], self.certificates[1]))
        self.assertEqual(self.offered(keys), ["ssh-ed25519 from ~/id0"])
        self.assertEqual(
            self.reasons(keys), ["c1: it certifies another key than that of ~/id0"]
        )

    def test_left_over(self) -> None:
        """
        One that certifies none of the keys is told.
        """
        keys = load_keys(self.paths[0], certificates=self.certificates)
        self.assertEqual(len(keys), 2)
        self.assertEqual(self.reasons(keys), ["c1: it certifies none of the keys"])

    def test_useless(self) -> None:
        """
        What is no certificate is told, and the keys are there without it.
        """
        for wrong, reason in (
            ("missing", "missing: it cannot be read: No such file or directory"),
            (b"junk", "given certificate: it is not a certificate"),
            (7, "given certificate: it is not a certificate"),
            (self.paths[1], "id1: it is not a certificate"),
        ):
            keys = load_keys(self.paths[0], certificates=[wrong])
            self.assertEqual(self.offered(keys), ["ssh-ed25519 from ~/id0"])
            self.assertEqual(self.reasons(keys), [reason])

    def test_locked(self) -> None:
        """
        One of a locked key goes before it once it is unlocked, and is not told
        as left over.
        """
        path = self.key("ssh-rsa", form="PEM", encrypted=True, name="id")
        certificate = self.certify(path, to=self.home.child("c").path)
        os.remove(path + ".pub")
        keys = load_keys(
            path,
            certificates=certificate,
            ask_passphrase=lambda *asked: keygen.PASSPHRASE,
        )
        self.assertEqual(
            self.offered(self.unlocked(keys)),
            [f"ssh-rsa{CERTIFICATE} from ~/c", "ssh-rsa from ~/id"],
        )
        self.assertEqual(keys.unusable, [])

    def test_key_elsewhere(self) -> None:
        """
        The key may be another signer's, in an agent say: that one is asked for
        its plain signature.
        """
        path = self.key("ssh-rsa")
        certificate = self.certify(path, to=self.home.child("c").path)
        elsewhere = RecordingSigner(path)
        certified, plain = load_keys(elsewhere, certificates=certificate)
        self.assertIs(plain, elsewhere)
        certified.sign(DATA, b"rsa-sha2-256-cert-v01@openssh.com")
        self.assertEqual(elsewhere.asked, [(DATA, b"rsa-sha2-256")])

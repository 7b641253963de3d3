"""
Tests for L{conch_auth.certificates}.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._wire import Reader, string, uint32
from conch_auth.certificates import (
    Certificate,
    CertificateKind,
    HostCertificate,
    InvalidCertificate,
    check_host_certificate,
    is_certificate_algorithm,
    key_type,
    key_type_of,
    plain_algorithm,
)

KEY = ed25519.Ed25519PrivateKey.generate()
CA = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVES = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
KEYS: tuple[Any, ...] = (KEY, RSA, *map(ec.generate_private_key, CURVES))

NOW = 1_500_000_000
HOST = "host.example"
ALWAYS = ("-V", "always:forever")


def blob_of(key: Any) -> bytes:
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(line.split(b" ")[1])


def certificate_blob(
    key: Any = KEY,
    ca: Any = CA,
    *,
    kind: SSHCertificateType = SSHCertificateType.HOST,
    principals: tuple[bytes, ...] = (b"host.example", b"alias"),
    after: int = NOW - 100,
    before: int = NOW + 100,
    option: tuple[bytes, bytes] | None = None,
) -> bytes:
    builder = (
        SSHCertificateBuilder()
        .public_key(key.public_key())
        .serial(7)
        .type(kind)
        .key_id(b"the host")
        .valid_after(after)
        .valid_before(before)
        .add_extension(b"ext@example", b"")
    )
    if principals:
        builder = builder.valid_principals(list(principals))
    else:
        builder = builder.valid_for_all_principals()
    if option is not None:
        builder = builder.add_critical_option(*option)
    return base64.b64decode(builder.sign(ca).public_bytes().split(b" ")[1])


def parsed(**changes: Any) -> HostCertificate:
    return HostCertificate.parse(certificate_blob(**changes))


class AlgorithmTests(SynchronousTestCase):
    """
    The names of algorithms and of key types.
    """

    def test_table(self) -> None:
        """
        Each algorithm has its plain algorithm and its type of key.
        """
        suffix = b"-cert-v01@openssh.com"
        for algorithm, plain, kind in (
            (b"ssh-ed25519", b"ssh-ed25519", b"ssh-ed25519"),
            (b"ssh-rsa", b"ssh-rsa", b"ssh-rsa"),
            (b"rsa-sha2-256", b"rsa-sha2-256", b"ssh-rsa"),
            (b"rsa-sha2-512", b"rsa-sha2-512", b"ssh-rsa"),
            (b"ssh-ed25519" + suffix, b"ssh-ed25519", b"ssh-ed25519" + suffix),
            (b"ssh-rsa" + suffix, b"ssh-rsa", b"ssh-rsa" + suffix),
            (b"rsa-sha2-512" + suffix, b"rsa-sha2-512", b"ssh-rsa" + suffix),
            (
                b"sk-ssh-ed25519" + suffix,
                b"sk-ssh-ed25519@openssh.com",
                b"sk-ssh-ed25519" + suffix,
            ),
            (
                b"sk-ssh-ed25519@openssh.com",
                b"sk-ssh-ed25519@openssh.com",
                b"sk-ssh-ed25519@openssh.com",
            ),
        ):
            self.assertEqual(plain_algorithm(algorithm), plain)
            self.assertEqual(key_type_of(algorithm), kind)
            self.assertEqual(is_certificate_algorithm(algorithm), suffix in algorithm)

    def test_key_type(self) -> None:
        """
        A blob's type is its first field; a blob without one has none.
        """
        self.assertEqual(key_type(blob_of(KEY)), b"ssh-ed25519")
        self.assertEqual(key_type(b"\x00\x00"), b"")


class ParseTests(SynchronousTestCase):
    """
    L{Certificate.parse}.
    """

    def test_fields(self) -> None:
        """
        Every field of PROTOCOL.certkeys has its place.
        """
        blob = certificate_blob(option=(b"force-command", b"ls"))
        self.assertEqual(
            Certificate.parse(blob),
            Certificate(
                blob=blob,
                type_name=b"ssh-ed25519-cert-v01@openssh.com",
                key_blob=blob_of(KEY),
                serial=7,
                kind=CertificateKind.HOST,
                key_id="the host",
                principals=("host.example", "alias"),
                valid_after=NOW - 100,
                valid_before=NOW + 100,
                critical_options=((b"force-command", b"ls"),),
                extensions=((b"ext@example", b""),),
                ca_blob=blob_of(CA),
                signature_algorithm=b"ssh-ed25519",
                signature_valid=True,
            ),
        )

    def test_every_type(self) -> None:
        """
        Keys and authorities of every type are read, and the signature is
        verified.
        """
        for key in KEYS:
            for ca in KEYS:
                certificate = HostCertificate.parse(certificate_blob(key, ca))
                self.assertTrue(certificate.certifies(blob_of(key)))
                self.assertEqual(certificate.ca_blob, blob_of(ca))
                self.assertTrue(certificate.signature_valid)
                self.assertIsNone(check_host_certificate(certificate, HOST, NOW))

    def test_certifies(self) -> None:
        """
        A certificate certifies one key.
        """
        self.assertTrue(parsed().certifies(blob_of(KEY)))
        self.assertFalse(parsed().certifies(blob_of(CA)))

    def test_no_certificate(self) -> None:
        """
        What is no certificate is refused, a plain key too.
        """
        for blob in (
            b"",
            b"\xff" * 4,
            string(b"ssh-ed25519-cert-v01@openssh.com"),
            string(b"x y\n-cert-v01@openssh.com") + b"x",
            blob_of(KEY),
            certificate_blob() + b"x",
        ):
            with self.assertRaises(InvalidCertificate):
                HostCertificate.parse(blob)

    def test_other_kind(self) -> None:
        """
        A kind that is neither user nor host cannot be read.
        """
        blob = certificate_blob()
        at = blob.index(uint32(2) + string(b"the host"))
        with self.assertRaises(InvalidCertificate):
            HostCertificate.parse(blob[:at] + uint32(3) + blob[at + 4 :])

    def test_signed_by_dsa(self) -> None:
        """
        An authority with a DSA key is not read at all.
        """
        key = dsa.generate_private_key(1024)
        numbers = key.public_key().public_numbers()
        mpints = (
            numbers.parameter_numbers.p,
            numbers.parameter_numbers.q,
            numbers.parameter_numbers.g,
            numbers.y,
        )
        blob = string(b"ssh-dss") + b"".join(
            string(n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in mpints
        )
        signature = string(string(b"ssh-dss") + string(bytes(40)))
        unsigned, _ = unsigned_part(certificate_blob())
        with self.assertRaises(InvalidCertificate):
            HostCertificate.parse(unsigned + string(blob) + signature)

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 255), st.booleans())
    def test_damage(self, at: int, change: int, cut: bool) -> None:
        """
        A certificate that was cut short is not read; one in which a byte was
        changed is not, or its signature is wrong.
        """
        blob = certificate_blob()
        at %= len(blob)
        damaged = blob[:at]
        if not cut:
            damaged += bytes([blob[at] ^ change]) + blob[at + 1 :]
        try:
            certificate = HostCertificate.parse(damaged)
        except InvalidCertificate:
            return
        self.assertFalse(certificate.signature_valid)

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """
        No bytes raise anything else.
        """
        for prefix in (b"", string(b"ssh-ed25519-cert-v01@openssh.com")):
            with self.assertRaises(InvalidCertificate):
                HostCertificate.parse(prefix + data)


def unsigned_part(blob: bytes) -> tuple[bytes, bytes]:
    """
    An ed25519 certificate up to its authority's key, and that key.
    """
    reader = Reader(blob, "certificate")
    for size in (0, 0, 0, 8, 4, 0, 0, 8, 8, 0, 0, 0):
        reader.take(size or reader.uint32())
    rest = reader.remaining
    return blob[: len(blob) - rest], reader.string()


class CheckTests(SynchronousTestCase):
    """
    L{check_host_certificate}.
    """

    def check(self, host: str = HOST, now: float = NOW, **changes: Any) -> str | None:
        return check_host_certificate(parsed(**changes), host, now)

    def test_holds(self) -> None:
        """
        A certificate holds for each of its names, whatever their case.
        """
        for host in ("host.example", "alias", "HOST.example"):
            self.assertIsNone(self.check(host))

    def test_upper_case_principal(self) -> None:
        """
        Nor does the case of the principal count.
        """
        self.assertIsNone(self.check(principals=(b"Host.Example",)))

    def test_other_hosts(self) -> None:
        """
        It holds for no other name: not for a longer or a shorter one, and a
        principal is no pattern.
        """
        for host in ("", "host", "host.example.org", "xhost.example", "other"):
            self.assertIn("not for", self.check(host) or "")
        self.assertIn("not for", self.check(principals=(b"*.example", b"*")) or "")

    def test_no_principals(self) -> None:
        """
        One without principals holds for no host.
        """
        self.assertEqual(
            self.check(principals=()), "the certificate names no host"
        )

    def test_user_certificate(self) -> None:
        """
        A user's certificate is none for a host.
        """
        self.assertIn("user", self.check(kind=SSHCertificateType.USER) or "")

    def test_time(self) -> None:
        """
        It holds from its first second up to, and without, its last.
        """
        for now, holds in (
            (NOW - 101, False),
            (NOW - 100, True),
            (NOW + 99.5, True),
            (NOW + 100, False),
        ):
            self.assertEqual((now, self.check(now=now) is None), (now, holds))
        self.assertEqual(
            self.check(now=NOW + 100),
            "the certificate expired at 2017-07-14 02:41:40 UTC",
        )

    def test_for_ever(self) -> None:
        """
        The last second that can be written is no end; one before it is.
        """
        self.assertIsNone(self.check(after=0, before=2**64 - 1, now=2.0**65))
        self.assertIn(
            f"second {2**64 - 2}",
            self.check(after=0, before=2**64 - 2, now=2.0**65) or "",
        )

    def test_critical_options(self) -> None:
        """
        Any critical option refuses: none is defined for hosts.
        """
        for name in (b"force-command", b"verify-required", b"x@\x1bexample"):
            self.assertIn("critical", self.check(option=(name, b"")) or "")

    def test_forged(self) -> None:
        """
        A certificate that its authority did not sign does not hold.
        """
        blob = certificate_blob()
        forged = blob.replace(b"host.example", b"evil.example")
        certificate = HostCertificate.parse(forged)
        self.assertEqual(
            check_host_certificate(certificate, "evil.example", NOW),
            "the authority's signature of the certificate is wrong",
        )

    def test_signed_for_another_authority(self) -> None:
        """
        Nor does one that names an authority which did not sign it.
        """
        blob = certificate_blob()
        forged = blob.replace(blob_of(CA), blob_of(KEY))
        certificate = HostCertificate.parse(forged)
        self.assertEqual(certificate.ca_blob, blob_of(KEY))
        self.assertIn("wrong", check_host_certificate(certificate, HOST, NOW) or "")


class KeygenTests(SynchronousTestCase):
    """
    Certificates that OpenSSH made.
    """

    def setUp(self) -> None:
        if shutil.which("ssh-keygen") is None:
            self.skipTest("ssh-keygen is not installed")
        self.folder = FilePath(self.mktemp())
        self.folder.makedirs()
        for name, key in (("ca", RSA), ("host", KEY)):
            path = self.folder.child(name)
            path.setContent(
                key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            )
            path.chmod(0o600)
            public = key.public_key()
            self.folder.child(f"{name}.pub").setContent(
                public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            )

    def sign(self, *options: str) -> HostCertificate:
        subprocess.run(
            ["ssh-keygen", "-q", "-s", "ca", "-I", "id", *options, "host.pub"],
            cwd=self.folder.path,
            check=True,
            capture_output=True,
        )
        line = self.folder.child("host-cert.pub").getContent()
        return HostCertificate.parse(base64.b64decode(line.split()[1]))

    def test_host(self) -> None:
        """
        A host certificate of ssh-keygen holds.
        """
        certificate = self.sign("-h", "-n", "a.example,b.example", *ALWAYS)
        self.assertEqual(certificate.principals, ("a.example", "b.example"))
        self.assertEqual(certificate.signature_algorithm, b"rsa-sha2-512")
        self.assertIsNone(check_host_certificate(certificate, "b.example", NOW))

    def test_sha1(self) -> None:
        """
        An authority's signature with SHA-1 is refused, unless it is allowed by
        name.
        """
        certificate = self.sign("-h", "-n", HOST, "-t", "ssh-rsa", *ALWAYS)
        self.assertIn("ssh-rsa", check_host_certificate(certificate, HOST, NOW) or "")
        self.assertIsNone(
            check_host_certificate(certificate, HOST, NOW, ca_algorithms={b"ssh-rsa"})
        )

    def test_user(self) -> None:
        """
        A user's certificate of ssh-keygen is one.
        """
        certificate = self.sign("-n", "alice", "-O", "source-address=10.0.0.0/8")
        self.assertIs(certificate.kind, CertificateKind.USER)
        self.assertEqual(
            certificate.critical_options, ((b"source-address", b"10.0.0.0/8"),)
        )

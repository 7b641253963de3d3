"""
Tests for the host-key policies of L{conch_auth.knownhosts}.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.conch import error as conch_error
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from conch_auth.certificates import HostCertificate, HostKeyOffer
from conch_auth.display import fingerprint
from conch_auth.errors import (
    HostKeyChanged,
    HostKeyNotVerifiable,
    HostKeyRevoked,
    HostKeyUnknown,
)
from conch_auth.interfaces import IHostKeyPolicy
from conch_auth.knownhosts import (
    KnownHosts,
    PinnedKey,
    insecure_accept_any,
)
from tests.known_hosts_lines import (
    CA,
    ECDSA,
    ED25519,
    K_RSA,
    OTHER,
    RSA,
    K,
    known,
)


def offer(
    blob: bytes = K,
    ca: bytes | None = None,
    host: str = "h",
    port: int = 22,
    address: str | None = None,
) -> HostKeyOffer:
    certificate = None
    if ca is not None:
        # A policy is asked about the authority alone: the rest was checked.
        certificate = HostCertificate.__new__(HostCertificate)
        object.__setattr__(certificate, "ca_blob", ca)
    return HostKeyOffer(host, port, address, ED25519, blob, blob, certificate)


CERTIFIED = [
    b"ssh-ed25519-cert-v01@openssh.com",
    b"rsa-sha2-512-cert-v01@openssh.com",
]
PLAIN = [ED25519, ECDSA, b"rsa-sha2-512", b"rsa-sha2-256"]


class PolicyTests(SynchronousTestCase):
    def refused(self, *lines: bytes, **offered: object) -> HostKeyNotVerifiable:
        policy = known(*lines).policy("h")
        return self.assertRaises(HostKeyNotVerifiable, policy.accept, offer(**offered))

    def test_interface(self) -> None:
        """
        Each policy is an L{IHostKeyPolicy}.
        """
        for policy in (
            KnownHosts().policy("h"),
            PinnedKey(fingerprint(K)),
            insecure_accept_any(),
        ):
            self.assertTrue(verifyObject(IHostKeyPolicy, policy))

    def test_trusted(self) -> None:
        """
        A trusted key is answered with C{True} itself.
        """
        self.assertIs(known(b"h K").policy("h").accept(offer()), True)

    def test_unknown(self) -> None:
        """
        An unknown key is an error that names host, port, type and fingerprint.
        """
        policy = known(b"g K").policy("h", 2222)
        error = self.assertRaises(HostKeyUnknown, policy.accept, offer(port=2222))
        self.assertEqual(
            (error.host, error.port, error.key_type, error.fingerprint, error.lines),
            ("h", 2222, "ssh-ed25519", fingerprint(K), ()),
        )
        self.assertIsInstance(error, conch_error.UserRejectedKey)
        self.assertNotIn("authority", str(error))
        self.assertIn("neither", str(self.refused(b"g K", ca=CA)))

    def test_changed(self) -> None:
        """
        A changed key is an error that names the lines, in Conch's words too.
        """
        error = self.refused(b"g K", b"h OTHER", b"h CA")
        assert isinstance(error, HostKeyChanged)
        self.assertEqual(error.lines, (("kh", 2), ("kh", 3)))
        self.assertIsInstance(error, conch_error.HostKeyChanged)
        self.assertEqual((error.path.basename(), error.lineno), ("kh", 2))

    def test_changed_type(self) -> None:
        """
        The error says so where only keys of other types are held.
        """
        self.assertIn("other types only", str(self.refused(b"h K_RSA")))

    def test_revoked(self) -> None:
        """
        A revoked key is an error that names the line that revokes it.
        """
        error = self.refused(b"h K", b"@revoked h K")
        assert isinstance(error, HostKeyRevoked)
        self.assertEqual(error.lines, (("kh", 2),))
        self.assertIn("the host key is revoked", str(error))

    def test_own_host(self) -> None:
        """
        The host is the policy's own, whatever the connection says.
        """
        policy = known(b"h K", b"g OTHER").policy("g")
        self.assertRaises(HostKeyChanged, policy.accept, offer(host="h"))
        self.assertIs(policy.accept(offer(OTHER, host="h")), True)

    def test_address(self) -> None:
        """
        A key that is revoked for the connection's address is revoked.
        """
        policy = known(b"h K", b"@revoked 10.0.0.1 K").policy("h", 22, "10.0.0.2")
        self.assertIs(policy.accept(offer()), True)
        self.assertRaises(HostKeyRevoked, policy.accept, offer(address="10.0.0.1"))

    def test_authority(self) -> None:
        """
        A certificate is trusted through its authority.
        """
        policy = known(b"@cert-authority h CA").policy("h")
        self.assertIs(policy.accept(offer(ca=CA)), True)

    def test_authority_of_other(self) -> None:
        """
        A certificate of another authority is refused, and so is an authority's
        key where a plain one is shown.
        """
        error = self.refused(b"@cert-authority h CA", ca=OTHER)
        self.assertIsInstance(error, HostKeyUnknown)
        self.assertIn("nor the authority", str(error))
        self.assertIsInstance(self.refused(b"@cert-authority h K"), HostKeyUnknown)

    def test_revoked_authority(self) -> None:
        """
        A revoked authority is told apart from a revoked key.
        """
        error = self.refused(b"h K", b"@revoked * CA", ca=CA)
        self.assertIsInstance(error, HostKeyRevoked)
        self.assertIn("the authority", str(error))
        error = self.refused(b"@cert-authority h CA", b"@revoked h K", ca=CA)
        self.assertIn("the host key is revoked", str(error))
        self.assertNotIn("the authority", str(error))
        error = self.refused(b"h K", b"@revoked * K_RSA", ca=K_RSA)
        self.assertIn("the authority", str(error))

    def test_certified_key_is_known(self) -> None:
        """
        The key in a certificate of an unknown authority counts as a plain one.
        """
        policy = known(b"@cert-authority h OTHER", b"h K").policy("h")
        self.assertIs(policy.accept(offer(ca=CA)), True)
        self.assertIsInstance(self.refused(b"h OTHER", ca=CA), HostKeyChanged)

    def order(self, *lines: bytes, port: int = 22) -> list[bytes]:
        policy = known(*lines).policy("h", port)
        return list(policy.order_algorithms([*CERTIFIED, *PLAIN]))

    def test_order_of_unknown_host(self) -> None:
        """
        Without a line for the host the order is the default one, without
        certificates: nobody could trust them.
        """
        self.assertEqual(self.order(b"g K_RSA"), PLAIN)

    def test_order_of_known_types(self) -> None:
        """
        Algorithms of the keys held go first, all of an RSA key's included.
        """
        rsa_first = [b"rsa-sha2-512", b"rsa-sha2-256", ED25519, ECDSA]
        self.assertEqual(self.order(b"h K_RSA"), rsa_first)
        self.assertEqual(self.order(b"h K_RSA", port=2222), rsa_first)
        self.assertEqual(self.order(b"h K_RSA", b"[h]:2222 K", port=2222), PLAIN)

    def test_order_does_not_tell(self) -> None:
        """
        Where the first algorithm is of a key held the order stays as it is.
        """
        self.assertEqual(self.order(b"h K_RSA", b"h K"), PLAIN)

    def test_order_passes_over_revoked(self) -> None:
        """
        A revoked key's type gains nothing.
        """
        self.assertEqual(self.order(b"h K_RSA", b"@revoked * K_RSA"), PLAIN)

    def test_order_with_authority(self) -> None:
        """
        With an authority for the host, certificates go first.
        """
        self.assertEqual(
            self.order(b"@cert-authority h CA", b"h K"), [*CERTIFIED, *PLAIN]
        )
        self.assertEqual(self.order(b"@cert-authority g CA"), PLAIN)

    def test_nothing_supported(self) -> None:
        """
        Where nothing is supported nothing is asked for.
        """
        self.assertEqual(list(known(b"h K").policy("h").order_algorithms([])), [])

    def test_key_types(self) -> None:
        """
        The types of keys held come in the order of the lines, each once.
        """
        hosts = known(b"h K_RSA", b"h K", b"h OTHER", b"@cert-authority * CA")
        self.assertEqual(hosts.key_types("h"), (RSA, ED25519))
        self.assertEqual(hosts.key_types("g"), ())
        self.assertTrue(hosts.has_ca("g", 2222))


class PinnedKeyTests(SynchronousTestCase):
    def test_pinned(self) -> None:
        """
        A key whose fingerprint is given is trusted, also inside a certificate.
        """
        policy = PinnedKey(fingerprint(OTHER), fingerprint(K) + "=")
        self.assertIs(policy.accept(offer()), True)
        self.assertIs(policy.accept(offer(ca=CA)), True)
        self.assertTrue(policy.verdict(OTHER))

    def test_other_key(self) -> None:
        """
        Every other key is a changed one; the error says which is pinned.
        """
        policy = PinnedKey(fingerprint(K))
        error = self.assertRaises(HostKeyChanged, policy.accept, offer(OTHER))
        self.assertEqual(error.fingerprint, fingerprint(OTHER))
        self.assertIn(fingerprint(K), str(error))
        self.assertNotIn("line", str(error))
        self.assertIsNone(error.path)
        self.assertRaises(HostKeyChanged, policy.accept, offer(OTHER, ca=K))
        self.assertFalse(policy.verdict(OTHER).other_types_only)

    def test_no_fingerprint(self) -> None:
        """
        What is not a whole SHA256 fingerprint pins nothing and is refused.
        """
        whole = fingerprint(K)
        for pins in (
            (),
            ("",),
            (whole[:-1],),
            (whole + "A",),
            (whole[7:],),
            ("MD5:" + "00:" * 15 + "00",),
            (whole, "x"),
            (whole + "\n",),
        ):
            self.assertRaises(ValueError, PinnedKey, *pins)

    def test_plain_keys_are_asked_for(self) -> None:
        """
        A pin is a key's: certificates are not asked for.
        """
        policy = PinnedKey(fingerprint(K))
        self.assertEqual(policy.order_algorithms([*CERTIFIED, *PLAIN]), PLAIN)

    def test_repr(self) -> None:
        """
        A policy shows what it pins.
        """
        pin = fingerprint(K)
        self.assertEqual(repr(PinnedKey(pin)), f"PinnedKey('{pin}')")


class InsecureTests(SynchronousTestCase):
    def test_accepts_any(self) -> None:
        """
        Every key is accepted, and the policy shows by what name.
        """
        policy = insecure_accept_any()
        self.assertIs(policy.accept(replace(offer(), blob=b"", key_blob=b"")), True)
        self.assertEqual(list(policy.order_algorithms([*CERTIFIED, *PLAIN])), PLAIN)
        self.assertEqual(repr(policy), "insecure_accept_any()")

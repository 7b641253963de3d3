"""
Tests for L{conch_auth.transport}: whether the server holds its host key, and
who says that it is the host's.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    SSHCertificateBuilder,
    SSHCertificateType,
)
from twisted.conch.error import HostKeyChanged as ConchHostKeyChanged
from twisted.conch.error import UserRejectedKey
from twisted.conch.ssh import transport as conch
from twisted.conch.ssh.common import MP
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from conch_auth._wire import Reader, string
from conch_auth.certificates import HostKeyOffer
from conch_auth.display import fingerprint
from conch_auth.errors import (
    ConnectionLost,
    HostCertificateInvalid,
    HostKeyChanged,
    HostKeyNotVerifiable,
    HostKeyRejected,
    HostKeyUnknown,
    MalformedMessage,
    NoCommonAlgorithm,
    ProtocolError,
    UnusableAnswer,
)
from conch_auth.interfaces import IHostKeyPolicy
from conch_auth.transport import SSHClientTransport
from tests.transport_pair import (
    ALL_KEYS,
    ECDSA,
    ECDSA_521,
    ED25519,
    OTHER_ED25519,
    RSA,
    Client,
    Pair,
    SignsAs,
)

NOT_VERIFIABLE = conch.DISCONNECT_HOST_KEY_NOT_VERIFIABLE


def client(verdict: Any = True, **attributes: Any) -> Client:
    made = Client(verdict)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


@implementer(IHostKeyPolicy)
class Policy:
    """
    A policy that wants certificates or not, and gives one answer.
    """

    def __init__(
        self,
        answer: Any = True,
        order: Callable[[Sequence[bytes]], Sequence[bytes]] = tuple,
    ) -> None:
        self.answer = answer
        self.order = order
        self.offers: list[HostKeyOffer] = []

    def order_algorithms(self, supported: Sequence[bytes]) -> Sequence[bytes]:
        return self.order(supported)

    def accept(self, offer: HostKeyOffer) -> Any:
        self.offers.append(offer)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class RefusingCase(SynchronousTestCase):
    """
    How a refusal is told from everything else.
    """

    def assert_refused(
        self, pair: Pair, kind: type[Exception] = HostKeyNotVerifiable
    ) -> Any:
        codes = [code for code, _ in pair.server.disconnects]
        self.assertEqual(codes, [NOT_VERIFIABLE])
        [error] = pair.outcome
        self.assertIsInstance(error, kind)
        self.assertIs(pair.client.failure, error)
        self.assertEqual(pair.client.secured, 0)
        self.assertTrue(pair.hung_up)
        self.assertNotIn(conch.MSG_NEWKEYS, pair.server.received)
        self.assertIsNone(pair.client.sessionID)
        return error


class VerdictTests(RefusingCase):
    """
    Only an explicit C{True} goes on.
    """

    def test_true(self) -> None:
        """
        After C{True} the connection is secure, and says so once.
        """
        pair = Pair().join()
        self.assertEqual(pair.outcome, [None])
        self.assertEqual(pair.client.secured, 1)
        self.assertTrue(pair.client.isEncrypted("both"))
        self.assertTrue(pair.client.isVerified("both"))
        self.assertEqual(pair.client.asked, [ED25519.blob()])

    def test_everything_else(self) -> None:
        """
        Every value but C{True} refuses, also those that are true or equal to
        it.
        """
        for verdict in (False, None, 1, 1.0, "yes", b"\x01", object(), [True]):
            self.assert_refused(Pair(Client(verdict)).join(), HostKeyRejected)

    def test_everything_else_in_a_deferred(self) -> None:
        """
        So does every value but C{True} that a Deferred fires with.
        """
        for verdict in (False, None, 1, "yes"):
            self.assert_refused(Pair(Client(succeed(verdict))).join(), HostKeyRejected)

    def test_coroutine(self) -> None:
        """
        A coroutine answers as a Deferred does.
        """

        async def answer(verdict: bool) -> bool:
            return verdict

        self.assertEqual(Pair(Client(answer(True))).join().outcome, [None])
        self.assert_refused(Pair(Client(answer(False))).join(), HostKeyRejected)

    def test_exception(self) -> None:
        """
        An exception refuses, and is the cause of the error.
        """
        trouble = ValueError("no file")
        error = self.assert_refused(Pair(Client(trouble)).join(), HostKeyRejected)
        self.assertIs(error.__cause__, trouble)
        self.assertIn("ValueError: no file", str(error))

    def test_exceptions_text(self) -> None:
        """
        What an exception says may be long, or quote the server: it is short and
        harmless in the error.
        """
        trouble = ValueError("\x1b[31m" + 500 * "x")
        error = self.assert_refused(Pair(Client(trouble)).join(), HostKeyRejected)
        self.assertNotIn("\x1b", str(error))
        self.assertLess(len(error.problem), 300)

    def test_failed_deferred(self) -> None:
        """
        So does a Deferred that fails.
        """
        self.assert_refused(Pair(Client(fail(ValueError()))).join(), HostKeyRejected)

    def test_policys_own_error(self) -> None:
        """
        An error that says what is wrong with the host key is what the
        connection ends with.
        """
        unknown = HostKeyUnknown("host.example", 22, "ssh-ed25519", "SHA256:x")
        self.assertIs(self.assert_refused(Pair(Client(unknown)).join()), unknown)

    def test_conchs_errors(self) -> None:
        """
        Conch's own errors become ours, and are still trapped as Conch's.
        """
        changed = ConchHostKeyChanged(None, FilePath("/known_hosts"), 7)
        error = self.assert_refused(Pair(Client(changed)).join(), HostKeyChanged)
        self.assertEqual(error.lines, (("/known_hosts", 7),))
        self.assertIsInstance(error, ConchHostKeyChanged)
        nowhere = Pair(Client(ConchHostKeyChanged(None, None, 7))).join()
        self.assertEqual(self.assert_refused(nowhere, HostKeyChanged).lines, ())
        rejected = self.assert_refused(Pair(Client(UserRejectedKey())).join())
        self.assertIsInstance(rejected, UserRejectedKey)

    def test_cancelled(self) -> None:
        """
        A question that its owner cancels refuses.
        """
        question: Deferred[bool] = Deferred()
        pair = Pair(Client(question)).join()
        question.cancel()
        error = self.assert_refused(pair.pump(), HostKeyRejected)
        self.assertIsInstance(error.__cause__, CancelledError)
        self.assertIn("trust the host key was cancelled", str(error))

    def test_never_answered(self) -> None:
        """
        A question that nobody answers in time refuses; an answer that comes
        nevertheless, for a Deferred may ignore its cancellation, is not heard.
        """
        question: Deferred[bool] = Deferred(lambda d: d.callback(True))
        pair = Pair(client(question, hostKeyTimeout=30)).join()
        self.assertEqual(pair.outcome, [])
        pair.client.clock.advance(29)
        self.assertEqual(pair.outcome, [])
        pair.client.clock.advance(1)
        error = self.assert_refused(pair.pump(), HostKeyRejected)
        self.assertIn("30 s", str(error))

    def test_no_limit(self) -> None:
        """
        C{hostKeyTimeout = None} waits for ever, with no timer running.
        """
        pair = Pair(client(Deferred(), hostKeyTimeout=None)).join()
        self.assertEqual(pair.client.clock.getDelayedCalls(), [])
        self.assertEqual(pair.outcome, [])

    def test_late_answer(self) -> None:
        """
        An answer that takes its time goes on where the exchange stood, and
        leaves no timer behind.
        """
        question: Deferred[bool] = Deferred()
        pair = Pair(Client(question)).join()
        self.assertEqual(pair.outcome, [])
        question.callback(True)
        # The server's NEWKEYS has been waiting here.
        self.assertEqual(pair.outcome, [None])
        self.assertIn(b"server-sig-algs", pair.pump().client.peerExtensions)
        self.assertEqual(pair.client.clock.getDelayedCalls(), [])

    def test_connection_lost_meanwhile(self) -> None:
        """
        A connection that is lost while the owner thinks cancels the question;
        an answer after that changes nothing.
        """
        cancelled: list[object] = []
        question: Deferred[bool] = Deferred(cancelled.append)
        pair = Pair(Client(question)).join()
        pair.lose(ConnectionDone())
        self.assertEqual(cancelled, [question])
        self.assertIsInstance(pair.outcome[0], ConnectionLost)
        self.assertEqual(pair.client.clock.getDelayedCalls(), [])
        self.assertEqual(pair.client.secured, 0)

    def test_impatient_server(self) -> None:
        """
        What a server sends while the owner thinks is kept up to a limit.
        """
        pair = Pair(Client(Deferred())).join()
        for _ in range(17):
            pair.client.dataReceived(b"x" * 65536)
        [error] = pair.outcome
        self.assertIsInstance(error, ProtocolError)
        self.assertTrue(pair.hung_up)

    def test_nothing_configured(self) -> None:
        """
        Without a policy and without an override every host is refused.
        """

        class Plain(SSHClientTransport):
            secured = 0

        error = self.assert_refused(Pair(Plain()).join(), HostKeyRejected)
        self.assertIn("no policy", str(error))

    def test_description_stays_at_home(self) -> None:
        """
        The server is not told why its key was refused.
        """
        pair = Pair(Client(ValueError("/home/alice/.ssh/known_hosts"))).join()
        self.assertEqual(
            pair.server.disconnects, [(NOT_VERIFIABLE, b"host key not verifiable")]
        )


class PolicyTests(RefusingCase):
    """
    The policy, where C{verifyHostKey} is not overridden.
    """

    def test_offer(self) -> None:
        """
        The policy is asked once, with all that is known of the key.
        """
        policy = Policy()
        pair = Pair(client(hostKeyPolicy=policy, port=2222)).join()
        self.assertEqual(pair.outcome, [None])
        self.assertEqual(
            policy.offers,
            [
                HostKeyOffer(
                    host="host.example",
                    port=2222,
                    address="192.168.1.1",
                    algorithm=b"ssh-ed25519",
                    blob=ED25519.blob(),
                    key_blob=ED25519.blob(),
                )
            ],
        )

    def test_no_name(self) -> None:
        """
        Without a name the address is what the key is looked up by.
        """
        policy = Policy()
        Pair(client(hostKeyPolicy=policy, hostname="")).join()
        self.assertEqual(policy.offers[0].host, "192.168.1.1")

    def test_refusals(self) -> None:
        """
        A policy refuses as an override does.
        """
        for answer in (False, None, 1, ValueError(), succeed(None), fail(ValueError())):
            pair = Pair(client(hostKeyPolicy=Policy(answer))).join()
            self.assert_refused(pair, HostKeyRejected)

    def test_order(self) -> None:
        """
        The server is asked for keys in the policy's order, and for no algorithm
        that this side cannot verify.
        """
        wanted = [b"x-unknown", b"rsa-sha2-256", b"ssh-ed25519"]
        policy = Policy(order=lambda supported: wanted)
        pair = Pair(client(hostKeyPolicy=policy)).join()
        self.assertEqual(pair.client.supportedPublicKeys, wanted[1:])
        self.assertEqual(policy.offers[0].algorithm, b"rsa-sha2-256")
        self.assertEqual(policy.offers[0].blob, RSA.blob())

    def test_order_fails(self) -> None:
        """
        A policy that raises, or leaves nothing, while it orders ends the
        connection before a byte is sent, and with its error.
        """

        def trouble(supported: Sequence[bytes]) -> Sequence[bytes]:
            raise ValueError("no file")

        for order, kind in ((trouble, ValueError), (lambda s: (), UnusableAnswer)):
            pair = Pair(client(hostKeyPolicy=Policy(order=order))).join()
            self.assertIsInstance(pair.outcome[0], kind)
            self.assertTrue(pair.aborted)
            self.assertEqual(pair.server.received, [])
            self.assertEqual(len(self.flushLoggedErrors(kind)), 1)

    def test_certificates_only_where_wanted(self) -> None:
        """
        Certificates are asked for where the policy orders them, and never of
        somebody who overrides C{verifyHostKey} and has no policy.
        """
        plain = [n for n in SSHClientTransport.supportedPublicKeys if b"cert" not in n]
        self.assertEqual(Pair().join().client.supportedPublicKeys, plain)
        with_policy = Pair(client(hostKeyPolicy=Policy())).join().client
        self.assertEqual(
            with_policy.supportedPublicKeys, SSHClientTransport.supportedPublicKeys
        )


class ProofTests(RefusingCase):
    """
    Nobody is asked about a key before the server has proved that it holds it.
    """

    def exchange(
        self, host_key: SignsAs, algorithm: bytes, key_exchange: bytes | None = None
    ) -> Pair:
        pair = Pair(client(supportedPublicKeys=[algorithm]))
        if key_exchange is not None:
            pair.client.supportedKeyExchanges = [key_exchange]
        pair.server.host_key = host_key
        pair.server.supportedPublicKeys = [algorithm]
        return pair.join()

    def assert_unproved(self, pair: Pair, why: str) -> None:
        error = self.assert_refused(pair)
        self.assertIn(why, str(error))
        self.assertEqual(pair.client.asked, [])
        self.assertIsNone(pair.client.hostKeyOffer)

    def test_kept(self) -> None:
        """
        How the host key was proved in the first exchange is kept, whatever
        follows.
        """
        pair = Pair(client())
        self.assertIsNone(pair.client.hostKeyProof)
        proof = pair.join().client.hostKeyProof
        self.assertEqual(proof.host_key, pair.client.hostKeyOffer.blob)
        self.assertEqual(proof.session_id, pair.client.sessionID)
        pair.client.sendKexInit()
        pair.pump()
        self.assertIs(pair.client.hostKeyProof, proof)

    def test_every_key_exchange(self) -> None:
        """
        In every kind of key exchange the right signature is taken, and one of
        another key is refused unasked.
        """
        for name in conch.SSHClientTransport.supportedKeyExchanges:
            pair = self.exchange(SignsAs(ED25519), b"ssh-ed25519", name)
            self.assertEqual((name, pair.outcome), (name, [None]))
            thief = SignsAs(
                ED25519, lambda data, name: OTHER_ED25519.sign(data, signatureType=name)
            )
            pair = self.exchange(thief, b"ssh-ed25519", name)
            self.assert_unproved(pair, "signature of the exchange is wrong")

    def test_every_algorithm(self) -> None:
        """
        Every host key algorithm that is offered is verified.
        """
        for algorithm, key in (
            (b"ssh-ed25519", ED25519),
            (b"ecdsa-sha2-nistp256", ECDSA),
            (b"ecdsa-sha2-nistp521", ECDSA_521),
            (b"rsa-sha2-256", RSA),
            (b"rsa-sha2-512", RSA),
        ):
            pair = self.exchange(SignsAs(key), algorithm)
            self.assertEqual((algorithm, pair.outcome), (algorithm, [None]))
            self.assertEqual(pair.client.asked, [key.blob()])

    def test_weaker_signature(self) -> None:
        """
        A signature that is right, but made with another algorithm than the
        negotiated one, is refused.
        """
        for made in (b"ssh-rsa", b"rsa-sha2-256"):
            weak = SignsAs(RSA, lambda data, _, made=made: RSA.sign(data, made))
            pair = self.exchange(weak, b"rsa-sha2-512")
            self.assert_unproved(pair, f"signed with {made.decode()}")

    def test_relabelled_signature(self) -> None:
        """
        Nor does the negotiated name on a signature made with another help.
        """

        def relabelled(data: bytes, name: bytes) -> bytes:
            reader = Reader(RSA.sign(data, b"ssh-rsa"), "signature")
            reader.string()
            return string(name) + string(reader.string())

        pair = self.exchange(SignsAs(RSA, relabelled), b"rsa-sha2-512")
        self.assert_unproved(pair, "signature of the exchange is wrong")

    def test_key_of_another_type(self) -> None:
        """
        A key of another type than was negotiated is refused, however well it
        signs.
        """
        ed25519 = SignsAs(
            ED25519, lambda data, name: ED25519.sign(data, b"ssh-ed25519")
        )
        self.assert_unproved(
            self.exchange(ed25519, b"rsa-sha2-512"), "a key of type ssh-ed25519"
        )

    def test_garbage(self) -> None:
        """
        A key or a signature that cannot be read is refused as unproved.
        """
        short = string(b"ssh-ed25519") + string(b"short")
        for host_key in (
            SignsAs(ED25519, blob=b""),
            SignsAs(ED25519, blob=b"\xff\xff\xff\xff"),
            SignsAs(ED25519, blob=short),
            SignsAs(ED25519, lambda data, name: b""),
            SignsAs(ED25519, lambda data, name: b"\xff" * 40),
            SignsAs(ED25519, lambda data, name: string(name) + string(b"short")),
            SignsAs(
                ED25519, lambda data, name: ED25519.sign(data, b"ssh-ed25519") + b"x"
            ),
        ):
            self.assert_unproved(self.exchange(host_key, b"ssh-ed25519"), "")

    def test_small_rsa_key(self) -> None:
        """
        An RSA key of fewer bits than OpenSSH takes is refused for that.
        """
        for bits, why in ((1023, "has 1023 bits only"), (1024, "is wrong")):
            blob = string(b"ssh-rsa") + MP(65537) + MP(2 ** (bits - 1) + 1)
            host_key = SignsAs(
                RSA, lambda _, name: string(name) + string(bytes(128)), blob=blob
            )
            self.assert_unproved(self.exchange(host_key, b"rsa-sha2-512"), why)

    def test_longer_reply(self) -> None:
        """
        A reply with more in it than the exchange knows is malformed.
        """
        pair = Pair()
        pair.server.tamper[conch.MSG_KEXDH_REPLY] = lambda payload: payload + b"x"
        [error] = pair.join().outcome
        self.assertIsInstance(error, MalformedMessage)
        self.assertEqual(pair.client.asked, [])

    def test_tampered_exchange(self) -> None:
        """
        The signature covers what both sides offered: a list that was changed on
        the way is found out.
        """
        pair = Pair()
        pair.server.tamper[conch.MSG_KEXINIT] = lambda payload: payload.replace(
            b"aes256-ctr", b"aes666-ctr"
        )
        self.assert_unproved(pair.join(), "signature of the exchange is wrong")

    def test_group_too_small(self) -> None:
        """
        A group of fewer or more bits than were asked for ends the connection
        before anything is computed with it.
        """
        for bits in (1024, 2047, 8193):
            pair = Pair(
                client(supportedKeyExchanges=[b"diffie-hellman-group-exchange-sha256"])
            )
            pair.server.tamper[conch.MSG_KEX_DH_GEX_GROUP] = lambda _, bits=bits: (
                MP(2 ** (bits - 1) + 1) + MP(2)
            )
            [error] = pair.join().outcome
            self.assertIsInstance(error, ProtocolError)
            self.assertIn(f"{bits} bits", str(error))
            self.assertFalse(hasattr(pair.client, "dhSecretKey"))

    def test_group_of_the_least_and_the_most_bits(self) -> None:
        """
        The bounds themselves are what was asked for: such a group is used.
        """
        used: list[bytes] = []
        self.patch(
            conch.SSHClientTransport,
            "ssh_KEX_DH_GEX_GROUP",
            lambda _, packet: used.append(packet),
        )
        for bits in (2048, 8192):
            pair = Pair(
                client(supportedKeyExchanges=[b"diffie-hellman-group-exchange-sha256"])
            )
            group = MP(2 ** (bits - 1) + 1) + MP(2)
            pair.server.tamper[conch.MSG_KEX_DH_GEX_GROUP] = lambda _, group=group: (
                group
            )
            self.assertEqual(pair.join().outcome, [])
            self.assertEqual(used.pop(), group)

    def test_public_value_out_of_range(self) -> None:
        """
        A public value that makes the secret known to everybody is refused (RFC
        4253, section 8).
        """
        greatest = MP(conch.DH_PRIME - 1)[4:]
        for value in (b"", b"\x01", b"\xff", greatest):
            pair = Pair(client(supportedKeyExchanges=[b"diffie-hellman-group14-sha1"]))

            def replaced(payload: bytes, value: bytes = value) -> bytes:
                reader = Reader(payload, "reply")
                host_key, _ = reader.string(), reader.string()
                return string(host_key) + string(value) + reader.rest()

            pair.server.tamper[conch.MSG_KEXDH_REPLY] = replaced
            [error] = pair.join().outcome
            self.assertIn("out of range", str(error))
            self.assertEqual(pair.client.asked, [])

    def test_x25519_of_low_order(self) -> None:
        """
        So is a point on the curve that does (RFC 8731, section 3).
        """
        pair = Pair(client(supportedKeyExchanges=[b"curve25519-sha256"]))

        def replaced(payload: bytes) -> bytes:
            reader = Reader(payload, "reply")
            host_key, _ = reader.string(), reader.string()
            return string(host_key) + string(bytes(32)) + reader.rest()

        pair.server.tamper[conch.MSG_KEXDH_REPLY] = replaced
        [error] = pair.join().outcome
        self.assertIsInstance(error, ProtocolError)
        self.assertEqual(pair.client.asked, [])


class CertificateTests(RefusingCase):
    """
    Host certificates.
    """

    ca = OTHER_ED25519

    def certificate(
        self,
        key: Key = ED25519,
        kind: SSHCertificateType = SSHCertificateType.HOST,
        **changes: Any,
    ) -> bytes:
        builder = (
            SSHCertificateBuilder()
            .public_key(key.public()._keyObject)
            .type(kind)
            .key_id(b"host")
            .valid_after(changes.get("after", 0))
            .valid_before(changes.get("before", 2_000_000))
            .valid_principals(changes.get("principals", [b"host.example"]))
        )
        if "option" in changes:
            builder = builder.add_critical_option(changes["option"], b"")
        signed = builder.sign(self.ca._keyObject)
        return base64.b64decode(signed.public_bytes().split(b" ")[1])

    def exchange(
        self, blob: bytes, key: Key = ED25519, algorithm: bytes | None = None
    ) -> tuple[Pair, Policy]:
        algorithm = algorithm or key.sshType() + b"-cert-v01@openssh.com"
        policy = Policy(order=lambda supported: [algorithm, b"ssh-ed25519"])
        pair = Pair(client(hostKeyPolicy=policy))
        pair.server.host_key = SignsAs(key, blob=blob)
        pair.server.supportedPublicKeys = [algorithm, b"ssh-ed25519"]
        return pair.join(), policy

    def test_accepted(self) -> None:
        """
        The policy sees the certificate, its authority and the key in it.
        """
        for key, algorithm in (
            (ED25519, b"ssh-ed25519-cert-v01@openssh.com"),
            (ECDSA, b"ecdsa-sha2-nistp256-cert-v01@openssh.com"),
            (ECDSA_521, b"ecdsa-sha2-nistp521-cert-v01@openssh.com"),
            (RSA, b"rsa-sha2-256-cert-v01@openssh.com"),
            (RSA, b"rsa-sha2-512-cert-v01@openssh.com"),
        ):
            blob = self.certificate(key)
            pair, policy = self.exchange(blob, key, algorithm)
            self.assertEqual((algorithm, pair.outcome), (algorithm, [None]))
            [offer] = policy.offers
            self.assertEqual(offer.algorithm, algorithm)
            self.assertEqual(offer.blob, blob)
            self.assertEqual(offer.key_blob, key.public().blob())
            assert offer.certificate is not None
            self.assertEqual(offer.certificate.ca_blob, self.ca.public().blob())
            self.assertEqual(pair.client.asked, [key.public().blob()])

    def test_invalid(self) -> None:
        """
        A certificate that does not hold is refused, and nobody is asked whether
        the key in it would do.
        """
        user = SSHCertificateType.USER
        good = self.certificate()
        for blob, why in (
            (self.certificate(kind=user), "a user's"),
            (self.certificate(before=999_999), "expired"),
            (self.certificate(after=1_000_001), "not valid before"),
            (self.certificate(principals=[b"other.example"]), "not for host.example"),
            (self.certificate(option=b"x@example"), "critical options: x@example"),
            (good[:-1] + bytes([good[-1] ^ 1]), "signature of the certificate"),
        ):
            pair, policy = self.exchange(blob)
            error = self.assert_refused(pair, HostCertificateInvalid)
            self.assertIn(why, str(error))
            self.assertIn(fingerprint(ED25519.public().blob()), str(error))
            self.assertEqual(policy.offers, [])

    def test_not_the_certified_key(self) -> None:
        """
        A certificate of somebody else's key is no proof: the certified key must
        have signed the exchange.
        """
        pair, policy = self.exchange(self.certificate(OTHER_ED25519), ED25519)
        error = self.assert_refused(pair)
        self.assertIn("signature of the exchange is wrong", str(error))
        self.assertEqual(policy.offers, [])

    def test_plain_key_instead(self) -> None:
        """
        Where a certificate was negotiated, a plain key is refused.
        """
        pair, policy = self.exchange(ED25519.public().blob())
        self.assert_refused(pair)
        self.assertEqual(policy.offers, [])

    def test_unreadable(self) -> None:
        """
        A certificate that cannot be read is refused.
        """
        pair, policy = self.exchange(self.certificate()[:-20])
        self.assertIn("cannot be read", str(self.assert_refused(pair)))
        self.assertEqual(policy.offers, [])

    def test_untrusted(self) -> None:
        """
        A certificate that holds is still for the policy to judge.
        """
        pair, policy = self.exchange(self.certificate())
        policy.answer = False
        pair, policy = self.exchange(self.certificate())
        self.assertEqual(pair.outcome, [None])
        for answer in (False, None, HostKeyUnknown("h", 22, "t", "f")):
            algorithm = b"ssh-ed25519-cert-v01@openssh.com"
            refusing = Policy(answer)
            pair = Pair(client(hostKeyPolicy=refusing))
            pair.server.host_key = SignsAs(ED25519, blob=self.certificate())
            pair.server.supportedPublicKeys = [algorithm]
            self.assert_refused(pair.join())
            self.assertEqual(len(refusing.offers), 1)


class AlgorithmTests(SynchronousTestCase):
    """
    What is offered.
    """

    def test_weak_ones_are_off(self) -> None:
        """
        Nothing that rests on SHA-1, MD5, CBC or Triple DES is offered, nor no
        protection, nor compression before authentication.
        """
        offered = [
            *SSHClientTransport.supportedKeyExchanges,
            *SSHClientTransport.supportedPublicKeys,
            *SSHClientTransport.supportedCiphers,
            *SSHClientTransport.supportedMACs,
        ]
        for name in offered:
            for weak in (b"sha1", b"md5", b"cbc", b"3des", b"none", b"ssh-dss"):
                self.assertNotIn(weak, name)
        self.assertNotIn(b"ssh-rsa", offered)
        self.assertEqual(SSHClientTransport.supportedCompressions, [b"none"])

    def test_weak_ones_by_name(self) -> None:
        """
        A subclass that names a weak algorithm has it.
        """

        class Old(Client):
            supportedKeyExchanges = [b"diffie-hellman-group14-sha1"]
            supportedPublicKeys = [b"ssh-rsa"]
            supportedCiphers = [b"aes128-cbc"]
            supportedMACs = [b"hmac-sha1"]

        pair = Pair(Old()).join()
        self.assertEqual(pair.outcome, [None])
        self.assertEqual(pair.client.keyAlg, b"ssh-rsa")

    def test_nothing_in_common(self) -> None:
        """
        Two sides that share no algorithm say which kind, and what each has.
        """
        pair = Pair(keys=[RSA])
        pair.server.supportedPublicKeys = [b"ssh-rsa"]
        [error] = pair.join().outcome
        self.assertIsInstance(error, NoCommonAlgorithm)
        self.assertEqual(error.kind, "host key algorithm")
        self.assertEqual(error.offered, (b"ssh-rsa",))
        self.assertEqual(
            pair.server.disconnects[0][0], conch.DISCONNECT_KEY_EXCHANGE_FAILED
        )

    def test_every_key(self) -> None:
        """
        With Conch's own server and its defaults each type of host key will do.
        """
        for key in ALL_KEYS:
            self.assertEqual(Pair(keys=[key]).join().outcome, [None])

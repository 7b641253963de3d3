"""
Tests for the C{publickey} method: which keys are offered, and what is signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.client.agent import SSHAgentClient as ConchAgent
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred, succeed

from conch_auth._wire import Reader, string
from conch_auth.errors import (
    AuthenticationFailed,
    ProtocolError,
    TrivialAuthenticationRefused,
)
from conch_auth.messages import (
    KeyboardInteractiveRequest,
    NoneRequest,
    OtherRequest,
    PasswordRequest,
    PublicKeyOk,
    PublicKeyRequest,
)
from conch_auth.signing import data_to_sign
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
    failure,
    flat,
    new_key,
    partial,
)
from tests.transport_pair import ECDSA, RSA

A, B, C = new_key(), new_key(), new_key()
ALL_RSA = b"rsa-sha2-512,rsa-sha2-256,ssh-rsa"


def key_in(request: Any) -> bytes:
    assert isinstance(request, PublicKeyRequest)
    return request.blob


class OfferTests(LoginTestCase):
    def test_logs_in(self) -> None:
        """
        A key is offered first, and signs once the server would take it.
        """
        client = self.login([A])
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent, [NoneRequest(), self.query(A)])
        self.confirm(client)
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(report.proof, f"publickey with {report.attempts[-1].key}")

    def test_signature(self) -> None:
        """
        What is signed is bound to the session, the user and the service, and
        verifies.
        """
        for key in (A, ECDSA, RSA):
            client = self.login([key])
            client.receive(failure(b"publickey"))
            self.confirm(client)
            request = client.transport.sent[-1]
            data = data_to_sign(b"test", b"alice", b"nancy", request)
            self.assertTrue(key.public().verify(request.signature, data))

    def test_next_key(self) -> None:
        """
        A refused key is followed by the next, in the order given; nothing is
        signed for it.
        """
        client = self.login([A, B, C])
        for key in (A, B, C):
            client.receive(failure(b"publickey"))
            self.assertEqual(client.transport.sent[-1], self.query(key))
        client.receive(failure(b"publickey"))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(len(client.transport.packets), 4)
        self.assertEqual(
            [attempt.outcome for attempt in report.attempts], ["refused"] * 4
        )

    def test_refused_signature(self) -> None:
        """
        A key whose signature is refused is not signed for again; the next key
        follows, and the report tells the two refusals apart.
        """
        client = self.login([A, A, B])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(B))
        (_, first) = client.report.attempts[:2]
        self.assertIn("did not accept its signature", first.reason)

    def test_same_key_twice(self) -> None:
        """
        A key that is given twice is offered once, and the report says so once.
        """
        client = self.login([A, A, A, B])
        client.receive(failure(b"publickey"))
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[1:], [self.query(A), self.query(B)])
        self.assertEqual(
            [a.reason for a in client.report.attempts if a.outcome == "skipped"],
            ["it was refused before"],
        )

    def test_answers_in_every_form(self) -> None:
        """
        A key, a Deferred and a coroutine of one are all answers; one that is
        there already is sent in the same call.
        """

        async def coroutine() -> Key:
            return A

        for answer in (A, succeed(A), coroutine()):
            client = self.login([answer])
            client.receive(failure(b"publickey"))
            self.assertEqual(client.transport.sent[-1], self.query(A))

    def test_late_key(self) -> None:
        """
        A key that comes later is offered when it comes.
        """
        answer: Deferred[Key] = Deferred()
        client = self.login([answer])
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent, [NoneRequest()])
        answer.callback(A)
        self.assertEqual(client.transport.sent[-1], self.query(A))

    def test_nothing_to_offer(self) -> None:
        """
        No key, a failure, and what is no key, such as the bytes of Conch's
        oldest interface, all lead to the next method.
        """
        for answer in (None, AttributeError("no more"), A.blob(), 7, object()):
            client = self.login([answer], [b"pw"])
            client.receive(failure(b"publickey", b"password"))
            self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])

    def test_asked_no_more(self) -> None:
        """
        An owner that failed to give a key, or gave none that can be used, is
        not asked for another one.
        """
        for answer in (AttributeError("no more"), A.blob(), 7, object()):
            client = self.login([answer, A], [b"pw"])
            client.receive(failure(b"publickey", b"password"))
            client.receive(failure(b"publickey"))
            self.assertEqual(client.asked, ["getPublicKey", "getPassword"])

    def test_strange_keys(self) -> None:
        """
        A key whose parts raise, or are no bytes, leads to the next method.
        """

        class Strange:
            def __init__(self, key_type: Any) -> None:
                self.key_type = key_type

            def sshType(self) -> Any:
                if isinstance(self.key_type, Exception):
                    raise self.key_type
                return self.key_type

            def blob(self) -> Any:
                return b"blob"

        for key_type in (ValueError("x"), "text", None):
            client = self.login([Strange(key_type)], [b"pw"])
            client.receive(failure(b"publickey", b"password"))
            self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])

    def test_attributes(self) -> None:
        """
        C{lastPublicKey} and C{triedPublicKeys} say what was looked at.
        """
        client = self.login([A, B])
        client.receive(failure(b"publickey"))
        client.receive(failure(b"publickey"))
        self.assertIs(client.lastPublicKey, B)
        self.assertEqual(client.triedPublicKeys, [A, B])

    def test_source(self) -> None:
        """
        Where a key says that it came from is in the report.
        """
        key = new_key()
        key.source = "the agent"  # type: ignore[attr-defined]
        client = self.login([key])
        client.receive(failure(b"publickey"))
        client.receive(failure(b"publickey"))
        self.assertEqual(client.report.attempts[-1].source, "the agent")


class ConfirmationTests(LoginTestCase):
    """
    PK_OK.
    """

    def test_for_another_key(self) -> None:
        """
        Nothing is signed where the server confirms another key, or another
        algorithm, than it was asked about.
        """
        for confirmation in (
            PublicKeyOk(B.sshType(), B.blob()),
            PublicKeyOk(b"", b""),
            PublicKeyOk(b"ssh-rsa", A.blob()),
        ):
            client = self.login([A])
            client.receive(failure(b"publickey"))
            client.receive(confirmation)
            self.assert_failed(client, ProtocolError, code=2)
            self.assertEqual(len(client.transport.packets), 2)

    def test_twice(self) -> None:
        """
        A second PK_OK is not answered with a second signature.
        """
        client = self.login([A])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(PublicKeyOk(A.sshType(), A.blob()))
        self.assert_failed(client, ProtocolError, code=2)
        self.assertEqual(len(client.transport.packets), 3)

    def test_older_servers(self) -> None:
        """
        C{ssh-rsa} in reply to a query with C{rsa-sha2-512} means the same key,
        which signs as it was asked for.
        """
        client = self.rsa_login(ALL_RSA)
        client.receive(PublicKeyOk(b"ssh-rsa", RSA.blob()))
        self.assertEqual(client.transport.sent[-1].algorithm, b"rsa-sha2-512")

    def rsa_login(self, listed: bytes) -> Client:
        client = Client([RSA])
        client.transport.peerExtensions = {b"server-sig-algs": listed}
        self.start(client)
        client.receive(failure(b"publickey"))
        return client


class NoSignatureTests(LoginTestCase):
    """
    The key would do, and cannot sign.
    """

    def asked_to_sign(self, keys: Any, sign: Any, **attributes: Any) -> Client:
        client = Client(keys, [b"pw"], **attributes)
        client.signData = sign
        self.start(client)
        client.receive(failure(b"publickey", b"password"))
        self.confirm(client)
        return client

    def test_nonsense(self) -> None:
        """
        A signer that fails, or gives what is no signature, loses its key and
        not the next; nothing of what it gave is sent.
        """

        def raises(key: Any, data: bytes) -> Any:
            raise ValueError("SECRET")

        def sign(answer: Any) -> Any:
            return lambda key, data: answer

        for signer in (
            raises,
            sign(None),
            sign(b"SECRET"),
            sign("SECRET"),
            sign(7),
            sign(A),
            sign(string(b"ssh-rsa") + string(b"x")),
        ):
            client = self.asked_to_sign([A, B], signer)
            self.assertEqual(client.transport.sent[2:], [self.query(B)])
            attempt = client.report.attempts[1]
            self.assertEqual(attempt.outcome, "failed")
            self.assertIn("signData", attempt.reason)
            self.assertNotIn("SECRET", str(client.report))

    def test_the_last_key(self) -> None:
        """
        After the last key the next method follows, and the key is not offered
        again.
        """
        client = self.asked_to_sign([A, A], lambda key, data: None)
        self.assertEqual(client.transport.sent[2:], [PasswordRequest(b"pw")])

    def test_late_signature(self) -> None:
        """
        A signature that comes after the connection went is dropped.
        """
        signature: Deferred[bytes] = Deferred()
        client = self.asked_to_sign([A], lambda key, data: signature)
        client.serviceStopped()
        signature.callback(string(A.sshType()) + string(b"s"))
        self.assertEqual(len(client.transport.packets), 2)

    def test_a_step_that_comes_late(self) -> None:
        """
        An override that hands in a signature after the login has ended does no
        harm.
        """
        client = self.asked_to_sign([A], lambda key, data: Deferred())
        client.serviceStopped()
        client._cbSignedData(string(A.sshType()) + string(b"s"))
        self.assertEqual(len(client.transport.packets), 2)

    def test_a_step_that_comes_early(self) -> None:
        """
        Nor does one that hands in a signature before any key was offered.
        """
        client = self.login()
        client._cbSignedData(string(A.sshType()) + string(b"s"))
        self.assertEqual(client.transport.sent, [NoneRequest()])

    def test_algorithm_is_told_while_signing(self) -> None:
        """
        C{signatureAlgorithm} is what to sign with while C{signData} runs, and
        nothing at any other time, also after it has failed.
        """
        seen: list[Any] = []

        def sign(key: Any, data: bytes) -> Any:
            seen.append(client.signatureAlgorithm)
            raise ValueError

        client = Client([A], [b"pw"])
        client.signData = sign  # type: ignore[method-assign]
        self.start(client)
        client.receive(failure(b"publickey", b"password"))
        self.confirm(client)
        self.assertEqual(seen, [b"ssh-ed25519"])
        self.assertIsNone(client.signatureAlgorithm)

    def test_private_key_of_cryptography(self) -> None:
        """
        C{getPrivateKey} may give a key of cryptography's.
        """
        private = ed25519.Ed25519PrivateKey.generate()
        client = self.login([Key(private)])
        client.getPrivateKey = lambda: private  # type: ignore[method-assign]
        client.receive(failure(b"publickey"))
        self.confirm(client)
        self.assertIsNotNone(client.transport.sent[-1].signature)

    def test_private_key_in_every_form(self) -> None:
        """
        C{getPrivateKey} may give its key, a Deferred or a coroutine of it.
        """

        async def coroutine() -> Key:
            return A

        for answer in (A, succeed(A), coroutine()):
            client = self.login([A])
            client.getPrivateKey = lambda: answer  # type: ignore # noqa: B023
            client.receive(failure(b"publickey"))
            self.confirm(client)
            self.assertIsNotNone(client.transport.sent[-1].signature)

    def test_security_key(self) -> None:
        """
        A security key's signature, with the flags and the counter after it,
        passes unchanged.
        """
        name = b"sk-ssh-ed25519@openssh.com"

        class SecurityKey:
            def sshType(self) -> bytes:
                return name

            def blob(self) -> bytes:
                return string(name) + string(b"p") + string(b"ssh:")

        signature = string(name) + string(b"s" * 64) + b"\x01\0\0\0\x07"
        client = self.asked_to_sign([SecurityKey()], lambda key, data: signature)
        self.assertEqual(client.transport.sent[-1].signature, signature)


class RSATests(LoginTestCase):
    """
    RFC 8332: key x server-sig-algs x C{signatureAlgorithms}.
    """

    def offered(self, listed: bytes | None, **attributes: Any) -> Client:
        client = Client([RSA, A], **attributes)
        if listed is not None:
            client.transport.peerExtensions = {b"server-sig-algs": listed}
        self.start(client)
        client.receive(failure(b"publickey"))
        return client

    def test_table(self) -> None:
        """
        The algorithm in the query is the one inside the signature.
        """
        sha1, sha256, sha512 = b"ssh-rsa", b"rsa-sha2-256", b"rsa-sha2-512"
        for listed, allowed, chosen in (
            (None, None, sha1),
            (b"", None, sha1),
            (ALL_RSA, None, sha512),
            (b"ssh-rsa,rsa-sha2-256", None, sha256),
            (b"ssh-rsa", None, sha1),
            (b",,rsa-sha2-512,", None, sha512),
            (ALL_RSA, (sha256, sha512), sha256),
            (None, (sha512, sha256), sha512),
        ):
            attributes = {"signatureAlgorithms": allowed} if allowed else {}
            client = self.offered(listed, **attributes)
            self.confirm(client)
            query, request = client.transport.sent[1:]
            self.assertEqual(
                (query.algorithm, request.algorithm), (chosen, chosen), listed
            )
            self.assertEqual(
                Reader(request.signature, "signature").string(), chosen, listed
            )

    def test_nothing_common(self) -> None:
        """
        A key without a common algorithm is left out, with the reason, and the
        next follows.
        """
        client = self.offered(b"ssh-ed25519")
        self.assertEqual(client.transport.sent[1:], [self.query(A)])
        skipped = client.report.attempts[1]
        self.assertEqual(skipped.outcome, "skipped")
        self.assertIn("no common signature algorithm", skipped.reason)

    def test_sha1_forbidden(self) -> None:
        """
        A server that knows nothing but SHA-1 does not get it where that is
        forbidden.
        """
        client = self.offered(
            b"ssh-rsa,ssh-ed25519",
            signatureAlgorithms=(b"rsa-sha2-512", b"ssh-ed25519"),
        )
        self.assertEqual(client.transport.sent[1:], [self.query(A)])

    def test_a_list_that_came_in_clear(self) -> None:
        """
        A list that anybody on the way may have written is not believed (RFC
        8308, section 2.4).
        """
        client = Client([RSA])
        client.transport.peerExtensions = {b"server-sig-algs": b"rsa-sha2-512"}
        client.transport.isEncrypted = lambda direction: direction == "out"
        self.start(client)
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[1].algorithm, b"ssh-rsa")


class OldSignerTests(LoginTestCase):
    """
    Signers, such as old agents, that make C{ssh-rsa} whatever they are asked.
    """

    def asked_to_sign(
        self, listed: bytes, makes: Any, **attributes: Any
    ) -> tuple[Client, list[Any]]:
        algorithms: list[Any] = []

        def sign(key: Key, data: bytes) -> Any:
            algorithms.append(client.signatureAlgorithm)
            return key.sign(data, next(made))

        made: Iterator[Any] = iter(makes)
        client = Client([RSA, A], **attributes)
        client.signData = sign  # type: ignore[method-assign]
        client.transport.peerExtensions = {b"server-sig-algs": listed}
        self.start(client)
        client.receive(failure(b"publickey"))
        self.confirm(client)
        return client, algorithms

    def test_falls_back(self) -> None:
        """
        Where the server takes C{ssh-rsa} as well, the request is signed anew
        and names it: the signature is for what the request says.
        """
        client, algorithms = self.asked_to_sign(ALL_RSA, [b"ssh-rsa"] * 2)
        self.assertEqual(algorithms, [b"rsa-sha2-512", b"ssh-rsa"])
        request = client.transport.sent[-1]
        self.assertEqual(request.algorithm, b"ssh-rsa")
        data = data_to_sign(b"test", b"alice", b"nancy", request)
        self.assertTrue(RSA.public().verify(request.signature, data))
        client.receive(SUCCESS)
        self.assertEqual(
            self.assert_succeeded(client).attempts[-1].algorithm, "ssh-rsa"
        )

    def test_where_it_is_not_allowed(self) -> None:
        """
        Where C{ssh-rsa} is not for both sides, nothing is sent for this key,
        and the next is not lost.
        """
        for listed, attributes in (
            (b"rsa-sha2-512,ssh-ed25519", {}),
            (
                ALL_RSA + b",ssh-ed25519",
                {"signatureAlgorithms": (b"rsa-sha2-512", b"ssh-ed25519")},
            ),
        ):
            client, _ = self.asked_to_sign(listed, [b"ssh-rsa"] * 2, **attributes)
            self.assertEqual(client.transport.sent[2:], [self.query(A)])
            self.assertIn("was asked for", client.report.attempts[1].reason)

    def test_a_signer_that_never_makes_what_is_asked(self) -> None:
        """
        A signer that makes another kind each time is asked again once only.
        """
        other = [b"ssh-rsa", b"rsa-sha2-256"] * 100
        client, algorithms = self.asked_to_sign(ALL_RSA + b",ssh-ed25519", other)
        self.assertEqual(algorithms, [b"rsa-sha2-512", b"ssh-rsa"])
        self.assertEqual(client.transport.sent[2:], [self.query(A)])


class ConchAgentTests(LoginTestCase):
    """
    Keys that come from an agent through Conch's own client, which asks for
    SHA-1 whenever a key is RSA.
    """

    def login_with(self, listed: bytes) -> Client:
        agent = ConchAgent()
        agent.blobs = [RSA.public().blob(), A.public().blob()]
        client = Client(
            getPublicKey=agent.getPublicKey,
            signData=lambda key, data: succeed(RSA.sign(data)),
        )
        client.agent = agent
        client.transport.peerExtensions = {b"server-sig-algs": listed}
        self.start(client)
        client.receive(failure(b"publickey"))
        return client

    def test_offered_with_what_it_signs(self) -> None:
        """
        Its RSA key is offered with SHA-1 where the server takes that, though
        the server takes more.
        """
        sent = self.login_with(ALL_RSA).transport.sent[-1]
        self.assertEqual(sent.algorithm, b"ssh-rsa")

    def test_explained(self) -> None:
        """
        Where the server does not, the report says what to do, and the next key
        follows.
        """
        client = self.login_with(b"rsa-sha2-512,ssh-ed25519")
        self.assertEqual(key_in(client.transport.sent[-1]), A.public().blob())
        skipped = client.report.attempts[-1]
        self.assertEqual(skipped.outcome, "skipped")
        self.assertIn("that of conch_auth.agent with SHA-2", skipped.reason)


class SeveralFactorsTests(LoginTestCase):
    def test_two_keys(self) -> None:
        """
        Where the server wants two keys, the second follows the first, and an
        accepted key is never offered again, however often it is given.
        """
        client = self.login([A, A, B])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(B))
        self.confirm(client)
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(
            [attempt.outcome for attempt in report.attempts],
            ["refused", "partial", "skipped", "accepted"],
        )
        self.assertEqual(str(report.proof).count("publickey with"), 2)

    def test_one_key_for_two(self) -> None:
        """
        Where the server wants two keys and there is one, the login fails.
        """
        client = self.login([A, A, A])
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(partial(b"publickey"))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(len(client.transport.packets), 3)
        self.assertIn("and wants another factor", flat(report))

    def test_unused_methods_come_first(self) -> None:
        """
        After a key, the methods not used yet are tried before another key.
        """
        client = self.login([A, B], [b"pw"])
        client.receive(failure(b"publickey", b"password"))
        self.confirm(client)
        client.receive(partial(b"password", b"publickey"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        client.receive(failure(b"password", b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(B))

    def test_refused_before_and_wanted_now(self) -> None:
        """
        A key that was refused first may be the second factor.
        """
        client = self.login([A, None, A], [b"pw"])
        client.receive(failure(b"publickey", b"password"))
        client.receive(failure(b"publickey", b"password"))
        client.receive(partial(b"publickey"))
        self.assertEqual(
            client.transport.sent[1:],
            [self.query(A), PasswordRequest(b"pw"), self.query(A)],
        )

    def test_a_query_accepted_as_a_factor(self) -> None:
        """
        A server that takes the mere offer of a key for a factor has seen no
        proof.
        """
        client = self.login([A, B])
        client.receive(failure(b"publickey"))
        client.receive(partial(b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(B))
        self.assertIsNone(client.report.proof)


class OwnMethodTests(LoginTestCase):
    """
    Overrides of Conch's steps, and copies of its methods.
    """

    def test_copy_of_the_reply(self) -> None:
        """
        A copy of Conch's C{ssh_USERAUTH_PK_OK_publickey}, which signs for the
        key's type, logs in with a key that has no other algorithm and, where
        the server takes SHA-1, with an RSA key.
        """

        class Copy(Client):
            def ssh_USERAUTH_PK_OK_publickey(self, packet: bytes) -> None:
                key = self.lastPublicKey
                data = (
                    string(self.transport.sessionID)
                    + b"\x32"
                    + string(self.user)
                    + string(self.instance.name)
                    + string(b"publickey")
                    + b"\x01"
                    + string(key.sshType())
                    + string(key.blob())
                )
                signed = self.signData(key, data)
                signed.addCallback(self._cbSignedData)
                signed.addErrback(self._ebAuth)

        for key, algorithm in ((A, A.sshType()), (RSA, b"ssh-rsa")):
            client = Copy([key])
            client.transport.peerExtensions = {
                b"server-sig-algs": ALL_RSA + b",ssh-ed25519"
            }
            self.start(client)
            client.receive(failure(b"publickey"))
            self.confirm(client)
            request = client.transport.sent[-1]
            self.assertEqual(request.algorithm, algorithm)
            data = data_to_sign(b"test", b"alice", b"nancy", request)
            self.assertTrue(key.public().verify(request.signature, data))
            client.receive(SUCCESS)
            self.assert_succeeded(client)

    def test_copy_of_the_request(self) -> None:
        """
        A copy of Conch's C{_cbSignedData} that names the key's type does not
        get a signature of another algorithm sent.
        """

        class Copy(Client):
            def _cbSignedData(self, signedData: bytes) -> None:
                key = self.lastPublicKey
                self.askForAuth(
                    b"publickey",
                    b"\x01"
                    + string(key.sshType())
                    + string(key.blob())
                    + string(signedData),
                )

        client = Copy([RSA, A])
        client.transport.peerExtensions = {
            b"server-sig-algs": ALL_RSA + b",ssh-ed25519"
        }
        self.start(client)
        client.receive(failure(b"publickey"))
        self.confirm(client)
        self.assertEqual(client.transport.sent[2:], [self.query(A)])

    def test_request_with_another_signature(self) -> None:
        """
        Whoever asks for it, such a request is not sent, and the next method
        follows.
        """
        client = self.login([A, None], [b"pw"])
        client.receive(failure(b"publickey", b"password"))
        signature = string(b"ssh-rsa") + string(b"s")
        client.askForAuth(b"publickey", self.query(A).signed_with(signature).build())
        self.assertEqual(client.transport.sent[2:], [PasswordRequest(b"pw")])

    def test_step_of_the_key(self) -> None:
        """
        C{_cbGetPublicKey} is asked what to do with a key, and with a failure
        to get one.
        """
        seen: list[Any] = []

        class Choosy(Client):
            def _cbGetPublicKey(self, publicKey: Any) -> Any:
                seen.append(publicKey)
                if publicKey is A:
                    return super()._cbGetPublicKey(B)
                return False

        client = Choosy([A, ValueError()])
        self.start(client)
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[-1], self.query(B))
        client.receive(failure(b"publickey"))
        self.assertIs(seen[0], A)
        self.assertIsInstance(seen[1].value, ValueError)
        self.assert_failed(client, AuthenticationFailed)

    def test_step_of_the_signature(self) -> None:
        """
        C{_cbSignData} signs, with the bytes to be signed.
        """
        seen: list[Any] = []

        class Signer(Client):
            def _cbSignData(self, privateKey: Any, signData: bytes) -> Any:
                seen.append(privateKey)
                return super()._cbSignData(privateKey, signData)

        client = Signer([A])
        self.start(client)
        client.receive(failure(b"publickey"))
        self.confirm(client)
        self.assertEqual(seen, [A])
        self.assertIsNotNone(client.transport.sent[-1].signature)

    def test_requests_of_an_overrides_own_making(self) -> None:
        """
        A request that is no C{publickey} request, whatever it is named, is sent
        as it is, and proves nothing.
        """
        client = self.login()
        client.auth_publickey = lambda: (  # type: ignore[method-assign]
            client.askForAuth(b"publickey", b"junk") or True
        )
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[-1], OtherRequest(b"publickey", b"junk"))
        client.receive(SUCCESS)
        self.assert_failed(client, TrivialAuthenticationRefused)

    def test_a_signed_request_after_one_of_those(self) -> None:
        """
        A proper request may follow one, and is an attempt of its own.
        """
        client = self.login()
        client.askForAuth(b"publickey", b"junk")
        signature = string(A.sshType()) + string(b"s")
        client.askForAuth(b"publickey", self.query(A).signed_with(signature).build())
        client.receive(SUCCESS)
        self.assertEqual(
            [a.outcome for a in self.assert_succeeded(client).attempts],
            ["failed", "failed", "accepted"],
        )

    def test_interactive_is_next(self) -> None:
        """
        C{auth_publickey} as C{None} switches the method off.
        """
        client = self.login([A])
        client.auth_publickey = None  # type: ignore[assignment, method-assign]
        client.receive(failure(b"publickey", b"keyboard-interactive"))
        self.assertEqual(client.transport.sent[-1], KeyboardInteractiveRequest())
        self.assertEqual(client.asked, [])

"""
Tests for the C{hostbased} method: which host keys vouch, for whom, and what is
signed.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import SSHCertificateType
from twisted.conch.ssh.keys import Key
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorThreads
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from conch_auth import _local
from conch_auth._wire import string
from conch_auth.errors import (
    AuthenticationFailed,
    KeyUnusable,
    TooManyAttempts,
    UnexpectedMessage,
)
from conch_auth.interfaces import ISigner
from conch_auth.keys import load_host_keys
from conch_auth.messages import (
    HostBasedRequest,
    MethodReply,
    NoneRequest,
    PasswordRequest,
)
from conch_auth.report import KeyIdentity
from conch_auth.signing import data_to_sign
from tests.host_certificates import certificate
from tests.support import (
    SUCCESS,
    Cancellable,
    Client,
    LoginTestCase,
    failure,
    new_key,
    partial,
)
from tests.transport_pair import ECDSA, RSA

A, B, C = new_key(), new_key(), new_key()
ALL_RSA = b"rsa-sha2-512,rsa-sha2-256,ssh-rsa"


class HostClient(Client):
    """
    Vouches with what the test has laid out.
    """

    clientHost = "client.example"
    clientUser = "bob"

    def __init__(self, host_keys: Iterable[Any] = (), *args: Any, **kw: Any) -> None:
        self._host_keys = iter(host_keys)
        super().__init__(*args, **kw)

    def getHostKey(self) -> Any:
        return self._give(self._host_keys, "getHostKey")


@implementer(ISigner)
class Signer:
    """
    Gives the signatures that a test has laid out: bytes, a Deferred, an
    exception, or a function of the data and the algorithm.
    """

    source = "a smartcard"

    def __init__(self, key: Key, *signatures: Any) -> None:
        self.key = key
        self.algorithms = (key.sshType(),)
        self.asked: list[bytes] = []
        self._signatures = iter(signatures)

    def sshType(self) -> bytes:
        return self.key.sshType()

    def blob(self) -> bytes:
        return self.key.blob()

    def sign(self, data: bytes, algorithm: bytes) -> Any:
        self.asked.append(algorithm)
        made = next(self._signatures, None)
        if isinstance(made, Exception):
            raise made
        return made(data, algorithm) if callable(made) else made


class HostBasedCase(LoginTestCase):
    def login(self, *args: Any, **kwargs: Any) -> Any:
        client = HostClient(*args, **kwargs)
        self.start(client)
        return client

    def asked(self, *args: Any, **kwargs: Any) -> Any:
        """
        A login whose server has asked for hostbased, or a password.
        """
        extensions = kwargs.pop("server_sig_algs", b"")
        client = HostClient(*args, **kwargs)
        client.transport.peerExtensions = {b"server-sig-algs": extensions}
        self.start(client)
        client.receive(failure(b"hostbased", b"password"))
        return client

    def request(self, client: Any) -> HostBasedRequest:
        """
        The last thing that was sent.
        """
        sent = client.transport.sent[-1]
        self.assertIsInstance(sent, HostBasedRequest)
        return sent

    def assert_vouched(self, client: Any, key: Key) -> HostBasedRequest:
        """
        The last thing that was sent is the host's word by C{key}, with a
        signature that holds.
        """
        sent = self.request(client)
        self.assertEqual(sent.blob, key.blob())
        data = data_to_sign(b"test", b"alice", b"nancy", sent)
        self.assertTrue(key.public().verify(sent.signature, data))
        return sent

    def reasons(self, client: Any, outcome: str) -> list[str]:
        return [a.reason for a in client.report.attempts if a.outcome == outcome]


class VouchingTests(HostBasedCase):
    def test_logs_in(self) -> None:
        """
        One request holds all: the key, the host, the user and the signature.
        The report tells the key, and takes it for the proof.
        """
        client = self.login([A])
        client.receive(failure(b"hostbased"))
        sent = self.assert_vouched(client, A)
        self.assertEqual(sent.algorithm, b"ssh-ed25519")
        self.assertEqual(sent.client_host, b"client.example")
        self.assertEqual(sent.client_user, b"bob")
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        identity = KeyIdentity.of(A.sshType(), A.blob())
        self.assertEqual(report.attempts[-1].key, identity)
        self.assertEqual(report.proof, f"hostbased with {identity}")

    def test_signed_bytes(self) -> None:
        """
        What is signed is the session identifier and the request up to its
        signature (RFC 4252, section 9), field by field.
        """
        sent = self.request(self.asked([A]))
        fields = (
            *(b"alice", b"nancy", b"hostbased", b"ssh-ed25519", A.blob()),
            *(b"client.example", b"bob"),
        )
        signed = string(b"test") + bytes([50]) + b"".join(map(string, fields))
        assert sent.signature is not None
        self.assertTrue(A.public().verify(sent.signature, signed))
        self.assertEqual(
            sent.build(), b"".join(map(string, (*fields[3:], sent.signature)))
        )

    def test_every_key_type(self) -> None:
        """
        A host key may be of every type that there is.
        """
        for key in (
            A,
            *(
                Key(ec.generate_private_key(curve()))
                for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
            ),
            Key(dsa.generate_private_key(1024)),
            RSA,
        ):
            sent = self.assert_vouched(self.asked([key]), key)
            self.assertEqual(sent.algorithm, key.sshType())

    def test_forms_of_a_key(self) -> None:
        """
        A key of Conch's, one of C{cryptography}, and a signer vouch; so does a
        Deferred and a coroutine of one.
        """

        async def coroutine() -> Key:
            return A

        private = ed25519.Ed25519PrivateKey.generate()
        signer = Signer(A, lambda data, algorithm: succeed(A.sign(data)))
        for answer, key in (
            (A, A),
            (private, Key(private)),
            (signer, A),
            (succeed(A), A),
            (coroutine(), A),
        ):
            self.assert_vouched(self.asked([answer]), key)

    def test_text_and_bytes(self) -> None:
        """
        Names may be text, which is sent in UTF-8, or bytes; or come later.
        """

        class Later(HostClient):
            def getClientHost(self) -> Any:
                return succeed(b"h\xff")

            async def getClientUser(self) -> str:
                return "bj\xf6rn"

        client = Later([A])
        self.start(client)
        client.receive(failure(b"hostbased"))
        sent = self.request(client)
        self.assertEqual(sent.client_host, b"h\xff")
        self.assertEqual(sent.client_user, "bj\xf6rn".encode())

    def test_comes_in_its_turn(self) -> None:
        """
        Conch's three methods come first, as C{preferredOrder} has them; the
        server's others after them.
        """
        client = self.login([A], [], [b"pw"])
        client.receive(failure(b"hostbased", b"password"))
        self.assertEqual(client.transport.sent[1:], [PasswordRequest(b"pw")])
        client.receive(failure(b"hostbased", b"password"))
        self.assert_vouched(client, A)

    def test_nobody_has_asked(self) -> None:
        """
        Where the server does not list the method, no host key is asked for.
        """
        client = self.login([A])
        client.receive(failure(b"password"))
        self.assertNotIn("getHostKey", client.asked)

    def test_switched_off(self) -> None:
        """
        The method is switched off as every other is.
        """

        class Off(HostClient):
            auth_hostbased = None  # type: ignore[assignment]

        client = Off([A])
        self.start(client)
        client.receive(failure(b"hostbased"))
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(client.transport.sent, [NoneRequest()])


class AlgorithmTests(HostBasedCase):
    """
    What an RSA key signs with.
    """

    def test_by_server_sig_algs(self) -> None:
        """
        The best that the server lists is used and signed with; without a list
        it is C{ssh-rsa}.
        """
        for listed, algorithm in (
            (ALL_RSA, b"rsa-sha2-512"),
            (b"rsa-sha2-256,ssh-ed25519", b"rsa-sha2-256"),
            (b"", b"ssh-rsa"),
        ):
            client = self.asked([RSA], server_sig_algs=listed)
            sent = self.assert_vouched(client, RSA)
            self.assertEqual(sent.algorithm, algorithm)
            self.assertTrue(sent.signature.startswith(string(algorithm)))

    def test_allowed(self) -> None:
        """
        What the client does not allow is not used.
        """
        client = self.asked(
            [RSA], server_sig_algs=ALL_RSA, signatureAlgorithms=[b"rsa-sha2-256"]
        )
        self.assertEqual(self.request(client).algorithm, b"rsa-sha2-256")

    def test_none_in_common(self) -> None:
        """
        A key with no algorithm in common is left out, with the reason; the next
        one vouches.
        """
        client = self.asked([RSA, A], server_sig_algs=b"ssh-ed25519")
        self.assert_vouched(client, A)
        (reason,) = self.reasons(client, "skipped")[-1:]
        self.assertIn("no common signature algorithm", reason)

    def test_older_signature(self) -> None:
        """
        A signer that can make no RSA signature but SHA-1 is asked for that by
        name where server and client allow it, since the name is signed too.
        """

        def sha1(data: bytes, algorithm: bytes) -> bytes:
            return RSA.sign(data, b"ssh-rsa")

        signer = Signer(RSA, sha1, sha1)
        signer.algorithms = (b"rsa-sha2-512", b"ssh-rsa")
        client = self.asked([signer], server_sig_algs=ALL_RSA)
        self.assertEqual(self.assert_vouched(client, RSA).algorithm, b"ssh-rsa")
        self.assertEqual(signer.asked, [b"rsa-sha2-512", b"ssh-rsa"])

    def test_older_signature_not_allowed(self) -> None:
        """
        Where SHA-1 is not allowed, it is never sent.
        """
        signer = Signer(RSA, *[lambda data, _: RSA.sign(data, b"ssh-rsa")] * 9)
        signer.algorithms = (b"rsa-sha2-512",)
        client = self.asked([signer, A], server_sig_algs=b"rsa-sha2-512,ssh-ed25519")
        self.assert_vouched(client, A)
        (reason,) = self.reasons(client, "failed")
        self.assertIn("signed with ssh-rsa where rsa-sha2-512", reason)


class RefusalTests(HostBasedCase):
    def test_next_key(self) -> None:
        """
        A refused key is followed by the next, in the order given, and then by
        the next method.
        """
        client = self.login([A, B, C])
        client.receive(failure(b"hostbased"))
        for key in (A, B, C):
            self.assert_vouched(client, key)
            client.receive(failure(b"hostbased"))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(self.reasons(client, "refused"), [""] * 4)
        self.assertEqual(len(client.transport.packets), 4)
        self.assertIn("shosts", "".join(report.advice()))

    def test_then_next_method(self) -> None:
        """
        Where no key is left, the methods that come after are tried.
        """

        class HostFirst(HostClient):
            preferredOrder = [b"hostbased", b"password"]

        client = HostFirst([A], [], [b"pw"])
        self.start(client)
        client.receive(failure(b"password", b"hostbased"))
        self.assert_vouched(client, A)
        client.receive(failure(b"password", b"hostbased"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))

    def test_same_key_twice(self) -> None:
        """
        A key that was refused does not vouch again.
        """
        client = self.asked([A, A, A, B])
        client.receive(failure(b"hostbased"))
        self.assert_vouched(client, B)
        self.assertEqual(len(client.transport.packets), 3)

    def test_same_key_for_ever(self) -> None:
        """
        An owner who gives one key for ever comes to an end.
        """

        class Stubborn(HostClient):
            def getHostKey(self) -> Any:
                return A

        client = Stubborn(maxAttempts=7)
        self.start(client)
        client.receive(failure(b"hostbased"))
        client.receive(failure(b"hostbased"))
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(len(client.transport.packets), 2)

    def test_new_keys_for_ever(self) -> None:
        """
        So does one who gives new keys for ever, to a server that refuses them.
        """

        class Rich(HostClient):
            def getHostKey(self) -> Any:
                return new_key()

        client = Rich(maxAttempts=7)
        client.transport.replies = lambda sent: [failure(b"hostbased")]
        self.start(client)
        self.assert_failed(client, TooManyAttempts)
        self.assertEqual(len(client.transport.packets), 7)

    def test_partial_success(self) -> None:
        """
        An accepted host key is a factor, and what is wanted next follows; the
        method is not used a second time.
        """
        client = self.login([A, B], [], [b"pw"])
        client.receive(failure(b"hostbased"))
        client.receive(partial(b"hostbased", b"password"))
        self.assertEqual(client.authenticatedWith, [b"hostbased"])
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        client.receive(failure(b"hostbased"))
        self.assert_failed(client, AuthenticationFailed)

    def test_refused_before_another_factor(self) -> None:
        """
        A key that was refused as the first factor may be the second.
        """
        client = self.login([A, None, A], [], [b"pw"])
        client.receive(failure(b"hostbased"))
        self.assert_vouched(client, A)
        client.preferredOrder = [b"hostbased", b"password"]
        client.receive(failure(b"hostbased", b"password"))
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        client.receive(partial(b"hostbased"))
        self.assert_vouched(client, A)

    def test_user_key_that_is_a_host_key(self) -> None:
        """
        A key that was refused as a user's may still vouch as the host's.
        """
        client = self.login([A], [A])
        client.receive(failure(b"publickey", b"hostbased"))
        client.receive(failure(b"publickey", b"hostbased"))
        self.assert_vouched(client, A)

    def test_no_other_reply(self) -> None:
        """
        The server may accept or refuse; message 60 has no meaning here, and
        ends the login.
        """
        client = self.asked([A])
        client.receive(MethodReply(b""))
        self.assert_failed(client, UnexpectedMessage, code=2)


class OwnerTests(HostBasedCase):
    """
    What an owner may answer.
    """

    def test_nothing(self) -> None:
        """
        Without a host key the method is passed over, and the report says so
        once.
        """
        client = self.asked()
        client.receive(failure(b"hostbased", b"password"))
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(
            [str(a) for a in client.report.attempts if a.method == "hostbased"],
            ["hostbased: not tried; no host key was given"],
        )

    def test_default(self) -> None:
        """
        A client that says nothing of host keys has none.
        """
        client = Client()
        self.start(client)
        client.receive(failure(b"hostbased"))
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(client.transport.sent, [NoneRequest()])

    def test_unusable(self) -> None:
        """
        What is no private key ends the attempt, not the login: a public key, a
        path and a number among it.  It is not asked for again.
        """
        for answer in (A.public(), "/etc/ssh/key", b"key", 7, ValueError("secret")):
            client = self.login([answer, A], [], [b"pw"])
            client.preferredOrder = [b"hostbased", b"password"]
            client.receive(failure(b"password", b"hostbased"))
            self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
            (reason,) = self.reasons(client, "failed")
            self.assertRegex(reason, r"^getHostKey (gave \w+, which cannot|raised)")
            self.assertNotIn("secret", reason)
            self.assertEqual(client.asked.count("getHostKey"), 1)

    def test_unusable_names(self) -> None:
        """
        So does a name that is none.
        """
        for attribute, question in (
            ("clientHost", "getClientHost"),
            ("clientUser", "getClientUser"),
        ):
            client = self.login([A], [], [b"pw"], **{attribute: 7})
            client.preferredOrder = [b"hostbased", b"password"]
            client.receive(failure(b"password", b"hostbased"))
            self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
            self.assertEqual(
                self.reasons(client, "failed"),
                [f"{question} gave int, neither str nor bytes"],
            )

    def test_signer_that_fails(self) -> None:
        """
        A key that cannot sign, or signs with another algorithm or with no
        signature at all, is told of, and the next key vouches.
        """
        for signature, reason in (
            (OSError("no card"), "the host key's signer failed: no card"),
            (fail(ValueError("secret")), "the host key's signer raised ValueError"),
            (None, "the host key's signer gave NoneType, not bytes"),
            (b"", "the host key's signer gave a malformed signature"),
            (ECDSA.sign(b""), "the host key's signer signed with ecdsa-sha2-nist"),
        ):
            client = self.asked([Signer(A, signature), B])
            self.assert_vouched(client, B)
            failed = [a for a in client.report.attempts if a.outcome == "failed"]
            (attempt,) = failed
            self.assertTrue(attempt.reason.startswith(reason), attempt.reason)
            self.assertEqual(attempt.key, KeyIdentity.of(A.sshType(), A.blob()))
            self.assertEqual(attempt.source, "a smartcard")

    def test_slow_signer(self) -> None:
        """
        A signer that does not answer in time is given up, and told so; the next
        key vouches.
        """
        answer = Cancellable()
        client = self.asked([Signer(A, answer), B], signTimeout=5.0)
        client.clock.advance(5)
        self.assertEqual(answer.cancelled, 1)
        self.assert_vouched(client, B)
        self.assertEqual(
            self.reasons(client, "failed"),
            ["the host key's signer did not answer in 5 seconds"],
        )

    def test_late_answers(self) -> None:
        """
        A key, and a signature, that come later are used when they come.
        """
        key: Deferred[Any] = Deferred()
        signature: Deferred[bytes] = Deferred()
        made: list[bytes] = []

        def sign(data: bytes, algorithm: bytes) -> Deferred[bytes]:
            made.append(A.sign(data))
            return signature

        client = self.asked([key])
        self.assertEqual(client.transport.sent, [NoneRequest()])
        key.callback(Signer(A, sign))
        self.assertEqual(client.transport.sent, [NoneRequest()])
        signature.callback(made[0])
        self.assert_vouched(client, A)

    def test_overtaken(self) -> None:
        """
        Where the owner goes on by itself while a key signs, neither that key
        nor the next one is used.
        """
        answer = Cancellable()
        client = self.asked([Signer(A, answer), B])
        client.askForAuth(b"none", b"")
        self.assertEqual(answer.cancelled, 1)
        self.assertEqual(client.transport.sent, [NoneRequest(), NoneRequest()])
        self.assertEqual(client.asked.count("getHostKey"), 1)
        self.assertEqual(self.reasons(client, "failed"), [])

    def test_source(self) -> None:
        """
        The report says where a key came from.
        """
        signer = Signer(A, lambda data, algorithm: A.sign(data))
        client = self.asked([signer, B])
        client.receive(failure(b"hostbased"))
        client.receive(failure(b"hostbased"))
        self.assertEqual(
            [attempt.source for attempt in client.report.attempts[-2:]],
            ["a smartcard", "getHostKey"],
        )

    def test_connection_lost(self) -> None:
        """
        What is asked when the connection goes is cancelled, and nothing is
        sent.
        """
        answer = Cancellable()
        client = self.asked([Signer(A, answer)])
        client.serviceStopped()
        self.assertEqual(answer.cancelled, 1)
        self.assertEqual(client.transport.sent, [NoneRequest()])
        self.assert_nothing_pending(client)

    def test_override_that_sends_by_itself(self) -> None:
        """
        An override may send the request by itself; without a signature it is
        held back, and is no proof.
        """

        class Own(Client):
            signature = b""

            def auth_hostbased(self) -> bool:
                request = HostBasedRequest(b"ssh-ed25519", A.blob(), b"h", b"u")
                self.askForAuth(
                    b"hostbased", request.signed_with(self.signature).build()
                )
                return True

        client = Own(signature=A.sign(b""))
        self.start(client)
        client.receive(failure(b"hostbased"))
        client.receive(SUCCESS)
        self.assert_succeeded(client)
        unsigned = Own(maxAttempts=2)
        self.start(unsigned)
        unsigned.receive(failure(b"hostbased"))
        self.assert_failed(unsigned, TooManyAttempts)
        self.assertEqual(unsigned.transport.sent, [NoneRequest()])


class HostKeysTests(SynchronousTestCase):
    """
    L{load_host_keys}.
    """

    def test_certificates(self) -> None:
        """
        A host's certificates go with its keys; one that is a user's or has
        expired does not, and the reason is told.
        """
        keys = load_host_keys([A, B], certificates=[certificate(A)])
        self.assertEqual(
            [key.blob() for key in keys][1:], [A.blob(), B.blob()]
        )
        self.assertEqual(keys.unusable, [])
        for unusable, problem in (
            (certificate(A, SSHCertificateType.USER), "a user's, not a host's"),
            (certificate(A, before=1), "expired"),
            (certificate(C), "certifies none"),
        ):
            keys = load_host_keys([A], certificates=[unusable])
            self.assertEqual([key.blob() for key in keys], [A.blob()])
            (told,) = keys.unusable
            self.assertIn(problem, str(told))

    def test_strict(self) -> None:
        """
        What is no key is an error, or is told beside those that are.
        """
        self.assertRaises(KeyUnusable, load_host_keys, [b"junk", A])
        keys = load_host_keys([b"junk", A], strict=False)
        self.assertEqual([key.blob() for key in keys], [A.blob()])
        self.assertEqual(len(keys.unusable), 1)


class Below:
    """
    What a transport stands on.
    """

    def __init__(self, address: Any) -> None:
        self._address = address

    def getHost(self) -> Any:
        return self._address


@implementer(IReactorThreads)
class AtOnce:
    """
    Does at once what is for a thread.
    """

    def getThreadPool(self) -> Any:
        return self

    def callInThreadWithCallback(self, told: Any, do: Any, *arguments: Any) -> None:
        told(True, do(*arguments))

    def callFromThread(self, do: Any, *arguments: Any) -> None:
        do(*arguments)

    def callInThread(self, do: Any, *arguments: Any) -> None:
        raise NotImplementedError

    def suggestThreadPoolSize(self, size: int) -> None:
        raise NotImplementedError


class LocalNameTests(HostBasedCase):
    """
    What this host and its user are called where nobody has said.
    """

    def names(self, address: Any) -> tuple[list[Any], list[Any]]:
        transport = self.login().transport
        transport.transport = Below(address)
        found: tuple[list[Any], list[Any]] = [], []
        for look_up, names in zip(
            (_local.host_name, _local.keysign_host_name), found, strict=True
        ):
            look_up(transport, AtOnce()).addCallback(names.append)
        return found

    def test_name_of_the_address(self) -> None:
        """
        The host is called as its end of the connection is; C{ssh-keysign}
        wants a dot after it.
        """

        def getnameinfo(address: Any, flags: int) -> tuple[str, str]:
            self.assertEqual(address, ("192.0.2.1", 0))
            return "client.example", "0"

        self.patch(socket, "getnameinfo", getnameinfo)
        found = self.names(IPv4Address("TCP", "192.0.2.1", 1))
        self.assertEqual(found, (["client.example"], ["client.example."]))

    def test_no_name(self) -> None:
        """
        Where the address has no name, it is the address, as in AsyncSSH; and
        for C{ssh-keysign} what this host calls itself, as in OpenSSH.
        """

        def getnameinfo(address: Any, flags: int) -> tuple[str, str]:
            raise socket.gaierror("no name")

        self.patch(socket, "getnameinfo", getnameinfo)
        self.patch(socket, "gethostname", lambda: "here")
        found = self.names(IPv4Address("TCP", "192.0.2.1", 1))
        self.assertEqual(found, (["192.0.2.1"], ["here."]))

    def test_no_address(self) -> None:
        """
        Where there is no internet address, it is what this host calls itself.
        """
        self.patch(socket, "gethostname", lambda: "here.example.")
        found = self.names(UNIXAddress("/x"))
        self.assertEqual(found, (["here.example."], ["here.example."]))

    def test_defaults(self) -> None:
        """
        They are what a client vouches for, unless it says otherwise.
        """

        class Silent(HostClient):
            clientHost = clientUser = None  # type: ignore[assignment]

        self.patch(socket, "gethostname", lambda: "here")
        self.patch(_local, "user_name", lambda: "me")
        client = Silent([A])
        self.start(client)
        client.receive(failure(b"hostbased"))
        sent = self.request(client)
        self.assertEqual((sent.client_host, sent.client_user), (b"here", b"me"))

    def test_user_without_an_entry(self) -> None:
        """
        The user is called as the entry of its number says; where there is none,
        as the environment says.
        """
        self.patch(os, "environ", {"LOGNAME": "somebody"})
        self.assertEqual(_local.user_name(), pwd.getpwuid(os.getuid()).pw_name)
        self.patch(os, "getuid", lambda: 4_000_000_000)
        self.assertEqual(_local.user_name(), "somebody")

# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Tests for C{eager}: what goes before the server has said what it takes, and what
becomes of it.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.ssh.transport import MSG_SERVICE_ACCEPT
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHClient
from conch_auth._signers import CertifiedSigner, KeySigner
from conch_auth._states import State
from conch_auth._sure import is_sure
from conch_auth.agent import AgentKey
from conch_auth.display import fingerprint
from conch_auth.errors import ProtocolError, ServerDisconnected
from conch_auth.keys import load_keys
from conch_auth.knownhosts import insecure_accept_any
from conch_auth.loopback import LoopbackServer, generate_key
from conch_auth.memory import Memory, Recollection
from conch_auth.messages import NoneRequest, PasswordRequest, PublicKeyRequest
from conch_auth.report import Attempt, AuthReport, KeyIdentity
from conch_auth.scripted import (
    Packet,
    ScriptedServer,
    disconnect,
    pk_ok,
    rekey,
    success,
    unimplemented,
)
from tests.memory import MemoryCase
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
    expired,
    failure,
    new_key,
    partial,
)

KEY, OTHER_KEY, RSA = new_key(), new_key(), generate_key("ssh-rsa")


def methods(sent: Any) -> list[str]:
    """
    The requests by their methods; a signed one says so.
    """
    told = []
    for request in sent:
        request = getattr(request, "request", request)
        signed = getattr(request, "signature", None) is not None
        told.append(f"{'signed ' if signed else ''}{request.listed_as.decode()}")
    return told


class SubclassTests(LoginTestCase):
    """
    A subclass that sets C{eager}, on a transport that is not ours.
    """

    def eager(self, *args: Any, **kwargs: Any) -> Client:
        return self.login(*args, eager=True, **kwargs)

    def test_key(self) -> None:
        """
        The first key is signed with at once, and that proves the login.
        """
        client = self.eager([KEY, OTHER_KEY], [b"pw"])
        self.assertEqual(methods(client.transport.sent), ["signed publickey"])
        self.assertEqual(client.asked, ["getPublicKey"])
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(report.round_trips, 1)
        self.assertIn("publickey with", report.proof or "")
        (attempt,) = report.attempts
        self.assertEqual(attempt.answers, ("USERAUTH_SUCCESS",))
        self.assertTrue(attempt.offered and attempt.signed)

    def test_refused(self) -> None:
        """
        Where it is refused the login goes on with the server's list: the next
        key is asked about, the first is not offered again.
        """
        client = self.eager([KEY, KEY, OTHER_KEY])
        client.receive(failure(b"publickey"))
        self.assertEqual(
            client.transport.sent[1:],
            [PublicKeyRequest(b"ssh-ed25519", OTHER_KEY.blob())],
        )
        refused = client.report.attempts[0]
        self.assertEqual((refused.outcome, refused.cause), ("refused", "key-refused"))
        self.assertEqual(refused.reason, "")

    def test_not_taken(self) -> None:
        """
        A server that does not take the method, or not as the first, has not
        judged the key: it is offered when its turn comes.
        """
        client = self.eager([KEY], [b"pw"])
        client.receive(failure(b"password"))
        client.receive(partial(b"publickey"))
        self.confirm(client)
        client.receive(SUCCESS)
        self.assert_succeeded(client)
        self.assertEqual(
            methods(client.transport.sent),
            ["signed publickey", "password", "publickey", "signed publickey"],
        )

    def test_password(self) -> None:
        """
        Where there is no key the password is sent.
        """
        client = self.eager([], [b"pw"])
        self.assertEqual(client.transport.sent, [PasswordRequest(b"pw")])

    def test_password_in_clear(self) -> None:
        """
        Never over a transport that does not protect it.
        """
        client = Client([], [b"pw"], eager=True)
        client.transport.isEncrypted = lambda direction: False
        self.start(client)
        self.assertEqual(client.transport.sent, [NoneRequest()])
        self.assertEqual(client.asked, ["getPublicKey"])

    def test_nothing(self) -> None:
        """
        Where there is nothing, the server is asked.
        """
        client = self.eager()
        self.assertEqual(client.transport.sent, [NoneRequest()])

    def test_order(self) -> None:
        """
        No method is tried that comes after one which has to be listed.
        """
        order = [b"keyboard-interactive", b"publickey", b"password"]
        client = self.eager([KEY], [b"pw"], preferredOrder=order)
        self.assertEqual(client.transport.sent, [NoneRequest()])
        self.assertEqual(client.asked, [])

    def test_switched_off(self) -> None:
        """
        A method that is C{None} stays off.
        """
        client = self.eager([KEY], [b"pw"], auth_publickey=None)
        self.assertEqual(client.transport.sent, [PasswordRequest(b"pw")])

    def test_no_signature(self) -> None:
        """
        Where the key cannot sign, that is told, and the server is asked.
        """
        lost = lambda key, data: fail(OSError())  # noqa: E731
        client = self.eager([KEY, OTHER_KEY], signData=lost)
        self.assertEqual(client.transport.sent, [NoneRequest()])
        (failed,) = client.report.attempts
        self.assertEqual((failed.method, failed.outcome), ("publickey", "failed"))
        self.assertEqual(
            failed.key, KeyIdentity.of(b"ssh-ed25519", KEY.blob())
        )
        client.receive(failure(b"publickey"))
        self.assertEqual(client.transport.sent[-1].blob, OTHER_KEY.blob())

    def test_late_signature(self) -> None:
        """
        Nothing else leaves while a signature is waited for.
        """
        made: Deferred[Any] = Deferred()
        client = self.eager([KEY], [b"pw"], signData=lambda key, data: made)
        self.assertEqual(client.transport.sent, [])
        made.callback(KEY.sign(b"whatever"))
        self.assertEqual(methods(client.transport.sent), ["signed publickey"])

    def test_no_proof_wanted(self) -> None:
        """
        C{none} goes first where it may be enough.
        """
        client = self.eager([KEY], allowTrivialAuth=True)
        self.assertEqual(client.transport.sent, [NoneRequest()])

    def test_expired(self) -> None:
        """
        A password that has expired, and is not changed, leaves the server's list
        unknown: it is asked for.
        """
        client = self.eager([], [b"old", None])
        client.receive(expired())
        self.assertEqual(methods(client.transport.sent), ["password", "none"])

    def test_unknown_to_server(self) -> None:
        """
        A server that knows nothing of the first request is asked, and the key is
        kept for its turn.
        """
        client = self.eager([KEY])
        client.requestUnimplemented(3)
        client.receive(failure(b"publickey"))
        self.confirm(client)
        client.receive(SUCCESS)
        self.assert_succeeded(client)
        self.assertEqual(
            methods(client.transport.sent),
            ["signed publickey", "none", "publickey", "signed publickey"],
        )

    def test_unknown_twice(self) -> None:
        """
        One that knows nothing of C{none} either has no authentication.
        """
        client = self.eager([KEY])
        client.requestUnimplemented(3)
        client.requestUnimplemented(4)
        self.assert_failed(client, ProtocolError, code=2)

    def test_not_eager(self) -> None:
        """
        Without C{eager} nothing begins before the service does.
        """
        client = Client([KEY])
        self.assertFalse(client.serviceRequested(client.transport))
        self.assertEqual((client.transport.sent, client.asked), ([], []))


class NotAcceptedTests(LoginTestCase):
    """
    Before the server has accepted the service.
    """

    def ahead(self, *args: Any, **kwargs: Any) -> Client:
        client = Client(*args, eager=True, **kwargs)
        self.ends = []
        client.whenAuthenticated().addBoth(self.ends.append)
        transport, client.transport = client.transport, None
        self.assertTrue(client.serviceRequested(transport))
        return client

    def test_nothing_may_come(self) -> None:
        """
        Whatever the server says of authentication then breaks the protocol.
        """
        for number in (51, 52, 53, 60):
            client = self.ahead([KEY])
            self.assertIs(client._conversation.state, State.NOT_ACCEPTED)
            client.packetReceived(number, failure().build() if number == 51 else b"")
            self.assert_failed(client, ProtocolError, code=2)

    def test_accepted(self) -> None:
        """
        Then its reply is awaited, and no other request leaves.
        """
        client = self.ahead([KEY])
        client.serviceStarted()
        self.assertIs(client._conversation.state, State.SIGNATURE_SENT)
        self.assertEqual(methods(client.transport.sent), ["signed publickey"])
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_accepted_before_an_answer(self) -> None:
        """
        A key that comes after that is signed with all the same.
        """
        late: Deferred[Any] = Deferred()
        client = self.ahead([late])
        client.serviceStarted()
        self.assertIs(client._conversation.state, State.CHOOSING)
        self.assertEqual(client.transport.sent, [])
        late.callback(KEY)
        self.assertEqual(methods(client.transport.sent), ["signed publickey"])
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_unknown_to_server(self) -> None:
        """
        A server that knows nothing of a request is asked once it has accepted
        the service, not before.
        """
        client = self.ahead([KEY])
        client.requestUnimplemented(3)
        self.assertEqual(methods(client.transport.sent), ["signed publickey"])
        client.serviceStarted()
        self.assertEqual(methods(client.transport.sent), ["signed publickey", "none"])

    def test_lost(self) -> None:
        """
        A connection that is lost then ends the login, and every question.
        """
        late: Deferred[Any] = Deferred()
        client = self.ahead([late])
        client.serviceStopped()
        self.assertEqual(len(self.ends), 1)
        self.assert_nothing_pending(client)

    def test_requested_again(self) -> None:
        """
        A second request for the service begins no second login.
        """
        client = self.ahead([KEY])
        self.assertFalse(client.serviceRequested(client.transport))
        self.assertEqual(len(client.transport.sent), 1)


class OneFlightTests(SynchronousTestCase):
    """
    On our transport, over a connection.
    """

    def log_in(self, server: ScriptedServer, *keys: Any, **kwargs: Any) -> Client:
        client = Client(keys, eager=True, **kwargs)
        self.ends: list[Any] = []
        server.log_in(client).addBoth(self.ends.append)
        return client

    def held(self, *script: Any, **kwargs: Any) -> ScriptedServer:
        """
        A server that does not accept the service.
        """
        return ScriptedServer(
            script, instead={MSG_SERVICE_ACCEPT: None}, **kwargs
        )

    def test_with_the_service(self) -> None:
        """
        The request does not wait for SERVICE_ACCEPT.
        """
        server = self.held()
        self.log_in(server, KEY)
        self.assertEqual(methods(server.received), ["signed publickey"])

    def test_rsa(self) -> None:
        """
        An RSA key waits for EXT_INFO, which this server sends with its answer
        to the NEWKEYS.
        """
        server = self.held()
        self.log_in(server, RSA)
        self.assertEqual(methods(server.received), ["signed publickey"])
        self.assertEqual(server.received[0].request.algorithm, b"rsa-sha2-512")

    def test_rsa_without_extensions(self) -> None:
        """
        Where there is none, it can come until SERVICE_ACCEPT.
        """
        server = self.held(extensions=None)
        self.log_in(server, RSA)
        self.assertEqual(server.received, [])
        server = ScriptedServer([success()], extensions=None)
        self.log_in(server, RSA)
        self.assertEqual(server.received[0].request.algorithm, b"ssh-rsa")
        (report,) = self.ends
        self.assertEqual(report.round_trips, 1)

    def test_success_before_the_service(self) -> None:
        """
        A success that comes before SERVICE_ACCEPT is none.
        """
        server = self.held(success())
        self.log_in(server, KEY)
        (end,) = self.ends
        end.trap(ProtocolError)
        self.assertIn("before it had accepted the service", str(end.value))

    def test_every_message_before_the_service(self) -> None:
        """
        Nor is anything else legal that a service hears.
        """
        for number in range(50, 80):
            server = self.held()
            self.log_in(server, KEY)
            server.send(Packet(number))
            if self.ends:
                self.ends[0].trap(ProtocolError)
            else:
                self.assertEqual(server.refused, 1, number)

    def test_unimplemented(self) -> None:
        """
        A server that does not know a request in that place is asked after it
        has accepted the service.
        """
        refusal = failure(b"publickey")
        server = ScriptedServer([unimplemented(), refusal, pk_ok, success()])
        self.log_in(server, KEY)
        self.assertEqual(
            methods(server.received),
            ["signed publickey", "none", "publickey", "signed publickey"],
        )
        self.assertTrue(self.ends[0].succeeded)

    def test_disconnect(self) -> None:
        """
        A server that hangs up at it has said why.
        """
        server = self.held(disconnect(2, "not so fast"))
        self.log_in(server, KEY)
        (end,) = self.ends
        end.trap(ServerDisconnected)
        self.assertIn("not so fast", str(end.value))

    def test_rekey(self) -> None:
        """
        Nothing is lost where the server renews the keys meanwhile.
        """
        server = ScriptedServer([success()], after={MSG_SERVICE_ACCEPT: rekey()})
        self.log_in(server, KEY)
        self.assertEqual(methods(server.received), ["signed publickey"])
        self.assertTrue(self.ends[0].succeeded)


class SureTests(SynchronousTestCase):
    """
    Which keys sign unasked.
    """

    def sure(self, signer: Any, wanted: bool = True, **known: Any) -> bool:
        return is_sure(signer, wanted, Recollection(**known))

    def agent_key(self, blob: bytes = KEY.public().blob()) -> AgentKey:
        return AgentKey(None, blob, b"")  # type: ignore[arg-type]

    def test_in_memory(self) -> None:
        """
        One in memory that is the only one, or that was accepted the last time.
        """
        signer, shown = KeySigner(KEY, "file"), fingerprint(KEY.blob())
        self.assertTrue(self.sure(signer))
        self.assertFalse(self.sure(signer, False))
        self.assertTrue(self.sure(signer, False, key=shown))

    def test_refused_before(self) -> None:
        """
        Not one that was refused the last time.
        """
        signer = KeySigner(KEY, "file")
        self.assertFalse(self.sure(signer, refused=(fingerprint(KEY.blob()),)))

    def test_encrypted(self) -> None:
        """
        Not one that wants a passphrase, though it be known.
        """
        text = KEY.toString("openssh", subtype="v1", passphrase=b"secret")
        (signer,) = load_keys(text, passphrase="secret")
        self.assertFalse(self.sure(signer, key=fingerprint(KEY.blob())))

    def test_agent(self) -> None:
        """
        One of an agent that was accepted the last time, and signed at once.
        """
        shown = fingerprint(KEY.blob())
        key = self.agent_key()
        self.assertFalse(self.sure(key))
        self.assertFalse(self.sure(key, key=shown))
        self.assertTrue(self.sure(key, False, key=shown, unattended=True))

    def test_touch(self) -> None:
        """
        Not one that wants a touch.
        """
        blob = b"\0\0\0\x1ask-ssh-ed25519@openssh.com"
        known = {"key": fingerprint(blob), "unattended": True}
        self.assertFalse(self.sure(self.agent_key(blob), **known))

    def test_certified(self) -> None:
        """
        One with a certificate is as good as its key.
        """

        class Certificate:
            blob = KEY.blob()

        for signer, wanted in ((KeySigner(KEY, ""), True), (self.agent_key(), False)):
            certified = CertifiedSigner(signer, Certificate(), "")  # type: ignore[arg-type]
            self.assertIs(self.sure(certified), wanted)


class UnattendedTests(SynchronousTestCase):
    """
    What is remembered of an agent's key.
    """

    def learnt(self, source: str, seconds: float) -> Recollection:
        identity = KeyIdentity("ssh-ed25519", fingerprint(KEY.blob()))
        accepted = Attempt(
            "publickey", "accepted", key=identity, source=source, agent_seconds=seconds
        )
        report = AuthReport("alice", "", succeeded=True, attempts=(accepted,))
        memory = Memory(self.mktemp())
        memory.learn("alice", "server", 22, report)
        return memory.recall("alice", "server", 22)

    def test_fast(self) -> None:
        """
        That it signed too fast for a person to have been asked.
        """
        self.assertTrue(self.learnt("ssh-agent (mine)", 0.1).unattended)

    def test_slow(self) -> None:
        """
        Not where somebody may have allowed it.
        """
        self.assertFalse(self.learnt("ssh-agent (mine)", 1.0).unattended)

    def test_file(self) -> None:
        """
        Of the key of a file there is nothing to be said of the agent.
        """
        self.assertFalse(self.learnt("~/.ssh/id_ed25519", 0.0).unattended)


class ConnectTests(MemoryCase):
    """
    When C{connect} is sure.
    """

    def first(self, *args: Any, **options: Any) -> str:
        """
        What the login begins with.
        """
        self.ends.clear()
        self.endpoint = self.server.endpoint()
        self.server.requests.clear()
        self.log_in(*args, **{"endpoint": self.endpoint, **options})
        return methods([self.server.requests[0]])[0]

    def test_only_key(self) -> None:
        """
        The only key that is given; but neither of two.
        """
        self.assertEqual(self.first(client_keys=[KEY]), "signed publickey")
        self.assertEqual(self.first(client_keys=[KEY, OTHER_KEY]), "none")

    def test_last_key(self) -> None:
        """
        The last that is left is not asked about.
        """
        self.server.add_user("alice", keys=[OTHER_KEY])
        self.first(client_keys=[KEY, OTHER_KEY])
        self.assertEqual(
            methods(self.server.requests), ["none", "publickey", "signed publickey"]
        )

    def test_remembered_key(self) -> None:
        """
        The one that was accepted the last time.
        """
        self.server.add_user("alice", keys=[OTHER_KEY])
        known = {"client_keys": [KEY, OTHER_KEY], "memory": self.mktemp()}
        self.assertEqual(self.first(**known), "none")
        self.assertEqual(self.first(**known), "signed publickey")
        self.assertTrue(self.connection.report.succeeded)

    def test_refused_key(self) -> None:
        """
        Not one that was refused the last time.
        """
        known = {"client_keys": [KEY], "memory": self.mktemp()}
        self.assertEqual(self.first(**known), "signed publickey")
        self.assertEqual(self.first(**known), "none")

    def test_key_of_a_ticket_holder(self) -> None:
        """
        Not where somebody has asked for a ticket to be used.
        """
        for asked in ({"gss_host": "server"}, {"gss_delegate_creds": True}):
            self.assertEqual(self.first(client_keys=[KEY], **asked), "none")

    def test_password(self) -> None:
        """
        A password that is given as text.
        """
        self.assertEqual(self.first(password="right"), "password")
        self.assertEqual(self.connection.report.round_trips, 1)
        self.assertEqual(self.first(password=lambda: "right"), "none")

    def test_password_after_something(self) -> None:
        """
        Not where something comes before it.
        """

        class Answering(SSHClient):
            def kbdint_challenge_received(self, *args: Any) -> Any:
                return None

        class Keyed(SSHClient):
            def public_key_auth_requested(self) -> Any:
                return None

        order = ["keyboard-interactive", "password"]
        self.assertEqual(self.first(password="right", preferred_auth=order), "none")
        self.assertEqual(self.first(Answering, password="right"), "none")
        self.assertEqual(self.first(Keyed, password="right"), "none")
        keys = [KEY, OTHER_KEY]
        self.assertEqual(self.first(password="right", client_keys=keys), "none")

    def test_password_after_questions(self) -> None:
        """
        Nor where the last login went by questions.
        """
        self.server.add_user(
            "alice", prompts=[[("Password: ", False)]], answers=[["right"]]
        )
        known = {"password": "right", "memory": self.mktemp()}
        self.assertEqual(self.first(**known), "password")
        self.assertEqual(self.connection.report.proof, "keyboard-interactive")
        self.assertEqual(self.first(**known), "none")

    def test_password_to_anybody(self) -> None:
        """
        Nor to a host that nobody has judged.
        """
        trusting = {"known_hosts": insecure_accept_any()}
        self.assertEqual(self.first(password="right", **trusting), "none")
        self.assertEqual(self.first(client_keys=[KEY], **trusting), "signed publickey")

    def test_switched_off(self) -> None:
        """
        C{eager=False} asks.
        """
        self.assertEqual(self.first(password="right", eager=False), "none")
        self.assertEqual(self.first(client_keys=[KEY], eager=False), "none")

    def test_budget(self) -> None:
        """
        What went ahead counts: no more keys are offered than without.
        """
        keys = [generate_key() for _ in range(9)]
        memory = Memory(self.mktemp())
        self.server.add_user("alice", keys=keys[:1])
        self.first(client_keys=keys[:1], memory=memory)
        self.server.add_user("alice", keys=[OTHER_KEY])
        self.assertEqual(
            self.first(client_keys=keys, memory=memory, max_auth_tries=4),
            "signed publickey",
        )
        refused = [a.outcome for a in self.error.report.attempts].count("refused")
        self.assertEqual(refused, 4)


class SecondFactorTests(MemoryCase):
    def test_key_is_second(self) -> None:
        """
        Where the server wants a password before the key, both have their turn.
        """
        self.server.add_user(
            "alice", password="right", keys=[KEY], factors=[["password", "publickey"]]
        )
        self.log_in(client_keys=[KEY], password="right")
        self.assertTrue(self.connection.report.succeeded)

    def test_loopback(self) -> None:
        """
        Two factors take two round trips.
        """
        self.server = LoopbackServer()
        self.endpoint = self.server.endpoint()
        self.server.add_user(
            "alice", password="right", keys=[KEY], factors=[["publickey", "password"]]
        )
        self.log_in(client_keys=[KEY], password="right")
        self.assertEqual(self.connection.report.round_trips, 2)

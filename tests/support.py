"""
A client under test with a transport that records, and a server in a few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSToken,
)
from conch_auth._message import Continuation
from conch_auth._wire import Reader
from conch_auth.errors import MalformedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    InfoRequest,
    InfoResponse,
    Message,
    MethodRequest,
    OtherRequest,
    PasswordChangeRequest,
    Prompt,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
    UserAuthRequest,
)
from conch_auth.report import AuthReport
from conch_auth.userauth import SSHUserAuthClient

SUCCESS = Success()
#: What the client sends, as a test reads it.
Sent = MethodRequest | Continuation


def new_key() -> Key:
    return Key(ed25519.Ed25519PrivateKey.generate())


def failure(*methods: bytes, partial: bool = False) -> Failure:
    return Failure(methods, partial)


def partial(*methods: bytes) -> Failure:
    return Failure(methods, True)


def questions(*prompts: bytes, name: bytes = b"", text: bytes = b"") -> InfoRequest:
    return InfoRequest(name, text, b"", tuple(Prompt(p, False) for p in prompts))


def banner(message: bytes, language: bytes = b"") -> Banner:
    return Banner(message, language)


def expired(prompt: bytes = b"New password: ") -> PasswordChangeRequest:
    return PasswordChangeRequest(prompt, b"")


def flat(shown: object) -> str:
    """
    What is shown, without the breaks between its lines.
    """
    return " ".join(str(shown).split())


class NextService(SSHService):
    """
    The service that follows the login.
    """

    name = b"nancy"


class RecordingTransport:
    """
    Can do what the transports of Conch's own tests can, and keeps what it is
    told.

    @ivar packets: each packet sent: its number and its payload.
    @ivar disconnects: each reason code and text.
    @ivar services: each service that was set.
    @ivar unimplemented: how often UNIMPLEMENTED was sent.
    @ivar replies: called with what was sent, within the very call that sends
        it; gives the messages of the server.
    """

    sessionID = b"test"

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []
        self.disconnects: list[tuple[int, bytes]] = []
        self.services: list[Any] = []
        self._asked = b""
        self.unimplemented = 0
        self.replies: Callable[[Sent], Iterable[Message]] = lambda sent: ()
        self.deliver: Callable[[Message], object] = lambda message: None

    def sendPacket(self, number: int, payload: bytes) -> None:
        self.packets.append((number, payload))
        if number == UserAuthRequest.number:
            self._asked = _parsed(number, payload).method
        for message in self.replies(_parsed(number, payload, self._asked)):
            self.deliver(message)

    def sendDisconnect(self, code: int, text: bytes) -> None:
        self.disconnects.append((code, text))

    def sendUnimplemented(self) -> None:
        self.unimplemented += 1

    def setService(self, service: Any) -> None:
        self.services.append(service)

    def isEncrypted(self, direction: str) -> bool:
        return True

    @property
    def sent(self) -> list[Sent]:
        sent: list[Sent] = []
        for number, payload in self.packets:
            sent.append(_parsed(number, payload, sent[-1].method if sent else b""))
        return sent


_CONTINUATIONS = {
    (message.method, message.number): message
    for message in (GSSToken, GSSMic, GSSExchangeComplete, GSSErrorToken)
}


def _parsed(number: int, payload: bytes, asked: bytes = b"") -> Sent:
    """
    A packet as a value; a request that is not what its method says is one of
    another kind.

    @param asked: the method that was last asked for.
    """
    if number != UserAuthRequest.number:
        return _CONTINUATIONS.get((asked, number), InfoResponse).parse(payload)
    try:
        return UserAuthRequest.parse(payload).request
    except MalformedMessage:
        fields = Reader(payload, UserAuthRequest.title)
        fields.string(), fields.string()
        return OtherRequest(fields.string(), fields.rest())


class Client(SSHUserAuthClient):
    """
    Answers each question with the next of what the test has laid out: a value,
    a Deferred, a coroutine, or an exception, which is raised.

    @ivar asked: each question and its arguments, in order.
    @ivar banners: each banner and its language.
    @ivar told: each other thing that it was told.
    """

    def __init__(
        self,
        keys: Iterable[Any] = (),
        passwords: Iterable[Any] = (),
        answers: Iterable[Any] = (),
        **attributes: Any,
    ) -> None:
        super().__init__(b"alice", NextService())
        self.transport = RecordingTransport()
        self.transport.deliver = self.receive
        self.clock = Clock()
        self._keys = iter(keys)
        self._passwords = iter(passwords)
        self._answers = iter(answers)
        self.asked: list[Any] = []
        self.banners: list[tuple[str, str]] = []
        self.told: list[Any] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def receive(self, message: Message) -> Any:
        return self.packetReceived(message.number, message.build())

    def _give(self, laid_out: Iterator[Any], *question: Any) -> Any:
        self.asked.append(question[0] if len(question) == 1 else question)
        answer = next(laid_out, None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def getPublicKey(self) -> Any:
        return self._give(self._keys, "getPublicKey")

    def getPrivateKey(self) -> Any:
        return self.lastPublicKey

    def getPassword(self, prompt: bytes | None = None) -> Any:
        return self._give(
            self._passwords,
            *("getPassword",) if prompt is None else ("getPassword", prompt),
        )

    def getGenericAnswers(
        self, name: bytes, instruction: bytes, prompts: list[tuple[bytes, bool]]
    ) -> Any:
        return self._give(
            self._answers, "getGenericAnswers", name, instruction, prompts
        )

    def bannerReceived(self, message: str, language: str) -> Any:
        self.banners.append((message, language))

    def informationReceived(self, name: bytes, instruction: bytes) -> Any:
        self.told.append((name, instruction))

    def passwordChanged(self) -> Any:
        self.told.append("changed")

    def passwordChangeFailed(self) -> Any:
        self.told.append("change failed")


class LoginTestCase(SynchronousTestCase):
    """
    Tests of one login.
    """

    client_class: type[Client] = Client

    def login(self, *args: Any, **kwargs: Any) -> Client:
        """
        A login that has begun: the client has asked for the methods.
        """
        client = self.client_class(*args, **kwargs)
        self.start(client)
        return client

    def start(self, client: SSHUserAuthClient) -> None:
        """
        Begin a login, and expect its end.
        """
        self.ends: list[Any] = []
        client.whenAuthenticated().addBoth(self.ends.append)
        client.serviceStarted()

    @property
    def error(self) -> Any:
        """
        What the login ended with.
        """
        (end,) = self.ends
        return end.value

    def assert_succeeded(self, client: Any) -> AuthReport:
        (report,) = self.ends
        self.assertIsInstance(report, AuthReport)
        self.assertTrue(report.succeeded)
        self.assertEqual(client.transport.services, [client.instance])
        self.assertEqual(client.transport.disconnects, [])
        self.assert_nothing_pending(client)
        return report

    def assert_failed(
        self, client: Any, error: type[Exception], code: int = 14
    ) -> AuthReport:
        self.assertIsInstance(self.error, error)
        self.assertEqual([said[0] for said in client.transport.disconnects], [code])
        self.assertEqual(client.transport.services, [])
        self.assert_nothing_pending(client)
        report: AuthReport = self.error.report
        self.assertFalse(report.succeeded)
        return report

    def assert_nothing_pending(self, client: Any) -> None:
        self.assertEqual(client.clock.getDelayedCalls(), [])

    def query(self, key: Key, algorithm: bytes | None = None) -> PublicKeyRequest:
        return PublicKeyRequest(algorithm or key.sshType(), key.blob())

    def confirm(self, client: Any) -> None:
        """
        The server would take the key that was offered last.
        """
        asked = client.transport.sent[-1]
        client.receive(PublicKeyOk(asked.algorithm, asked.blob))


class Cancellable(Deferred[Any]):
    """
    An answer that does not come by itself, and knows whether it is wanted.
    """

    def __init__(self) -> None:
        self.cancelled = 0
        super().__init__(self._note)

    def _note(self, _: Deferred[Any]) -> None:
        self.cancelled += 1

"""
A whole login against a server that does what a fuzzer tells it to, by an owner
that answers as it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure as Failed

from conch_auth import names
from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth.errors import LoginError
from conch_auth.messages import (
    Banner,
    Failure,
    InfoRequest,
    InfoResponse,
    MethodRequest,
    PasswordChangeRequest,
    PasswordRequest,
    Prompt,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
)
from conch_auth.report import AuthReport
from tests.fuzz.script import Script
from tests.gss import KRB5_DER, LAST, ScriptedContext
from tests.support import Client, Sent

SECRET = "S3CRET"
_KEYS = [
    Key(ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)))
    for number in (1, 2)
]
_METHODS = (
    names.PUBLICKEY,
    names.PASSWORD,
    names.KEYBOARD_INTERACTIVE,
    names.GSSAPI_WITH_MIC,
    names.HOSTBASED,
    names.NONE,
    b"x@example",
    b"\xff",
)
_MOST_STEPS = 128
#: An owner who always has another takes long, and tells nothing more.
_MOST_ANSWERS = 12


class Owner(Client):
    """
    Answers each question as the script says: with a value, nothing, a Deferred
    that comes later or never, an error, or nonsense.

    @ivar pending: the Deferreds that were given and the values to fire them with.
    """

    def __init__(self, script: Script) -> None:
        self.pending: list[tuple[Deferred[Any], Any]] = []
        super().__init__(
            self._given(script, *_KEYS),
            self._given(script, SECRET, SECRET.encode(), b""),
            self._given(script, [SECRET], [SECRET, SECRET], [], ["", ""]),
        )
        self._contexts = self._given(
            script, ScriptedContext([LAST]), ScriptedContext([b"token", LAST])
        )

    def _given(self, script: Script, *values: Any) -> Iterator[Any]:
        for _ in range(_MOST_ANSWERS):
            value = script.choose(values)
            how = script.byte() % 8
            if how < 4:
                yield value
            elif how == 4:
                yield None
            elif how == 5:
                self.pending.append((Deferred(), value))
                yield self.pending[-1][0]
            elif how == 6:
                yield ValueError(SECRET)
            else:
                yield {SECRET: 7}

    def getGSSAPIContext(self) -> Any:
        return self._give(self._contexts, "getGSSAPIContext")


class Server:
    """
    Says what the script says, and judges the client.

    @ivar proved: whether a factor with a proof was accepted.
    @ivar accepted: whether the service was.
    """

    def __init__(self, script: Script, eager: bool) -> None:
        self.script = script
        self.client = Owner(script)
        self.client.eager = eager
        self.ends: list[list[Any]] = []
        self.waiters: list[Deferred[AuthReport]] = []
        self.proved = False
        self.accepted = not eager
        self.steps: tuple[Callable[[], object], ...] = (
            self.refuse,
            lambda: self.say(Success()),
            self.confirm,
            self.ask,
            lambda: self.say(PasswordChangeRequest(self.text(), b"")),
            lambda: self.say(Banner(self.text(), b"")),
            lambda: self.receive(script.byte(), script.chunk()),
            lambda: self.client.clock.advance(script.choose((1, 31, 301, 4000))),
            self.answer,
            self.fail,
            lambda: self.client.disconnectReceived(script.byte(), str(self.text())),
            lambda: self.client.requestUnimplemented(script.byte()),
            lambda: self.say(GSSResponse(KRB5_DER)),
            self.token,
            self.wait,
            lambda: script.choose((lambda: None, *self.rare))(),
        )
        self.rare: tuple[Callable[[], object], ...] = (
            self.client.serviceStopped,
            lambda: self.waiters[-1].cancel(),
            self.accept,
        )
        if eager:
            self.steps += (self.accept,)

    def text(self) -> bytes:
        return self.script.take(self.script.byte() % 32)

    def say(self, message: Any) -> None:
        self.receive(message.number, message.build())

    def receive(self, number: int, payload: bytes) -> None:
        sent = self.client.transport.sent
        if number == Failure.number and payload.endswith(b"\x01"):
            self.proved |= is_proved(sent)
        proved = self.proved or is_proved(sent)
        before = len(self.client.transport.services)
        self.client.packetReceived(number, payload)
        if len(self.client.transport.services) > before:
            assert number == Success.number, number
            assert proved, sent
            assert self.accepted, sent

    def accept(self) -> None:
        self.accepted = True
        self.client.serviceStarted()

    def refuse(self) -> None:
        mask, partial = self.script.byte(), bool(self.script.byte() % 2)
        listed = tuple(m for bit, m in enumerate(_METHODS) if mask >> bit & 1)
        self.say(Failure(listed, partial))

    def confirm(self) -> None:
        asked = self.client.transport.sent[-1:]
        if asked and isinstance(asked[0], PublicKeyRequest):
            self.say(PublicKeyOk(asked[0].algorithm, asked[0].blob))

    def ask(self) -> None:
        prompts = tuple(
            Prompt(self.text(), bool(self.script.byte() % 2))
            for _ in range(self.script.byte() % 4)
        )
        self.say(InfoRequest(self.text(), self.text(), b"", prompts))

    def token(self) -> None:
        self.say(
            self.script.choose(
                (
                    GSSToken(b"token"),
                    GSSStatus(1, 2, self.text(), b""),
                    GSSErrorToken(b"token"),
                )
            )
        )

    def answer(self) -> None:
        for deferred, value in self.client.pending[-1:]:
            if not deferred.called:
                deferred.callback(value)

    def fail(self) -> None:
        for deferred, _ in self.client.pending[-1:]:
            if not deferred.called:
                deferred.errback(ValueError(SECRET))

    def wait(self) -> None:
        given: list[Any] = []
        self.ends.append(given)
        self.waiters.append(self.client.whenAuthenticated())
        self.waiters[-1].addBoth(given.append)


def is_proved(sent: list[Sent]) -> bool:
    """
    Whether anything since the last request, the request included, proves who
    logs in.
    """
    for message in reversed(sent):
        if isinstance(message, PasswordRequest | GSSMic | GSSExchangeComplete):
            return True
        if isinstance(message, InfoResponse) and any(message.answers):
            return True
        if isinstance(message, PublicKeyRequest) and message.signature is not None:
            return True
        if isinstance(message, MethodRequest):
            return False
    return False


def conversation(data: bytes) -> None:
    """
    Whatever a server says and whatever the owner answers: nothing raises; no
    success without proof; no more requests than may be; whoever waits is told
    once; nothing is pending afterwards, nor asked; and the secret is in nothing
    that can be shown.
    """
    _judge(data, eager=False)


def eager(data: bytes) -> None:
    """
    The same of a login that begins before the server has accepted the service,
    which it may do at any time or never.
    """
    _judge(data, eager=True)


def _judge(data: bytes, eager: bool) -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        server = played(Script(data), eager)
    finally:
        globalLogPublisher.removeObserver(events.append)
    client = server.client
    requests = [m for m in client.transport.sent if isinstance(m, MethodRequest)]
    starts = 1 + len(client.transport.disconnects) + len(server.ends)
    assert len(requests) <= client.maxAttempts * starts
    for (end,) in server.ends:
        if isinstance(end, Failed):
            assert end.check(LoginError), end
            _shows_no_secret(end.value.report, str(end.value), repr(end.value))
        else:
            _shows_no_secret(end)
    _shows_no_secret(client.report, repr(client), repr(events))
    assert client.clock.getDelayedCalls() == [], client.clock.getDelayedCalls()
    assert all(deferred.called for deferred, _ in client.pending)
    broken = [event for event in events if event.get("log_failure") is not None]
    assert not broken, broken


def played(script: Script, eager: bool = False) -> Server:
    """
    A login as C{script} has it, which has ended.
    """
    server = Server(script, eager)
    server.wait()
    if eager:
        server.client.serviceRequested(server.client.transport)
    else:
        server.client.serviceStarted()
    for _ in range(_MOST_STEPS):
        if not script.more:
            break
        script.choose(server.steps)()
    server.client.serviceStopped()
    return server


def _shows_no_secret(report: AuthReport | None, *more: str) -> None:
    if report is not None:
        more += str(report), repr(report), json.dumps(report.as_dict())
    for said in more:
        assert SECRET not in said, said

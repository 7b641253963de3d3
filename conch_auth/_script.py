"""
Scripts: what a peer that is played says, and when.

A script is a list with one answer for each message of the client, in order, or
a function that gives the answer to any.  What is answered is an L{Answer}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from conch_auth import names
from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSToken,
)
from conch_auth._loopback_wire import Breakage
from conch_auth._wire import string, uint32
from conch_auth.errors import MalformedMessage
from conch_auth.messages import InfoResponse, Message, UserAuthRequest


class Stage(Protocol):
    """
    Where a script is played: what a peer can do.
    """

    def say(self, message: Message) -> None:
        """
        Send a message as an honest peer does: not while keys are exchanged.
        """

    def packet(self, number: int, payload: bytes) -> None:
        """
        Send any message, at once, whatever the state.
        """

    def unimplemented(self) -> None:
        """
        Answer the packet that was received last with UNIMPLEMENTED.
        """

    def disconnect(self, code: int, description: bytes) -> None:
        """
        Send DISCONNECT, and close the connection.
        """

    def end(self, how: Breakage) -> None:
        """
        Break the connection.
        """

    def later(self, seconds: float, play: Callable[[], None]) -> None:
        """
        Go on after C{seconds}.
        """

    def raw(self, data: bytes) -> None:
        """
        Send bytes that are no packet.
        """

    def rekey(self) -> None:
        """
        Begin a key exchange.
        """

    def split(self, size: int, play: Callable[[], None]) -> None:
        """
        Have what C{play} sends arrive in pieces of C{size} bytes.
        """

    def cut(self, size: int, how: Breakage, play: Callable[[], None]) -> None:
        """
        Send the first C{size} bytes of what C{play} sends, and break the
        connection.
        """


@dataclass(frozen=True)
class Packet:
    """
    A message by its number and its payload, whatever they are.

    @ivar number: the message number, 0 to 255.
    @ivar payload: what follows it.
    """

    number: int
    payload: bytes = b""

    def play(self, stage: Stage) -> None:
        stage.packet(self.number, self.payload)


@dataclass(frozen=True)
class Do:
    """
    Something that a peer does beside sending a message.
    """

    play: Callable[[Stage], None]


#: What the client has sent.  A request that is not what its method says is a
#: L{Packet}.
Received = Message | Packet
Action = Message | Packet | Do
#: An action; several, which leave in one flight; a function from what was
#: received to an answer; or C{None}, for silence.
Answer = Action | Sequence[Any] | Callable[[Any], Any] | None
#: The answers, one to each message of the client, or what makes each.
Script = Sequence[Answer] | Callable[[Any], Any]

_CONTINUATIONS: dict[tuple[bytes, int], type[Message]] = {
    (kind.method, kind.number): kind
    for kind in (InfoResponse, GSSToken, GSSMic, GSSExchangeComplete, GSSErrorToken)
}


def play(stage: Stage, actions: Iterable[Action]) -> None:
    """
    Do one thing after the other.
    """
    for action in actions:
        if isinstance(action, Message):
            stage.say(action)
        else:
            action.play(stage)


def actions_of(answer: Answer, received: Received | None = None) -> Iterator[Action]:
    """
    What an answer comes to.

    @raise TypeError: where it is none.
    """
    if isinstance(answer, Message | Packet | Do):
        yield answer
    elif callable(answer):
        yield from actions_of(answer(received), received)
    elif isinstance(answer, Iterable) and not isinstance(answer, bytes | str):
        for part in answer:
            yield from actions_of(part, received)
    elif answer is not None:
        raise TypeError(f"{answer!r} is no answer of a script")


class Reading:
    """
    A script, and how far it has been played on one connection.

    @ivar received: what the client has sent of authentication, in order.
    """

    def __init__(self, script: Script) -> None:
        self._function = script if callable(script) else None
        self._answers = () if callable(script) else tuple(script)
        self._asked = b""
        self.received: list[Received] = []

    @property
    def left(self) -> int:
        """
        How many answers of a list have not been given.
        """
        return max(0, len(self._answers) - len(self.received))

    def hear(self, number: int, payload: bytes) -> list[Action]:
        """
        @return: what to do now that the client has sent this.
        """
        received = self._read(number, payload)
        self.received.append(received)
        answer: Answer = self._function
        if answer is None and len(self.received) <= len(self._answers):
            answer = self._answers[len(self.received) - 1]
        return list(actions_of(answer, received))

    def again(self, answer: Answer) -> list[Action]:
        """
        @return: what an answer to the client's last message comes to.
        """
        return list(actions_of(answer, self.received[-1] if self.received else None))

    def _read(self, number: int, payload: bytes) -> Received:
        kind: type[Message] | None = _CONTINUATIONS.get((self._asked, number))
        if number == names.MSG_USERAUTH_REQUEST:
            kind = UserAuthRequest
        try:
            received = kind.parse(payload) if kind else Packet(number, payload)
        except MalformedMessage:
            received = Packet(number, payload)
        if isinstance(received, UserAuthRequest):
            self._asked = received.request.method
        return received


def disconnect_payload(code: int, description: bytes) -> bytes:
    """
    RFC 4253, section 11.1
    """
    return uint32(code) + string(description) + string(b"")

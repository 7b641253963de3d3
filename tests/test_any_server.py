"""
L{conch_auth.userauth} against whatever a server sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from conch_auth._states import TABLE
from conch_auth.messages import (
    Banner,
    Failure,
    InfoRequest,
    Message,
    MethodReply,
    PasswordChangeRequest,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
)
from conch_auth.report import AuthReport
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
    banner,
    expired,
    failure,
    new_key,
    partial,
    questions,
)

KEY, OTHER_KEY = new_key(), new_key()
METHODS = (b"publickey", b"password", b"keyboard-interactive")

#: What a server may say, by kind of message, without an end to it.
SAYINGS: dict[type[Message], list[Message]] = {
    Failure: [
        failure(*METHODS),
        failure(*METHODS),
        failure(b"keyboard-interactive"),
        partial(*METHODS),
        partial(b"publickey"),
    ],
    Success: [],
    Banner: [banner(b"hello")],
    PublicKeyOk: [PublicKeyOk(KEY.sshType(), KEY.blob())] * 6,
    PasswordChangeRequest: [expired()] * 4,
    InfoRequest: [questions(b"one", b"two"), questions(), questions(b"one")] * 2,
    MethodReply: [MethodReply(b"")],
}
#: Any packet.
PACKETS = st.one_of(
    st.tuples(
        st.sampled_from([50, 51, 52, 53, 54, 60, 61, 79, 80, 127]),
        st.binary(max_size=30),
    ),
    st.sampled_from([SUCCESS, failure(), *chain(*SAYINGS.values())]).map(
        lambda message: (message.number, message.build())
    ),
)
#: Which of the messages that are legal when it is sent; now and then, any
#: packet.
STEPS = st.integers(0, 9).flatmap(lambda n: PACKETS if n == 0 else st.integers(0, 20))


def packet(client: Client, step: int | tuple[int, bytes]) -> tuple[int, bytes]:
    if isinstance(step, tuple):
        return step
    conversation = client._conversation
    legal = [m for kind in TABLE[conversation.state] for m in SAYINGS[kind]]
    message = legal[step % len(legal)] if legal else SUCCESS
    if isinstance(message, PublicKeyOk):
        asked = conversation.request
        assert isinstance(asked, PublicKeyRequest)
        message = PublicKeyOk(asked.algorithm, asked.blob)
    return message.number, message.build()


class AnyServerTests(LoginTestCase):
    def owner(self, late: bool) -> Client:
        """
        A client whose owner answers at once, or when L{answer} says so.
        """
        self.late: list[tuple[Deferred[Any], Any]] = []

        def given(answers: list[Any]) -> Iterator[Any]:
            for answer in answers:
                deferred: Deferred[Any] = Deferred()
                self.late.append((deferred, answer))
                yield deferred if late else answer

        client = Client(
            given([KEY, OTHER_KEY, KEY]),
            given([b"pw", "pw", b"pw", b"new"]),
            given([["a", "b"], ["c"], [], ["d", "e"]]),
        )
        if late:
            signing = given([KEY] * 9)
            client.getPrivateKey = lambda: next(signing)  # type: ignore[method-assign]
        return client

    def answer(self, step: object) -> None:
        if self.late and isinstance(step, int) and step % 2:
            deferred, answer = self.late.pop(0)
            deferred.callback(answer)

    @settings(max_examples=300)
    @given(st.lists(STEPS, max_size=40), st.booleans(), st.booleans())
    def test_any_packets(self, steps: list[Any], at_once: bool, late: bool) -> None:
        """
        No error comes out, whether the packets come one by one or within the
        call that sends the request before, and whether the owner answers at
        once or late; a success counts once, and only with proof; and there is
        an end.
        """
        client = self.owner(late)
        left = iter(steps)

        def reply(sent: object) -> Iterator[Message]:
            for step in left if at_once else ():
                client.packetReceived(*packet(client, step))
                break
            yield from ()

        client.transport.replies = reply
        self.start(client)
        for step in left:
            client.packetReceived(*packet(client, step))
            self.answer(step)
        client.serviceStopped()
        while self.late:
            self.answer(1)
        (end,) = self.ends
        succeeded = isinstance(end, AuthReport)
        self.assertEqual(len(client.transport.services), int(succeeded))
        self.assertLessEqual(len(client.transport.disconnects), 1)
        if succeeded:
            self.assertIsNotNone(end.proof)
        self.assert_nothing_pending(client)

    @given(st.lists(STEPS, max_size=10))
    def test_doors_called_directly(self, steps: list[Any]) -> None:
        """
        Nor does one come out of the C{ssh_} methods, called directly.
        """
        client = self.owner(late=False)
        self.start(client)
        doors = {
            51: client.ssh_USERAUTH_FAILURE,
            52: client.ssh_USERAUTH_SUCCESS,
            53: client.ssh_USERAUTH_BANNER,
            60: client.ssh_USERAUTH_PK_OK,
        }
        for step in steps:
            number, payload = packet(client, step)
            if number in doors:
                doors[number](payload)
        client.serviceStopped()
        self.assertEqual(len(self.ends), 1)
        self.assert_nothing_pending(client)

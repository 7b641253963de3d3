# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
Logins that are played at random: a server that says anything, an owner who
answers anything, time that passes, and connections that go.

What must hold whatever happens is said once, here.
"""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure as Failed

from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth._states import State, awaits_reply
from conch_auth.errors import LoginError, MalformedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    HostBasedRequest,
    InfoRequest,
    InfoResponse,
    Message,
    PasswordChangeRequest,
    PasswordRequest,
    Prompt,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
    UserAuthRequest,
)
from conch_auth.report import AuthReport
from conch_auth.scripted import (
    Packet,
    ScriptedTransport,
    close,
    disconnect,
    unimplemented,
)
from tests.gss import GSI_DER, KRB5_DER
from tests.random_agent import AgentRules
from tests.random_owner import PLANTED, Held, RandomOwner

METHODS = (
    b"publickey",
    b"password",
    b"keyboard-interactive",
    b"gssapi-with-mic",
    b"hostbased",
    b"none",
    b"other",
    b"\x1b[31mred",
    b"",
)
LISTS = st.lists(st.sampled_from(METHODS), max_size=5).map(tuple)
REFUSALS = st.builds(Failure, LISTS, st.booleans())
#: Server text, with what it could do to a screen.
TEXTS = st.sampled_from([b"", b"Code: ", b"\x1b]0;x\x07", "‮".encode(), b"\xff\n"])
PROMPTS = st.lists(st.builds(Prompt, TEXTS, st.booleans()), max_size=5).map(tuple)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    REFUSALS,
    st.just(Success()),
    st.builds(InfoRequest, TEXTS, TEXTS, TEXTS, PROMPTS),
    st.builds(PasswordChangeRequest, TEXTS, TEXTS),
    st.builds(PublicKeyOk, st.sampled_from([b"ssh-ed25519", b"x"]), TEXTS),
    st.builds(Banner, TEXTS, TEXTS),
    st.sampled_from([GSSResponse(KRB5_DER), GSSResponse(GSI_DER)]),
    st.sampled_from([GSSToken(b"token"), GSSToken(b"x" * 65)]),
    st.builds(GSSStatus, st.just(1), st.just(2), TEXTS, TEXTS),
    st.just(GSSErrorToken(b"broken")),
)
#: What a server has to say to each method besides FAILURE and SUCCESS.
REPLIES: st.SearchStrategy[dict[bytes, Message]] = st.fixed_dictionaries(
    {
        b"password": st.builds(PasswordChangeRequest, TEXTS, TEXTS),
        b"keyboard-interactive": st.builds(InfoRequest, TEXTS, TEXTS, TEXTS, PROMPTS),
        b"gssapi-with-mic": st.sampled_from(
            [GSSResponse(KRB5_DER), GSSToken(b"token"), GSSStatus(0, 0, b"no", b"")]
        ),
    }
)
WRONGS = st.one_of(
    MESSAGES.map(lambda message: Packet(message.number, message.build())),
    st.builds(
        lambda message, left: Packet(message.number, message.build()[:left]),
        MESSAGES,
        st.integers(0, 8),
    ),
    st.builds(Packet, st.integers(50, 255), st.binary(max_size=40)),
    st.sampled_from([unimplemented(), close(), disconnect(2, "\x1b[2Jgone")]),
)
#: What would soon end every login.
SELDOM = st.sampled_from([True, False, False, False, False, False])
#: What an owner does by chance, in one step.
FATE = st.lists(st.integers(0, 255), max_size=25)
#: Messages that answer a request, or carry it on.
ANSWERING = {51, 52, 60, 61, 64, 65}


class Proof:
    """
    What the packets that were sent prove, kept by the tests' own rules.

    @ivar requests: how many requests were sent.
    @ivar replies: how many messages came to which there may be a request.
    @ivar now: whether the request that stands proves anything.
    @ivar before: whether an accepted factor did.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.replies = 0
        self.now = False
        self.before = False
        self.confirmed: bytes | None = None

    def sent(self, message: Any, secure: bool) -> None:
        """
        The client has sent a message.
        """
        if isinstance(message, UserAuthRequest):
            self._requested(message.request, secure)
        elif isinstance(message, InfoResponse):
            assert secure or not any(message.answers), "answers were sent in clear"
            self.now = self.now or any(message.answers)
        elif isinstance(message, GSSMic | GSSExchangeComplete):
            self.now = True

    def _requested(self, request: Any, secure: bool) -> None:
        self.requests += 1
        assert self.requests <= 1 + self.replies, "two requests are in flight"
        self.now = isinstance(request, PasswordRequest | HostBasedRequest)
        if isinstance(request, PasswordRequest):
            assert secure, "a password was sent in clear"
        if isinstance(request, PublicKeyRequest) and request.signature is not None:
            assert self.confirmed == request.blob, "signed unasked"
            self.now = True

    def received(self, number: int, payload: bytes) -> None:
        """
        The client has taken a message of the server's.
        """
        self.confirmed = None
        # What is not well-formed is not taken, and ends the login.
        with suppress(MalformedMessage):
            if number == PublicKeyOk.number:
                self.confirmed = PublicKeyOk.parse(payload).blob
            elif number == Failure.number and Failure.parse(payload).partial:
                self.before = self.before or self.now


class Peer(ScriptedTransport):
    """
    A server whose words are drawn; what goes through it is noted.
    """

    def __init__(self, secure: bool, extensions: dict[bytes, bytes]) -> None:
        super().__init__(self._heard, extensions=extensions)
        self.secure = secure
        self.proof = Proof()

    def _heard(self, message: Any) -> None:
        self.proof.sent(message, self.secure)

    def say_to(self, number: int, payload: bytes, state: State) -> None:
        if number in ANSWERING and state is not State.CHOOSING:
            self.proof.replies += 1
            self.proof.received(number, payload)
        self.send(Packet(number, payload))


class RandomLogins(AgentRules):
    """
    One client, its owner, its agent and its servers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.client = RandomOwner(self.agent)
        self.ends: list[list[Any]] = []
        self.waiting: list[Deferred[Any]] = []
        self.old: list[Held] = []
        self.peer: Any = None

    # What happens.

    @precondition(lambda self: self.peer is None or self.peer.closed)
    @rule(
        fate=FATE,
        secure=st.sampled_from([True, True, True, False]),
        algorithms=st.sampled_from([b"", b"rsa-sha2-512", b"ssh-ed25519,ssh-rsa"]),
        methods=LISTS,
    )
    def log_in(
        self,
        fate: list[int],
        secure: bool,
        algorithms: bytes,
        methods: tuple[bytes, ...],
    ) -> None:
        """
        A connection, the first or another after the one before.
        """
        self.client.fate = fate
        self.check_end()
        self.old += self.client.held
        self.client.held = []
        self.ends, self.waiting = [], []
        self.client.shown, self.client.widest = [], 0
        extensions = {b"server-sig-algs": algorithms} if algorithms else {}
        self.peer = Peer(secure, extensions)
        self.client.transport = self.peer
        # The service begins anew; until then it is what it was.
        self.client.clock = self.peer.clock
        self.peer._run(self.client)
        self.wait()
        self.peer.pump()
        if methods:
            listed = Failure(methods, False)
            self._says(fate, listed.number, listed.build())

    def _says(self, fate: list[int], number: int, payload: bytes) -> None:
        self.client.fate = fate
        self.peer.say_to(number, payload, self.client._conversation.state)

    @precondition(lambda self: self.peer is not None and self.server_is_to_speak)
    @rule(fate=FATE, refusal=REFUSALS, replies=REPLIES, refuses=st.booleans())
    def server_replies(
        self,
        fate: list[int],
        refusal: Failure,
        replies: dict[bytes, Message],
        refuses: bool,
    ) -> None:
        """
        What a server would say to the request that stands.
        """
        asked = self.client._conversation.request
        message: Message = refusal
        if isinstance(asked, PublicKeyRequest) and not refuses:
            message = PublicKeyOk(asked.algorithm, asked.blob)
        elif asked is not None and not refuses:
            message = replies.get(asked.listed_as, refusal)
        self._says(fate, message.number, message.build())

    @precondition(lambda self: self.peer is not None and self.server_is_to_speak)
    @rule(fate=FATE, sure=SELDOM)
    def server_gives_in(self, fate: list[int], sure: bool) -> None:
        """
        SUCCESS, for a proof or for nothing.
        """
        if sure or self.peer.proof.now:
            self._says(fate, Success.number, b"")

    @precondition(lambda self: self.peer is not None and not self.peer.closed)
    @rule(fate=FATE, what=WRONGS, sure=SELDOM)
    def something_goes_wrong(self, fate: list[int], what: Any, sure: bool) -> None:
        """
        Any message of authentication, in its place or out of it, whole or in
        part; what is no message; or the end of the connection.
        """
        if not sure:
            return
        self.client.fate = fate
        if isinstance(what, Packet):
            self._says(fate, what.number, what.payload)
        else:
            self.peer.proof.replies += 1
            self.peer.send(what)

    @precondition(lambda self: self.client.held)
    @rule(fate=FATE, which=st.integers(0, 3))
    def owner_answers(self, fate: list[int], which: int) -> None:
        """
        An answer that was waited for, or no more.
        """
        self.client.fate = fate
        held = self.client.held
        held.pop(which % len(held)).answer()
        self.peer.pump()

    @precondition(lambda self: self.old)
    @rule(fate=FATE)
    def owner_answers_the_login_before(self, fate: list[int]) -> None:
        self.client.fate = fate
        self.old.pop().answer()
        self.peer.pump()

    @precondition(lambda self: self.peer is not None)
    @rule(fate=FATE, seconds=st.sampled_from([0.5] * 6 + [119.0, 121.0, 601.0]))
    def time_passes(self, fate: list[int], seconds: float) -> None:
        self.client.fate = fate
        self.peer.advance(seconds)

    @precondition(lambda self: self.peer is not None and len(self.ends) < 4)
    @rule()
    def wait(self) -> None:
        """
        One more waits for the end.
        """
        ended = self.client.whenAuthenticated()
        fired: list[Any] = []
        ended.addBoth(fired.append)
        self.waiting.append(ended)
        self.ends.append(fired)

    @precondition(lambda self: self.waiting)
    @rule(fate=FATE, which=st.integers(0, 3), sure=SELDOM)
    def give_up(self, fate: list[int], which: int, sure: bool) -> None:
        """
        Whoever waits does so no more.
        """
        if not sure:
            return
        self.client.fate = fate
        self.waiting[which % len(self.waiting)].cancel()
        self.peer.pump()

    def agent_was_heard(self) -> None:
        if self.peer is not None:
            self.client.fate = []
            self.peer.pump()

    @property
    def server_is_to_speak(self) -> bool:
        state = self.client._conversation.state
        return state is State.ANSWERING or awaits_reply(state)

    # What must hold.

    @invariant()
    def each_waiter_is_told_once(self) -> None:
        """
        A Deferred that fires twice raises; here nobody is told early, or late.
        """
        if self.peer is None:
            return
        ended = self.client._conversation.ended
        for fired in self.ends:
            assert len(fired) == (1 if ended else 0)
        for fired in self.ends[1:]:
            same = fired and fired[0] is self.ends[0][0]
            assert same or not ended or isinstance(fired[0], Failed)

    @invariant()
    def success_is_proved(self) -> None:
        if self.peer is None:
            return
        proof = self.peer.proof
        for fired in self.ends:
            if fired and isinstance(fired[0], AuthReport):
                assert fired[0].succeeded
                assert proof.now or proof.before
        if self.client.report.succeeded:
            assert proof.now or proof.before
            assert self.peer.service is self.client.instance
        else:
            assert self.peer.service is self.client

    @invariant()
    def everything_is_bounded(self) -> None:
        client = self.client
        if self.peer is None:
            return
        assert self.peer.proof.requests <= client.maxAttempts
        assert client.widest <= client.maxPrompts
        assert len(client.shown) <= client.maxBanners
        size = sum(len(banner.encode("utf-8", "replace")) for banner in client.shown)
        assert size <= 3 * client.maxBannerBytes
        assert len(client.report.attempts) < 200

    @invariant()
    def nothing_is_left(self) -> None:
        """
        After the end no call is due, nobody is asked, and no answer is wanted.
        """
        conversation = self.client._conversation
        if self.peer is None or not conversation.ended:
            return
        assert self.peer.clock.getDelayedCalls() == []
        assert conversation._question is None
        wanted = [held for held in self.client.held if held.wanted]
        assert not wanted, wanted
        assert self.peer.closed or self.client.report.succeeded
        assert len(self.peer.disconnects) <= 1

    @invariant()
    def no_secret_is_shown(self) -> None:
        report = self.client.report
        shown = [
            str(report),
            repr(report),
            json.dumps(report.as_dict()),
            repr(vars(self.client._conversation)),
            repr(self.peer and self.peer.disconnects),
        ]
        for fired in self.ends:
            for end in fired:
                if isinstance(end, Failed):
                    shown += [str(end.value), repr(end.value), end.getTraceback()]
                    assert isinstance(end.value, LoginError), end
        for text in shown + self.said():
            assert PLANTED not in text, text
        _check_fit_to_be_shown(str(report))

    def check_end(self) -> None:
        """
        What a login leaves when the next one begins.
        """
        if self.peer is not None:
            assert self.client._conversation.ended

    def teardown(self) -> None:
        if self.peer is not None and not self.peer.closed:
            self.client.fate = []
            self.peer.loseConnection()
            self.peer.pump()
            self.nothing_is_left()
            self.each_waiter_is_told_once()
        for held in self.client.held + self.old:
            held.answer()
        super().teardown()


def _check_fit_to_be_shown(text: str) -> None:
    for character in text:
        assert character == "\n" or unicodedata.category(character)[0] != "C", text

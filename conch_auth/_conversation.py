"""
Everything that is true of one login, and of no other.

A service may be started again, on a new connection or by a subclass that was
written for another base class; what it knew of the login before is then gone
with the L{Conversation} that held it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python import failure

from conch_auth import _captions, _reasons, names
from conch_auth._asking import Asking
from conch_auth._causes import Cause, MaybeCause
from conch_auth._deadlines import Deadlines
from conch_auth._frames import drop_frames
from conch_auth._message import Continuation
from conch_auth._proof import proof_in
from conch_auth._states import (
    ANSWERED,
    State,
    after_message,
    after_reply,
    after_request,
    awaits_reply,
)
from conch_auth.display import text
from conch_auth.errors import UnexpectedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    KeyRequest,
    Message,
    MethodRequest,
    PasswordRequest,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
)
from conch_auth.recorder import Recorder
from conch_auth.report import KeyIdentity, Outcome, ServerFacts


class Conversation(Asking):
    """
    The state, the outstanding request and the waiters of one login.

    @ivar state: the L{State}.
    @ivar begun: whether the login has begun.
    @ivar request: what was last asked for, without secrets.
    @ivar unread: whether the server did not know what to do with the request
        that went before it accepted the service.
    @ivar unjudged: whether the credential that went before the server listed its
        methods was not judged by it, and may still be wanted.
    @ivar proof: what the request and its responses prove so far, in words.
    @ivar complaint: what the server has said against the request, in words.
    @ivar complaint_cause: the same, as one of L{conch_auth.diagnosis.CAUSES}.
    @ivar server_methods: the methods that the server last listed; C{None}
        before it listed any.
    @ivar stage: how many factors the server has accepted.
    @ivar spent_keys: why a key is not to be offered again, by its blob.
    @ivar sources: where a key came from, by its blob, or another credential,
        by its method.
    @ivar algorithm_reasons: why a key was offered with its algorithm, by its
        blob.
    @ivar methods: the method objects, by name.
    @ivar unwatch: ends the watch over the connection.
    @ivar built: what was built last to be sent: the payload and the request.
    @ivar admitted: the payload that was let in by the door, and its message.
    """

    _log = Logger()

    def __init__(self, recorder: Recorder, deadlines: Deadlines) -> None:
        super().__init__(recorder, deadlines)
        self.state = State.CHOOSING
        self.begun = False
        self.unread = False
        self.unjudged = False
        self.request: MethodRequest | None = None
        self.proof: str | None = None
        self.proved = False
        self.complaint = ""
        self.complaint_cause: MaybeCause = ""
        self.server_methods: tuple[bytes, ...] | None = None
        self.stage = 0
        self.requests = 0
        self.failures = 0
        self.spent_keys: dict[bytes, str] = {}
        self.told_of: set[KeyIdentity] = set()
        self._accepted_keys: dict[bytes, str] = {}
        self.sources: dict[bytes, str] = {}
        self.algorithm_reasons: dict[bytes, str] = {}
        self.methods: dict[bytes, Any] = {}
        self.built: tuple[bytes, MethodRequest] | None = None
        self.admitted: tuple[bytes, Message] | None = None
        self.unwatch: Callable[[], None] = lambda: None
        # A deque would take more room than all the rest, and there are few.
        self._actions: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._running = False
        self._waiters: list[Deferred[Any]] = []
        self._result: Any = None
        self._settled = False

    @property
    def asked_for(self) -> bytes | None:
        """
        The method whose request is outstanding or being carried on.
        """
        return self.request.listed_as if self.request is not None else None

    @property
    def awaits_reply(self) -> bool:
        """
        Whether the server has still to answer the request.
        """
        if self.state is State.NOT_ACCEPTED:
            return self.request is not None and not self.unread
        return awaits_reply(self.state)

    @property
    def is_ahead(self) -> bool:
        """
        Whether the server has still to accept the service.
        """
        return self.state is State.NOT_ACCEPTED

    def run(self, action: Callable[..., object], *arguments: Any) -> None:
        """
        Do C{action} now or, from within another one, when that is done.

        A peer that replies within the very call that sends to it would
        otherwise make every request nest inside the one before.
        """
        self._actions.append((action, arguments))
        if self._running:
            return
        self._running = True
        try:
            while self._actions:
                action, arguments = self._actions.pop(0)
                action(*arguments)
        finally:
            self._running = False
            self._actions.clear()

    def sending(self, request: MethodRequest) -> None:
        """
        C{request} leaves now.
        """
        self.drop_question()
        if not self._goes_on_with(request):
            self.begin(request, offered=True)
        self.recorder.step("client", "server", *_captions.of_request(request))
        self.proof = proof_in(request)
        self.complaint = ""
        self.complaint_cause = ""
        self.request = request.without_secrets()
        if self.state is not State.NOT_ACCEPTED:
            self.state = after_request(request)
        self.requests += 1
        self.awaiting_reply()

    def begin(self, request: MethodRequest, **known: Any) -> None:
        """
        An attempt begins by C{request}.
        """
        self.recorder.begin(request.listed_as, **known, **self._known_of(request))

    def start(
        self, facts: Callable[[], ServerFacts], clock: IReactorTime | None
    ) -> None:
        """
        The login begins; it is the same clock until it ends.
        """
        self.begun = True
        self._deadlines.use(clock)
        self.recorder.use(time.monotonic if clock is None else clock.seconds)
        self.recorder.start(facts)

    def go_ahead(self) -> None:
        """
        The login begins before the server has accepted the service.
        """
        self.state = State.NOT_ACCEPTED

    def accepted(self) -> None:
        """
        The server has accepted the service, and may speak now.
        """
        if self.request is None or self.unread:
            self.state = State.CHOOSING
        else:
            self.state = after_request(self.request)

    def not_read(self) -> None:
        """
        The server knows nothing of the request that went ahead.
        """
        self.unread = self.unjudged = True
        if self.state is not State.NOT_ACCEPTED:
            self.state = State.CHOOSING
        self._take_back()
        reason = "the server did not know what to do with it"
        self.recorder.end("failed", reason, cause="method-refused")
        self.wait(None)

    def _not_among(self, methods: Sequence[bytes]) -> bool:
        asked_for = self.asked_for
        return asked_for != names.NONE and asked_for not in methods

    def _take_back(self) -> None:
        """
        The key of the request may be offered again.
        """
        if isinstance(self.request, PublicKeyRequest):
            self.spent_keys.pop(self.request.blob, None)

    def responding(self, carrying_on: Sequence[Continuation]) -> None:
        """
        Messages that carry on the outstanding request leave now.
        """
        for message in carrying_on:
            self.recorder.step("client", "server", *_captions.of_message(message))
            if message.proves:
                self.proof = message.method.decode("ascii")
            self.state = after_message(message)
        if awaits_reply(self.state):
            self.awaiting_reply()

    def answered_unseen(self, proved: bool) -> None:
        """
        An override may have answered the server's questions past the exit, as
        Conch's own methods do.  What it proves is then not known, but that
        there was something to answer.
        """
        answering = self.state in ANSWERED and self.recorder.is_open
        if answering and self._question is None and not self._actions:
            self.state = ANSWERED[self.state]
            if proved:
                self.proof = (self.asked_for or b"").decode("ascii", "replace")

    def awaiting_reply(self) -> None:
        self.recorder.sent()
        self.wait("server")

    def _goes_on_with(self, request: MethodRequest) -> bool:
        """
        Whether C{request} belongs to the attempt that runs already.
        """
        if not self.recorder.is_open or request.listed_as != self.asked_for:
            return False
        before = self.request
        if isinstance(request, PublicKeyRequest):
            if not isinstance(before, PublicKeyRequest):
                return False
            if request.signature is None or request.blob != before.blob:
                return False
            self.recorder.note(
                algorithm=request.algorithm.decode("ascii", "replace"), signed=True
            )
            return True
        # A method that is not ours may well take several requests.
        return self.state in (State.CHANGING, State.OTHER_SENT)

    def _known_of(self, request: MethodRequest) -> dict[str, Any]:
        if not isinstance(request, KeyRequest):
            source = self.sources.get(request.method)
            return {} if source is None else {"source": source}
        return {
            "key": _captions.identity_of(request),
            "algorithm": request.algorithm.decode("ascii", "replace"),
            "algorithm_reason": self.algorithm_reasons.get(request.blob, ""),
            "signed": request.signature is not None,
            "source": self.sources.get(request.blob),
        }

    def received(self, message: Message) -> None:
        """
        C{message} has come.  Whether it may is judged at the door; where a test
        or a subclass hands it in by itself, the login goes on as if it may.
        """
        self.recorder.step("server", "client", *_captions.of_message(message))
        if isinstance(message, Banner):
            return
        self.recorder.answered(message.title)
        try:
            self.state = after_reply(self.state, type(message))
        except UnexpectedMessage:
            self.state = State.CHOOSING
        self.drop_question()
        self.wait(None)
        if isinstance(message, Success):
            self._deadlines.stop()
        if isinstance(message, Failure):
            self._method_answered(message)
        elif isinstance(message, Success):
            self._factor_accepted("accepted", None)

    def _method_answered(self, message: Failure) -> None:
        first = self.server_methods is None
        methods = names.usable_methods(message.methods)
        self.server_methods = methods
        self.recorder.server_methods(methods)
        if message.partial:
            self._factor_accepted("partial", methods)
            return
        reason = self.complaint
        cause: MaybeCause = self.complaint_cause or _reasons.of_refusal(
            self.request, self.recorder.answers
        )
        if first and self._not_among(methods):
            self.unjudged = True
            self._take_back()
            reason = "the server does not take this method, or not as the first"
            cause = "method-refused"
        elif isinstance(self.request, PublicKeyRequest):
            self.spent_keys[self.request.blob] = "it was refused before"
            if PublicKeyOk.title in self.recorder.answers:
                reason = "the server knows the key and did not accept its signature"
        self.recorder.end("refused", reason, methods, cause=cause)

    def _factor_accepted(
        self, outcome: Outcome, methods: tuple[bytes, ...] | None
    ) -> None:
        """
        What was refused before may be accepted as the next factor; what was
        accepted is not.
        """
        self.recorder.end(outcome, methods=methods)
        if self.proof is not None:
            self.recorder.proved(self.proof)
            self.proved = True
        if isinstance(self.request, PublicKeyRequest):
            self._accepted_keys[self.request.blob] = "it was accepted before"
        self.spent_keys = dict(self._accepted_keys)
        self.stage += 1

    @property
    def password_changed(self) -> bool:
        """
        Whether the request was to change a password.
        """
        request = self.request
        return (
            isinstance(request, PasswordRequest) and request.new_password is not None
        )

    def attempt_failed(self, failure: object) -> None:
        """
        The attempt that runs is given up on this side.
        """
        self.failures += 1
        key = self.request if isinstance(self.request, PublicKeyRequest) else None
        reason, cause = _reasons.of_failure(
            failure, self.last_question, "" if key is None else text(key.algorithm)
        )
        self.recorder.end("failed", reason, error=_raised_in(failure), cause=cause)

    def could_not_start(
        self,
        method: bytes,
        failure: failure.Failure,
        raised_by: str = "",
        **known: Any,
    ) -> None:
        """
        An attempt of C{method} failed before anything was sent.

        @param raised_by: what failed, if not the last question.
        @param known: what is known of the attempt besides.
        """
        reason, cause = _reasons.of_failure(failure, raised_by or self.last_question)
        self.recorder.skip(
            method, "failed", reason, error=_raised_in(failure), cause=cause, **known
        )

    @property
    def cause_if_lost(self) -> Cause:
        """
        What it means that the connection is lost now, without a word.
        """
        if self._question is not None:
            return "lost-while-asking"
        judging = self.proof is not None and awaits_reply(self.state)
        return "account-refused" if judging else "connection-lost"

    def finish(
        self, succeeded: bool, ending: str = "", cause: MaybeCause = ""
    ) -> None:
        """
        The login is over: nothing is pending afterwards.
        """
        self.ended = True
        self.state = State.SUCCEEDED if succeeded else State.ENDED
        self._actions.clear()
        self._deadlines.stop()
        self.unwatch()
        self.built = None
        self.recorder.finish(succeeded, ending, cause)
        self.drop_question()
        self.methods.clear()

    def when_settled(self, canceller: Callable[[Deferred[Any]], None]) -> Deferred[Any]:
        """
        Fires with what L{settle} is given.
        """
        waiter: Deferred[Any] = Deferred(canceller)
        if self._settled:
            waiter.callback(self._result)
        else:
            self._waiters.append(waiter)
        return waiter

    def settle(self, result: Any) -> None:
        """
        Fire every waiter, once.

        @param result: the report, or a failure.
        """
        if self._settled:
            return
        self._settled, self._result = True, result
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.called:
                waiter.callback(result)
        if isinstance(result, failure.Failure):
            # A coroutine that waited has raised it.
            drop_frames(result)


def _raised_in(reason: object) -> BaseException | None:
    return reason.value if isinstance(reason, failure.Failure) else None

"""
Everything that is true of one login, and of no other.

A service may be started again, on a new connection or by a subclass that was
written for another base class; what it knew of the login before is then gone
with the L{Conversation} that held it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python import failure

from conch_auth import _captions, _reasons, names
from conch_auth._awaiting import answer_of, cancel
from conch_auth._causes import Cause, MaybeCause
from conch_auth._deadlines import Deadlines
from conch_auth._frames import drop_frames
from conch_auth._gss_messages import GSSRequest
from conch_auth._message import Continuation
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
    KeyboardInteractiveRequest,
    KeyRequest,
    Message,
    MethodRequest,
    NoneRequest,
    OtherRequest,
    PasswordRequest,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
    is_described,
)
from conch_auth.recorder import Recorder
from conch_auth.report import KeyIdentity, Outcome, Party, ServerFacts


class Superseded(Exception):
    """
    The login went on, or ended, before an answer came.
    """


class Question:
    """
    Something that the owner was asked, until it is answered or dropped.
    """

    _log = Logger()

    def __init__(self, name: str, party: Party, told: bool) -> None:
        self.name = name
        self.party: Party = party
        self.told = told
        self.answered: Deferred[Any] | None = None
        self.asked: Deferred[Any] | None = None
        self.dropped: Exception | None = None

    def fail(self, error: Exception) -> None:
        """
        The answer is not waited for any more: whoever makes it is told by a
        cancellation, whoever wants it by C{error}.
        """
        self.dropped = error
        self.cancel()
        if self.answered is not None:
            self.answered.errback(error)

    def cancel(self) -> None:
        asked, self.asked = self.asked, None
        if asked is not None:
            cancel(asked, self.name)


class Conversation:
    """
    The state, the outstanding request, the pending question and the waiters of
    one login.

    @ivar state: the L{State}.
    @ivar begun: whether the login has begun.
    @ivar ended: whether the login is over.
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
        self.recorder = recorder
        self.state = State.CHOOSING
        self.begun = False
        self.ended = False
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
        self._deadlines = deadlines
        self._question: Question | None = None
        self.last_question = ""
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

    def wait(self, party: Party | None) -> None:
        """
        From now on C{party} is waited for, or nobody.
        """
        self.recorder.wait(party)
        self._deadlines.wait(party)

    async def ask(
        self,
        party: Party,
        name: str,
        question: Callable[..., Any],
        *arguments: Any,
        told: bool = True,
    ) -> Any:
        """
        Ask the owner.  An answer that is at hand is given in the same call.

        @param party: who is waited for meanwhile.
        @param name: the question's name, for errors.
        @param told: whether it is a step of the report.
        @raise Superseded: where the login goes on without it.
        @raise Exception: what the owner failed with.
        """
        self.drop_question()
        if self.ended:
            raise Superseded
        pending = self._question = Question(name, party, told)
        self.last_question = name
        if told:
            self.recorder.step("client", party, name)
        self.wait(party)
        answer = answer_of(question, *arguments)
        if pending.dropped is not None:
            # The owner ended the login while it was asked.
            if isinstance(answer, Deferred):
                cancel(answer.addErrback(lambda _: None), name)
            raise pending.dropped
        if not isinstance(answer, Deferred):
            self._heard(answer, pending)
            return answer
        pending.asked, pending.answered = answer, Deferred()
        answer.addBoth(self._answered, pending)
        return await pending.answered

    def _answered(self, answer: Any, pending: Question) -> None:
        if pending is not self._question:
            self._log.debug("late answer to {question} dropped", question=pending.name)
            return
        self._heard(answer, pending)
        assert pending.answered is not None
        pending.answered.callback(answer)

    def _heard(self, answer: Any, pending: Question) -> None:
        self._question = None
        self.wait(None)
        if pending.told:
            told = _captions.of_answer(answer)
            self.recorder.step(pending.party, "client", "answer", told)

    def drop_question(self, error: Exception | None = None) -> None:
        """
        No answer is wanted any more.

        @param error: what whoever wanted it is told, if not L{Superseded}.
        """
        pending, self._question = self._question, None
        if pending is not None:
            self.wait(None)
            why = "" if error is None else str(error)
            if pending.told:
                self.recorder.step("client", pending.party, "cancel", why)
            pending.fail(error or Superseded())

    def sending(self, request: MethodRequest) -> None:
        """
        C{request} leaves now.
        """
        self.drop_question()
        if not self._goes_on_with(request):
            self.begin(request, offered=True)
        self.recorder.step("client", "server", *_captions.of_request(request))
        self.proof = _proof_in(request)
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
        first, methods = self.server_methods is None, usable_methods(message.methods)
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


def usable_methods(listed: Iterable[bytes]) -> tuple[bytes, ...]:
    """
    The methods that a server may mean, each once, in its order.
    """
    usable = (name for name in listed if names.is_method_name(name))
    return tuple(islice(dict.fromkeys(usable), names.MAX_METHODS))


def _proof_in(request: MethodRequest) -> str | None:
    """
    What C{request} proves by itself, in words.  A keyboard-interactive request
    proves nothing before an answer is given, nor does one for GSSAPI before its
    exchange has come to an end.
    """
    method = request.listed_as.decode("ascii", "replace")
    if isinstance(request, NoneRequest | KeyboardInteractiveRequest | GSSRequest):
        return None
    if isinstance(request, OtherRequest) and is_described(request.method):
        # It is not what its method says, so no server can have accepted it.
        return None
    if isinstance(request, KeyRequest):
        # A host's signature is over this session, the user and the account: it
        # is proof of a key, as a user's is.  (AsyncSSH takes a hostbased
        # success for a trivial one.)
        if request.signature is None:
            return None
        return f"{method} with {_captions.identity_of(request)}"
    if isinstance(request, PasswordRequest) and request.new_password is not None:
        return f"{method}, which was changed"
    return method

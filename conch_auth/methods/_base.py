"""
What every method is made of.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from conch_auth._asking import Superseded
from conch_auth._causes import MaybeCause
from conch_auth._conversation import Conversation
from conch_auth.errors import ProtocolError
from conch_auth.interfaces import IUserAuthService
from conch_auth.messages import Message, MethodRequest
from conch_auth.report import Party

_M = TypeVar("_M", bound=Message)


class Method:
    """
    One way to authenticate, in one login.

    A method never touches the transport.  It asks the owner through the
    questions of its service, so that an override always wins, and speaks
    through C{askForAuth} and C{sendUserAuth}.

    The owner's answer means the same everywhere: a value, or a Deferred or
    coroutine of one, is the answer; C{None} is nothing to offer, and the next
    method follows; a failure ends this attempt, and what is left follows.

    @cvar name: the method's name on the wire.
    """

    name: bytes

    def __init__(self, service: IUserAuthService, conversation: Conversation) -> None:
        self.service = service
        self.conversation = conversation
        self._given_up_in: int | None = None
        self._tries_in = 0
        self._tries = 0

    def start(self) -> bool | Deferred[bool]:
        """
        Send a request, if there is anything to send.

        @return: whether a request was sent or may still be; C{False} means
            that the next method is to be tried.
        """
        begun = Deferred.fromCoroutine(self._begin())
        if begun.called:
            return bool(begun.result)
        begun.addCallback(self._begun_late)
        return True

    async def _begin(self) -> bool:
        try:
            return await self._start()
        except Superseded:
            return True
        except Exception:
            self.failed(Failure())
            return True

    async def _start(self) -> bool:
        raise NotImplementedError

    def _begun_late(self, sent: bool) -> None:
        if not sent:
            self.service.tryNextMethod()

    def replied(self, payload: bytes) -> None:
        """
        The server sent message 60 (RFC 4250, section 4.1.1) to this method.
        """
        raise NotImplementedError

    def _incoming(self, message: type[_M], payload: bytes) -> _M | None:
        """
        The server's message; C{None}, and the attempt given up, where an
        override handed in what is none.
        """
        try:
            received: _M = self.service.incoming(message, payload)
        except ProtocolError:
            self.service._ebAuth(Failure())
            return None
        return received

    def _go_on(self, steps: Coroutine[Any, Any, None]) -> None:
        """
        Take the steps that follow a reply.
        """
        Deferred.fromCoroutine(steps).addErrback(self._step_failed)

    def _step_failed(self, failure: Failure) -> None:
        if not failure.check(Superseded):
            self.failed(failure)

    def request(self, request: MethodRequest) -> None:
        """
        Send a request; the exit need not read it again.
        """
        built = request.build()
        self.conversation.built = built, request
        self.service.askForAuth(request.method, built)

    async def ask(self, party: Party, question: str, *arguments: Any) -> Any:
        """
        The one way to ask the owner.

        @param party: who is waited for meanwhile: a person or an agent.
        @param question: the name of the service's method.
        """
        return await self.conversation.ask(
            party, question, getattr(self.service, question), *arguments
        )

    def failed(self, failure: Failure) -> None:
        """
        The owner's answer failed: this method is not asked for again before
        another factor is accepted.
        """
        self.give_up()
        if not self.conversation.recorder.is_open:
            self.conversation.recorder.begin(self.name)
        self.service._ebAuth(failure)

    def declined(self, reason: str, cause: MaybeCause = "") -> None:
        """
        The owner has no answer: the attempt is over, and the methods that come
        after this one follow.

        @param cause: the reason, as one of L{conch_auth.diagnosis.CAUSES}, here
            and below; empty where it is none of them.
        """
        self.conversation.recorder.end("failed", reason, cause=cause)
        self.service.tryNextMethod()

    def give_up(self) -> None:
        self._given_up_in = self.conversation.stage

    @property
    def given_up(self) -> bool:
        return self._given_up_in == self.conversation.stage

    def has_nothing(self, reason: str, cause: MaybeCause = "") -> None:
        """
        The owner has nothing to offer; the report is told, if it knows nothing
        of the method yet.
        """
        recorder = self.conversation.recorder
        if not recorder.knows(self.name):
            recorder.skip(self.name, "skipped", reason, cause=cause)

    def exhausted(self, limit: int) -> bool:
        """
        Whether C{limit} tries were made since the last accepted factor.
        """
        if self._tries_in != self.conversation.stage:
            self._tries_in, self._tries = self.conversation.stage, 0
        if not self.given_up and self._tries >= limit:
            self.give_up()
            self.conversation.recorder.skip(
                self.name, "skipped", f"{limit} were refused, which is the limit here"
            )
        return self.given_up

    def count_try(self) -> None:
        self._tries += 1

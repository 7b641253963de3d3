"""
The life of a login: its beginning, its time and its end.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from conch_auth import _transports, errors, names
from conch_auth._awaiting import as_deferred
from conch_auth._causes import Cause
from conch_auth._conversation import Conversation
from conch_auth._deadlines import Deadlines
from conch_auth._reasons import had_enough, of_refusal
from conch_auth._states import State, awaits_reply
from conch_auth.messages import NoneRequest
from conch_auth.questions import Questions
from conch_auth.recorder import Recorder
from conch_auth.report import AuthReport, Party


class Login(Questions):
    """
    The half of L{SSHUserAuthClient<conch_auth.userauth.SSHUserAuthClient>} that
    knows nothing of messages.
    """

    transport: Any = None
    user: bytes
    instance: Any
    _current: Conversation | None = None
    _loginTransport: Any = None
    _disconnected: tuple[int, str] | None = None
    _disconnectedFor: Cause = "server-disconnected"

    _log = Logger()

    def whenAuthenticated(self) -> Deferred[AuthReport]:
        """
        Wait for the end of the login.

        @return: a Deferred of its own for each call, which fires with the
            L{AuthReport}, or errbacks with an
            L{AuthenticationFailed<conch_auth.errors.AuthenticationFailed>},
            L{ProtocolError<conch_auth.errors.ProtocolError>} or
            L{ConnectionLost<conch_auth.errors.ConnectionLost>}, each of which
            has C{report}.  Cancelling it ends the login.
        """
        return self._conversation.when_settled(self._cancelled)

    @property
    def report(self) -> AuthReport:
        """
        What has happened so far; once the login is over, all of it.
        """
        return self._conversation.recorder.snapshot()

    @property
    def _conversation(self) -> Conversation:
        if self._current is None:
            self._current = self._newConversation()
        return self._current

    def _renew(self) -> None:
        """
        A subclass with a serviceStarted of its own may use the service again,
        on another connection than its login has ended on.
        """
        if self._conversation.ended and self._loginTransport is not self.transport:
            self._current = None

    def _newConversation(self) -> Conversation:
        recorder = Recorder(self.user, self.instance.name, self._seconds)
        deadlines = Deadlines(
            self._limitingClock, self._limitOf, self.loginTimeout, self._timeIsOver
        )
        return Conversation(recorder, deadlines)

    def _begin(self) -> None:
        """
        The login begins, with its first request at the latest.
        """
        conversation = self._conversation
        if conversation.begun:
            return
        self._loginTransport = self.transport
        facts = partial(_transports.facts, self.transport)
        conversation.start(facts, self._limitingClock())
        conversation.unwatch = _transports.watch(self.transport, self._connectionLost)

    def serviceStopped(self) -> None:
        """
        The connection was lost, or another service takes over.  Nothing is
        pending afterwards.
        """
        self._connectionLost()

    def _connectionLost(self) -> None:
        conversation = self._conversation
        if conversation.ended:
            return
        if conversation.state is State.SUCCEEDED:
            # An override has started the next service by itself.
            conversation.finish(True)
            conversation.settle(self.report)
            return
        error: errors.ConnectionLost
        if self._disconnected is None:
            cause = conversation.cause_if_lost
            conversation.finish(False, "the connection was lost", cause)
            error = errors.ConnectionLost(self.report)
        else:
            error = errors.ServerDisconnected(*self._disconnected)
            conversation.finish(False, str(error), self._disconnectedFor)
            error.report, error.cause = self.report, self._disconnectedFor
        conversation.settle(Failure(error))

    def disconnectReceived(self, code: int, description: str) -> None:
        """
        The server said why it will end the connection (RFC 4253, section
        11.1).
        """
        self._disconnected = code, description
        conversation = self._conversation
        if not (awaits_reply(conversation.state) and had_enough(code, description)):
            return
        self._disconnectedFor = "too-many-tries"
        if not isinstance(conversation.request, NoneRequest):
            # It says so in the place of a refusal.
            conversation.recorder.end(
                "refused",
                "the server ended the connection instead of an answer",
                cause=of_refusal(conversation.request, conversation.recorder.answers),
            )

    def _cancelled(self, waiter: Deferred[Any]) -> None:
        self._end(errors.AuthenticationCancelled, "it was cancelled")

    def _end(
        self,
        error: errors.LoginError | type[errors.AuthenticationFailed],
        ending: str = "",
    ) -> None:
        """
        End the login without success, and the connection with it.

        @param error: what whoever waits for the login is told.
        @param ending: why, in words, where the error itself does not say so.
        """
        conversation = self._conversation
        if conversation.ended:
            return
        conversation.finish(False, ending or str(error), error.cause)
        if isinstance(error, type):
            error = error(self.report)
        else:
            error.report = self.report
        try:
            if self.transport is not None:
                self.transport.sendDisconnect(*_disconnect_for(error))
        finally:
            conversation.settle(Failure(error))

    def _limitingClock(self) -> IReactorTime | None:
        if self.clock is not None:
            return self.clock
        if not _transports.has_exchanged_keys(self.transport):
            return None
        from twisted.internet import reactor

        return IReactorTime(reactor)

    def _seconds(self) -> float:
        clock = self._limitingClock()
        return time.monotonic() if clock is None else clock.seconds()

    def _limitOf(self, party: Party) -> float | None:
        return {
            "server": self.serverTimeout,
            "agent": self.signTimeout,
            "person": self.answerTimeout,
        }[party]

    def _timeIsOver(self, party: Party | None) -> None:
        if party is None:
            ending = f"it took longer than {self.loginTimeout:g} seconds"
            self._end(errors.LoginTimeout, ending)
        elif party == "server":
            ending = f"the server did not answer in {self.serverTimeout:g} seconds"
            self._end(errors.ServerTimeout, ending)
        else:
            conversation = self._conversation
            conversation.drop_question(
                errors.NoAnswer(
                    conversation.last_question,
                    f"did not answer in {self._limitOf(party):g} seconds",
                    "person-timeout" if party == "person" else "signer-timeout",
                )
            )

    def tell(self, hook: str, *arguments: Any) -> None:
        """
        Call one of the owner's hooks.  What fails there is logged, and the
        login goes on.
        """
        told = as_deferred(getattr(self, hook), *arguments)
        told.addErrback(self._hookFailed, hook)

    def _hookFailed(self, failure: Failure, hook: str) -> None:
        self._log.failure("{hook} failed", failure, hook=hook)


def _disconnect_for(error: errors.LoginError) -> tuple[int, bytes]:
    """
    The reason code and text that the server is told (RFC 4253, section 11.1).
    """
    if isinstance(error, errors.ProtocolError):
        return names.DISCONNECT_PROTOCOL_ERROR, str(error).encode("utf-8")
    if isinstance(error, errors.AuthenticationCancelled):
        return names.DISCONNECT_AUTH_CANCELLED_BY_USER, b"cancelled"
    return (
        names.DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
        b"no more authentication methods available",
    )

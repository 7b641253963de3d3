"""
What the owner is asked in one login, until he has answered or the login has gone
on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from conch_auth import _captions
from conch_auth._awaiting import answer_of, cancel
from conch_auth._deadlines import Deadlines
from conch_auth.recorder import Recorder
from conch_auth.report import Party


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


class Asking:
    """
    The part of a L{Conversation<conch_auth._conversation.Conversation>} that asks:
    one question at a time, whose answer is dropped where it comes too late.

    @ivar ended: whether the login is over.
    @ivar last_question: the name of what was asked last.
    """

    _log = Logger()

    def __init__(self, recorder: Recorder, deadlines: Deadlines) -> None:
        self.recorder = recorder
        self.ended = False
        self.last_question = ""
        self._deadlines = deadlines
        self._question: Question | None = None

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

"""
Tests for L{conch_auth._question}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._question import Question
from conch_auth.errors import NoAnswer


class QuestionTests(SynchronousTestCase):
    """
    An answer is heard once, and while it is waited for.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.heard: list[object] = []
        self.cancelled: list[object] = []
        self.question = Question("verifyHostKey", self.heard.append)
        self.answer: Deferred[object] = Deferred(self.cancelled.append)

    def ask(self, seconds: float | None = 10) -> None:
        self.question.ask(lambda: self.answer, seconds, lambda: self.clock)

    def test_at_once(self) -> None:
        """
        An answer that is there at once needs no clock.
        """
        self.question.ask(lambda: "yes", 10, self.fail)
        self.assertEqual(self.heard, ["yes"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_later(self) -> None:
        """
        One that comes in time is heard, and stops the clock.
        """
        self.ask()
        self.assertTrue(self.question.waited)
        self.answer.callback("yes")
        self.assertEqual(self.heard, ["yes"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_late(self) -> None:
        """
        One that does not is cancelled; the error names the question and the
        time.
        """
        self.ask(10)
        self.clock.advance(10)
        self.assertEqual(self.cancelled, [self.answer])
        [failure] = self.heard
        assert isinstance(failure, Failure)
        failure.trap(NoAnswer)
        self.assertEqual(str(failure.value), "verifyHostKey did not answer in 10 s")

    def test_cannot_be_cancelled(self) -> None:
        """
        That whoever makes the answer fails at being told does not keep the end of
        its time from being heard.
        """

        def fail(answer: Deferred[object]) -> None:
            raise ValueError

        self.answer = Deferred(fail)
        self.ask(10)
        self.clock.advance(10)
        [failure] = self.heard
        assert isinstance(failure, Failure)
        failure.trap(NoAnswer)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_dropped(self) -> None:
        """
        A dropped question is cancelled, and its answer, or its failure, is not
        heard.
        """
        self.ask()
        self.question.drop()
        self.assertEqual(self.cancelled, [self.answer])
        self.assertEqual(self.heard, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_dropped_while_it_is_asked(self) -> None:
        """
        So is one that is dropped by what it asks.
        """

        def drops() -> Deferred[object]:
            self.question.drop()
            return self.answer

        self.question.ask(drops, 10, lambda: self.clock)
        self.assertEqual(self.cancelled, [self.answer])
        self.assertEqual(self.heard, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

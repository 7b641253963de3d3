# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth._awaiting}: answers of every kind, with every reactor.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from conch_auth._awaiting import Cancelled, as_deferred, until_cancelled


class Awaitable:
    """
    Neither a coroutine nor a Deferred.
    """

    def __await__(self) -> Generator[Any, Any, str]:
        yield from ()
        return "answer"


class AnswerTests(SynchronousTestCase):
    """
    What comes at once.
    """

    def test_value(self) -> None:
        """
        A value is the answer.
        """
        self.assertEqual(self.successResultOf(as_deferred(lambda: 5)), 5)

    def test_arguments(self) -> None:
        """
        The question is called with the arguments.
        """
        answer = as_deferred(lambda one, two: (one, two), 1, 2)
        self.assertEqual(self.successResultOf(answer), (1, 2))

    def test_deferred(self) -> None:
        """
        A Deferred is passed on as it is, so that cancelling it reaches whoever
        made it.
        """
        answer: Deferred[None] = Deferred()
        self.assertIs(as_deferred(lambda: answer), answer)

    def test_dropped(self) -> None:
        """
        A coroutine that nobody holds any more is closed in order, so that what it
        has open is closed.
        """
        closed: list[str] = []
        unraisable: list[Any] = []

        async def question() -> None:
            try:
                await Deferred()
            finally:
                closed.append("closed")

        self.patch(sys, "unraisablehook", unraisable.append)
        as_deferred(question)
        gc.collect()
        self.assertEqual(closed, ["closed"])
        self.assertEqual(unraisable, [])

    def test_raising(self) -> None:
        """
        An exception is a failure.
        """

        def question() -> None:
            raise ValueError("no")

        self.failureResultOf(as_deferred(question), ValueError)

    def test_raising_cancelled(self) -> None:
        """
        asyncio's CancelledError is one, too, although it is no C{Exception}.
        """

        def question() -> None:
            raise asyncio.CancelledError

        failure = self.failureResultOf(as_deferred(question), defer.CancelledError)
        self.assertIsInstance(failure.value, Exception)

    def test_failing_with_cancelled(self) -> None:
        """
        And so is a Deferred that fails with it.
        """
        answer: Deferred[None] = defer.fail(asyncio.CancelledError())
        failure = self.failureResultOf(as_deferred(lambda: answer), Cancelled)
        self.assertIsInstance(failure.value, Exception)



class UntilCancelledTests(SynchronousTestCase):
    """
    An answer that is waited for only as long as it is wanted.
    """

    def setUp(self) -> None:
        self.answer: Deferred[Any] = Deferred()
        self.waiting = until_cancelled(self.answer, "ask")

    def test_answer(self) -> None:
        """
        It is passed on; so is a failure.
        """
        self.answer.callback(5)
        self.assertEqual(self.successResultOf(self.waiting), 5)
        failing: Deferred[Any] = Deferred()
        waiting = until_cancelled(failing, "ask")
        failing.errback(ValueError())
        self.failureResultOf(waiting, ValueError)

    def test_cancelled(self) -> None:
        """
        Whoever makes it is told.
        """
        self.waiting.cancel()
        self.failureResultOf(self.waiting, defer.CancelledError)
        self.assertTrue(self.answer.called)

    def test_cannot_be_cancelled(self) -> None:
        """
        What fails when it is told is logged, and not waited for; nor is one who
        goes on, whose answer or failure is dropped.
        """

        def fail(_: Deferred[Any]) -> None:
            raise ValueError

        answer: Deferred[Any] = Deferred(fail)
        waiting = until_cancelled(answer, "ask")
        waiting.cancel()
        self.failureResultOf(waiting, defer.CancelledError)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        answer.errback(ValueError())

    def test_answered_when_cancelled(self) -> None:
        """
        One who answers all the same is not heard.
        """
        answer: Deferred[Any] = Deferred(lambda deferred: deferred.callback(5))
        waiting = until_cancelled(answer, "ask")
        waiting.cancel()
        self.failureResultOf(waiting, defer.CancelledError)


class DrivenTests(TestCase):
    """
    Coroutines, and what else can be awaited; with asyncio's reactor they run
    as tasks.
    """

    def ask(
        self, question: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any
    ) -> Deferred[Any]:
        """
        Ask from within the reactor, as every question is.
        """
        return deferLater(reactor, 0, as_deferred, question, *arguments)

    async def begun(
        self, question: Callable[..., Coroutine[Any, Any, Any]]
    ) -> tuple[Deferred[Any], list[Any]]:
        """
        A question that was asked and waits, and what it has ended with.
        """
        asked: list[Deferred[Any]] = []
        ends: list[Any] = []
        await deferLater(reactor, 0, lambda: asked.append(as_deferred(question)))
        asked[0].addBoth(ends.append)
        await turn()
        return asked[0], ends

    async def test_coroutine(self) -> None:
        """
        A coroutine's return value is the answer.
        """

        async def question(word: str) -> str:
            await turn()
            return word

        self.assertEqual(await self.ask(question, "answer"), "answer")

    async def test_awaitable(self) -> None:
        """
        So is that of anything else that can be awaited.
        """
        answer: Any = await deferLater(reactor, 0, as_deferred, Awaitable)
        self.assertEqual(answer, "answer")

    async def test_failure(self) -> None:
        """
        What an awaited Deferred fails with can be caught.
        """

        async def question() -> str:
            try:
                await failing_later(KeyError("lost"))
            except KeyError as error:
                return f"caught {error}"
            return "nothing"

        self.assertEqual(await self.ask(question), "caught 'lost'")

    async def test_raising(self) -> None:
        """
        An exception that a coroutine raises is a failure.
        """

        async def question() -> None:
            await turn()
            raise ValueError("no")

        error = await caught(self.ask(question))
        self.assertIsInstance(error, ValueError)

    async def test_raising_cancelled(self) -> None:
        """
        asyncio's CancelledError, which nobody asked for, is a failure that
        C{except Exception} catches.
        """

        async def question() -> None:
            await turn()
            raise asyncio.CancelledError

        error = await caught(self.ask(question))
        self.assertIsInstance(error, Cancelled)
        self.assertIsInstance(error, Exception)

    async def test_cancelled_under_both_names(self) -> None:
        """
        Cancelling raises what is both asyncio's CancelledError and Twisted's.
        """
        raised: list[BaseException] = []

        async def question() -> None:
            try:
                await Deferred()
            except BaseException as error:
                raised.append(error)
                raise

        asked, ends = await self.begun(question)
        asked.cancel()
        await turn()
        self.assertIsInstance(raised[0], asyncio.CancelledError)
        self.assertIsInstance(raised[0], defer.CancelledError)
        self.assertIsInstance(ends[0], Failure)

    async def test_cleaning_up(self) -> None:
        """
        A coroutine may await what its cleaning up needs, and is finished then.
        """
        for name in (asyncio.CancelledError, defer.CancelledError):
            steps: list[str] = []
            cleaned: Deferred[None] = Deferred()

            async def question(
                name: type[BaseException] = name,
                steps: list[str] = steps,
                cleaned: Deferred[None] = cleaned,
            ) -> None:
                try:
                    await Deferred()
                except name:
                    steps.append("cancelled")
                    await cleaned
                    steps.append("cleaned up")
                    raise

            asked, ends = await self.begun(question)
            asked.cancel()
            await turn()
            self.assertEqual((steps, ends), (["cancelled"], []))
            cleaned.callback(None)
            await turn()
            self.assertEqual(steps, ["cancelled", "cleaned up"])
            self.assertIsInstance(ends[0].value, defer.CancelledError)

    async def test_reaches_what_is_awaited(self) -> None:
        """
        Cancelling reaches the Deferred that is awaited, once.
        """
        reached: list[Deferred[Any]] = []

        async def question() -> None:
            await Deferred(reached.append)

        asked, _ = await self.begun(question)
        asked.cancel()
        await turn()
        self.assertEqual(len(reached), 1)

    async def test_nested(self) -> None:
        """
        One coroutine asks another, and a cancellation goes all the way down.
        """
        steps: list[str] = []

        async def inner() -> None:
            try:
                await Deferred()
            except asyncio.CancelledError:
                steps.append("inner")
                raise

        async def outer() -> None:
            try:
                await as_deferred(inner)
            except defer.CancelledError:
                steps.append("outer")
                raise

        asked, _ = await self.begun(outer)
        asked.cancel()
        await turn()
        self.assertEqual(steps, ["inner", "outer"])

    async def test_same_result_for_all(self) -> None:
        """
        A Deferred that a coroutine awaits keeps its result for others.
        """
        shared: Deferred[str] = Deferred()

        async def question() -> str:
            return await shared

        _, ends = await self.begun(question)
        shared.callback("answer")
        await turn()
        self.assertEqual(ends, ["answer"])


class AsyncioTests(TestCase):
    """
    What asyncio offers, where the reactor is asyncio's.
    """

    def setUp(self) -> None:
        if not hasattr(reactor, "_asyncioEventloop"):
            raise SkipTest("the reactor is not asyncio's")

    async def test_sleep(self) -> None:
        """
        asyncio's own functions can be awaited, beside Deferreds.
        """

        async def question() -> str:
            await asyncio.sleep(0)
            await turn()
            return "answer"

        self.assertEqual(await deferLater(reactor, 0, as_deferred, question), "answer")

    async def test_timeout(self) -> None:
        """
        asyncio's timeouts work over a Deferred.
        """
        cancelled: list[Deferred[Any]] = []

        async def wait() -> None:
            await Deferred(cancelled.append)

        async def question() -> str:
            try:
                await asyncio.wait_for(as_task(wait), 0.01)
            except asyncio.TimeoutError:
                return "too late"
            return "in time"

        async def as_task(wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
            await as_deferred(wait).asFuture(asyncio.get_running_loop())

        answer = await deferLater(reactor, 0, as_deferred, question)
        self.assertEqual(answer, "too late")
        self.assertEqual(len(cancelled), 1)

    async def test_future(self) -> None:
        """
        A future is an answer.
        """

        def question() -> Any:
            future = asyncio.get_running_loop().create_future()
            future.set_result("answer")
            return future

        self.assertEqual(await deferLater(reactor, 0, as_deferred, question), "answer")


class OtherReactorTests(TestCase):
    """
    What asyncio offers, where the reactor is another.
    """

    async def test_sleep(self) -> None:
        """
        It fails, and says why; it neither hangs nor returns at once.
        """
        if hasattr(reactor, "_asyncioEventloop"):
            raise SkipTest("the reactor is asyncio's")

        async def question() -> None:
            await asyncio.sleep(1)

        error = await caught(deferLater(reactor, 0, as_deferred, question))
        self.assertIsInstance(error, RuntimeError)


def turn() -> Deferred[None]:
    """
    Let the reactor do what is due: a task of asyncio's takes some turns.
    """
    later: Deferred[None] = Deferred()

    def go_on(left: int) -> None:
        if left:
            reactor.callLater(0, go_on, left - 1)
        else:
            later.callback(None)

    go_on(5)
    return later


def failing_later(error: Exception) -> Deferred[None]:
    later: Deferred[None] = Deferred()
    reactor.callLater(0, later.errback, error)
    return later


async def caught(answer: Deferred[Any]) -> BaseException | None:
    try:
        await answer
    except BaseException as error:
        return error
    return None

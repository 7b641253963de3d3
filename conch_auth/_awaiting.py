"""
Whatever an owner returns, as a Deferred.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure


class Cancelled(asyncio.CancelledError, defer.CancelledError):
    """
    What is thrown into a coroutine whose answer is no longer wanted, under
    both names that it may be caught by.
    """


_log = Logger()
_T = TypeVar("_T")
_CANCELLED = (defer.CancelledError, asyncio.CancelledError)


def as_deferred(question: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    """
    Call C{question}.

    @return: a Deferred of its answer, which may be a value, a Deferred, a
        coroutine or an awaitable of it.  A coroutine may await Deferreds with
        every reactor, and what asyncio offers where the reactor is asyncio's.
        Cancelling it throws L{Cancelled} into a coroutine, which may still
        await what its cleaning up needs.
    """
    answer = answer_of(question, *arguments)
    return answer if isinstance(answer, Deferred) else defer.succeed(answer)


def answer_of(question: Callable[..., Any], *arguments: Any) -> Any:
    """
    Call C{question}.

    @return: its answer where that is at hand, or else what L{as_deferred} gives.
    """
    try:
        answer = question(*arguments)
    except (Exception, asyncio.CancelledError):
        answer = defer.fail()
    coming = _to_come(answer)
    return answer if coming is None else coming.addErrback(_as_exception)


def cancel(answer: Deferred[Any], question: str) -> None:
    """
    Tell whoever makes C{answer} that it is not wanted any more.  What fails
    there is logged.

    @param question: what was asked, for the log.
    """
    try:
        answer.cancel()
    except Exception:
        _log.failure("{question} could not be cancelled", question=question)


def until_cancelled(answer: Deferred[_T], question: str) -> Deferred[_T]:
    """
    C{answer}, which is not waited for once it is cancelled, whatever its maker
    does then.  What comes of it from then on is dropped.
    """
    wanted = True

    def drop(_: Deferred[_T]) -> None:
        nonlocal wanted
        wanted = False
        cancel(answer, question)

    def pass_on(result: _T | Failure) -> None:
        if wanted:
            waiting.callback(result)

    waiting: Deferred[_T] = Deferred(drop)
    answer.addBoth(pass_on)
    return waiting


def _to_come(answer: Any) -> Deferred[Any] | None:
    if isinstance(answer, Deferred):
        return answer
    if asyncio.isfuture(answer):
        return Deferred.fromFuture(answer)
    if inspect.isawaitable(answer):
        return _driven(_awaited(answer))
    return None


def _as_exception(failure: Failure) -> Failure:
    """
    asyncio's CancelledError is no C{Exception}, and would pass by whoever
    expects an owner to fail.
    """
    if isinstance(failure.value, asyncio.CancelledError):
        return Failure(Cancelled())
    return failure


async def _awaited(answer: Any) -> Any:
    return await answer


def _driven(steps: Coroutine[Any, Any, Any]) -> Deferred[Any]:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return Deferred.fromCoroutine(_translated(steps, _as_it_is))
    # A task of asyncio's, so that its timeouts work there.
    return Deferred.fromFuture(loop.create_task(_translated(steps, _as_future)))


def _as_it_is(awaited: Any) -> Generator[Any, Any, Any]:
    return (yield awaited)


def _as_future(awaited: Any) -> Generator[Any, Any, Any]:
    """
    An asyncio task can wait for nothing but futures.  The Deferred keeps its
    result, which whoever awaits it takes from there.
    """
    if not isinstance(awaited, Deferred):
        return (yield awaited)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fired(result: Any) -> Any:
        if not over.done():
            over.set_result(None)
        return result

    awaited.addBoth(fired)
    while not over.done():
        try:
            yield from asyncio.shield(over).__await__()
        except asyncio.CancelledError:
            # What is awaited may have to clean up first, as with Twisted.
            awaited.cancel()
    result = awaited.result
    if isinstance(result, Failure) and result.check(*_CANCELLED):
        awaited.addErrback(lambda _: None)
        raise Cancelled
    return None


async def _translated(
    steps: Coroutine[Any, Any, Any], wait: Callable[[Any], Generator[Any, Any, Any]]
) -> Any:
    """
    Run C{steps}, each thing that it awaits being waited for by C{wait}.
    """
    return await _run(steps, wait)


@types.coroutine
def _run(
    steps: Coroutine[Any, Any, Any], wait: Callable[[Any], Generator[Any, Any, Any]]
) -> Generator[Any, Any, Any]:
    error: BaseException | None = None
    value: Any = None
    while True:
        try:
            awaited = steps.throw(error) if error is not None else steps.send(value)
        except StopIteration as stop:
            return stop.value
        try:
            value, error = (yield from wait(awaited)), None
        except _CANCELLED:
            value, error = None, Cancelled()
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as raised:
            value, error = None, raised

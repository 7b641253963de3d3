# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
What the owner of a login may do where it is asked or told something: raise, fail,
never answer, answer late or with nonsense.  The login goes on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import AlreadyCalledError, CancelledError, Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from conch_auth import SSHClient
from conch_auth.errors import (
    AuthenticationFailed,
    ConnectTimeout,
    HostKeyRejected,
    NoAnswer,
)
from conch_auth.loopback import LoopbackServer
from tests.fault_case import KEY, FaultCase


class OwnersError(Exception):
    """
    What an owner raises.
    """


class Owner:
    """
    Ways in which a callback can go wrong.

    @ivar clock: the time, for those who come late.
    @ivar asked: how often one of them was called.
    """

    clock: IReactorTime

    def __init__(self) -> None:
        self.asked = 0
        self.never: list[Deferred[Any]] = []

    def raises(self, right: Any) -> Any:
        raise OwnersError

    def fails(self, right: Any) -> Any:
        return fail(OwnersError())

    async def raises_later(self, right: Any) -> Any:
        await deferLater(self.clock, 5)
        raise OwnersError

    def cancels(self, right: Any) -> Any:
        return fail(CancelledError())

    async def cancels_as_asyncio(self, right: Any) -> Any:
        raise asyncio.CancelledError

    def answers_nonsense(self, right: Any) -> Any:
        return object()

    def answers_nothing(self, right: Any) -> Any:
        return None

    def never_answers(self, right: Any) -> Any:
        self.never.append(Deferred())
        return self.never[-1]

    def will_not_be_cancelled(self, right: Any) -> Any:
        self.never.append(Deferred(_raise))
        return self.never[-1]

    async def answers_late(self, right: Any) -> Any:
        await deferLater(self.clock, 5)
        return right

    async def answers_too_late(self, right: Any) -> Any:
        await deferLater(self.clock, 5000)
        return right

    async def ignores_every_cancellation(self, right: Any) -> Any:
        while True:
            with contextlib.suppress(CancelledError):
                await deferLater(self.clock, 1000)
                return right

    async def cleans_up_and_answers(self, right: Any) -> Any:
        try:
            await Deferred()
        except CancelledError:
            return right


def _raise(deferred: Deferred[Any]) -> None:
    raise OwnersError


#: Those whose time must be over before the login goes on.
SLOW = (
    Owner.never_answers,
    Owner.will_not_be_cancelled,
    Owner.answers_too_late,
    Owner.cleans_up_and_answers,
    Owner.ignores_every_cancellation,
)
RAISE = (Owner.raises, Owner.fails, Owner.raises_later)
CANCEL = (Owner.cancels, Owner.cancels_as_asyncio)
WRONG = (*RAISE, *CANCEL, Owner.answers_nonsense, Owner.answers_nothing, *SLOW)
#: What it is asked for, with a right answer.
ASKED = {
    "password_auth_requested": "right",
    "kbdint_auth_requested": "",
    "kbdint_challenge_received": ["42"],
    "public_key_auth_requested": KEY,
    "password_change_requested": ("right", "new"),
    "validate_host_public_key": True,
}


class OwnerCase(FaultCase):
    """
    Logins whose owner gets one callback wrong.
    """

    def go_wrong(
        self,
        callback: str,
        how: Callable[[Owner, Any], Any],
        right: Any = None,
        **options: Any,
    ) -> Any:
        """
        Log in.

        @param right: what the callback should answer.
        @return: C{None} for a success, or the error.
        """
        owner = self.owner = Owner()

        class Wrong(SSHClient):
            def kbdint_auth_requested(self) -> Any:
                return "" if callback == "kbdint_challenge_received" else None

            def password_auth_requested(self) -> Any:
                return "right" if callback == "password_change_requested" else None

        def wrong(client: SSHClient, *arguments: Any) -> Any:
            owner.asked += 1
            return how(owner, right)

        setattr(Wrong, callback, wrong)
        prepare = options.pop("prepare", lambda server: None)

        def also_give_the_clock(server: LoopbackServer) -> None:
            owner.clock = server.clock
            prepare(server)

        self.begin(also_give_the_clock, Wrong, **options)
        error = self.finish()
        # An answer that comes now, or fails now, is nobody's.
        for deferred in owner.never:
            if not deferred.called:
                deferred.callback(right)
        self.clock.advance(5000)
        return error

    def assert_all(
        self,
        callbacks: Iterable[str],
        judge: Callable[[Any, Any], object],
        **options: Any,
    ) -> None:
        for callback in callbacks:
            for how in (*WRONG, Owner.answers_late):
                error = self.go_wrong(callback, how, ASKED.get(callback), **options)
                self.where = f"{callback} {how.__name__}: {error!r}"
                self.assertGreaterEqual(self.owner.asked, 1, self.where)
                judge(how, error)
                self.flushLoggedErrors(OwnersError, CancelledError)
        del self.owner
        self.assert_nothing_left()


class ToldTests(OwnerCase):
    def test_told(self) -> None:
        """
        What an owner is told may go wrong in every way: the login succeeds, and
        waits for none of it.
        """

        def judge(how: Any, error: Any) -> None:
            self.assertIsNone(error, self.where)
            self.assertEqual(self.took, 0, self.where)

        def prepare(server: LoopbackServer) -> None:
            server.add_user("alice", password="right", banner="hello")

        told = ("begin_auth", "auth_banner_received", "connection_lost")
        self.assert_all(told, judge, prepare=prepare)

    def test_waited_for(self) -> None:
        """
        C{connection_made} and C{auth_completed} are waited for, as an application
        may have something to do there: what fails there, or takes all the time
        that there is, ends the connection.
        """
        for callback, limit, late in (
            ("connection_made", 60, ConnectTimeout),
            ("auth_completed", 600, NoAnswer),
        ):
            kinds = dict.fromkeys(RAISE, OwnersError)
            kinds |= dict.fromkeys(CANCEL, CancelledError)
            kinds |= dict.fromkeys(SLOW, late)

            def judge(
                how: Any, error: Any, kinds: Any = kinds, limit: int = limit
            ) -> None:
                self.assertIsInstance(error, kinds.get(how, type(None)), self.where)
                self.assertEqual(self.took, time_of(how, limit), self.where)

            self.assert_all([callback], judge)


def time_of(how: Any, limit: int) -> int:
    """
    The seconds until it is known what an owner answers; time passes by tens.
    """
    if how in SLOW:
        return limit
    return 10 if how in (Owner.raises_later, Owner.answers_late) else 0


class AskedTests(OwnerCase):
    def test_another_method(self) -> None:
        """
        A question that is answered wrong or not at all costs its own method: the
        next one succeeds, when the question's time is over.
        """

        def judge(how: Any, error: Any) -> None:
            self.assertIsNone(error, self.where)
            self.assertEqual(self.took, time_of(how, 600), self.where)

        self.assert_all(
            (
                "public_key_auth_requested",
                "kbdint_auth_requested",
                "kbdint_challenge_received",
            ),
            judge,
        )

    def test_last_method(self) -> None:
        """
        Where no other method is left, the login has failed, and only a right
        answer in time is one.
        """

        def judge(how: Any, error: Any) -> None:
            right = how is Owner.answers_late
            kind = type(None) if right else AuthenticationFailed
            self.assertIsInstance(error, kind, self.where)
            self.assertEqual(self.took, time_of(how, 600), self.where)

        def prepare(server: LoopbackServer) -> None:
            server.add_user("alice", password="right", password_change="New: ")

        self.assert_all(("password_change_requested",), judge, prepare=prepare)
        self.assert_all(("password_auth_requested",), judge, password=None)

    def test_host_key(self) -> None:
        """
        Everything that is not an explicit yes, in time, is a no.
        """

        def judge(how: Any, error: Any) -> None:
            right = how is Owner.answers_late
            kind = type(None) if right else HostKeyRejected
            self.assertIsInstance(error, kind, self.where)
            self.assertEqual(self.took, time_of(how, 600), self.where)

        self.assert_all(("validate_host_public_key",), judge, known_hosts=None)


class TwiceTests(FaultCase):
    """
    An owner that answers again.
    """

    def test_twice(self) -> None:
        """
        A second answer is an error where it is made, and nothing to the login,
        whether the first one came in time or not.
        """
        for answers_in_time in (True, False):
            late: list[Deferred[Any]] = []

            class Late(SSHClient):
                def password_auth_requested(self, late: Any = late) -> Any:
                    late.append(Deferred())
                    return late[-1]

            self.begin(client=Late, password=None)
            if answers_in_time:
                late[0].callback("right")
                self.endpoint.pump()
            error = self.finish()
            self.assertIs(error is None, answers_in_time)
            report = None if error is None else error.report
            if not answers_in_time:
                # It is the first that it hears since it was cancelled.
                late[0].callback("right")
            self.assertRaises(AlreadyCalledError, late[0].callback, "wrong")
            self.assertRaises(AlreadyCalledError, late[0].errback, OwnersError())
            self.endpoint.pump()
            self.assertEqual(len(self.ends), 1)
            self.assertEqual(report, None if error is None else error.report)
            late.clear()
        del error, report
        self.assert_nothing_left()

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
What a login can leave behind, counted.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from conch_auth._agent_exchange import Exchange
from conch_auth._connection import ClientTransport, SSHClientConnection
from conch_auth._conversation import Conversation


class Census(NamedTuple):
    """
    @ivar descriptors: the open ones, by what they are.
    @ivar threads: the names of the running ones.
    @ivar delayed: how many calls the reactor has yet to make.
    @ivar waiting: how many Deferreds have not fired.
    @ivar objects: how many of each kind a login is made of.
    """

    descriptors: Counter[str]
    threads: Counter[str]
    delayed: int
    waiting: int
    objects: Counter[str]

    @classmethod
    async def when_idle(cls) -> Census:
        """
        Count when nothing of a connection is under way on the reactor any more.
        """
        from twisted.internet import reactor

        await deferLater(reactor, 0)
        return cls.take()

    @classmethod
    def take(cls) -> Census:
        """
        Count what there is now, once garbage is collected.
        """
        from twisted.internet import reactor

        scheduler: Any = reactor
        gc.collect()
        found: Counter[str] = Counter()
        waiting = 0
        for each in gc.get_objects():
            kind = type(each)
            if kind in _KINDS:
                found[kind.__name__] += 1
            elif issubclass(kind, Deferred):
                waiting += not each.called
        return cls(
            _descriptors(),
            Counter(thread.name for thread in threading.enumerate()),
            len(scheduler.getDelayedCalls()),
            waiting,
            found,
        )


_KINDS = {ClientTransport, SSHClientConnection, Conversation, Exchange}


def _descriptors() -> Counter[str]:
    """
    Sockets have a number in their names, which says nothing.
    """
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            # The one that lists them.
            continue
        found[name.partition("[")[0] if ":[" in name else name] += 1
    return found

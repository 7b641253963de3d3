"""
What a benchmark wants of a client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from tests.benchmarks.jobs import Login, Server

Gather = Callable[[Sequence[Coroutine[Any, Any, Any]]], Awaitable[list[Any]]]
Work = Callable[[Gather], Coroutine[Any, Any, None]]


class Client(Protocol):
    """
    A library, used as its documentation says.

    @cvar usage: whose processor time counts: C{resource.RUSAGE_SELF}, or
        C{RUSAGE_CHILDREN} where the client is a program.
    """

    usage: int

    def prepare(self, server: Server, login: Login) -> None:
        """
        Have ready what an application would make once for many logins.
        """

    async def open(self) -> Any:
        """
        Log in.

        @return: what L{close} takes.
        """

    async def pend(self) -> Any:
        """
        Begin to log in, up to where a person is asked, who does not answer.
        """

    async def close(self, opened: Any) -> None:
        """
        End a connection, and wait until it is closed.
        """

    def run(self, work: Work) -> None:
        """
        Do what there is to do, on what the library runs on.  C{work} is given
        how to wait for several things at a time.
        """

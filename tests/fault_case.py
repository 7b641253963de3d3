# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Logins to which something happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHClient, connect
from conch_auth.loopback import LoopbackServer, generate_key
from tests.census import Census

KEY = generate_key()
HOST_KEY = generate_key()
#: More than a login takes by all its limits together, in seconds: connecting,
#: the question about the host key, a person for each of three, the server.
LONGEST = 60 + 5 * 600 + 120


def by_password(server: LoopbackServer) -> dict[str, Any]:
    """
    The options of a login of alice's to a server that listens.
    """
    known = {"username": "alice", "client_keys": None, "agent_path": None}
    return {**known, "password": "right", **server.options}


class FaultCase(SynchronousTestCase):
    """
    Logins in memory, of which nothing may be left.

    @ivar server: the server of the login that runs.
    @ivar clock: what both sides take the time from.
    @ivar login: the Deferred of C{connect}.
    """

    def setUp(self) -> None:
        # What is made once for all logins is made before they are counted.
        self.begin()
        self.finish()
        self.forget()
        self.before = Census.take()

    def begin(
        self,
        prepare: Callable[[LoopbackServer], object] = lambda server: None,
        client: Callable[[], SSHClient] = SSHClient,
        chunk: int | None = None,
        **options: Any,
    ) -> None:
        """
        Begin a login of alice's, who has a key, a password and an answer.

        @param prepare: called with the new server.
        @param chunk: the most bytes that arrive at once.
        """
        self.server = LoopbackServer(host_keys=[HOST_KEY])
        self.server.add_user(
            "alice",
            password="right",
            keys=[KEY],
            prompts=[[("Code: ", False)]],
            answers=[["42"]],
        )
        prepare(self.server)
        self.clock = self.server.clock
        self.endpoint = self.server.endpoint()
        self.ends: list[Any] = []
        settings: dict[str, Any] = {
            "username": "alice",
            "client_keys": None,
            "agent_path": None,
            "password": "right",
            "known_hosts": self.server.known_hosts_line("server").encode(),
            "endpoint": self.endpoint,
            "reactor": self.clock,
        }
        settings.update(options)
        self.login: Deferred[Any] = connect("server", client_factory=client, **settings)
        self.login.addBoth(self.ends.append)
        for link in self.endpoint.links:
            link.pump(chunk)

    def finish(self, longest: int = LONGEST) -> Any:
        """
        Let time pass until the login has ended, and end its connection.

        @return: C{None} for a success, or the error that it ended with.
        """
        began = self.clock.seconds()
        while not self.ends:
            self.assertLess(self.clock.seconds() - began, longest, "it never ends")
            self.clock.advance(10)
            self.endpoint.pump()
        self.took = self.clock.seconds() - began
        (end,) = self.ends
        if isinstance(end, Failure):
            end.cleanFailure()
        else:
            end.close()
        self.endpoint.pump()
        self.assertEqual([link.closed for link in self.endpoint.links], [True])
        return end.value if isinstance(end, Failure) else None

    def assert_nothing_left(self) -> None:
        """
        Of all logins so far there is no call to be made, no Deferred that has not
        fired, no descriptor, no thread and no object.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.forget()
        self.assertEqual(Census.take(), self.before)

    def forget(self) -> None:
        """
        Hold nothing of the last login.
        """
        for name in ("server", "clock", "endpoint", "login", "ends"):
            delattr(self, name)

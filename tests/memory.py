# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Connections in memory, for tests of C{connect}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHClient, connect
from conch_auth.loopback import LoopbackServer


class MemoryCase(SynchronousTestCase):
    """
    A server in memory on which alice has the password C{right}.

    @ivar server: the server.
    @ivar endpoint: how to connect to it.
    @ivar ends: what each login ended with.
    """

    def setUp(self) -> None:
        self.server = LoopbackServer()
        self.server.add_user("alice", password="right")
        self.endpoint = self.server.endpoint()
        self.ends: list[Any] = []

    def begin(
        self, make: Callable[[], SSHClient] = SSHClient, **options: Any
    ) -> Deferred[Any]:
        """
        Begin a login.
        """
        settings: dict[str, Any] = {
            "username": "alice",
            "client_keys": None,
            "agent_path": None,
            "known_hosts": self.server.known_hosts_line("server").encode(),
            "endpoint": self.endpoint,
            "reactor": self.server.clock,
        }
        settings.update(options)
        login = connect("server", client_factory=make, **settings)
        login.addBoth(self.ends.append)
        return login

    def log_in(
        self, make: Callable[[], SSHClient] = SSHClient, **options: Any
    ) -> Deferred[Any]:
        """
        Log in, as far as it goes without an answer from elsewhere.
        """
        login = self.begin(make, **options)
        self.endpoint.pump()
        return login

    @property
    def peer(self) -> Any:
        """
        The server's end of the last connection.
        """
        return self.endpoint.links[-1].server

    @property
    def connection(self) -> Any:
        """
        The connection that was made.
        """
        (made,) = self.ends
        if isinstance(made, Failure):
            self.fail(f"no login: {made.value!r}")
        return made

    @property
    def error(self) -> Any:
        """
        What the login ended with.
        """
        (end,) = self.ends
        self.assertIsInstance(end, Failure)
        return end.value

    def assert_closed(self) -> None:
        """
        The connection is gone on both sides, and nothing is pending.
        """
        self.endpoint.pump()
        self.assertEqual([link.closed for link in self.endpoint.links], [True])
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

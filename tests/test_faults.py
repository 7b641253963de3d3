# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
What a server and its network may do to a login: it ends as is documented, in the
time that it has, once, and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from conch_auth import SSHClient, connect
from conch_auth.errors import (
    ConnectionLost,
    ConnectTimeout,
    LoginError,
    NotSSH,
    ServerTimeout,
)
from conch_auth.loopback import Fault, LoopbackServer
from tests.census import Census
from tests.fault_case import KEY, FaultCase, by_password

#: The packets of a server with which a login gets on.
VERSION, NEWKEYS, SERVICE_ACCEPT = 0, 3, 5


class Answering(SSHClient):
    """
    Knows what the server asks.
    """

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(self, *asked: Any) -> list[str]:
        return ["42"]


def factors(*names: str) -> Any:
    """
    Prepares a server that wants all of these, in this order.
    """

    def prepare(server: LoopbackServer) -> None:
        account = server.accounts[b"alice"]
        account.factors = (tuple(name.encode() for name in names),)

    return prepare


LOGINS: dict[str, dict[str, Any]] = {
    "password": {"prepare": factors("password")},
    "key": {"prepare": factors("publickey"), "client_keys": [KEY]},
    "questions": {"prepare": factors("keyboard-interactive"), "client": Answering},
    "all three": {
        "prepare": factors("publickey", "keyboard-interactive", "password"),
        "client_keys": [KEY],
        "client": Answering,
    },
}


class BrokenConnectionTests(FaultCase):
    """
    The connection breaks.
    """

    def places(self, **login: Any) -> Iterator[tuple[int, int]]:
        """
        Each packet of the server's in a login, and places in it: its beginning,
        its length, its middle, all but its end.
        """
        self.begin(**login)
        self.assertIsNone(self.finish())
        for packet, size in enumerate(self.server.connection.wire.sizes[:-1]):
            for byte in (0, 1, 5, size // 2, size - 1):
                yield packet, byte

    def fail_at(self, packet: int, byte: int, how: Any, **login: Any) -> Any:
        """
        The error of a login whose connection breaks there.
        """
        prepare = login["prepare"]

        def break_there(server: LoopbackServer) -> None:
            prepare(server)
            server.fault = Fault(packet, byte, how)

        self.begin(**{**login, "prepare": break_there})
        error = self.finish()
        self.assertIsInstance(error, LoginError, (packet, byte, how))
        return error

    def test_lost(self) -> None:
        """
        Closed or reset after each packet and within it: the login ends at once,
        and says how far it had come.
        """
        for name, login in LOGINS.items():
            for packet, byte in self.places(**login):
                for how in ("close", "reset"):
                    error = self.fail_at(packet, byte, how, **login)
                    where = (name, packet, byte, how)
                    self.assertEqual(self.took, 0, where)
                    kind = NotSSH if packet == VERSION else ConnectionLost
                    self.assertIs(type(error), kind, where)
                    began = packet > NEWKEYS
                    self.assertIs(error.report is not None, began, where)
        self.assert_nothing_left()

    def test_silent(self) -> None:
        """
        Silent after each packet and within it: the login ends when the time is
        over that the server has for the step.
        """
        for name, login in LOGINS.items():
            for packet, byte in self.places(**login):
                error = self.fail_at(packet, byte, "stall", **login)
                where = (name, packet, byte)
                began = packet > SERVICE_ACCEPT
                self.assertIs(
                    type(error), ServerTimeout if began else ConnectTimeout, where
                )
                self.assertEqual(self.took, 120 if began else 60, where)
        self.assert_nothing_left()

    def test_in_pieces(self) -> None:
        """
        However the network cuts the server's bytes, nothing is lost of them.
        """
        for login in LOGINS.values():
            for size in (1, 3, 50):
                self.begin(chunk=size, **login)
                self.assertIsNone(self.finish())
        self.assert_nothing_left()


class ResetTests(TestCase):
    """
    The same over a socket.
    """

    timeout = 60

    async def test_reset(self) -> None:
        """
        A connection that is reset after each packet and within it leaves no
        descriptor, no thread, and nothing for the reactor to do.
        """
        server = LoopbackServer()
        server.add_user("alice", password="right")
        await server.listen(reactor)
        options = by_password(server)
        made = await connect(**options)
        sizes = server.connection.wire.sizes
        made.close()
        await made.wait_closed()
        await server.connection.closed
        del made
        before = await Census.when_idle()
        for packet, size in enumerate(sizes[:-1]):
            for byte in (0, size // 2):
                server.fault = Fault(packet, byte, "reset")
                with self.assertRaises(LoginError):
                    await connect(**options)
                await server.connection.closed
        self.assertEqual(await Census.when_idle(), before)
        await server.stop()

# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
The service of a login alone, with a transport that records: no socket, no cipher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import deferLater

from conch_auth import messages
from tests.benchmarks.clients import conch, ours
from tests.benchmarks.clients.on_twisted import NextService, OnTwisted
from tests.benchmarks.jobs import Login, Server

#: The length of what is signed for a key of Ed25519.
_SIGNED_BYTES = 180
#: A reactor that runs drops the timers that were cancelled.
_BETWEEN = 20


class Recording:
    """
    As much of a transport as Conch's own tests have, and no more work than that
    of a list.
    """

    sessionID = b"s" * 32
    peerExtensions: Mapping[bytes, bytes] = {b"server-sig-algs": b"ssh-ed25519"}

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []
        self.service: Any = None

    def sendPacket(self, number: int, payload: bytes) -> None:
        self.packets.append((number, payload))

    def setService(self, service: Any) -> None:
        self.service = service

    def isEncrypted(self, direction: str) -> bool:
        return True

    def isVerified(self, direction: str) -> bool:
        return True


class Layer(OnTwisted):
    """
    C{open} goes through one login, in the course that the job names: C{Conch},
    C{ordinary}, C{eager}, or C{signature} for the bare signature.
    """

    def prepare(self, server: Server, login: Login) -> None:
        super().prepare(server, login)
        (key,) = self.keys
        self._pair = key.public(), key
        self._raw, self._message = key._keyObject, b"m" * _SIGNED_BYTES
        self._user = login.user.encode()
        refusal = messages.Failure((b"publickey", b"password"), False)
        confirmation = messages.PublicKeyOk(b"ssh-ed25519", self._pair[0].blob())
        success = messages.Success()
        self._replies = [
            (message.number, message.build())
            for message in (refusal, confirmation, success)
        ]
        self._courses: dict[str, Callable[[], None]] = {
            "Conch": lambda: self._go(conch.UserAuth, self._replies),
            "ordinary": lambda: self._go(ours.UserAuth, self._replies),
            "eager": lambda: self._go(ours.EagerUserAuth, self._replies[-1:]),
            "signature": lambda: self._raw.sign(self._message),
        }

    def _go(self, kind: Any, replies: list[tuple[int, bytes]]) -> None:
        service = kind(self._user, NextService())
        service.offered = iter([self._pair])
        transport = service.transport = Recording()
        service.serviceStarted()
        for number, payload in replies:
            service.packetReceived(number, payload)
        service.serviceStopped()
        assert transport.service is service.instance, "the login is not complete"
        assert len(transport.packets) == len(replies)

    async def run_course(self, name: str, count: int) -> None:
        """
        Go through C{count} logins, one after the other.
        """
        course = self._courses[name]
        for number in range(count):
            course()
            if number % _BETWEEN == 0:
                await deferLater(self.reactor, 0)

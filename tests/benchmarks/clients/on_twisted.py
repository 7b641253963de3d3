# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
"""
What the clients on Twisted have in common.
"""

from __future__ import annotations

import resource
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION
from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import react
from twisted.python.failure import Failure

from tests.benchmarks.clients.interface import Work
from tests.benchmarks.jobs import HOST_KEY, Login, Server


def _gather(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> Deferred[list[Any]]:
    return gatherResults(map(Deferred.fromCoroutine, coroutines), consumeErrors=True)


class OnTwisted:
    """
    A client that runs on Twisted's reactor.
    """

    usage = resource.RUSAGE_SELF
    server: Server
    login: Login

    def prepare(self, server: Server, login: Login) -> None:
        self.server, self.login = server, login
        self.keys = [Key.fromString(key.encode()) for key in login.keys]

    def run(self, work: Work) -> None:
        def main(reactor: Any) -> Deferred[None]:
            self.reactor = reactor
            return Deferred.fromCoroutine(work(_gather))

        react(main)


class NextService(SSHConnection):
    """
    What follows the login.

    @ivar running: fires when it has been started.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running: Deferred[None] = Deferred()

    def serviceStarted(self) -> None:
        super().serviceStarted()
        self.running.callback(None)


class Owner:
    """
    What a subclass of an C{SSHUserAuthClient} answers.

    @ivar offered: each public key and its private one.
    @ivar asked: where it is set, the password does not come, and it fires when
        it is asked for.
    """

    offered: Iterator[tuple[Key, Key]] = iter(())
    password: bytes | None = None
    answer: str | None = None
    asked: Deferred[None] | None = None

    _private: Key | None = None

    def getPublicKey(self) -> Key | None:
        public, self._private = next(self.offered, (None, None))
        return public

    def getPrivateKey(self) -> Deferred[Key | None]:
        return succeed(self._private)

    def getPassword(self, prompt: bytes | None = None) -> Deferred[bytes] | None:
        if self.asked is not None:
            self.asked.callback(None)
            return Deferred()
        return None if self.password is None else succeed(self.password)

    def getGenericAnswers(
        self, name: bytes, instruction: bytes, prompts: list[tuple[bytes, bool]]
    ) -> Deferred[list[Any]]:
        return succeed([self.answer for _ in prompts])


class Requesting:
    """
    A transport that trusts one host key, and requests one service.

    @ivar lost: fires when the connection is closed.
    """

    # The rest of what is to be negotiated is what Conch prefers by itself.
    supportedPublicKeys = [HOST_KEY.encode()]
    requestService: Any

    def __init__(self, wanted: Any, trusted: bytes) -> None:
        self._wanted, self._trusted = wanted, trusted
        self.lost: Deferred[None] = Deferred()

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        if hostKey != self._trusted:
            return fail(ValueError("this is not the host's key"))
        return succeed(True)

    def connectionSecure(self) -> None:
        self.requestService(self._wanted)

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)  # type: ignore[misc]
        running = self._wanted.instance.running
        if not running.called:
            running.errback(reason)
        self.lost.callback(None)


class Subclassed(OnTwisted):
    """
    A client as Conch's documentation has it written: a transport, and a subclass
    of an C{SSHUserAuthClient}.
    """

    transport: Any
    service: Any

    def prepare(self, server: Server, login: Login) -> None:
        super().prepare(server, login)
        self._pairs = [(key.public(), key) for key in self.keys]
        self._password = None if login.password is None else login.password.encode()
        self._trusted = Key.fromString(server.host_key.encode()).blob()

    def _service(self) -> Any:
        service = self.service(self.login.user.encode(), NextService())
        service.offered = iter(self._pairs)
        service.password, service.answer = self._password, self.login.answer
        return service

    async def _connect(self, service: Any) -> Any:
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.server.port)
        return await connectProtocol(endpoint, self.transport(service, self._trusted))

    async def open(self) -> Any:
        service = self._service()
        transport = await self._connect(service)
        await service.instance.running
        return transport

    async def pend(self) -> Any:
        service = self._service()
        asked: Deferred[None] = Deferred()
        service.asked = asked
        await self._connect(service)
        await asked

    async def close(self, opened: Any) -> None:
        opened.sendDisconnect(DISCONNECT_BY_APPLICATION, b"closed")
        await opened.lost

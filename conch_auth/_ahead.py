"""
How a login begins: by asking the server what it takes, or by what it is sure to
take.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from conch_auth import _transports, names
from conch_auth._asking import Superseded
from conch_auth._packets import Packets
from conch_auth._states import State

#: The methods whose first request can prove who logs in.
_PROVING = (names.PUBLICKEY, names.PASSWORD)


class Beginning(Packets):
    """
    The part of L{SSHUserAuthClient<conch_auth.userauth.SSHUserAuthClient>} that
    begins the login: with a C{none} request, or with C{eager} by the first
    request that can prove who logs in, which then need not wait until the server
    has accepted the service.
    """

    triedPublicKeys: list[Any]
    lastPublicKey: Any = None

    _log = Logger()

    def serviceRequested(self, transport: Any) -> bool:
        """
        The service was requested, and the server has not accepted it yet: with
        C{eager} the login begins now (RFC 4253, section 10).

        @param transport: what the service is to run on.
        @return: whether it begins.
        """
        running = self._current is not None and not self._current.ended
        if not self.eager or (running and self._conversation.begun):
            return False
        self.transport = transport
        if not self._startAnew():
            return False
        self._conversation.go_ahead()
        self._startLogin()
        return True

    def serviceStarted(self) -> None:
        """
        Begin the login, unless it began when the service was requested.  One
        that has succeeded stays as it is on its connection: a transport may
        request the service again after a key exchange.
        """
        conversation = self._conversation
        if not conversation.ended and conversation.state is State.NOT_ACCEPTED:
            conversation.accepted()
            if conversation.unread:
                self.askForAuth(names.NONE, b"")
        elif self._startAnew():
            self._startLogin()

    def requestUnimplemented(self, sequence: int) -> None:
        """
        A server that knows nothing of the first request is asked what it takes,
        once it has accepted the service.
        """
        conversation = self._conversation
        first = conversation.requests == 1 and conversation.server_methods is None
        if not (self.eager and first and conversation.awaits_reply):
            super().requestUnimplemented(sequence)
            return
        conversation.not_read()
        if conversation.state is State.CHOOSING:
            self.askForAuth(names.NONE, b"")

    def _startAnew(self) -> bool:
        """
        Forget the login before.

        @return: C{False} where it has succeeded.
        """
        if self._current is not None and self._current.ended:
            here = self._loginTransport is self.transport
            if here and self._current.state is State.SUCCEEDED:
                return False
            self._current = None
        self.authenticatedWith = []
        self.triedPublicKeys = []
        self.lastPublicKey = None
        self._bannerBytes = 0
        self._disconnected = None
        self._disconnectedFor = "server-disconnected"
        return True

    def _startLogin(self) -> None:
        if not self.eager or self.allowTrivialAuth:
            # Who wants no proof is best asked without one.
            self.askForAuth(names.NONE, b"")
            return
        self._begin()
        Deferred.fromCoroutine(self._goAhead())

    async def _goAhead(self) -> None:
        try:
            methods = await self._methodsAhead()
        except Superseded:
            return
        except Exception:
            self._log.failure("what to begin with is not known; the server is asked")
            methods = []
        self._conversation.run(self._cbUserauthFailure, None, iter(methods))

    async def _methodsAhead(self) -> list[bytes]:
        """
        The methods to try before the server has listed any, in order.
        """
        ahead: list[bytes] = []
        for method in self.preferredOrder:
            if method not in _PROVING:
                break
            ahead.append(method)
        return ahead

    def signsAtOnce(self, key: Any) -> bool:
        """
        Whether to sign with a key without having asked the server whether it
        would take it.

        @param key: what C{getPublicKey} gave.
        """
        return self.eager and not self._conversation.requests

    def whenExtensionsKnown(self) -> Deferred[None]:
        """
        Wait until the server has said which algorithms it takes, or will not
        say so any more.
        """
        return _transports.when_extensions_known(self.transport)

    def _cbUserauthFailure(self, result: Any, iterator: Iterator[bytes]) -> Any:
        """
        Try the next method, unless the last one has sent a request.
        """
        raise NotImplementedError

"""
What this host vouches for its user with, as C{connect} was told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from conch_auth import _local
from conch_auth._keyfiles import shown
from conch_auth._keysign import keysign_keys
from conch_auth._options import Options
from conch_auth.interfaces import ISigner
from conch_auth.keys import Keys, load_host_keys


class HostWallet:
    """
    This host's keys and name in one login.
    """

    def __init__(self, options: Options, reactor: Any) -> None:
        self._options = options
        self._reactor = reactor
        self._keys: Keys | None = None

    async def take(
        self, transport: Any, skipped: Callable[..., object]
    ) -> ISigner | None:
        """
        The next key; C{None} where there is no more.

        @param transport: the SSH transport that it is for.
        @param skipped: called with the source of what cannot be used, the
            reason in words, and as one of L{conch_auth.diagnosis.CAUSES}.
        """
        if self._keys is None:
            self._keys = self._found(transport)
        key = await self._keys.take()
        unusable, self._keys.unusable = self._keys.unusable, []
        for problem in unusable:
            skipped(shown(problem.path), problem.problem, problem.cause)
        return key

    def _found(self, transport: Any) -> Keys:
        options = self._options
        if options.client_host_keysign is None:
            return load_host_keys(
                options.client_host_keys,
                passphrase=options.passphrase,
                certificates=options.client_host_certs,
                strict=False,
            )
        found = Keys()
        found += keysign_keys(
            options.client_host_keys,
            options.client_host_keysign,
            transport,
            self._reactor,
            found.unusable.append,
        )
        return found

    def name(self, transport: Any) -> Deferred[str]:
        """
        The name of this host: with a dot at its end where C{ssh-keysign} signs,
        which asks for it.
        """
        given, by_keysign = self._options.client_host, self._options.client_host_keysign
        if given is not None:
            return succeed(_local.dotted(given) if by_keysign else given)
        look_up = _local.keysign_host_name if by_keysign else _local.host_name
        return look_up(transport, self._reactor)

    def close(self) -> None:
        """
        Keep no decrypted key and no passphrase.
        """
        self._options = self._options.without_secrets()
        if self._keys is not None:
            self._keys.close()

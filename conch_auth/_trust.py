"""
Whether to trust a host, as C{connect} asks it: known_hosts first, then the
client's callbacks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from twisted.conch.ssh.keys import BadKeyError, Key
from zope.interface import implementer

from conch_auth._awaiting import as_deferred
from conch_auth._options import wrong_type
from conch_auth.callbacks import SSHClient, is_overridden
from conch_auth.certificates import HostKeyOffer, key_type
from conch_auth.display import fingerprint, text
from conch_auth.errors import HostKeyRejected, HostKeyUnknown
from conch_auth.interfaces import IHostKeyPolicy
from conch_auth.knownhosts import KnownHosts, default_paths


def check_known_hosts(known_hosts: Any) -> None:
    """
    @raise TypeError: where C{known_hosts} is nothing that L{policy_for} takes.
    """
    if IHostKeyPolicy.providedBy(known_hosts) or known_hosts is None:
        return
    if not isinstance(known_hosts, KnownHosts | bytes | str | os.PathLike | Iterable):
        raise wrong_type("known_hosts", known_hosts)


def policy_for(
    known_hosts: Any, client: SSHClient, known_as: tuple[str, int], port: int
) -> IHostKeyPolicy:
    """
    The policy of one connection.

    @param known_hosts: C{()} for OpenSSH's own files, C{None} for the callbacks
        alone, a path or paths, the bytes of a file, a L{KnownHosts}, or an
        L{IHostKeyPolicy}, which then decides by itself.
    @param known_as: the name and port to look the host key up by.
    @param port: the port that is connected to, which the client is told.
    @raise TypeError: where C{known_hosts} is none of these.
    """
    check_known_hosts(known_hosts)
    if IHostKeyPolicy.providedBy(known_hosts):
        policy: IHostKeyPolicy = known_hosts
        return policy
    if known_hosts is None:
        return ClientPolicy(client, port, None)
    known = _read(known_hosts)
    return ClientPolicy(client, port, known.policy(*known_as))


def _read(known_hosts: Any) -> KnownHosts:
    if isinstance(known_hosts, KnownHosts):
        return known_hosts
    if isinstance(known_hosts, bytes):
        return KnownHosts.from_bytes(known_hosts)
    if isinstance(known_hosts, str | os.PathLike):
        return KnownHosts.from_files(known_hosts)
    return KnownHosts.from_files(list(known_hosts) or default_paths())


@implementer(IHostKeyPolicy)
class ClientPolicy:
    """
    Asks the client about what known_hosts has nothing on.

    A key that is changed or revoked is refused, and the client is not asked.
    """

    def __init__(
        self, client: SSHClient, port: int, known: IHostKeyPolicy | None
    ) -> None:
        self._client = client
        self._port = port
        self._known = known

    def order_algorithms(self, supported: Sequence[bytes]) -> Sequence[bytes]:
        # A client that judges authorities wants certificates, even where no
        # file names one.
        if self._known is None or is_overridden(self._client, "validate_host_ca_key"):
            return supported
        return self._known.order_algorithms(supported)

    async def accept(self, offer: HostKeyOffer) -> bool:
        unknown: HostKeyUnknown | None = None
        if self._known is not None:
            try:
                if await as_deferred(self._known.accept, offer) is True:
                    return True
            except HostKeyUnknown as error:
                unknown = error
        if await self._ask(offer) is True:
            return True
        raise unknown or HostKeyRejected(
            offer.host,
            offer.port,
            text(key_type(offer.key_blob)),
            fingerprint(offer.key_blob),
        )

    async def _ask(self, offer: HostKeyOffer) -> Any:
        callback, blob = "validate_host_public_key", offer.key_blob
        if offer.certificate is not None:
            callback, blob = "validate_host_ca_key", offer.certificate.ca_blob
        answer = await as_deferred(
            getattr(self._client, callback),
            offer.host,
            offer.address or "",
            self._port,
            _key(blob),
        )
        offer.trusted_by = offer.trusted_by or callback
        return answer


def _key(blob: bytes) -> Key | bytes:
    """
    The key as a Conch C{Key}, or its blob where Conch does not know the type.
    """
    try:
        key: Key = Key.fromString(blob)
    except BadKeyError:
        return blob
    return key

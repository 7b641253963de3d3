# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Has servers on 127.0.0.1 answer under the names that an example gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.abstract import isIPAddress
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from twisted.trial.unittest import TestCase
from zope.interface import implementer


@implementer(IHostnameResolver)
class Stage:
    """
    The names and ports of a test's servers, until the test is over.  No other
    name has an address, and no name server is asked.
    """

    def __init__(self, case: TestCase) -> None:
        self._ports: dict[tuple[str, int], int] = {}
        self._addresses: dict[str, str] = {}
        net: Any = reactor
        case.addCleanup(net.installNameResolver, net.installNameResolver(self))
        self._connect = net.connectTCP
        case.patch(net, "connectTCP", self._connect_tcp)

    def add(self, host: str, port: int, shown_port: int = 22) -> None:
        """
        A server listens on C{port} of 127.0.0.1; to the example it is at
        C{shown_port} of C{host}.
        """
        # Addresses of TEST-NET-1 (RFC 5737), which lead nowhere else.
        new = f"192.0.2.{len(self._ports) + 1}"
        address = self._addresses.setdefault(host, new)
        self._ports[address, shown_port] = port

    def remove(self, host: str) -> None:
        """
        The name has no address any more.
        """
        del self._addresses[host]

    def _connect_tcp(self, host: str, port: int, *rest: Any, **options: Any) -> Any:
        if (host, port) in self._ports:
            host, port = "127.0.0.1", self._ports[host, port]
        return self._connect(host, port, *rest, **options)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> IResolutionReceiver:
        resolutionReceiver.resolutionBegan(None)  # type: ignore[arg-type]
        literal = hostName if isIPAddress(hostName) else None
        address = self._addresses.get(hostName, literal)
        if address is not None:
            resolutionReceiver.addressResolved(IPv4Address("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolutionReceiver

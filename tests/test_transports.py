"""
Tests for L{conch_auth._transports}: what a service finds out about the
transport below it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import names
from conch_auth._transports import (
    has_exchanged_keys,
    host_name,
    own_address,
    protects,
    server_signature_algorithms,
    watch,
)

CIPHERS = object()


class Transport:
    """
    Has what a test gives it, and nothing else.
    """

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Connection:
    def __init__(self, address: Any) -> None:
        self.address = address

    def getPeer(self) -> Any:
        return self.address

    def getHost(self) -> Any:
        return self.address


def says(answer: bool) -> Any:
    return lambda direction: answer


class ProtectionTests(SynchronousTestCase):
    def test_table(self) -> None:
        """
        A connection protects what is sent if it is encrypted and its integrity
        is verified.  Where no keys were exchanged there is none, and a
        transport driven by hand need not say anything.
        """
        connection = {"sessionID": b"id", "currentEncryptions": CIPHERS}
        for transport, protected in (
            (Transport(), True),
            (Transport(sessionID=b"", isEncrypted=says(False)), True),
            (Transport(sessionID=b"test"), True),
            (Transport(sessionID=b"test", isEncrypted=says(True)), True),
            (Transport(sessionID=b"test", isEncrypted=says(False)), False),
            (
                Transport(**connection, isEncrypted=says(True), isVerified=says(True)),
                True,
            ),
            (
                Transport(**connection, isEncrypted=says(True), isVerified=says(False)),
                False,
            ),
            (
                Transport(**connection, isEncrypted=says(False), isVerified=says(True)),
                False,
            ),
        ):
            self.assertIs(protects(transport), protected, vars(transport))

    def test_keys_exchanged(self) -> None:
        """
        A session identifier alone, as tests set one, is no connection.
        """
        for transport, exchanged in (
            (None, False),
            (Transport(sessionID=b"test"), False),
            (Transport(currentEncryptions=CIPHERS), False),
            (Transport(sessionID=b"", currentEncryptions=CIPHERS), False),
            (Transport(sessionID=b"id", currentEncryptions=CIPHERS), True),
        ):
            self.assertIs(has_exchanged_keys(transport), exchanged)


class SignatureAlgorithmsTests(SynchronousTestCase):
    def test_listed(self) -> None:
        """
        The server's list is taken as it is, less its empty names; it may be
        missing.
        """
        for attributes, listed in (
            ({}, ()),
            ({"peerExtensions": {}}, ()),
            ({"peerExtensions": {b"server-sig-algs": b"a,,b"}}, (b"a", b"b")),
        ):
            self.assertEqual(
                server_signature_algorithms(Transport(**attributes)), listed
            )

    def test_servers_of_conch(self) -> None:
        """
        Conch's servers list their own host keys there, and verify every kind.
        """
        transport = Transport(
            peerExtensions={b"server-sig-algs": b"ssh-ed25519"},
            otherVersionString=b"SSH-2.0-Twisted_24.7.0",
        )
        self.assertEqual(
            server_signature_algorithms(transport), names.SIGNATURE_ALGORITHMS
        )


class AddressTests(SynchronousTestCase):
    connection = {"sessionID": b"id", "currentEncryptions": CIPHERS}

    def test_host(self) -> None:
        """
        The server's name comes before its address; either may be missing.
        """
        peer = Connection(IPv4Address("TCP", "192.0.2.1", 22))
        unix = Connection(UNIXAddress("/socket"))
        for attributes, host in (
            ({}, None),
            ({"hostname": b"example.org"}, "example.org"),
            ({"hostname": "example.org"}, "example.org"),
            ({"transport": peer}, None),
            ({**self.connection, "transport": peer}, "192.0.2.1"),
            ({**self.connection, "transport": unix}, None),
        ):
            self.assertEqual(host_name(Transport(**attributes)), host)

    def test_own(self) -> None:
        """
        This side's address is an internet address, or none.
        """
        for connection, own in (
            (Connection(IPv4Address("TCP", "192.0.2.2", 1)), "192.0.2.2"),
            (Connection(UNIXAddress("/socket")), None),
            (None, None),
        ):
            self.assertEqual(own_address(Transport(transport=connection)), own)


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[Any] = []

    def transport(self, **attributes: Any) -> Any:
        class Connected(Transport):
            connectionLost = self.told.append

        return Connected(sessionID=b"id", currentEncryptions=CIPHERS, **attributes)

    def lost(self) -> None:
        self.told.append("watcher")

    def test_told(self) -> None:
        """
        The transport is told first, then the watcher, also where the transport
        raises.
        """
        transport = self.transport()
        watch(transport, self.lost)
        transport.connectionLost("reason")
        self.assertEqual(self.told, ["reason", "watcher"])
        transport = self.transport(connectionLost=lambda reason: 1 / 0)
        watch(transport, self.lost)
        self.assertRaises(ZeroDivisionError, transport.connectionLost, "reason")
        self.assertEqual(self.told[2:], ["watcher"])

    def test_ended(self) -> None:
        """
        Afterwards the transport is as it was, with what it had of its own.
        """
        for attributes in ({}, {"connectionLost": self.told.append}):
            transport = self.transport(**attributes)
            before = dict(vars(transport))
            watch(transport, self.lost)()
            self.assertEqual(vars(transport), before)

    def test_somebody_else_came_after(self) -> None:
        """
        What another one has put in its place since stays.
        """
        transport = self.transport()
        unwatch = watch(transport, self.lost)
        transport.connectionLost = other = self.told.append
        unwatch()
        self.assertEqual(vars(transport)["connectionLost"], other)

    def test_no_connection(self) -> None:
        """
        A transport driven by hand is not touched.
        """
        transport = Transport(sessionID=b"test")
        watch(transport, self.lost)()
        self.assertEqual(vars(transport), {"sessionID": b"test"})

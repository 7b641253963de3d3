# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The answer to a login that went ahead is not held back by TCP.
"""

from __future__ import annotations

import socket
from typing import Any
from unittest import skipUnless

from twisted.internet.interfaces import ITCPTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from conch_auth import _services
from tests.memory import MemoryCase


@implementer(ITCPTransport)
class Transport:
    """
    As much of a TCP transport as is asked for its socket.
    """

    def __init__(self, handle: Any) -> None:
        self.getHandle = lambda: handle


@skipUnless(hasattr(socket, "TCP_QUICKACK"), "this system has no such option")
class OptionTests(SynchronousTestCase):
    """
    C{acknowledge_now}.
    """

    def test_set(self) -> None:
        """
        The socket is told to acknowledge what has come.
        """
        said: list[tuple[int, int, int]] = []

        class Handle:
            def setsockopt(self, *option: int) -> None:
                said.append(option)  # type: ignore[arg-type]

        _services.acknowledge_now(Transport(Handle()))
        self.assertEqual(said, [(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)])

    def test_a_real_socket(self) -> None:
        """
        A socket of TCP takes it, and one that is closed is left alone.
        """
        with socket.socket() as real:
            _services.acknowledge_now(Transport(real))
        _services.acknowledge_now(Transport(real))

    def test_no_socket(self) -> None:
        """
        What is no TCP, or has no socket of its own, is left alone.
        """
        _services.acknowledge_now(object())
        _services.acknowledge_now(Transport(None))


class LoginTests(MemoryCase):
    """
    When it is done.
    """

    def acknowledged(self, **options: Any) -> int:
        """
        Log in.

        @return: how often it was done.
        """
        told: list[Any] = []
        self.patch(_services, "acknowledge_now", told.append)
        self.log_in(password="right", **options)
        self.assertTrue(self.connection.report.succeeded)
        return len(told)

    def test_ahead(self) -> None:
        """
        Once, with SERVICE_ACCEPT, where the login went ahead of it.
        """
        self.assertEqual(self.acknowledged(), 1)

    def test_not_ahead(self) -> None:
        """
        Not where the client's next packet acknowledges it.
        """
        self.assertEqual(self.acknowledged(eager=False), 0)

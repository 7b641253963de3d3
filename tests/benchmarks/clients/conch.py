"""
Twisted Conch.
"""

from __future__ import annotations

from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient

from tests.benchmarks.clients.on_twisted import Owner, Requesting, Subclassed


class Transport(Requesting, SSHClientTransport):
    """
    Conch's own.
    """


class UserAuth(Owner, SSHUserAuthClient):  # type: ignore[misc]
    """
    Conch's own.
    """


class Conch(Subclassed):
    """
    Conch alone.
    """

    transport = Transport
    service = UserAuth

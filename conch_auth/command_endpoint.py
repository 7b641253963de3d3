# mypy: disallow-untyped-calls = False
# (Conch's endpoint has no annotations.)
# ruff: noqa: N802
# (Conch's dialect.)
"""
A command on a server, as a Twisted endpoint.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.endpoints import SSHCommandClientEndpoint, _ISSHConnectionCreator
from twisted.conch.ssh.connection import SSHConnection
from twisted.internet.defer import Deferred
from zope.interface import implementer

from conch_auth._connection import SSHClientConnection
from conch_auth.endpoints import connect


def command_endpoint(
    command: bytes, host: str, port: int | None = None, **options: Any
) -> SSHCommandClientEndpoint:
    """
    An endpoint whose every C{connect} logs in, runs a command, and gives its
    input and output to a protocol.  The connection is closed with the command.

    For a command on a connection that is there already, Conch's
    C{SSHCommandClientEndpoint.existingConnection} takes what
    L{connect<conch_auth.endpoints.connect>} gives as C{connection}.

    @param command: the command line, for the user's shell.
    @param options: those of L{connect<conch_auth.endpoints.connect>}, whose
        errors the endpoint's are, besides those of starting the command.
    """
    return SSHCommandClientEndpoint(_Creator(host, port, options), command)


@implementer(_ISSHConnectionCreator)
class _Creator:
    """
    Makes the connections of one endpoint, as Conch's C{_NewConnectionHelper}
    does.
    """

    def __init__(self, host: str, port: int | None, options: dict[str, Any]) -> None:
        self._host = host
        self._port = port
        self._options = options
        self._made: dict[SSHConnection, SSHClientConnection] = {}

    def secureConnection(self) -> Deferred[SSHConnection]:
        connected = connect(self._host, self._port, **self._options)
        return connected.addCallback(self._remember)

    def _remember(self, made: SSHClientConnection) -> SSHConnection:
        self._made[made.connection] = made
        return made.connection

    def cleanupConnection(self, connection: SSHConnection, immediate: bool) -> None:
        made = self._made.pop(connection, None)
        if made is None:
            return
        if immediate:
            made.abort()
        else:
            made.close()

# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
A service of an application's own, as with Conch, and a server that is played.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.ssh.connection import SSHConnection
from twisted.internet.defer import Deferred

from conch_auth.errors import LoginError
from conch_auth.messages import Failure, Message
from conch_auth.userauth import SSHUserAuthClient
from tests.support import RecordingTransport


class Service(SSHUserAuthClient):
    """
    The class of Conch's users, with a password and nothing else.
    """

    password: Any = None
    transport: RecordingTransport

    def __init__(self, user: bytes) -> None:
        super().__init__(user, SSHConnection())
        self.transport = RecordingTransport()

    def getPassword(self, prompt: bytes | None = None) -> Any:
        given, self.password = self.password, None
        return given

    def getSubmethods(self) -> Any:
        return None


def failed(*methods: bytes) -> Failure:
    return Failure(methods, False)


async def ended(client: SSHUserAuthClient, *replies: Message) -> LoginError:
    """
    The error of a login in which the server sends these replies.
    """
    authenticated: Deferred[Any] = client.whenAuthenticated()
    client.serviceStarted()
    for reply in replies:
        client.packetReceived(reply.number, reply.build())
    try:
        await authenticated
    except LoginError as error:
        return error
    raise AssertionError("it logged in")

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests that log in to AsyncSSH's server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import asyncssh
from twisted.conch.ssh.keys import Key
from twisted.internet.threads import deferToThread

from tests.peers.asyncssh_server import (
    TIMEOUT,
    AsyncSSHServer,
    Scripted,
    Server,
    Step,
)
from tests.peers.login import LoginCase

FAILURE, SUCCESS, BANNER, METHOD_REPLY = 51, 52, 53, 60


class AsyncSSHCase(LoginCase):
    """
    A test with a server of its own.
    """

    def serve(
        self, factory: Callable[[], Server], *authorized: Key, **options: Any
    ) -> AsyncSSHServer:
        """
        @param authorized: the keys that let a user in.
        """
        if authorized:
            lines = (key.public().toString("openssh").decode() for key in authorized)
            options["authorized_client_keys"] = asyncssh.import_authorized_keys(
                "\n".join(lines)
            )
        server = AsyncSSHServer(factory, **options)
        server.start()
        self.addCleanup(server.stop)
        return server

    def scripted(self, **steps: Step) -> AsyncSSHServer:
        """
        A server that does something at each of these moments.
        """

        class Told(Scripted):
            pass

        Told.steps = steps
        return self.serve(Told)

    async def disconnect_seen(self, server: AsyncSSHServer) -> Any:
        """
        What the server's last connection ended with.
        """
        lost = server.connections[-1].lost
        return await deferToThread(lost.result, TIMEOUT)


def send(number: int, payload: bytes = b"") -> Step:
    """
    Send a packet.
    """
    def step(server: Scripted) -> None:
        server.send(number, payload)

    return step


def each(*steps: Step) -> Step:
    """
    Do one step after the other.
    """
    def step(server: Scripted) -> None:
        for one in steps:
            one(server)

    return step


def on_packet(
    conn: Any, replaced: int, arguments: Sequence[bytes], number: int | None = None
) -> None:
    """
    Have C{conn} send another packet in the place of those of one number.
    """
    send = conn.send_packet

    def send_packet(pkttype: int, *args: bytes, **options: Any) -> None:
        if pkttype == replaced:
            pkttype, args = replaced if number is None else number, tuple(arguments)
        send(pkttype, *args, **options)

    conn.send_packet = send_packet

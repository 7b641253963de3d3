# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
L{conch_auth.userauth} against AsyncSSH's server made to do what no server may,
and against one that ends the login in its middle.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
from asyncssh.packet import Byte
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock

from conch_auth.errors import (
    AuthenticationCancelled,
    ConnectionLost,
    LoginTimeout,
    MalformedMessage,
    ProtocolError,
    ServerDisconnected,
    TrivialAuthenticationRefused,
    UnexpectedMessage,
)
from tests.peers.asyncssh_case import (
    BANNER,
    FAILURE,
    METHOD_REPLY,
    SUCCESS,
    AsyncSSHCase,
    each,
    on_packet,
    send,
)
from tests.peers.asyncssh_server import (
    AsyncSSHServer,
    Boolean,
    NameList,
    Scripted,
    Step,
    Strict,
    String,
    UInt32,
)
from tests.peers.login import (
    ED25519,
    OTHER_ED25519,
    Client,
    KeyClient,
    tried,
)

GLOBAL_REQUEST, UNIMPLEMENTED = 80, 3
DISCONNECT_PROTOCOL_ERROR, DISCONNECT_CANCELLED = 2, 13


class BrokenProtocolTests(AsyncSSHCase):
    """
    Messages that are malformed, and messages out of order.
    """

    async def breach(
        self,
        kind: type[ProtocolError],
        steps: dict[str, Step],
        client: Client | None = None,
    ) -> str:
        """
        Meet a server that breaks the protocol.  The client disconnects with
        PROTOCOL_ERROR.

        @return: what the error says.
        """
        server = self.scripted(**steps)
        client = client or Client("alice", [], ["wrong"], {"Word: ": "no"})
        transport = await self.connect(server, client)
        error: Any = await self.assertFailure(client.whenAuthenticated(), kind)
        await transport.lost
        said = str(error)
        self.assertEqual(
            transport.disconnects, [(DISCONNECT_PROTOCOL_ERROR, said.encode())]
        )
        self.assertIs(error.report, client.report)
        self.assertFalse(client.report.succeeded)
        return said

    async def test_malformed(self) -> None:
        """
        A message that is too short or too long ends the login.
        """
        for name, moment, number, payload in (
            ("FAILURE", "begin", FAILURE, NameList([b"password"])),
            ("FAILURE", "begin", FAILURE, b""),
            (
                "FAILURE",
                "begin",
                FAILURE,
                NameList([b"password"]) + Boolean(False) + Byte(0),
            ),
            ("FAILURE", "begin", FAILURE, UInt32(2**32 - 1) + b"password"),
            ("BANNER", "begin", BANNER, String("text")),
            ("SUCCESS", "password", SUCCESS, b"\x00"),
            ("PASSWD_CHANGEREQ", "password", METHOD_REPLY, String("New")),
            ("INFO_REQUEST", "kbdint", METHOD_REPLY, String("") * 2),
            (
                "INFO_REQUEST",
                "kbdint",
                METHOD_REPLY,
                String("") * 3 + UInt32(2) + String("Word: ") + Boolean(False),
            ),
            (
                "INFO_REQUEST",
                "kbdint",
                METHOD_REPLY,
                String("") * 3 + UInt32(2**32 - 1),
            ),
        ):
            step = send(number, payload)
            said = await self.breach(MalformedMessage, {moment: step})
            self.assertIn(f"malformed USERAUTH_{name}", said)

    async def test_unasked_reply(self) -> None:
        """
        A reply of a method that was not asked for ends the login.
        """
        reply = send(METHOD_REPLY, String("ssh-ed25519") + String(ED25519.blob()))
        await self.breach(ProtocolError, {"begin": reply})

    async def test_other_key_confirmed(self) -> None:
        """
        PK_OK for another key than the one that was offered ends the login.
        """

        class Confused(Strict):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                super().connection_made(conn)
                on_packet(
                    self.conn,
                    METHOD_REPLY,
                    [String("ssh-ed25519"), String(OTHER_ED25519.public().blob())],
                )

        server = self.serve(Confused, ED25519)
        error = await self.refused(server, KeyClient("a", ED25519), ProtocolError)
        self.assertIn("PK_OK", str(error))
        self.assertEqual(server.connections[0].signed_with, [])

    async def test_second_failure(self) -> None:
        """
        A FAILURE without a request that it could answer ends the login, also
        while the owner is asked.
        """
        asked: list[Deferred[str]] = []
        cancelled: list[object] = []

        class Slow(Client):
            def getPassword(self, prompt: bytes | None = None) -> Deferred[str]:
                asked.append(Deferred(cancelled.append))
                return asked[-1]

        failure = send(FAILURE, NameList([b"password"]) + Boolean(False))
        said = await self.breach(UnexpectedMessage, {"begin": failure}, Slow("a"))
        self.assertIn("USERAUTH_FAILURE", said)
        self.assertEqual(cancelled, asked)

    async def test_early_success(self) -> None:
        """
        A SUCCESS without a request that it could answer is none.
        """

        class Slow(Client):
            def getPassword(self, prompt: bytes | None = None) -> Deferred[str]:
                return Deferred()

        steps = each(
            send(FAILURE, NameList([b"password"]) + Boolean(False)), send(SUCCESS)
        )
        said = await self.breach(UnexpectedMessage, {"begin": steps}, Slow("a"))
        self.assertIn("USERAUTH_SUCCESS", said)

    async def test_connection_message(self) -> None:
        """
        A message of the connection protocol before the login is complete ends
        it (RFC 4252, section 6).
        """

        def step(server: Scripted) -> None:
            server.conn._auth_complete = True
            server.send(GLOBAL_REQUEST, String("hello@example.com") + Boolean(True))
            server.conn._auth_complete = False

        said = await self.breach(UnexpectedMessage, {"password": step})
        self.assertIn("before the login was complete", said)

    async def test_unknown_messages(self) -> None:
        """
        A number that no method has is answered with UNIMPLEMENTED, and the
        login goes on.
        """
        unknown = each(*(send(number) for number in (54, 66, 79)))
        client = Client("alice", passwords=["right"])
        await self.log_in(self.scripted(begin=unknown, password=unknown), client)

    async def test_success_for_nothing(self) -> None:
        """
        A SUCCESS that answers the first request proves nothing.
        """
        server = self.scripted(begin=send(SUCCESS))
        await self.refused(server, Client("alice"), TrivialAuthenticationRefused)

    async def test_success_for_a_question(self) -> None:
        """
        Nor does one that answers the question whether a key would do.
        """

        class Hasty(Strict):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                super().connection_made(conn)
                on_packet(self.conn, METHOD_REPLY, [], number=SUCCESS)

        server = self.serve(Hasty, ED25519)
        await self.refused(
            server, KeyClient("a", ED25519), TrivialAuthenticationRefused
        )

    async def test_unimplemented(self) -> None:
        """
        A server that does not know the request is one that refuses it.
        """

        async def step(server: Scripted) -> None:
            server.send(UNIMPLEMENTED, UInt32(0))
            await asyncio.Event().wait()

        client = Client("alice", [], ["wrong"], {"Word: ": "right"})
        report = await self.log_in(self.scripted(password=step), client)
        self.assertEqual(
            tried(report),
            [("password", "refused"), ("keyboard-interactive", "accepted")],
        )

    async def test_no_authentication(self) -> None:
        """
        One that does not know the very first knows no authentication.
        """

        unimplemented = send(UNIMPLEMENTED, UInt32(0))
        await self.breach(ProtocolError, {"begin": unimplemented})


class EndTests(AsyncSSHCase):
    """
    Logins that end in the middle.
    """

    async def test_disconnect(self) -> None:
        """
        The server's reason is the error's, whatever the code.
        """
        for code in (2, 7, 11, 14, 15, 4711):

            def step(server: Scripted, code: int = code) -> None:
                server.conn.disconnect(code, "Go away", "en")

            client = Client("alice", passwords=["right"])
            error = await self.refused(
                self.scripted(password=step), client, ServerDisconnected
            )
            self.assertEqual((error.code, error.description), (code, "Go away"))
            self.assertIs(error.report, client.report)

    async def test_odd_disconnect(self) -> None:
        """
        A reason that is no UTF-8 is replaced; what it says to a screen is not
        done.
        """

        def step(server: Scripted) -> None:
            server.send(1, UInt32(11) + String(b"\xff\x1b[2J") + String(b""))

        client = Client("alice", passwords=["right"])
        error = await self.refused(
            self.scripted(password=step), client, ServerDisconnected
        )
        self.assertEqual(error.description, "\ufffd\x1b[2J")
        self.assertNotIn("\x1b", str(error))

    async def test_abort(self) -> None:
        """
        A connection that goes without a word is lost.
        """

        def step(server: Scripted) -> None:
            server.conn.abort()

        client = Client("alice", passwords=["right"])
        error = await self.refused(self.scripted(password=step), client, ConnectionLost)
        self.assertNotIsInstance(error, ServerDisconnected)
        self.assertIn("connection was lost", str(error))

    async def thinking(self, client: Client) -> AsyncSSHServer:
        """
        Connect to a server that thinks about the password for ever.

        @return: the server, when it thinks.
        """
        thinks: Deferred[None] = Deferred()

        async def step(server: Scripted) -> None:
            IReactorFromThreads(reactor).callFromThread(thinks.callback, None)
            await asyncio.Event().wait()

        server = self.scripted(password=step)
        await self.connect(server, client)
        await thinks
        return server

    async def test_cancel(self) -> None:
        """
        Who waits for the login may end it; the server is told.
        """
        client = Client("alice", passwords=["right"])
        server = await self.thinking(client)
        waiting = client.whenAuthenticated()
        waiting.cancel()
        error: Any = await self.assertFailure(waiting, AuthenticationCancelled)
        self.assertEqual(error.report.attempts[-1].method, "password")
        seen = await self.disconnect_seen(server)
        self.assertEqual(seen.code, DISCONNECT_CANCELLED)

    async def test_timeout(self) -> None:
        """
        A server that does not answer is left when its time is over.
        """
        client = Client("alice", passwords=["right"])
        client.clock = clock = Clock()
        server = await self.thinking(client)
        waiting = client.whenAuthenticated()
        assert client.serverTimeout is not None
        clock.advance(client.serverTimeout - 1)
        self.assertNoResult(waiting)
        clock.advance(2)
        error = await self.assertFailure(waiting, LoginTimeout)
        self.assertIn("did not answer in 120 seconds", str(error))
        self.assertEqual(clock.getDelayedCalls(), [])
        await self.disconnect_seen(server)

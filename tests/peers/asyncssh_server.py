"""
AsyncSSH as a server: what OpenSSH's does not do.

L{AsyncSSHServer} runs one in a thread of its own, so that tests use the
ordinary reactor.  What it serves is a subclass of L{Server}.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import asyncssh
from asyncssh.packet import Boolean, NameList, SSHPacket, String, UInt32
from twisted.conch.ssh.keys import Key

__all__ = [
    "AsyncSSHServer",
    "Boolean",
    "Limited",
    "NameList",
    "Partial",
    "PasswordChange",
    "Rounds",
    "Scripted",
    "Server",
    "Strict",
    "String",
    "UInt32",
]

_T = TypeVar("_T")
Prompts = Sequence[tuple[str, bool]]
Step = Callable[["Scripted"], object]

TIMEOUT = 20.0


class Server(asyncssh.SSHServer):
    """
    One connection to a server on which every user must prove something.

    @ivar conn: AsyncSSH's connection.
    @ivar lost: what the connection ended with, once it has: the client's
        DISCONNECT as an exception, or C{None}.
    """

    conn: Any

    def __init__(self) -> None:
        self.lost: Future[Exception | None] = Future()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.conn = conn

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    def begin_auth(self, username: str) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        # AsyncSSH would derive it from the password.
        return False


class Strict(Server):
    """
    Accepts signatures by the allowed algorithms only, which AsyncSSH itself
    does not.

    @ivar signed_with: the algorithms of the signatures that came.
    @ivar probed_with: the algorithms that were asked about.
    """

    allowed: Sequence[bytes] = (b"rsa-sha2-512", b"rsa-sha2-256")

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        super().connection_made(conn)
        self.signed_with: list[bytes] = []
        validate = self.conn.validate_public_key

        async def checked(
            username: str, key_data: bytes, msg: bytes, signature: bytes
        ) -> bool:
            # Without a message it is only asked whether the key would do.
            if msg:
                algorithm = SSHPacket(signature).get_string()
                self.signed_with.append(algorithm)
                if algorithm not in self.allowed:
                    return False
            return bool(await validate(username, key_data, msg, signature))

        self.conn.validate_public_key = checked


class Partial(Server):
    """
    Wants one factor after the other, as sshd with AuthenticationMethods.
    """

    chain: Sequence[str] = ("publickey", "password")

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        super().connection_made(conn)
        self.left = list(self.chain)
        finish = self.conn.send_userauth_success

        async def success() -> None:
            self.left.pop(0)
            if self.left:
                self.conn.send_userauth_failure(True)
            else:
                await finish()

        self.conn.send_userauth_success = success

    def _is_next(self, method: str) -> bool:
        return self.left[:1] == [method]

    def public_key_auth_supported(self) -> bool:
        return self._is_next("publickey")

    def password_auth_supported(self) -> bool:
        return self._is_next("password")

    def kbdint_auth_supported(self) -> bool:
        return self._is_next("keyboard-interactive")

    def validate_password(self, username: str, password: str) -> bool:
        return password == "right"


class Limited(Server):
    """
    Disconnects after some failures, as sshd with MaxAuthTries.
    """

    limit = 3

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        super().connection_made(conn)
        # The refusal of the first request, none, does not count.
        self.tries = -1
        fail = self.conn.send_userauth_failure

        def failure(partial: bool) -> None:
            self.tries += not partial
            if self.tries >= self.limit:
                self.conn.disconnect(
                    asyncssh.DISC_PROTOCOL_ERROR, "Too many authentication failures"
                )
            else:
                fail(partial)

        self.conn.send_userauth_failure = failure

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return False


class Rounds(Server):
    """
    Keyboard-interactive: a text, then two prompts at once, then one.
    """

    rounds: Sequence[tuple[str, str, Prompts, Sequence[str]]] = (
        ("Login", "Read this first", (), ()),
        ("Step 2", "two things", (("User code: ", True), ("Secret: ", False)), "ab"),
        ("Step 3", "", (("Token: ", True),), ("123456",)),
    )

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        self._left = list(self.rounds)
        return self._challenge()

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Any:
        *_, expected = self._left.pop(0)
        if list(responses) != list(expected):
            return False
        return self._challenge() if self._left else True

    def _challenge(self) -> tuple[str, str, str, Prompts]:
        name, instruction, prompts, _ = self._left[0]
        return name, instruction, "en", list(prompts)


class PasswordChange(Server):
    """
    The password C{old} has expired; C{short} does not do as a new one, C{new}
    does.
    """

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        if password == "old":
            raise asyncssh.PasswordChangeRequired("Choose a new password", "en")
        return password == "right"

    def change_password(
        self, username: str, old_password: str, new_password: str
    ) -> bool:
        if new_password == "short":
            raise asyncssh.PasswordChangeRequired("Too short")
        return (old_password, new_password) == ("old", "new")


class Scripted(Server):
    """
    Does something at a given moment of the login, such as sending a packet.

    The moments are C{connected}; C{begin}, before the reply to the first
    request; C{password} and C{kbdint}, before the reply to a password or to
    answers.  A step may be a coroutine function.  The password C{right} is
    right, and so is the answer C{right} to the one prompt.
    """

    steps: Mapping[str, Step] = {}

    def send(self, number: int, payload: bytes = b"") -> None:
        """
        Send any packet at all.
        """
        self.conn.send_packet(number, payload)

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        super().connection_made(conn)
        step = self.steps.get("connected")
        if step is not None:
            step(self)

    async def begin_auth(self, username: str) -> bool:  # type: ignore[override]
        await self._at("begin")
        return True

    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        await self._at("password")
        return password == "right"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Word: ", False)]

    async def validate_kbdint_response(
        self, username: str, responses: Sequence[str]
    ) -> bool:
        await self._at("kbdint")
        return list(responses) == ["right"]

    async def _at(self, moment: str) -> None:
        step = self.steps.get(moment)
        done = None if step is None else step(self)
        if isinstance(done, Awaitable):
            await done


class AsyncSSHServer:
    """
    A server in a thread of its own, on a free port of 127.0.0.1.

    @ivar port: the port.
    @ivar host_key: its private host key.
    @ivar host_keys: its public host keys.
    @ivar connections: what C{factory} has made, in order.
    """

    def __init__(
        self, factory: Callable[[], asyncssh.SSHServer], **options: Any
    ) -> None:
        """
        @param factory: makes what serves one connection.
        @param options: as for C{asyncssh.listen}.
        """
        self.connections: list[Any] = []
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_keys = (Key.fromString(self.host_key.export_public_key()),)
        self._factory, self._options = factory, options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._listener = self._wait(self._listen())
        self.port: int = self._listener.get_port()

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=self._connected,
            server_host_keys=[self.host_key],
            **self._options,
        )

    def _connected(self) -> asyncssh.SSHServer:
        server = self._factory()
        self.connections.append(server)
        return server

    def stop(self) -> None:
        """
        Drop every connection, and end the thread.
        """
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()

    async def _close(self) -> None:
        self._listener.close()
        for server in self.connections:
            server.conn.abort()
        await self._listener.wait_closed()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)

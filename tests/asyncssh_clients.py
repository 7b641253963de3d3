"""
One client class with every callback, for AsyncSSH's own client and for ours.

L{Script} answers with what a test has laid out and records each call;
L{asyncssh_trace} and L{our_trace} run it against the same server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import asyncssh
from twisted.internet.defer import CancelledError
from twisted.internet.threads import deferToThread

import conch_auth
from conch_auth.display import fingerprint
from conch_auth.errors import (
    AuthenticationFailed,
    HostKeyNotVerifiable,
    LoginError,
    ProtocolError,
    ServerDisconnected,
)

TIMEOUT = 20.0
#: The reason codes of RFC 4253, section 11.1, by which the errors of the two
#: are compared.
_OURS: tuple[tuple[type[Exception], int], ...] = (
    (HostKeyNotVerifiable, 9),
    (AuthenticationFailed, 14),
    (ProtocolError, 2),
    (LoginError, 10),
)

Call = tuple[Any, ...]


def kind_of(error: BaseException | None) -> object:
    """
    An exception as both sides would name it: a reason code, or its type.
    """
    if isinstance(error, asyncssh.DisconnectError | ServerDisconnected):
        return error.code
    for kind, code in _OURS:
        if isinstance(error, kind):
            return code
    return None if error is None else type(error).__name__


def _blob_of(key: Any) -> bytes:
    blob: bytes = key.public_data if hasattr(key, "public_data") else key.blob()
    return blob


class Script:
    """
    All callbacks.  Each list of answers is used up from its start, and then
    C{None} is given.

    @ivar trace: each call, as its name and its arguments.
    """

    def __init__(
        self,
        keys: Iterable[bytes] = (),
        passwords: Iterable[Any] = (),
        changes: Iterable[Any] = (),
        submethods: Iterable[Any] = (),
        answers: Iterable[Any] = (),
        trusted: object = True,
    ) -> None:
        self.trace: list[Call] = []
        self.conn: Any = None
        self._keys, self._passwords = iter(keys), iter(passwords)
        self._changes, self._answers = iter(changes), iter(answers)
        self._submethods = iter(submethods)
        self._trusted = trusted

    def _note(self, *call: Any) -> None:
        self.trace.append(call)

    def _give(self, answers: Iterator[Any], *call: Any) -> Any:
        self._note(*call)
        return next(answers, None)

    def connection_made(self, conn: Any) -> None:
        self.conn = conn
        self._note("connection_made")

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("connection_lost", kind_of(exc))

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:
        self._note("debug_msg_received", msg, lang, always_display)

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: Any
    ) -> Any:
        name = fingerprint(_blob_of(key))
        self._note("validate_host_public_key", host, addr, port, name)
        return self._trusted

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: Any) -> Any:
        name = fingerprint(_blob_of(key))
        self._note("validate_host_ca_key", host, addr, port, name)
        return self._trusted

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self._note("auth_banner_received", msg, lang)

    def begin_auth(self, username: str) -> None:
        self._note("begin_auth", username)

    def auth_completed(self) -> None:
        self._note("auth_completed")

    def public_key_auth_requested(self) -> Any:
        key = self._give(self._keys, "public_key_auth_requested")
        return None if key is None else [key]

    def password_auth_requested(self) -> Any:
        return self._give(self._passwords, "password_auth_requested")

    def password_change_requested(self, prompt: str, lang: str) -> Any:
        return self._give(self._changes, "password_change_requested", prompt, lang)

    def password_changed(self) -> None:
        self._note("password_changed")

    def password_change_failed(self) -> None:
        self._note("password_change_failed")

    def kbdint_auth_requested(self) -> Any:
        return self._give(self._submethods, "kbdint_auth_requested")

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Any
    ) -> Any:
        return self._give(
            self._answers,
            "kbdint_challenge_received",
            name,
            instructions,
            lang,
            [tuple(prompt) for prompt in prompts],
        )


class OurClient(Script, conch_auth.SSHClient):
    """
    The script as a client of ours.
    """


class TheirClient(Script, asyncssh.SSHClient):
    """
    The script as a client of AsyncSSH's.
    """


#: No keys, agents and files but those that the test names.
_ALONE: dict[str, Any] = {
    "username": "alice",
    "client_keys": None,
    "agent_path": None,
    "known_hosts": b"",
}


def asyncssh_trace(make: Callable[[], Any], port: int, **options: Any) -> Any:
    """
    Log in with AsyncSSH, in a thread, and hang up.

    @return: a Deferred of the trace and what ended it, once all is closed.
    """
    return deferToThread(asyncio.run, _asyncssh_login(make, port, options))


async def _asyncssh_login(
    make: Callable[[], Any], port: int, options: dict[str, Any]
) -> tuple[list[Call], object]:
    made: list[Any] = []

    def factory() -> Any:
        made.append(make())
        return made[-1]

    error: Exception | None = None
    try:
        conn, _ = await asyncio.wait_for(
            asyncssh.create_connection(
                factory, "127.0.0.1", port, config=[], **{**_ALONE, **options}
            ),
            TIMEOUT,
        )
        conn.close()
    except asyncssh.Error as refused:
        error = refused
    await asyncio.wait_for(made[0].conn.wait_closed(), TIMEOUT)
    return made[0].trace, kind_of(error)


async def our_trace(
    make: Callable[[], Any], port: int, **options: Any
) -> tuple[list[Call], object]:
    """
    The same, with ours.
    """
    made: list[Any] = []

    def factory() -> Any:
        made.append(make())
        return made[-1]

    error: Exception | None = None
    try:
        conn, _ = await conch_auth.create_connection(
            factory, "127.0.0.1", port, **{**_ALONE, **options}
        )
        conn.close()
    except (LoginError, CancelledError) as refused:
        error = refused
    await made[0].conn.wait_closed()
    return made[0].trace, kind_of(error)

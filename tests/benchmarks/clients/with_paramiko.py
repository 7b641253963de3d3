"""
Paramiko.
"""

from __future__ import annotations

import io
import resource
import socket
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import paramiko

from tests.benchmarks.clients.interface import Work
from tests.benchmarks.jobs import (
    CIPHER,
    HOST_KEY,
    MAC,
    OLD_KEY_EXCHANGE,
    Login,
    Server,
)

#: Seconds; its own limits of 15 and 30 are for one login at a time.
_PATIENCE = 3600.0


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """
    Run a coroutine that blocks where others would wait.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("it waits for something")


async def _gather(coroutines: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(coroutines)) as threads:
        return list(threads.map(_finish, coroutines))


class Paramiko:
    """
    C{paramiko.Transport}, on which C{SSHClient} rests, and a thread for each
    login at a time.
    """

    usage = resource.RUSAGE_SELF

    def run(self, work: Work) -> None:
        _finish(work(_gather))

    def prepare(self, server: Server, login: Login) -> None:
        self._port, self._login = server.port, login
        self._waiting: list[paramiko.Transport] = []
        self._keys = [
            paramiko.Ed25519Key.from_private_key(io.StringIO(key)) for key in login.keys
        ]
        kind, blob, *_ = server.host_key.split()
        self._trusted = (kind, blob)

    def _connect(self) -> paramiko.Transport:
        transport = paramiko.Transport(
            socket.create_connection(("127.0.0.1", self._port))
        )
        transport.banner_timeout = transport.handshake_timeout = _PATIENCE
        transport.auth_timeout = _PATIENCE
        options = transport.get_security_options()
        options.kex, options.key_types = (OLD_KEY_EXCHANGE,), (HOST_KEY,)
        options.ciphers, options.digests = (CIPHER,), (MAC,)
        options.compression = ("none",)
        transport.start_client(timeout=_PATIENCE)
        key = transport.get_remote_server_key()
        if (key.get_name(), key.get_base64()) != self._trusted:
            raise ValueError("this is not the host's key")
        return transport

    async def open(self) -> paramiko.Transport:
        transport = self._connect()
        self._authenticate(transport)
        return transport

    def _authenticate(self, transport: paramiko.Transport) -> None:
        login = self._login
        for key in self._keys:
            try:
                transport.auth_publickey(login.user, key)
            except paramiko.AuthenticationException:
                continue
            return
        if login.password is not None:
            transport.auth_password(login.user, login.password)
        elif login.answer is not None:
            transport.auth_interactive(login.user, self._answer)
        elif not transport.is_authenticated():
            raise ValueError("no key was accepted")

    def _answer(self, title: str, instructions: str, prompts: Any) -> Any:
        return [self._login.answer for _ in prompts]

    async def pend(self) -> None:
        asked = threading.Event()

        def prompt() -> None:
            self._waiting.append(self._connect())
            asked.set()
            threading.Event().wait()

        threading.Thread(target=prompt, daemon=True).start()
        asked.wait()

    async def close(self, opened: paramiko.Transport) -> None:
        opened.close()

"""
AsyncSSH.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import asyncssh

from tests.benchmarks.clients.answering import Answering
from tests.benchmarks.clients.interface import Work
from tests.benchmarks.jobs import CIPHER, HOST_KEY, KEY_EXCHANGE, MAC, Login, Server


class _Client(Answering, asyncssh.SSHClient):
    asked: asyncio.Future[None] | None = None

    async def password_auth_requested(self) -> str | None:
        if self.asked is None:
            return None
        self.asked.set_result(None)
        await asyncio.Event().wait()
        return None


class AsyncSSH:
    """
    C{asyncssh.connect}, with options that were made once.
    """

    usage = resource.RUSAGE_SELF

    def run(self, work: Work) -> None:
        async def gather(coroutines: Any) -> Any:
            return await asyncio.gather(*coroutines)

        asyncio.run(work(gather))

    def prepare(self, server: Server, login: Login) -> None:
        self._port, self._login = server.port, login
        self._waiting: list[asyncio.Task[Any]] = []
        keys = [asyncssh.import_private_key(key) for key in login.keys]
        self._options = asyncssh.SSHClientConnectionOptions(
            username=login.user,
            password=login.password,
            client_keys=keys or None,
            agent_path=None,
            config=[],
            known_hosts=asyncssh.import_known_hosts(server.known_hosts),
            kex_algs=[KEY_EXCHANGE],
            server_host_key_algs=[HOST_KEY],
            encryption_algs=[CIPHER],
            mac_algs=[MAC],
            compression_algs=["none"],
            login_timeout=0,
        )

        # A password that is given is not asked for.
        self._asking = asyncssh.SSHClientConnectionOptions(self._options, password=None)

    def _client(self) -> _Client:
        client = _Client()
        client.answer = self._login.answer
        return client

    async def open(self) -> Any:
        return await asyncssh.connect(
            "127.0.0.1",
            self._port,
            client_factory=self._client,
            options=self._options,
        )

    async def pend(self) -> Any:
        client = self._client()
        client.asked = asyncio.get_running_loop().create_future()
        connecting = asyncssh.create_connection(
            lambda: client, "127.0.0.1", self._port, options=self._asking
        )
        # The loop itself keeps no task alive.
        self._waiting.append(asyncio.create_task(connecting))
        await client.asked

    async def close(self, opened: Any) -> None:
        opened.close()
        await opened.wait_closed()

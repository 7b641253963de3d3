# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
A server in a process of its own, so that what it costs is not the client's.

    python -m tests.benchmarks.server KIND

It reads its accounts from the first line of its input, writes where it listens, and
ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from twisted.internet.task import react

from tests.benchmarks.jobs import ANSWER, Account, Server
from tests.benchmarks.ordinary import log_warnings, raise_descriptor_limit

#: Connections that come at the same moment wait here.
_BACKLOG = 4096
#: sshd's limit is not what is measured.
_TRIES = 1_000_000


def _announce(port: int, host_key: str) -> None:
    print(json.dumps(asdict(Server(port, host_key.strip()))), flush=True)


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _loopback(accounts: Sequence[Account]) -> None:
    """
    Conch's server, as L{LoopbackServer} has it.
    """
    from twisted.conch.ssh.keys import Key
    from twisted.internet.defer import Deferred

    from conch_auth.loopback import LoopbackServer

    def main(reactor: Any) -> Deferred[None]:
        server = LoopbackServer(max_tries=_TRIES)
        for account in accounts:
            server.add_user(
                account.name,
                password=account.password,
                keys=[Key.fromString(key.encode()) for key in account.keys],
                prompts=[[("Question: ", False)]] * account.rounds,
                answers=[[ANSWER]] * account.rounds,
            )
        listening = reactor.listenTCP(
            0, server._factory(reactor), _BACKLOG, interface=server.host
        )
        key = server.host_key.toString("openssh").decode()
        _announce(listening.getHost().port, key)
        return Deferred()

    react(main)


def _asyncssh(accounts: Sequence[Account]) -> None:
    """
    AsyncSSH's server, which can send any number of banners.
    """
    import asyncssh

    named = {account.name: account for account in accounts}
    host_key = asyncssh.generate_private_key("ssh-ed25519")

    class Peer(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._conn = conn

        def begin_auth(self, username: str) -> bool:
            for number in range(named[username].banners):
                self._conn.send_auth_banner(f"Notice {number}\r\n")
            return True

        def password_auth_supported(self) -> bool:
            return True

        def kbdint_auth_supported(self) -> bool:
            return False

        def validate_password(self, username: str, password: str) -> bool:
            return password == named[username].password

    async def main() -> None:
        listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Peer,
            server_host_keys=[host_key],
            backlog=_BACKLOG,
        )
        _announce(listener.get_port(), host_key.export_public_key().decode())
        await asyncio.Event().wait()

    asyncio.run(main())


KINDS: dict[str, Callable[[Sequence[Account]], None]] = {
    "loopback": _loopback,
    "asyncssh": _asyncssh,
}


def main(kind: str) -> None:
    raise_descriptor_limit()
    # Conch's calls every DISCONNECT an error.
    with open(os.devnull, "w") as nowhere:
        log_warnings(nowhere)
        _serve(kind)


def _serve(kind: str) -> None:
    accounts = [Account(**fields) for fields in json.loads(sys.stdin.readline())]
    threading.Thread(target=_end_with_input, daemon=True).start()
    KINDS[kind](accounts)


if __name__ == "__main__":
    main(sys.argv[1])

"""
A login of the person at the terminal: the arguments, what is configured for
ssh, the keys, and whoever answers the questions.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from conch_auth._connection import SSHClientConnection
from conch_auth._host_question import HostQuestion
from conch_auth._person import Asker, Person
from conch_auth._progress import progress_of
from conch_auth._running import WrongUsage, show, tell
from conch_auth._terminal import Terminal
from conch_auth.display import printable
from conch_auth.endpoints import connect
from conch_auth.keys import load_keys
from conch_auth.knownhosts import KnownHosts, PinnedKey, default_paths
from conch_auth.memory import Memory, default_path
from conch_auth.ssh_config import SSHConfig, resolve


class TerminalLogin:
    """
    One login, from the arguments to its end.

    @ivar connection: the connection, as far as it came; C{None} before it was
        made.
    """

    def __init__(self, reactor: Any, arguments: argparse.Namespace) -> None:
        self.connection: SSHClientConnection | None = None
        self._logged_in = False
        self._asked_for: Counter[str] = Counter()
        self._reactor = reactor
        self._arguments = arguments
        self._progress = progress_of(reactor, arguments.host)
        self._asker = Asker(lambda: Terminal(reactor), self._tell, self._progress)

    async def log_in(self) -> None:
        """
        @raise WrongUsage: the arguments or the configuration cannot be followed.
        @raise LoginError: as C{connect} does.
        """
        self._progress.start()
        try:
            await self._connect()
        except ValueError as error:
            raise WrongUsage(printable(str(error))) from error
        finally:
            self._progress.stop()
        self._logged_in = True

    async def close(self) -> None:
        """
        Close the connection, and leave the terminal as it was found.
        """
        try:
            # What failed has been closed by whoever saw it fail.
            if self.connection is not None and self._logged_in:
                self.connection.close()
                await self.connection.wait_closed()
        finally:
            self._asker.close()

    async def _connect(self) -> None:
        arguments, asker = self._arguments, self._asker
        config = await configuration(self._reactor, arguments)
        if config is not None:
            _refuse_proxy(arguments.host, config)
        known, question = self._host_keys(config)
        trusts = None if question is None else question.trusts
        await connect(
            arguments.host,
            arguments.port,
            client_factory=lambda: Person(
                asker, arguments.host, self._show, trusts, self._connected
            ),
            username=arguments.user,
            client_keys=await self._keys(),
            passphrase=self._passphrase,
            known_hosts=known,
            memory=memory(arguments, self._tell),
            config=config,
            reactor=self._reactor,
        )

    def _connected(self, connection: SSHClientConnection) -> None:
        self.connection = self._progress.connection = connection

    async def _passphrase(self, path: str) -> bytes | None:
        self._asked_for[path] += 1
        return await self._asker.ask_passphrase(path, self._asked_for[path])

    def _show(self, text: str) -> None:
        self._progress.hide()
        show(text)

    def _tell(self, message: str) -> None:
        self._progress.hide()
        tell(message)

    def _host_keys(
        self, config: SSHConfig | None
    ) -> tuple[PinnedKey | KnownHosts, HostQuestion | None]:
        """
        What is known of the host's key, and who asks about an unknown one.
        """
        arguments = self._arguments
        if arguments.fingerprint is not None:
            return PinnedKey(arguments.fingerprint), None
        files, first = _files(arguments, config)
        known = KnownHosts.from_files(files)
        if config is not None and not config.ask_about_host_keys:
            return known, None
        return known, HostQuestion(
            self._asker,
            known,
            first,
            hashed=config is not None and config.hash_known_hosts,
            tell=self._tell,
            reactor=self._reactor,
        )

    async def _keys(self) -> Any:
        """
        The keys of C{-i}; without one, what C{connect} finds by itself.

        @raise KeyUnusable: one cannot be used.
        """
        paths = self._arguments.identity
        if not paths:
            return ()
        keys = load_keys(paths, ask_passphrase=self._asker.ask_passphrase)
        signers = []
        while (signer := await keys.take()) is not None:
            signers.append(signer)
        for problem in keys.unusable:
            self._tell(str(problem))
        return signers


async def configuration(
    reactor: Any, arguments: argparse.Namespace
) -> SSHConfig | None:
    """
    What OpenSSH has configured; C{None} where it is not wanted, or not there.
    """
    if arguments.config == "none":
        return None
    if arguments.config is None and shutil.which("ssh") is None:
        return None
    return await resolve(
        arguments.host,
        config=arguments.config or (),
        user=arguments.user,
        port=arguments.port,
        reactor=reactor,
    )


def memory(
    arguments: argparse.Namespace, warn: Callable[[str], object] = tell
) -> Memory | None:
    """
    What is remembered of earlier logins; C{None} where it is not wanted, or
    there is no place for it.
    """
    path = None if arguments.no_memory else default_path()
    return None if path is None else Memory(path, warn=warn)


def _refuse_proxy(host: str, config: SSHConfig) -> None:
    for keyword, value in (
        ("ProxyJump", config.proxy_jump),
        ("ProxyCommand", config.proxy_command),
    ):
        if value:
            raise WrongUsage(
                f"{printable(host)} is configured to be reached by {keyword} "
                f"{printable(value)}, which is not followed here. Forward a port of "
                "this machine to it (ssh -L), and log in to that port with -F none"
            )


def _files(
    arguments: argparse.Namespace, config: SSHConfig | None
) -> tuple[Sequence[str], str | None]:
    """
    The files of known hosts, and the one to add to.
    """
    if arguments.known_hosts is not None:
        return [arguments.known_hosts], arguments.known_hosts
    if config is None:
        return default_paths(), default_paths()[0]
    own = config.user_known_hosts_files
    return own + config.global_known_hosts_files, own[0] if own else None

"""
C{conch-auth login}: a login of the person at the terminal, and a command on the
server.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

from conch_auth._command import CommandChannel, run_command
from conch_auth._host_question import HostQuestion
from conch_auth._person import Asker, Person
from conch_auth._running import WrongUsage, show, tell
from conch_auth._status import Status
from conch_auth._terminal import Readable, Terminal, write_all
from conch_auth.display import printable
from conch_auth.endpoints import connect
from conch_auth.keys import load_keys
from conch_auth.knownhosts import KnownHosts, PinnedKey, default_paths
from conch_auth.memory import Memory, default_path
from conch_auth.ssh_config import SSHConfig, resolve

_STDIN, _STDOUT, _STDERR = 0, 1, 2


async def login(reactor: Any, arguments: argparse.Namespace) -> int:
    """
    @param arguments: those of C{conch-auth login}.
    @return: the exit status.
    @raise WrongUsage: the arguments or the configuration cannot be followed.
    """
    asker = Asker(lambda: Terminal(reactor), tell)
    try:
        try:
            connection = await _connected(reactor, arguments, asker)
        except ValueError as error:
            raise WrongUsage(printable(str(error))) from error
        try:
            return await _use(reactor, connection, arguments)
        finally:
            connection.close()
            await connection.wait_closed()
    finally:
        asker.close()


async def _connected(reactor: Any, arguments: argparse.Namespace, asker: Asker) -> Any:
    config = await configuration(reactor, arguments)
    if config is not None:
        _refuse_proxy(arguments.host, config)
    known, question = _host_keys(reactor, arguments, config, asker)
    trusts = None if question is None else question.trusts
    return await connect(
        arguments.host,
        arguments.port,
        client_factory=lambda: Person(asker, arguments.host, show, trusts),
        username=arguments.user,
        client_keys=await _keys(arguments.identity, asker),
        passphrase=lambda path: asker.ask_passphrase(path, 1),
        known_hosts=known,
        memory=memory(arguments),
        config=config,
        reactor=reactor,
    )


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


def memory(arguments: argparse.Namespace) -> Memory | None:
    """
    What is remembered of earlier logins; C{None} where it is not wanted, or
    there is no place for it.
    """
    path = None if arguments.no_memory else default_path()
    return None if path is None else Memory(path, warn=tell)


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


def _host_keys(
    reactor: Any,
    arguments: argparse.Namespace,
    config: SSHConfig | None,
    asker: Asker,
) -> tuple[PinnedKey | KnownHosts, HostQuestion | None]:
    """
    What is known of the host's key, and who asks about an unknown one.
    """
    if arguments.fingerprint is not None:
        return PinnedKey(arguments.fingerprint), None
    files, first = _files(arguments, config)
    known = KnownHosts.from_files(files)
    if config is not None and not config.ask_about_host_keys:
        return known, None
    return known, HostQuestion(
        asker,
        known,
        first,
        hashed=config is not None and config.hash_known_hosts,
        tell=tell,
        reactor=reactor,
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


async def _keys(paths: Sequence[str], asker: Asker) -> Any:
    """
    The keys of C{-i}; without one, what C{connect} finds by itself.

    @raise KeyUnusable: one cannot be used.
    """
    if not paths:
        return ()

    keys = load_keys(paths, ask_passphrase=asker.ask_passphrase)
    signers = []
    while (signer := await keys.take()) is not None:
        signers.append(signer)
    for problem in keys.unusable:
        tell(str(problem))
    return signers


async def _use(reactor: Any, connection: Any, arguments: argparse.Namespace) -> int:
    if arguments.verbose or not arguments.command:
        number = _STDERR if arguments.command else _STDOUT
        show(f"{connection.report}\n", number)
    if not arguments.command:
        return Status.LOGGED_IN
    channel = CommandChannel(
        os.fsencode(arguments.command),
        lambda data: write_all(_STDOUT, data),
        lambda data: write_all(_STDERR, data),
        None if arguments.no_input or sys.stdin is None else _input(reactor),
    )
    status = await run_command(connection.connection, channel)
    if channel.signal:
        tell(f"the command was ended by the signal {channel.signal}")
    return status


def _input(reactor: Any) -> Callable[..., Readable]:
    return lambda received, ended: Readable(reactor, _STDIN, received, ended)

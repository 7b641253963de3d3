"""
C{conch-auth plan}: what C{conch-auth login} would try.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from conch_auth._options import Options, completed, host_name
from conch_auth._person import Asker, Person
from conch_auth._planning import plan_login
from conch_auth._running import WrongUsage, show_lines, tell
from conch_auth._status import Status
from conch_auth._terminal import Terminal
from conch_auth._terminal_login import configuration, memory
from conch_auth.callbacks import SSHClient
from conch_auth.display import printable

_STDOUT = 1


async def plan(reactor: Any, arguments: argparse.Namespace) -> int:
    """
    @param arguments: those of C{conch-auth plan}.
    @return: the exit status.
    @raise WrongUsage: the arguments or the configuration cannot be followed.
    """
    config = await configuration(reactor, arguments)
    if config is not None:
        # By which way the host is reached does not change the plan.
        config = replace(config, proxy_jump=None, proxy_command=None)
    try:
        options = completed(_options(arguments), config)
    except ValueError as error:
        raise WrongUsage(printable(str(error))) from error
    # Whoever would be asked is not asked now.
    person = Person(
        Asker(lambda: Terminal(reactor), tell), options.host, lambda _: None
    )
    show_lines(str(await plan_login(options, person, reactor)), _STDOUT)
    return Status.LOGGED_IN


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        host=host_name(arguments.host),
        port=arguments.port,
        client_factory=SSHClient,
        username=arguments.user,
        password=None,
        client_keys=arguments.identity or (),
        client_certs=(),
        passphrase=lambda _path: None,
        agent_path=(),
        known_hosts=(),
        preferred_auth=None,
        disabled_auth=frozenset(),
        host_key_alias=None,
        login_timeout=None,
        connect_timeout=None,
        allow_trivial_auth=False,
        memory=memory(arguments),
    )

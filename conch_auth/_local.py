"""
What this host and its user are called.
"""

from __future__ import annotations

import getpass
import os
import pwd
import socket
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool

from conch_auth import _transports


def host_name(transport: Any, reactor: Any = None) -> Deferred[str]:
    """
    The name of the address that a connection comes from; the address itself
    where it has no name; this host's own name where there is no address.
    """
    address = _transports.own_address(transport)
    if address is None:
        return succeed(socket.gethostname())
    return _name_of(address, reactor).addCallback(lambda name: name or address)


def keysign_host_name(transport: Any, reactor: Any = None) -> Deferred[str]:
    """
    The name that C{ssh-keysign} finds for a connection (C{get_local_name} of
    OpenSSH's canohost.c), with the dot at its end that it asks for.
    """
    address = _transports.own_address(transport)
    named = succeed(None) if address is None else _name_of(address, reactor)
    return named.addCallback(lambda name: dotted(name or socket.gethostname()))


def dotted(name: str) -> str:
    """
    C{name} with a dot at its end.
    """
    return name if name.endswith(".") else name + "."


def _name_of(address: str, reactor: Any) -> Deferred[str | None]:
    if reactor is None:
        from twisted.internet import reactor
    # A name server may take its time.
    threads = IReactorThreads(reactor).getThreadPool()
    return deferToThreadPool(reactor, threads, _looked_up, address)


def _looked_up(address: str) -> str | None:
    try:
        name, _ = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)
    except OSError:
        return None
    return name


def user_name() -> str:
    """
    The name of the user who runs this.  As in OpenSSH it is that of the user's
    number, which C{ssh-keysign} asks for; the environment is asked where the
    number has none.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return getpass.getuser()

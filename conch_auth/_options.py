"""
The options of C{connect}, checked and completed.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conch_auth import names
from conch_auth.callbacks import SSHClient

#: AsyncSSH's order.
_PREFERRED_AUTH = (names.PUBLICKEY, names.KEYBOARD_INTERACTIVE, names.PASSWORD)
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)", re.IGNORECASE)


@dataclass(frozen=True)
class Options:
    """
    What one connection is made with; L{conch_auth.endpoints.connect} says what
    each option means.
    """

    host: str
    port: int
    client_factory: Callable[[], SSHClient]
    username: str
    password: Any = field(repr=False)
    client_keys: Any = field(repr=False)
    client_certs: Any
    passphrase: Any = field(repr=False)
    agent_path: Any
    known_hosts: Any
    preferred_auth: tuple[bytes, ...]
    host_key_alias: str | None
    login_timeout: float | None
    connect_timeout: float | None
    allow_trivial_auth: bool
    identities_only: bool = False


def preferred_methods(
    preferred_auth: str | Sequence[str] | None, enabled: Mapping[bytes, bool]
) -> tuple[bytes, ...]:
    """
    The methods to use, in order.

    @param preferred_auth: AsyncSSH's option, a list or its names with commas.
    @param enabled: whether a method is wanted at all.
    """
    if isinstance(preferred_auth, str):
        preferred_auth = [name.strip() for name in preferred_auth.split(",")]
    wanted = (
        _PREFERRED_AUTH
        if not preferred_auth
        else tuple(name.encode("ascii") for name in preferred_auth if name)
    )
    return tuple(name for name in wanted if enabled.get(name, True))


def seconds(name: str, value: float | str | None) -> float | None:
    """
    An interval in seconds, also in AsyncSSH's form such as C{"1m30s"}; C{None}
    or 0 for no limit.

    @raise ValueError: where it is negative or not such an interval.
    """
    if value is None:
        return None
    if isinstance(value, str):
        parts = _INTERVAL.findall(value)
        if "".join(map("".join, parts)) != value or not parts:
            raise ValueError(f"{name} is not an interval: {value!r}")
        value = sum(float(n) * _UNIT_SECONDS[unit.lower()] for n, unit in parts)
    if not value >= 0:
        raise ValueError(f"{name} must not be negative: {value!r}")
    return float(value) or None


def host_name(host: str) -> str:
    """
    @raise ValueError: where C{host} cannot be the name of a host.
    """
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise ValueError(f"not the name of a host: {host!r}")
    return host


def user_name(username: str | None) -> str:
    """
    The user's name here, where none is given.

    @raise ValueError: where there is none.
    """
    if username is not None:
        return username
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ValueError(
            "the user name is not known here: give username, or set LOGNAME"
        ) from None

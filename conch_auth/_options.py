"""
The options of C{connect}, checked and completed.
"""

from __future__ import annotations

import getpass
import inspect
import ipaddress
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from conch_auth import names
from conch_auth.callbacks import SSHClient
from conch_auth.display import text
from conch_auth.memory import Memory
from conch_auth.methods import METHODS
from conch_auth.ssh_config import SSHConfig

DEFAULT_PORT = 22
_LAST_PORT = 65535
#: AsyncSSH's order.
_PREFERRED_AUTH = (names.PUBLICKEY, names.KEYBOARD_INTERACTIVE, names.PASSWORD)
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Options:
    """
    What one connection is made with; L{conch_auth.endpoints.connect} says what
    each option means.
    """

    host: str
    port: int | None
    client_factory: Callable[[], SSHClient]
    username: str | None
    password: Any = field(repr=False)
    client_keys: Any = field(repr=False)
    client_certs: Any
    passphrase: Any = field(repr=False)
    agent_path: Any
    known_hosts: Any
    preferred_auth: tuple[bytes, ...] | None
    disabled_auth: frozenset[bytes]
    host_key_alias: str | None
    login_timeout: float | None
    connect_timeout: float | None
    allow_trivial_auth: bool
    config: Any = None
    identities_only: bool = False
    max_password_attempts: int = names.MAX_PASSWORD_ATTEMPTS
    gss_host: Any = ()
    gss_delegate_creds: bool | None = None
    gss_configured: bool = False
    max_auth_tries: int | None = names.MAX_AUTH_TRIES
    memory: Memory | None = None
    eager: bool = True
    client_host_keys: Any = field(default=(), repr=False)
    client_host_certs: Any = ()
    client_host_keysign: str | None = None
    client_host: str | None = None
    client_username: str | None = None

    def without_secrets(self) -> Options:
        """
        The same, when nothing is to be proved or decrypted any more.
        """
        return replace(self, password=None, passphrase=None)

    @property
    def methods(self) -> tuple[bytes, ...]:
        """
        The methods to use, in order.
        """
        wanted = self.preferred_auth or _PREFERRED_AUTH
        if self.preferred_auth is None and self.has_host_keys:
            # AsyncSSH's place for it.
            wanted = (names.HOSTBASED, *wanted)
        if self.preferred_auth is None and self.gss_name is not None:
            wanted = (names.GSSAPI_KEYEX, names.GSSAPI_WITH_MIC, *wanted)
        return tuple(name for name in wanted if name not in self.disabled_auth)

    @property
    def has_host_keys(self) -> bool:
        """
        Whether this host may vouch for its user.
        """
        keys = self.client_host_keys
        return self.client_host_keysign is not None or not (keys is None or keys == ())

    @property
    def gss_name(self) -> str | None:
        """
        The server's name in its Kerberos principal; C{None} to use no ticket.
        """
        return self.host if self.gss_host == () else self.gss_host

    @property
    def gss_asked_for(self) -> bool:
        """
        Whether somebody has asked for a ticket to be used, rather than that it
        is used because it is there.
        """
        return self.gss_name is not None and bool(
            self.gss_host or self.gss_delegate_creds or self.gss_configured
        )

    @property
    def known_as(self) -> tuple[str, int]:
        """
        The name and port to look the host key up by: an alias has no port.
        """
        if self.host_key_alias:
            return self.host_key_alias, DEFAULT_PORT
        return self.host, self.port or DEFAULT_PORT


def method_names(
    preferred_auth: str | Sequence[str] | None,
) -> tuple[bytes, ...] | None:
    """
    AsyncSSH's C{preferred_auth}: a list of names, or one text with commas;
    C{None} or C{()} where nothing is preferred.

    @raise ValueError: where it names no method: nobody wants no login.
    """
    if preferred_auth is None or preferred_auth == ():
        return None
    if isinstance(preferred_auth, str):
        preferred_auth = preferred_auth.split(",")
    wanted = [name.strip() for name in preferred_auth]
    if not all(wanted) or not wanted:
        raise ValueError("preferred_auth has no name of a method, or an empty one")
    return tuple(name.encode("ascii") for name in wanted)


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
    return float(value) if 0 < value < math.inf else None


def auth_tries(number: int | None) -> int | None:
    """
    @raise ValueError: where C{number} leaves nothing to try.
    @raise TypeError: where it is no number.
    """
    if not isinstance(number, int | None):
        raise wrong_type("max_auth_tries", number)
    if number is not None and number < 1:
        raise ValueError(f"max_auth_tries must be 1 at least: {number!r}")
    return number


def memory_in(given: Any) -> Memory | None:
    """
    The memory that is kept in a file, given by its path or as it is.

    @raise TypeError: where it is neither.
    """
    if given is None or isinstance(given, Memory):
        return given
    if isinstance(given, str | os.PathLike):
        return Memory(given)
    raise wrong_type("memory", given)


def host_name(host: str) -> str:
    """
    @raise ValueError: where C{host} cannot be the name of a host.
    @raise TypeError: where it is no text.
    """
    if not isinstance(host, str):
        raise wrong_type("host", host)
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise ValueError(f"not the name of a host: {host!r}")
    if "@" in host:
        raise ValueError(
            f"not the name of a host: {host!r}; the user is given apart (username=)"
        )
    if ":" in host and not _is_address(host):
        raise ValueError(
            f"not the name of a host: {host!r}; the port is given apart (port=, -p)"
        )
    return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def wrong_type(name: str, value: object) -> TypeError:
    """
    The error that says that an option cannot be of C{value}'s type.
    """
    return TypeError(f"{name} cannot be of the type {type(value).__name__}")


def check(options: Options) -> None:
    """
    Find mistakes while their author is still near.

    @raise TypeError: an option is of a type that it cannot be.
    @raise ValueError: the port is none, or a method.
    """
    password = options.password
    fits = {
        "port": isinstance(options.port, int | None),
        "client_factory": callable(options.client_factory),
        "username": isinstance(options.username, str | None),
        "host_key_alias": isinstance(options.host_key_alias, str | None),
        "gss_host": isinstance(options.gss_name, str | None),
        "password": isinstance(password, str | bytes | None)
        or callable(password)
        or inspect.isawaitable(password),
    }
    for name, fit in fits.items():
        if not fit:
            raise wrong_type(name, getattr(options, name))
    if not 0 <= (options.port or 0) <= _LAST_PORT:
        raise ValueError(f"not a port: {options.port!r}")
    unknown = [name for name in options.preferred_auth or () if name not in METHODS]
    if unknown:
        raise ValueError(
            f"preferred_auth: no method is called {text(unknown[0])!r}; there are "
            f"{text(b', '.join(METHODS))}"
        )


def completed(options: Options, config: SSHConfig | None) -> Options:
    """
    The options with what was left open: from OpenSSH's configuration, where it
    was read, or else by default.  What the caller has said is not changed.

    @raise ValueError: where the configuration asks for a proxy, or nobody knows
        the user's name.
    """
    if config is not None:
        options = _configured(options, config)
    return replace(
        options,
        port=options.port or DEFAULT_PORT,
        username=options.username if options.username is not None else _own_name(),
    )


def _configured(options: Options, config: SSHConfig) -> Options:
    proxy = config.proxy_jump or config.proxy_command
    if proxy:
        raise ValueError(
            f"{options.host} is configured to be reached by {proxy!r}, which is not "
            "followed here: connect there first, and give the way as endpoint="
        )
    return replace(
        options,
        host=config.hostname,
        port=options.port or config.port,
        username=options.username if options.username is not None else config.user,
        client_keys=_files_if(
            options.client_keys, config.identities_configured, config.identity_files
        ),
        client_certs=_files_if(options.client_certs, True, config.certificate_files),
        agent_path=config.identity_agent
        if options.agent_path == ()
        else options.agent_path,
        known_hosts=_files_if(
            options.known_hosts,
            True,
            config.user_known_hosts_files + config.global_known_hosts_files,
        ),
        preferred_auth=options.preferred_auth
        or method_names(config.preferred_authentications),
        disabled_auth=options.disabled_auth | _switched_off(config),
        host_key_alias=options.host_key_alias or config.host_key_alias,
        connect_timeout=config.connect_timeout or options.connect_timeout,
        gss_delegate_creds=config.gssapi_delegate_credentials
        if options.gss_delegate_creds is None
        else options.gss_delegate_creds,
        gss_configured=config.gssapi_authentication,
        identities_only=config.identities_only,
        max_password_attempts=config.number_of_password_prompts,
    )


def _files_if(given: Any, configured: bool, files: tuple[str, ...]) -> Any:
    return list(files) if given == () and configured and files else given


def _switched_off(config: SSHConfig) -> frozenset[bytes]:
    switches = {
        names.PUBLICKEY: config.pubkey_authentication,
        names.PASSWORD: config.password_authentication,
        names.KEYBOARD_INTERACTIVE: config.kbdint_authentication,
        names.GSSAPI_WITH_MIC: config.gssapi_authentication,
        names.GSSAPI_KEYEX: config.gssapi_authentication,
    }
    return frozenset(name for name, on in switches.items() if not on)


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ValueError(
            "the user name is not known here: give username, or set LOGNAME"
        ) from None

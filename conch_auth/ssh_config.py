"""
What OpenSSH's client itself resolves for a host: the answer of C{ssh -G}.

The format is OpenSSH's alone to read: C{Host}, C{Match}, C{Include} and the order
of the files change from one version to the next.  So the program is asked, and
only its answer is read here.  What it leaves as it was written (it does so with
C{IdentityFile} and C{CertificateFile}) is expanded as ssh_config(5), TOKENS, says.

A configuration is trusted as C{ssh} trusts it: C{Match exec} runs its command.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from conch_auth._ssh_program import output
from conch_auth.errors import ConfigUnreadable

FilePath = str | os.PathLike[str]

#: Seconds that it may take: C{Match exec} and C{CanonicalizeHostname} wait.
TIMEOUT = 10.0

# OpenSSH 9.6 and later refuse these; earlier ones hand them to a shell in
# ProxyCommand.  An "@" or a scheme would make the host a user and a host.
_HOST = re.compile(r"""(?!-|ssh://)[^\s@'"`$\\;&<>|(){}]+""")
_USER = re.compile(r"""(?!-)(?!.*\s-)(?!.*\\$)[^'"`;&<>|(){}]+""")
#: Each version of C{ssh -G} prints one of them.
_STRICT = ("yes", "true")
_TOKEN = re.compile(r"%(.?)|\$\{([^}]*\}?)", re.DOTALL)


@dataclass(frozen=True)
class SSHConfig:
    """
    What OpenSSH would do for one host.  Paths are expanded, and a relative one
    is relative to the current directory, as for OpenSSH.

    @ivar hostname: the name or address to connect to.
    @ivar port: its port.
    @ivar user: the user name to log in with.
    @ivar identity_files: the keys to offer, in order.
    @ivar identities_configured: C{False} where no C{IdentityFile} is configured
        and L{identity_files} is therefore OpenSSH's default list.
    @ivar identities_only: offer an agent's keys only where L{identity_files} or
        L{certificate_files} names them.
    @ivar certificate_files: the certificates to offer, in order.
    @ivar identity_agent: the path of the agent's socket; C{None} for no agent.
    @ivar identity_agent_off: whether C{IdentityAgent none} is the reason.
    @ivar preferred_authentications: method names, most wanted first; C{None}
        where none is configured.
    @ivar user_known_hosts_files: these hold host keys, and a new one is written
        to the first.
    @ivar global_known_hosts_files: these hold host keys too.
    @ivar host_key_alias: the name to look host keys up by, if not the host's own.
    @ivar hash_known_hosts: whether a new line there hides the host's name.
    @ivar ask_about_host_keys: C{False} where C{StrictHostKeyChecking} refuses
        every unknown key unasked.
    @ivar number_of_password_prompts: how often a password may be asked for.
    @ivar password_authentication: whether C{password} may be tried.
    @ivar kbdint_authentication: whether C{keyboard-interactive} may be tried.
    @ivar pubkey_authentication: whether C{publickey} may be tried.
    @ivar gssapi_authentication: whether C{gssapi-with-mic} may be tried.
    @ivar gssapi_delegate_credentials: whether the ticket is forwarded.
    @ivar connect_timeout: in seconds; C{None} for the system's own.
    @ivar proxy_command: the command to connect through; it is not run here.
    @ivar proxy_jump: the hosts to connect through; they are not followed here.
    """

    hostname: str
    port: int
    user: str
    identity_files: tuple[str, ...] = ()
    identities_configured: bool = False
    identities_only: bool = False
    certificate_files: tuple[str, ...] = ()
    identity_agent: str | None = None
    identity_agent_off: bool = False
    preferred_authentications: tuple[str, ...] | None = None
    user_known_hosts_files: tuple[str, ...] = ()
    global_known_hosts_files: tuple[str, ...] = ()
    host_key_alias: str | None = None
    hash_known_hosts: bool = False
    ask_about_host_keys: bool = True
    number_of_password_prompts: int = 3
    password_authentication: bool = True
    kbdint_authentication: bool = True
    pubkey_authentication: bool = True
    gssapi_authentication: bool = False
    gssapi_delegate_credentials: bool = False
    connect_timeout: int | None = None
    proxy_command: str | None = None
    proxy_jump: str | None = None


def resolve(
    host: str,
    *,
    config: FilePath | Sequence[FilePath] | None = (),
    user: str | None = None,
    port: int | None = None,
    reactor: Any = None,
    program: str = "ssh",
    timeout: float = TIMEOUT,
) -> Deferred[SSHConfig]:
    """
    Ask OpenSSH what is configured for a host.

    @param host: the host, as a user would name it to C{ssh}.
    @param config: C{()} for the user's and the system's files; a path, or a
        list of one path, for that file alone; C{None} or an empty list for no
        file at all.
    @param user: a user name that takes the place of a configured one.
    @param port: the same for the port.
    @param reactor: runs the program and counts the seconds.
    @param program: OpenSSH's client, by path or as found on C{PATH}.
    @param timeout: seconds until the program is killed.
    @return: fires with the L{SSHConfig}.  It errbacks with L{ValueError}, and
        runs nothing, where an argument could be taken for something else by
        OpenSSH or where C{config} names several files, which C{ssh -F} cannot
        take (write one that C{Include}s them); with
        L{conch_auth.errors.ConfigUnreadable} where the program could not be run
        or its answer not be used.  Cancelling it kills the program.
    """
    if reactor is None:
        from twisted.internet import reactor

    tried = [program, "-T", "-G"]

    def expired(_result: object, seconds: float) -> Failure:
        return Failure(
            ConfigUnreadable(
                shlex.join(tried),
                f"it did not end within {seconds:g} s",
                advice="Look for a Match exec or a name server that does not answer",
            )
        )

    async def asked() -> SSHConfig:
        tried.extend(_options(config, user, port))
        _check(host, user)
        tried.extend(["--", host])
        answer = await output(reactor, tried)
        # The defaults are the program's own, and differ between versions.
        defaults = await output(reactor, [program, "-T", "-G", "-F", "none", "h"])
        try:
            return _config(host, parse(answer), parse(defaults), os.environ)
        except ValueError as problem:
            raise ConfigUnreadable(shlex.join(tried), str(problem)) from None

    result: Deferred[SSHConfig] = Deferred.fromCoroutine(asked())
    return result.addTimeout(timeout, reactor, onTimeoutCancel=expired)


def _options(
    config: FilePath | Sequence[FilePath] | None, user: str | None, port: int | None
) -> list[str]:
    options = []
    if config != ():
        options += ["-F", _file(config)]
    if user is not None:
        options += ["-l", user]
    if port is not None:
        if not 0 < port < 65536:
            raise ValueError(f"{port} is no port: give a number from 1 to 65535")
        options += ["-p", str(port)]
    return options


def _file(config: FilePath | Sequence[FilePath] | None) -> str:
    paths = [config] if isinstance(config, (str, os.PathLike)) else list(config or ())
    if len(paths) > 1:
        raise ValueError(
            f"ssh reads one configuration file, and {len(paths)} are given: "
            "write one that has an Include line for each"
        )
    # A file that is called "none" is not the word.
    return os.path.abspath(os.path.expanduser(paths[0])) if paths else "none"


def _check(host: str, user: str | None) -> None:
    if not (_HOST.fullmatch(host) and host.isprintable()):
        raise ValueError(
            f"{host!r} is no host that ssh can be asked about: give a name or an "
            "address, without a user, a scheme, spaces or characters of a shell"
        )
    if user is not None and not (_USER.fullmatch(user) and user.isprintable()):
        raise ValueError(
            f"{user!r} is no user name that ssh takes: it is empty, begins with a "
            "dash, or holds quotes, control characters or characters of a shell"
        )


def parse(answer: bytes) -> dict[str, tuple[str, ...]]:
    """
    The lines of C{ssh -G}: each keyword, in lower case, with its values in
    order.  A byte that is not UTF-8 is kept as in L{os.fsdecode}.

    @raise ValueError: where a line has no keyword and value.
    """
    values: dict[str, tuple[str, ...]] = {}
    for line in answer.split(b"\n"):
        keyword, space, value = line.partition(b" ")
        if line and not (keyword and space):
            raise ValueError(f"its answer has the line {line[:80]!r}")
        if line:
            key = os.fsdecode(keyword).lower()
            values[key] = (*values.get(key, ()), os.fsdecode(value))
    return values


def _config(
    host: str,
    said: Mapping[str, tuple[str, ...]],
    defaults: Mapping[str, tuple[str, ...]],
    environment: Mapping[str, str],
) -> SSHConfig:
    hostname, user = _said(said, "hostname"), _said(said, "user")
    port = _number(said, "port", 0)
    if not (hostname and user and 0 < port < 65536):
        raise ValueError("its answer names no host, user or port")
    alias = _set(said, "hostkeyalias", off=())
    tokens = _tokens(host, hostname, port, user, alias, _set(said, "proxyjump") or "")
    methods = _set(said, "preferredauthentications", off=())

    def expand(path: str) -> str:
        return _expanded(path, tokens, environment)

    def known_hosts(key: str) -> tuple[str, ...]:
        # Versions before 8.4 leave the tilde; the others have expanded all.
        found = _paths(_said(said, key))
        return tuple(expand(path) if path.startswith("~") else path for path in found)

    identities = said.get("identityfile", ())
    agent = _said(said, "identityagent")
    return SSHConfig(
        hostname=hostname,
        port=port,
        user=user,
        identity_files=_files(identities, expand),
        identities_configured=identities != defaults.get("identityfile", ()),
        identities_only=_flag(said, "identitiesonly", False),
        certificate_files=_files(said.get("certificatefile", ()), expand),
        identity_agent=_agent(agent, expand, environment),
        identity_agent_off=agent == "none",
        preferred_authentications=tuple(methods.split(",")) if methods else None,
        user_known_hosts_files=known_hosts("userknownhostsfile"),
        global_known_hosts_files=_paths(_said(said, "globalknownhostsfile")),
        host_key_alias=alias,
        hash_known_hosts=_flag(said, "hashknownhosts", False),
        ask_about_host_keys=_said(said, "stricthostkeychecking") not in _STRICT,
        number_of_password_prompts=_number(said, "numberofpasswordprompts", 3),
        password_authentication=_flag(said, "passwordauthentication", True),
        kbdint_authentication=_flag(said, "kbdinteractiveauthentication", True),
        pubkey_authentication=_flag(said, "pubkeyauthentication", True),
        gssapi_authentication=_flag(said, "gssapiauthentication", False),
        gssapi_delegate_credentials=_flag(said, "gssapidelegatecredentials", False),
        connect_timeout=_number(said, "connecttimeout", 0) or None,
        proxy_command=_set(said, "proxycommand"),
        proxy_jump=_set(said, "proxyjump"),
    )


def _said(said: Mapping[str, tuple[str, ...]], key: str) -> str:
    return said.get(key, ("",))[0]


def _set(
    said: Mapping[str, tuple[str, ...]], key: str, off: Sequence[str] = ("none",)
) -> str | None:
    value = _said(said, key)
    return None if value in off else value or None


def _flag(said: Mapping[str, tuple[str, ...]], key: str, default: bool) -> bool:
    value = _said(said, key)
    # PubkeyAuthentication has more kinds of yes.
    return value not in ("no", "false") if value else default


def _number(said: Mapping[str, tuple[str, ...]], key: str, default: int) -> int:
    value = _set(said, key)
    if value is None:
        return default
    if not re.fullmatch("[0-9]{1,10}", value):
        raise ValueError(f"its answer has no number for {key}, but {value[:80]!r}")
    return int(value)


def _paths(value: str) -> tuple[str, ...]:
    """
    Several paths of one line, which C{ssh -G} does not quote: a piece that begins
    with neither a slash nor a tilde belongs to the path before it.  Of relative
    paths only the first of a line is therefore told apart.
    """
    if value in ("", "none"):
        return ()
    return tuple(re.split(r" (?=[/~])", value))


def _files(paths: Sequence[str], expand: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(expand(path) for path in paths if path.lower() != "none")


def _agent(
    agent: str, expand: Callable[[str], str], environment: Mapping[str, str]
) -> str | None:
    if agent == "none":
        return None
    if agent in ("", "SSH_AUTH_SOCK"):
        agent = "$SSH_AUTH_SOCK"
    if agent.startswith("$") and not agent.startswith("${"):
        return environment.get(agent[1:]) or None
    return expand(agent) if agent.startswith("~") else agent


def _tokens(
    host: str, hostname: str, port: int, user: str, alias: str | None, jump: str
) -> dict[str, str]:
    """
    What each token of ssh_config(5) stands for.
    """
    person = _account(os.getuid())
    local = socket.gethostname()
    # %C names a connection and guards nothing, so SHA-1 will do for it.
    whole = hashlib.sha1(
        os.fsencode(f"{local}{hostname}{port}{user}{jump}"), usedforsecurity=False
    )
    return {
        "%": "%",
        "C": whole.hexdigest(),
        "d": person.pw_dir,
        "h": hostname,
        "i": str(person.pw_uid),
        "j": jump,
        "k": alias or host,
        "L": local.partition(".")[0],
        "l": local,
        "n": host,
        "p": str(port),
        "r": user,
        "u": person.pw_name,
    }


def _expanded(
    path: str, tokens: Mapping[str, str], environment: Mapping[str, str]
) -> str:
    # The name is looked up with its brace: one that is never closed is no name.
    variables = {f"{name}}}": value for name, value in environment.items()}

    def meaning(found: re.Match[str]) -> str:
        token, variable = found.groups()
        value = tokens.get(token) if variable is None else variables.get(variable)
        if value is None:
            raise ValueError(f"{found[0]} in {path} stands for nothing")
        return value

    return _TOKEN.sub(meaning, _without_tilde(path))


def _without_tilde(path: str) -> str:
    if not path.startswith("~"):
        return path
    name, _slash, rest = path[1:].partition("/")
    # OpenSSH asks the accounts, not $HOME.
    home = _account(name or os.getuid()).pw_dir
    return f"{home}/{rest}" if rest else home


def _account(who: str | int) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(who) if isinstance(who, str) else pwd.getpwuid(who)
    except KeyError:
        raise ValueError(f"there is no account {who} on this machine") from None

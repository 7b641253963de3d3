# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
A login that fails for each cause of L{conch_auth.diagnosis.CAUSES}.

L{PROVOKERS} has one for each; its docstring is what C{docs/diagnosis.rst} says of
the cause.  C{docs/print_diagnosis.py} prints that page, and
C{tests/test_causes.py} holds it against what comes of the logins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHClient, connect, display
from conch_auth.diagnosis import Cause
from conch_auth.errors import LoginError
from conch_auth.knownhosts import insecure_accept_any
from conch_auth.loopback import LoopbackServer, generate_key
from tests.peers.asyncssh_server import AsyncSSHServer, Scripted, Server, Step
from tests.peers.kdc import Realm, realm
from tests.peers.ssh_agent import SSHAgent
from tests.peers.sshd import Machine, Sshd, User, machine

#: The password of whoever has one.
PASSWORD = "Right-secret-word-1"
ALICE = User("causes_alice", PASSWORD)
#: PAM asks this one for a token.
TOKEN = User("causes_token", rounds=("off:Token: =123456",))
#: The account of this one has expired.
CLOSED = User("causes_closed", PASSWORD)
USERS = (ALICE, TOKEN, CLOSED)

#: Only keys log in.
KEYS_ONLY = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
PASSWORDS_ONLY = "PubkeyAuthentication no\nKbdInteractiveAuthentication no\n"
QUESTIONS_ONLY = (
    "UsePAM yes\nPubkeyAuthentication no\nPasswordAuthentication no\n"
    "KbdInteractiveAuthentication yes\n"
)

ED25519, SECOND, THIRD, FOURTH = (generate_key() for _ in range(4))
RSA = generate_key("ssh-rsa")

_servers: dict[str, Sshd] = {}

Provoke = Callable[["Stage"], Awaitable[LoginError]]

#: The headings of the page, in order.
HEADINGS = (
    "Before the login",
    "The login is ended",
    "Passwords, questions and second factors",
    "Keys",
    "Files of keys and certificates",
    "Agents, and others who sign",
    "Hosts that vouch for their users",
    "Kerberos",
    "What the application answers",
    "Nothing to try",
)
#: What provokes each cause, by the heading that it stands under.
PROVOKERS: dict[str, dict[Cause, Provoke]] = {heading: {} for heading in HEADINGS}


def provokes(heading: str, cause: Cause) -> Callable[[Provoke], Provoke]:
    """
    Have a function provoke C{cause}.
    """
    def register(provoke: Provoke) -> Provoke:
        PROVOKERS[heading][cause] = provoke
        return provoke

    return register


class Stage:
    """
    Where one login fails: its servers, its agent and a home directory.

    @ivar home: the directory that C{~} stands for meanwhile.

    @param case: ends what was begun.
    """

    def __init__(self, case: SynchronousTestCase, reactor: Any) -> None:
        self.case = case
        self.reactor = reactor
        self.home = Path(case.mktemp()).absolute()
        (self.home / ".ssh").mkdir(parents=True)
        self.setenv("HOME", str(self.home))
        self.setenv("SSH_AUTH_SOCK", None)

    def setenv(self, name: str, value: str | None) -> None:
        """
        Set a variable of the environment, or take it away, for a while.
        """
        self.case.addCleanup(_set, name, os.environ.get(name))
        _set(name, value)

    # Servers, each as the options of connect that lead to it.

    def machine(self) -> Machine:
        return machine(USERS)

    def sshd(self, config: str = "", user: User = ALICE, *keys: Key | str) -> Any:
        """
        @param keys: what lets the user in.
        """
        server = _servers.get(config)
        if server is None:
            # It ends with its machine.
            server = _servers[config] = self.machine().sshd(config)
        server.authorize(user.name, *keys)
        return self.at(server.port, user.name)

    def asyncssh(
        self, factory: Callable[[], Server], *keys: Key, **options: Any
    ) -> Any:
        if keys:
            lines = [key.public().toString("openssh").decode() for key in keys]
            options["authorized_client_keys"] = asyncssh.import_authorized_keys(
                "\n".join(lines)
            )
        server = AsyncSSHServer(factory, **options)
        server.start()
        self.case.addCleanup(server.stop)
        return self.at(server.port)

    def scripted(self, **steps: Step) -> Any:
        """
        AsyncSSH's server, which does something at each of these moments.
        """
        return self.asyncssh(type("Told", (Scripted,), {"steps": steps}))

    async def loopback(self, host_keys: Sequence[Key] = (), **account: Any) -> Any:
        """
        This package's own server, with an account for C{alice}.
        """
        server = LoopbackServer(host_keys=host_keys)
        server.add_user("alice", **account)
        await server.listen(self.reactor)
        self.case.addCleanup(server.stop)
        return self.at(server.port)

    def at(self, port: int, user: str = "alice") -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": port, "username": user}

    # What there is to log in with.

    def write(self, name: str, content: bytes, mode: int = 0o600) -> str:
        """
        A file in C{~/.ssh}.

        @return: its path.
        """
        path = self.home / ".ssh" / name
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    def key_file(
        self, key: Key, name: str = "id_ed25519", passphrase: bytes | None = None
    ) -> str:
        written = key.toString(
            "openssh", subtype="v1", comment="alice@laptop", passphrase=passphrase
        )
        return self.write(name, written)

    def agent(self, *keys: Key, **environment: str) -> SSHAgent:
        agent = SSHAgent(self.home / "agent", environment)
        self.case.addCleanup(agent.stop)
        for number, key in enumerate(keys):
            agent.run("ssh-add", "-q", self.key_file(key, f"in_agent_{number}"))
        return agent

    def realm(self) -> Realm:
        """
        A Kerberos realm, in which nobody has a ticket.
        """
        found = realm()
        found.enter(self.case)
        return found

    # Logins.

    async def fails(
        self,
        place: Mapping[str, Any],
        client: type[SSHClient] = SSHClient,
        **options: Any,
    ) -> LoginError:
        """
        Log in, in vain.
        """
        settings = {
            "client_keys": None,
            "agent_path": None,
            "known_hosts": insecure_accept_any(),
            "client_factory": client,
            "reactor": self.reactor,
            **place,
            **options,
        }
        return await failure_of(connect(**settings))

    def limit(self, name: str, value: Any) -> None:
        """
        Set one of the limits of the service that connect logs in with.
        """
        from conch_auth._client_auth import ClientUserAuth

        self.case.patch(ClientUserAuth, name, value)

    def never(self) -> Deferred[Any]:
        """
        An answer that does not come.
        """
        return Deferred()


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


async def failure_of(connecting: Awaitable[Any]) -> LoginError:
    """
    The error that a login ends with.
    """
    try:
        await connecting
    except LoginError as error:
        return error
    raise AssertionError("it logged in")


def shown(error: LoginError, home: Path) -> str:
    """
    What an error says, without what differs from run to run.
    """
    known = error.report is not None and error.report.ending
    with _in_long_lines():
        text = str(error.report if known else error).replace(str(home), "/home/alice")
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text)
    return "\n".join(map(display.wrapped, text.splitlines()))


@contextmanager
def _in_long_lines() -> Iterator[None]:
    """
    Lines are not broken, for what differs is of different lengths.
    """
    width, display.WIDTH = display.WIDTH, 10_000
    try:
        yield
    finally:
        display.WIDTH = width


_VARYING = (
    (r"causes_\w+", "alice"),
    (r"SHA256:[A-Za-z0-9+/]{43}", "SHA256:..."),
    (r"/tmp/agent-[^/ ]+/socket(\.\w+)?", "/tmp/ssh-agent/socket"),
    (r"/tmp/tmp\w+-krbtest/", "/tmp/krb5/"),
    (r"\]:\d+", "]:2222"),
    (r"port \d+", "port 2222"),
    (r"(this side \S+), .*?\. (?=[A-Z])", r"\1 and others. "),
    (r"\d+\.\d s\b", "0.5 s"),
    (r"SSH-2\.0-OpenSSH_\S+( Debian-\S+)?", "SSH-2.0-OpenSSH_9.2p1"),
    (r"SSH-2\.0-AsyncSSH_[0-9.]*[0-9]", "SSH-2.0-AsyncSSH_2.24.0"),
)


def public_line(key: Key) -> bytes:
    line: bytes = key.public().toString("openssh")
    return line + b"\n"

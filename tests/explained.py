# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Logins by C{conch-auth explain} to real servers, which C{docs/explain.rst} shows.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from conch_auth.loopback import generate_key
from tests.cli_process import OnTerminal, environment, spawn_on_terminal
from tests.peers.ssh_agent import SSHAgent
from tests.peers.sshd import Sshd, User, machine

PASSWORD = "Right-secret-word-1"
ALICE = User("alice", PASSWORD)
#: PAM asks this one for a token.
CAROL = User("carol", rounds=("off:Token: =123456",))
SERVER = "server.example.org"
HOME = "/home/alice"

KEYS_ONLY = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
PASSWORDS_ONLY = "PubkeyAuthentication no\nKbdInteractiveAuthentication no\n"
QUESTIONS_ONLY = (
    "UsePAM yes\nPubkeyAuthentication no\nPasswordAuthentication no\n"
    "KbdInteractiveAuthentication yes\n"
)


@dataclass(frozen=True)
class Scene:
    """
    One login.

    @ivar name: its name, from which that of its picture is made.
    @ivar title: its heading on the page.
    @ivar setting: what is so, in a sentence or two.
    @ivar prepare: makes it so.
    @ivar status: the exit status.
    @ivar typed: what is typed: each the end of a prompt, and an answer.
    @ivar thinks: the seconds that each answer takes.
    @ivar drawn: whether the page has its picture.
    @ivar command: the arguments that are shown.
    """

    name: str
    title: str
    setting: str
    prepare: Callable[[Stage], Awaitable[None]]
    status: int = 1
    typed: Sequence[tuple[str, str]] = ()
    thinks: float = 0
    drawn: bool = False
    command: str = f"alice@{SERVER}"


@dataclass(frozen=True)
class Shown:
    """
    What came of a scene.

    @ivar text: what the terminal showed.
    @ivar picture: the SVG document.
    """

    text: str
    picture: str


class Stage:
    """
    The place of one scene: a home directory, and whatever is started for it.
    """

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        # As long as the name that is shown instead, so that lines break alike.
        self.home = Path(f"/tmp/{secrets.token_hex(3)}")
        self.home.mkdir(mode=0o700)
        (self.home / ".ssh").mkdir(mode=0o700)
        self.known_hosts = self.home / ".ssh" / "known_hosts"
        self.environment = {
            **environment(),
            "HOME": str(self.home),
            "NO_COLOR": "1",
            "TERM": "xterm",
        }
        self.host, self.port = "127.0.0.1", 22
        self.options = "HostKeyAlias server.example.org\n"
        self._undo: list[Callable[[], Any]] = []

    def add_cleanup(self, undo: Callable[[], Any]) -> None:
        self._undo.append(undo)

    async def strike(self) -> None:
        """
        Undo all of it.
        """
        for undo in reversed(self._undo):
            await maybeDeferred(undo)
        shutil.rmtree(self.home)

    def sshd(self, config: str = KEYS_ONLY, keys: Sequence[Key | str] = ()) -> Sshd:
        """
        A server that is known.
        """
        server = machine([ALICE, CAROL]).sshd(config)
        self.add_cleanup(server.stop)
        server.authorize("alice", *keys)
        self.port = server.port
        self.know(server.host_keys)
        return server

    def know(self, keys: Sequence[Key], mark: str = "") -> None:
        lines = (key.public().toString("openssh").decode() for key in keys)
        self.known_hosts.write_text(
            "".join(f"{mark}{SERVER} {line}\n" for line in lines)
        )

    def listen(self, protocol: Callable[[], Protocol]) -> None:
        """
        Something that is no SSH server.
        """
        factory = Factory.forProtocol(protocol)  # type: ignore[arg-type]
        port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.add_cleanup(port.stopListening)
        self.port = port.getHost().port

    def key(self, *, passphrase: str | None = None, mode: int = 0o600) -> Key:
        """
        A new key, at C{~/.ssh/id_ed25519}.
        """
        key = generate_key()
        path = self.home / ".ssh" / "id_ed25519"
        secret = passphrase.encode() if passphrase else None
        path.write_bytes(key.toString("openssh", subtype="v1", passphrase=secret))
        path.with_suffix(".pub").write_bytes(key.public().toString("openssh"))
        path.chmod(mode)
        return key

    def agent(self) -> SSHAgent:
        agent = SSHAgent(self.home / "agent")
        self.add_cleanup(agent.stop)
        self.environment["SSH_AUTH_SOCK"] = agent.socket
        return agent

    async def play(self, scene: Scene) -> Shown:
        """
        Prepare it, and have it explained.
        """
        await scene.prepare(self)
        config, picture = self.home / "config", self.home / "picture.svg"
        config.write_text(
            f"Host {SERVER}\nHostName {self.host}\nPort {self.port}\n"
            f"UserKnownHostsFile {self.known_hosts}\n"
            f"GlobalKnownHostsFile /dev/null\n{self.options}"
        )
        arguments = ["explain", "--no-memory", "-F", str(config), "--svg", str(picture)]
        running = self._run([*arguments, *scene.command.split()])
        for prompt, answer in scene.typed:
            await running.shows(prompt)
            await deferLater(self.reactor, scene.thinks, running.type, answer)
        status = await running.status
        text = running.shown()
        if status != scene.status:
            raise AssertionError(f"{scene.name}: {status}: {text}")
        drawn = picture.read_text("utf-8") if picture.exists() else ""
        return Shown(self._plain(text), self._plain(drawn))

    def _run(self, arguments: Sequence[str]) -> OnTerminal:
        command = [sys.executable, "-m", "conch_auth", *arguments]
        return spawn_on_terminal(command, self.environment)

    def _plain(self, text: str) -> str:
        """
        With the names of a usual place.
        """
        lines = [
            line
            for line in text.replace(f"port {self.port}", "port 22").splitlines()
            if "the picture is in" not in line
        ]
        told = "\n".join(lines) + "\n"
        told = told.replace(str(self.known_hosts), f"{HOME}/.ssh/known_hosts")
        return told.replace(str(self.home), HOME).replace(f"]:{self.port}", "]:22")


async def perform(scene: Scene, reactor: Any) -> Shown:
    """
    Play a scene on a stage of its own.
    """
    stage = Stage(reactor)
    try:
        return await stage.play(scene)
    finally:
        await stage.strike()

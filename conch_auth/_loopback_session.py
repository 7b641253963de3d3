"""
The sessions of a loopback server: a handful of commands, run in this process.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from twisted.conch.avatar import ConchUser
from twisted.conch.error import ConchError
from twisted.conch.interfaces import IConchUser, ISession
from twisted.conch.ssh.session import SSHSession
from twisted.cred.portal import IRealm
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from conch_auth.display import text


class Result(NamedTuple):
    """
    What a command has written, and its exit status.
    """

    stdout: str = ""
    stderr: str = ""
    status: int = 0


#: From the user's name and the arguments, to what comes of it; a text alone is
#: what was written.
Command = Callable[[str, Sequence[str]], Result | str]


def _exit(_user: str, arguments: Sequence[str]) -> Result:
    return Result(status=int(arguments[0]) if arguments else 0)


COMMANDS: Mapping[str, Command] = {
    "whoami": lambda user, _arguments: f"{user}\n",
    "echo": lambda _user, arguments: " ".join(arguments) + "\n",
    "uptime": lambda _user, _arguments: "up 0 days, 1 user\n",
    "exit": _exit,
}


def run(commands: Mapping[str, Command], user: str, line: str) -> Result:
    """
    Run one command line, as far as there is a command of its name.
    """
    try:
        name, *arguments = shlex.split(line) or ["exit"]
    except ValueError as error:
        return Result(stderr=f"{line}: {error}\n", status=2)
    if name not in commands:
        return Result(stderr=f"{name}: command not found\n", status=127)
    try:
        result = commands[name](user, arguments)
    except Exception as error:
        return Result(stderr=f"{name}: {error}\n", status=1)
    return Result(result) if isinstance(result, str) else result


@implementer(IRealm)
class Realm:
    """
    Gives each user an avatar.

    @param commands: what a session can run.
    @param clock: what commands are started by.
    """

    def __init__(self, commands: Mapping[str, Command], clock: Any) -> None:
        self._commands = commands
        self._clock = clock

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: Any
    ) -> Any:
        assert isinstance(avatarId, bytes)
        avatar = Avatar(avatarId, self._commands, self._clock)
        return IConchUser, avatar, lambda: None


class Avatar(ConchUser):
    """
    A user who is logged in.
    """

    def __init__(
        self, name: bytes, commands: Mapping[str, Command], clock: Any
    ) -> None:
        ConchUser.__init__(self)
        self.name = text(name)
        self.commands = commands
        self.clock = clock
        self.channelLookup[b"session"] = SessionChannel

    def __conform__(self, interface: Any) -> Any:
        # Each channel is a session of its own.
        return Session(self) if interface is ISession else None


class SessionChannel(SSHSession):
    """
    A session that has neither a shell nor a terminal.
    """

    # What an ISession refuses Conch logs as an error, which would fail the
    # test of whoever only asks.
    def request_shell(self, data: bytes) -> int:
        return 0

    def request_pty_req(self, data: bytes) -> int:
        return 0


@implementer(ISession)
class Session:
    """
    One channel, which runs one command.
    """

    def __init__(self, avatar: Avatar) -> None:
        self._avatar = avatar
        self._process: Process | None = None

    def getPty(self, term: Any, windowSize: Any, modes: Any) -> None:
        raise ConchError("there are no terminals here")

    def openShell(self, proto: Any) -> None:
        raise ConchError("there is no shell here: name a command")

    def windowChanged(self, newWindowSize: Any) -> None:
        pass

    def execCommand(self, proto: Any, command: bytes) -> None:
        line = text(command)
        self._process = Process(proto, line == "cat")
        proto.makeConnection(self._process)
        if not self._process.copies:
            # The client hears that the command runs before it hears from it.
            self._avatar.clock.callLater(0, self._run, self._process, line)

    def _run(self, process: Process, line: str) -> None:
        process.end(run(self._avatar.commands, self._avatar.name, line))

    def eofReceived(self) -> None:
        if self._process is not None and self._process.copies:
            self._process.end(Result())

    def closed(self) -> None:
        if self._process is not None:
            self._process.loseConnection()


@implementer(ITransport)
class Process:
    """
    A command that runs; to Conch's session it is the transport of a process.

    @param proto: Conch's side of it.
    @ivar copies: whether input comes back as output, as C{cat} does.
    """

    disconnecting = False

    def __init__(self, proto: Any, copies: bool) -> None:
        self.copies = copies
        self._proto = proto
        self._ended = False

    def write(self, data: bytes) -> None:
        if self.copies:
            self._proto.outReceived(data)

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self._ended = True

    def getPeer(self) -> Any:
        return self._proto.getPeer()

    def getHost(self) -> Any:
        return self._proto.getHost()

    def end(self, result: Result) -> None:
        """
        The command has come to its end, unless its channel has gone.
        """
        if self._ended:
            return
        self._ended = True
        self._proto.outReceived(result.stdout.encode())
        if result.stderr:
            self._proto.errReceived(result.stderr.encode())
        ending = ProcessTerminated(result.status) if result.status else ProcessDone(0)
        self._proto.processEnded(Failure(ending))

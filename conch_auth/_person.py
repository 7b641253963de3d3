"""
The person at the terminal, who answers what a login asks.

A question of this program stands by itself; one of the server bears
C{(user@host)} before it, as with OpenSSH, so that a server cannot ask for what
it has no business with, such as the passphrase of a key, in this program's
name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any

from conch_auth._progress import Progress
from conch_auth._terminal import NoTerminal, Terminal
from conch_auth.callbacks import SSHClient
from conch_auth.certificates import HostKeyOffer
from conch_auth.display import printable, text
from conch_auth.prompts import INSTRUCTION_LIMIT, PROMPT_LIMIT, Prompt

#: The most lines that one prompt takes of the screen.
_MOST_PROMPT_LINES = 8


class Asker:
    """
    Asks on the terminal, which is opened with the first question.

    @param open_terminal: opens it, or raises L{NoTerminal}.
    @param tell: tells the person something on the standard error.
    @param progress: shows what is waited for, but not beside a question.
    """

    def __init__(
        self,
        open_terminal: Callable[[], Terminal],
        tell: Callable[[str], object],
        progress: Progress | None = None,
    ) -> None:
        self._open_terminal = open_terminal
        self._tell = tell
        self._progress = progress
        self._terminal: Terminal | None = None
        self._told = False

    async def ask(self, prompt: str, echo: bool = False) -> bytes | None:
        """
        @return: the answer; C{None} where there is nobody to give one.
        """
        terminal = self._opened()
        if terminal is None:
            return None
        progress = self._progress
        with nullcontext() if progress is None else progress.question():
            return await terminal.ask(prompt, echo)

    async def ask_passphrase(self, path: str, number: int) -> bytes | None:
        """
        Ask for the passphrase of a key file, for the C{number}th time.
        """
        if number > 1:
            self.show("That is not its passphrase.\n")
        return await self.ask(f"Passphrase for key {printable(path)}: ")

    def can_ask(self) -> bool:
        """
        Whether there is a terminal; where there is none that is told.
        """
        return self._opened() is not None

    def show(self, text: str) -> None:
        terminal = self._opened()
        if terminal is not None:
            if self._progress is not None:
                self._progress.hide()
            terminal.show(text)

    def touch_awaited(self) -> None:
        """
        Somebody is to touch a security key.
        """
        if self._progress is not None:
            self._progress.touch = True

    def close(self) -> None:
        if self._terminal is not None:
            self._terminal.close()

    def _opened(self) -> Terminal | None:
        if self._terminal is None and not self._told:
            try:
                self._terminal = self._open_terminal()
            except NoTerminal as error:
                self._told = True
                self._tell(f"{error}; nobody can be asked")
        return self._terminal


class Person(SSHClient):
    """
    Answers with what is typed.

    @param asker: how to ask.
    @param host: the host, as the person has named it.
    @param show: shows a banner, or that a touch is waited for.
    @param trusts: asked about the key of an unknown host; C{None} trusts none.
    @param connected: told the connection when it is made.
    """

    _connection: Any = None

    def __init__(
        self,
        asker: Asker,
        host: str,
        show: Callable[[str], object],
        trusts: Callable[[HostKeyOffer], Awaitable[bool]] | None = None,
        connected: Callable[[Any], object] = lambda _connection: None,
    ) -> None:
        self._connected = connected
        self._asker = asker
        self._host = host
        self._origin = printable(host)
        self._show = show
        self._trusts = trusts
        self._refusals = 0

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        self._connected(conn)

    async def validate_host_public_key(
        self, host: str, addr: str, port: int, key: Any
    ) -> bool:
        if self._trusts is None:
            return False
        # It has the key of every type, and the names that known_hosts has.
        return await self._trusts(self._connection.transport.hostKeyOffer)

    def begin_auth(self, username: str) -> None:
        self._origin = printable(f"{username}@{self._host}")

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self._show(printable(msg, lines=True))

    def touch_requested(self, key: Any) -> None:
        self._asker.touch_awaited()
        self._show(f"Touch your security key ({printable(key.source)}).\n")

    async def password_auth_requested(self) -> Any:
        if self._refusals:
            self._asker.show("Permission denied, please try again.\n")
        self._refusals += 1
        return await self._asker.ask(f"{self._origin}'s password: ")

    async def password_change_requested(self, prompt: str, lang: str) -> Any:
        """
        @return: the old password and the new one, which is asked for twice.
        """
        self._asker.show(self._from_server(prompt) + "\n")
        old = await self._asker.ask(f"{self._origin}'s old password: ")
        while old is not None:
            new = await self._asker.ask(f"{self._origin}'s new password: ")
            again = await self._asker.ask("The new password again: ")
            if new is None or again is None:
                return None
            if new == again:
                return old, new
            self._asker.show("These are two different passwords.\n")
        return None

    def kbdint_auth_requested(self) -> str:
        return ""

    async def kbdint_challenge_received(
        self,
        name: str,
        instructions: str,
        lang: str,
        prompts: Sequence[Prompt[str]],
    ) -> Any:
        for told in filter(None, (name, instructions)):
            shown = printable(told, lines=True, limit=INSTRUCTION_LIMIT)
            for line in shown.splitlines():
                self._asker.show(f"({self._origin}) {line}\n")
        answers: list[bytes] = []
        for prompt in prompts:
            *before, question = _lines_of(prompt)
            for line in before:
                self._asker.show(f"({self._origin}) {line}\n")
            answer = await self._asker.ask(f"({self._origin}) {question}", prompt.echo)
            if answer is None:
                return None
            answers.append(answer)
        return answers

    def _from_server(self, prompt: str) -> str:
        return f"({self._origin}) {printable(prompt, limit=PROMPT_LIMIT)}"


def _lines_of(prompt: Prompt[str]) -> list[str]:
    """
    The lines of a prompt: sshd puts what PAM has to say before its question.
    One of a great many lines is kept on one.
    """
    lines = printable(text(prompt.raw), lines=True, limit=PROMPT_LIMIT).split("\n")
    return lines if len(lines) <= _MOST_PROMPT_LINES else [prompt.displayed]

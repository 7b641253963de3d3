"""
What a server asks in keyboard-interactive (RFC 4256, section 3.2), as values.

A server may put anything into its texts.  The bytes are kept as they came, and
beside them is a rendering that is fit for a screen, which says whose question it
is: C{(user@host)}, as with OpenSSH.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from conch_auth.display import printable, text

#: The most characters of a prompt, and of a name or an instruction, that are
#: shown, so that neither fills the screen.
PROMPT_LIMIT = 400
INSTRUCTION_LIMIT = 4000

_T = TypeVar("_T")


@dataclass(frozen=True)
class Challenge:
    """
    One round of questions.

    @ivar name: the server's heading, often empty.
    @ivar instruction: its text, of any number of lines.
    @ivar language: the language tag (RFC 3066) of both, often empty.
    @ivar asked: each prompt, and whether the answer may be seen.
    @ivar round: which round of the exchange this is, from 1.
    @ivar user: the user who logs in.
    @ivar host: the server's name, or else its address; C{None} where the
        transport knows neither.
    """

    name: bytes
    instruction: bytes
    language: bytes
    asked: tuple[tuple[bytes, bool], ...]
    round: int
    user: str
    host: str | None

    @property
    def origin(self) -> str:
        """
        Who asks, safe for a screen: C{user@host}.
        """
        return printable(self.user if self.host is None else f"{self.user}@{self.host}")

    @property
    def lines(self) -> list[str]:
        """
        The lines of the name and of the instruction, safe for a screen.
        """
        return [
            line
            for told in (self.name, self.instruction)
            for line in printable(
                text(told), lines=True, limit=INSTRUCTION_LIMIT
            ).splitlines()
        ]

    def prompts(self) -> list[Prompt[bytes]]:
        """
        The prompts, each equal to C{(bytes, bool)}, as Conch gives them.
        """
        return [Prompt(raw, echo, raw, self) for raw, echo in self.asked]

    def texts(self) -> list[Prompt[str]]:
        """
        The prompts, each equal to C{(str, bool)}, as AsyncSSH gives them.
        """
        return [Prompt(text(raw), echo, raw, self) for raw, echo in self.asked]


class Prompt(tuple[_T, bool]):
    """
    One prompt: a pair of its text and whether the answer may be seen, that
    knows where it comes from.  It does not change.

    C{str(prompt)} is the prompt with its origin, safe for a screen.

    @ivar raw: the bytes that the server sent.
    @ivar challenge: the L{Challenge} that it belongs to.
    """

    raw: bytes
    challenge: Challenge

    def __new__(
        cls, shown: _T, echo: bool, raw: bytes, challenge: Challenge
    ) -> Prompt[_T]:
        self = super().__new__(cls, (shown, echo))
        vars(self).update(raw=raw, challenge=challenge)
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self, self.raw, self.challenge)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a prompt does not change: {name}")

    @property
    def prompt(self) -> _T:
        return self[0]

    @property
    def echo(self) -> bool:
        """
        Whether the answer may be seen while it is typed.
        """
        return self[1]

    @property
    def displayed(self) -> str:
        """
        The prompt alone, safe for a screen and of L{PROMPT_LIMIT} characters at
        most.
        """
        return printable(text(self.raw), limit=PROMPT_LIMIT)

    def __str__(self) -> str:
        return f"({self.challenge.origin}) {self.displayed}"

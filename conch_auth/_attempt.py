"""
One credential that was tried, and the words for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from conch_auth.display import fingerprint, printable, text

Outcome = Literal["accepted", "partial", "refused", "skipped", "failed"]
Party = Literal["server", "agent", "person"]

class KeyIdentity(NamedTuple):
    """
    A public key as people name it: its type and its SHA256 fingerprint.
    """

    type: str
    fingerprint: str

    @classmethod
    def of(cls, key_type: bytes, blob: bytes) -> KeyIdentity:
        return cls(printable(text(key_type)), fingerprint(blob))

    def __str__(self) -> str:
        return f"{self.type} {self.fingerprint}"


class Banner(str):
    """
    A banner as the server sent it; C{language} is its language tag (RFC 4252,
    section 5.4).  L{conch_auth.display.printable} makes it fit for a screen.
    """

    __slots__ = ("language",)
    language: str

    def __new__(cls, message: str, language: str = "") -> Banner:
        self = super().__new__(cls, message)
        self.language = language
        return self


@dataclass(frozen=True)
class Attempt:
    """
    One credential, or one method that had none to show.

    @ivar method: the method's name, such as C{"publickey"}.
    @ivar outcome: C{"accepted"} (it completed the login), C{"partial"}
        (accepted, and the server wants more), C{"refused"} (by the server),
        C{"skipped"} (never sent) or C{"failed"} (given up on this side).
    @ivar reason: why, in a sentence; empty where the outcome says all.
    @ivar key: the public key, for methods that have one.
    @ivar algorithm: the signature algorithm that the request named.
    @ivar source: where the credential came from.
    @ivar server_methods: what the server said may continue, in its answer.
    @ivar server_seconds: time spent waiting for the server's replies.
    @ivar agent_seconds: time in which keys and signatures were waited for.
    @ivar person_seconds: time in which a person was asked.
    @ivar error: what was raised on this side and ended the attempt, without its
        traceback.  Its text may be anybody's and hold anything, so it is in
        neither C{repr} nor L{AuthReport.as_dict}, and does not count when
        reports are compared.
    """

    method: str
    outcome: Outcome
    reason: str = ""
    key: KeyIdentity | None = None
    algorithm: str | None = None
    source: str | None = None
    server_methods: tuple[str, ...] | None = None
    server_seconds: float = 0.0
    agent_seconds: float = 0.0
    person_seconds: float = 0.0
    error: BaseException | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        what = self.method
        if self.key is not None:
            what += f" with {self.key}"
        details = [
            detail
            for detail in (
                self.algorithm
                if self.key is None or self.algorithm != self.key.type
                else None,
                f"from {printable(self.source)}" if self.source else None,
            )
            if detail
        ]
        if details:
            what += f" ({', '.join(details)})"
        verdict = _OUTCOME_WORDS[self.outcome]
        return f"{what}: {verdict}" + (f"; {self.reason}" if self.reason else "")


_OUTCOME_WORDS: dict[Outcome, str] = {
    "accepted": "accepted",
    "partial": "accepted, and the server wants more",
    "refused": "refused",
    "skipped": "not tried",
    "failed": "given up",
}

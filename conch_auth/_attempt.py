"""
What a report is made of: credentials that were tried, the steps of it, what is
known of the server, and the words for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from conch_auth._causes import MaybeCause
from conch_auth.display import fingerprint, printable, text

Outcome = Literal["accepted", "partial", "refused", "skipped", "failed"]
Party = Literal["server", "agent", "person"]
Actor = Literal["client", "server", "agent", "person"]


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


class HostKey(NamedTuple):
    """
    The host key that the server has proved to hold.

    @ivar type: the type of the plain key, such as C{"ssh-ed25519"}.
    @ivar fingerprint: its SHA256 fingerprint.
    @ivar algorithm: the algorithm that the server signed with.
    @ivar trusted_by: what made it trusted, in words.
    """

    type: str
    fingerprint: str
    algorithm: str
    trusted_by: str

    def __str__(self) -> str:
        return f"{self.type} {self.fingerprint}, trusted by {self.trusted_by}"


class ServerFacts(NamedTuple):
    """
    What the transport knows of the server.

    @ivar host: its name, or else its address.
    @ivar port: the port that was connected to.
    @ivar server_version: its identification string (RFC 4253, section 4.2), as
        C{"SSH-2.0-OpenSSH_9.2p1"}; empty where it is not known.
    @ivar extensions: the names and values of its EXT_INFO (RFC 8308), fit to be
        shown, as far as it came protected.
    @ivar host_key: C{None} where the transport does not keep it.
    """

    host: str | None = None
    port: int | None = None
    server_version: str = ""
    extensions: tuple[tuple[str, str], ...] = ()
    host_key: HostKey | None = None


class Step(NamedTuple):
    """
    One thing that one side told, or asked, another.

    @ivar at: seconds since the login began.
    @ivar sender: who told it.
    @ivar receiver: whom.
    @ivar name: a message's name in its RFC, after which a request has its
        method; the name of a question, or C{"answer"}.
    @ivar detail: more of it, in words fit to be shown; never a secret.
    @ivar attempt: the attempt that it belongs to, counted from 0; C{None} where
        none came of it.
    """

    at: float
    sender: Actor
    receiver: Actor
    name: str
    detail: str = ""
    attempt: int | None = None

    def __str__(self) -> str:
        told = f"{self.sender} to {self.receiver}: {self.name}"
        return f"{told} ({self.detail})" if self.detail else told


@dataclass(frozen=True)
class Attempt:
    """
    One credential, or one method that had none to show.

    @ivar method: the method's name, such as C{"publickey"}.
    @ivar outcome: C{"accepted"} (it completed the login), C{"partial"}
        (accepted, and the server wants more), C{"refused"} (by the server),
        C{"skipped"} (never sent) or C{"failed"} (given up on this side).
    @ivar reason: why, in a sentence; empty where the outcome says all.
    @ivar cause: the same as one of L{conch_auth.diagnosis.CAUSES}; empty where
        there is nothing to set right.
    @ivar key: the public key, for methods that have one.
    @ivar algorithm: the signature algorithm that the request named.
    @ivar algorithm_reason: why that one, in words.
    @ivar source: where the credential came from.
    @ivar offered: whether the server was shown the key, or asked about the
        method, at all.
    @ivar signed: whether the server was sent a signature.
    @ivar answers: what the server answered, by the names of its messages.
    @ivar server_methods: what the server said may continue, in its answer.
    @ivar round_trips: how often the server's reply was waited for.
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
    cause: MaybeCause = ""
    algorithm_reason: str = ""
    offered: bool = False
    signed: bool = False
    answers: tuple[str, ...] = ()
    round_trips: int = 0

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

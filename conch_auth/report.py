"""
The course of a login as a value: what was tried, what the server answered,
what to do next.

L{Recorder} listens while a login runs; L{AuthReport} is what it heard.  No
secret ever enters either: a password, an answer or a signature is not among
what a recorder can be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple

from conch_auth.display import fingerprint, printable, text

Outcome = Literal["accepted", "partial", "refused", "skipped", "failed"]
Party = Literal["server", "agent", "person"]

#: The version of what L{AuthReport.as_dict} returns.
DICT_VERSION = 1


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


@dataclass(frozen=True)
class AuthReport:
    """
    What happened in one login, so far or in all.

    @ivar user: the user name that was asked for.
    @ivar service: the service that was to follow, as C{"ssh-connection"}.
    @ivar host: the server, where the transport could name it.
    @ivar succeeded: C{True} once the login is complete and proved.
    @ivar attempts: every L{Attempt}, in order.
    @ivar banners: every L{Banner} kept, in order.
    @ivar server_methods: the methods that the server last said may continue.
    @ivar round_trips: how often the server's reply was waited for.
    @ivar elapsed: seconds from the start of the service to its end, or to now.
    @ivar proof: the credentials that the server accepted, in words; C{None}
        while there is none.
    @ivar ending: why the login ended, in a sentence; empty while it runs and
        after a success.
    """

    user: str
    service: str
    host: str | None = None
    succeeded: bool = False
    attempts: tuple[Attempt, ...] = ()
    banners: tuple[Banner, ...] = ()
    server_methods: tuple[str, ...] = ()
    round_trips: int = 0
    elapsed: float = 0.0
    proof: str | None = None
    ending: str = ""

    def as_dict(self) -> dict[str, Any]:
        """
        The report as plain dictionaries, lists, strings and numbers, ready for
        JSON.  C{version} says which shape it has.
        """
        plain = _fields_of(self)
        plain["attempts"] = [_plain_attempt(attempt) for attempt in self.attempts]
        plain["banners"] = [
            {"message": str(banner), "language": banner.language}
            for banner in self.banners
        ]
        plain["server_methods"] = list(self.server_methods)
        return {"version": DICT_VERSION, **plain, "advice": self.advice()}

    def advice(self) -> list[str]:
        """
        What a person can do about it, a sentence each; empty after a success.
        """
        return [] if self.succeeded else list(_advice(self))

    def __str__(self) -> str:
        return "\n".join(_explained(self))


def _fields_of(value: AuthReport | Attempt) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _plain_attempt(attempt: Attempt) -> dict[str, Any]:
    plain = _fields_of(attempt)
    del plain["error"]
    plain["key"] = attempt.key._asdict() if attempt.key is not None else None
    if attempt.server_methods is not None:
        plain["server_methods"] = list(attempt.server_methods)
    return plain


def _explained(report: AuthReport) -> Iterable[str]:
    user, host = printable(report.user), printable(report.host or "the server")
    if report.succeeded:
        trips = "1 round trip" if report.round_trips == 1 else (
            f"{report.round_trips} round trips"
        )
        yield f"{user} is logged in to {host}: {report.proof or 'without any proof'}"
        yield f"({trips}, {report.elapsed:.2f} s)."
    elif report.ending:
        yield f"{user} is not logged in to {host}: {report.ending}."
    else:
        yield f"{user} is logging in to {host}."
    # The opening "none" only asks what the server accepts: that is told above.
    told = [a for a in report.attempts if a.method != "none" or a.outcome != "refused"]
    if told and not (report.succeeded and len(told) == 1):
        yield "What was tried:"
        for number, attempt in enumerate(told, 1):
            yield f"  {number}. {attempt}"
    if not report.succeeded and report.server_methods:
        yield f"The server would still accept: {', '.join(report.server_methods)}."
    advice = report.advice() if report.ending else []
    if advice:
        yield "What to do:"
        yield from (f"  - {line}" for line in advice)


def _advice(report: AuthReport) -> Iterable[str]:
    for method in report.server_methods:
        outcomes = [
            attempt.outcome
            for attempt in report.attempts
            if attempt.method == method and _had_credential(attempt)
        ]
        advise = _ADVICE_OF_METHOD.get(method)
        if "partial" not in outcomes and advise is not None:
            yield advise(printable(report.user), outcomes)
    if any(attempt.outcome == "partial" for attempt in report.attempts):
        yield (
            "A first factor was accepted. The login needs another one: "
            f"{' or '.join(report.server_methods) or 'the server did not say which'}."
        )
    if not report.server_methods and any(a.method == "none" for a in report.attempts):
        yield "The server offers this user no method at all: ask its administrator."


def _had_credential(attempt: Attempt) -> bool:
    """
    Whether there was anything to offer; a method that had nothing is skipped
    with neither a key nor a source.
    """
    return attempt.outcome != "skipped" or bool(attempt.key or attempt.source)


def _publickey_advice(user: str, outcomes: list[Outcome]) -> str:
    refused = outcomes.count("refused")
    if refused:
        keys = (
            "The key that was offered is not"
            if refused == 1
            else f"None of the {refused} keys that were offered is"
        )
        return (
            f"{keys} accepted for {user}: check the user name, or add a public key "
            "to that account's authorized_keys."
        )
    if outcomes:
        return "No key could be used: see the reason beside each."
    return "The server accepts keys and none was offered: give the client a key."


def _password_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return f"Check the password, and the user name {user}."
    return "The server accepts a password and none was given: give the client one."


def _interactive_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return f"Check the answers that were given to the server for {user}."
    return (
        "The server asks questions (keyboard-interactive) that nobody answered: "
        "answer them in getGenericAnswers."
    )


def _hostbased_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return (
            f"The server does not let this host vouch for {user}: it must know the "
            "host's key (ssh_known_hosts), and allow the host and its user "
            "(shosts.equiv, or .shosts of that account)."
        )
    if "failed" in outcomes:
        return "No key of this host could be used: see the reason beside each."
    return (
        "The server accepts the word of a host (hostbased) and no host key was given."
    )


def _gssapi_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return (
            f"The Kerberos ticket is not accepted for {user}: compare its name (klist) "
            "with the user name; that account's .k5login may allow others."
        )
    if "failed" in outcomes:
        return "The Kerberos ticket could not be used: see the reason beside it."
    return (
        "The server accepts Kerberos tickets (gssapi-with-mic) and none was used: run "
        "kinit, and let the client use the ticket (gss_host, or gssHost)."
    )


_ADVICE_OF_METHOD: dict[str, Callable[[str, list[Outcome]], str]] = {
    "publickey": _publickey_advice,
    "password": _password_advice,
    "keyboard-interactive": _interactive_advice,
    "hostbased": _hostbased_advice,
    "gssapi-with-mic": _gssapi_advice,
}


@dataclass
class _Open:
    """
    An attempt whose outcome is not known yet.
    """

    attempt: Attempt
    seconds: dict[Party, float] = field(default_factory=dict)


class Recorder:
    """
    Collects a report while a login runs.

    @param user: the user name.
    @param service: the name of the service that is to follow.
    @param seconds: returns the time in seconds, from any fixed point.
    """

    def __init__(
        self, user: bytes, service: bytes, seconds: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._started: float | None = None
        self._report = AuthReport(text(user), text(service))
        self._attempts: list[Attempt] = []
        self._banners: list[Banner] = []
        self._proofs: list[str] = []
        self._open: _Open | None = None
        # What was spent before an attempt was open belongs to the next one.
        self._early: dict[Party, float] = {}
        self._party: Party | None = None
        self._since = 0.0
        self._ended = False

    @property
    def attempt(self) -> Attempt | None:
        """
        The attempt that runs now.
        """
        return self._open.attempt if self._open is not None else None

    def start(self, host: str | None) -> None:
        """
        The login begins: its seconds are counted from now.

        @param host: the server's name, where it is known.
        """
        self._started = self._seconds()
        self._report = replace(self._report, host=host)

    def begin(self, method: bytes, **known: Any) -> None:
        """
        A new attempt starts; one that was open is given up.
        """
        self.end("failed", "it was left unfinished")
        self._count_wait()
        self._open = _Open(Attempt(printable(text(method)), "failed", **known))
        self._open.seconds, self._early = self._early, {}

    def note(self, **known: Any) -> None:
        """
        More is known of the attempt that runs.
        """
        if self._open is not None:
            self._open.attempt = replace(self._open.attempt, **known)

    def end(
        self,
        outcome: Outcome,
        reason: str = "",
        methods: Iterable[bytes] | None = None,
        error: BaseException | None = None,
    ) -> None:
        """
        The attempt that runs is over.  Without one, nothing happens.

        @param error: what was raised on this side.
        """
        if self._open is None:
            return
        self._count_wait()
        ended = replace(
            self._open.attempt,
            outcome=outcome,
            reason=reason,
            error=_without_frames(error),
            server_methods=None if methods is None else _shown(methods),
            server_seconds=self._open.seconds.get("server", 0.0),
            agent_seconds=self._open.seconds.get("agent", 0.0),
            person_seconds=self._open.seconds.get("person", 0.0),
        )
        self._open = None
        self._attempts.append(ended)

    def skip(
        self,
        method: bytes,
        outcome: Outcome,
        reason: str,
        *,
        error: BaseException | None = None,
        **known: Any,
    ) -> None:
        """
        A credential was never sent.
        """
        self.begin(method, **known)
        self.end(outcome, reason, error=error)

    def knows(self, method: bytes) -> bool:
        """
        Whether anything was told of C{method}.
        """
        shown = printable(text(method))
        return any(attempt.method == shown for attempt in self._attempts)

    def proved(self, proof: str) -> None:
        """
        The server accepted C{proof}, as a factor or as the last one.
        """
        self._proofs.append(proof)

    def wait(self, party: Party | None) -> None:
        """
        From now on C{party} is waited for, or nobody.
        """
        self._count_wait()
        self._party = party

    def sent(self) -> None:
        """
        A message that wants a reply has left.
        """
        self._report = replace(self._report, round_trips=self._report.round_trips + 1)

    def server_methods(self, methods: Iterable[bytes]) -> None:
        self._report = replace(self._report, server_methods=_shown(methods))

    def banner(self, banner: Banner) -> None:
        self._banners.append(banner)

    def finish(self, succeeded: bool, ending: str = "") -> None:
        """
        The login is over: from now on the report stays as it is.
        """
        if self._ended:
            return
        self.wait(None)
        self.end("failed", ending)
        self._report = replace(self.snapshot(), succeeded=succeeded, ending=ending)
        self._ended = True

    def snapshot(self) -> AuthReport:
        """
        The report so far; after L{finish}, always the same value.
        """
        if self._ended:
            return self._report
        return replace(
            self._report,
            attempts=tuple(self._attempts),
            banners=tuple(self._banners),
            elapsed=self._elapsed(),
            proof=", then ".join(self._proofs) or None,
        )

    def _elapsed(self) -> float:
        return 0.0 if self._started is None else self._seconds() - self._started

    def _count_wait(self) -> None:
        now = self._seconds()
        if self._party is not None:
            account = self._open.seconds if self._open is not None else self._early
            account[self._party] = account.get(self._party, 0.0) + now - self._since
        self._since = now


def _shown(methods: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(printable(text(method)) for method in methods)


def _without_frames(error: BaseException | None) -> BaseException | None:
    """
    C{error} without its traceback, and without those of what led to it: their
    frames hold the passwords that were at hand.
    """
    seen: set[int] = set()
    left = [error]
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            left += [found.__cause__, found.__context__]
    return error

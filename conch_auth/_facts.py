"""
The facts of a failed login, in the words by which a diagnosis tells them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from conch_auth._attempt import Attempt, Banner, Step
from conch_auth._causes import MaybeCause
from conch_auth.display import printable

#: How many things are named one by one.
_MOST_NAMED = 3
_LIMIT = 200
#: What is waited for after a question, to whoever does not know its name.
_ANSWERS = {
    "getPassword": "a password",
    "getPasswordChange": "a new password",
    "getPublicKey": "a key",
    "getPrivateKey": "a private key",
    "getHostKey": "a host key",
    "getChallengeAnswers": "the answers to the server's questions",
    "getGenericAnswers": "the answers to the server's questions",
    "getGSSAPIContext": "a Kerberos ticket",
    "passphrase": "a passphrase",
    "signData": "a signature",
}


class Facts(Protocol):
    """
    What L{conch_auth.diagnosis.diagnose} reads of an
    L{AuthReport<conch_auth.report.AuthReport>}.
    """

    @property
    def user(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    @property
    def server_version(self) -> str: ...
    @property
    def extensions(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def succeeded(self) -> bool: ...
    @property
    def attempts(self) -> tuple[Attempt, ...]: ...
    @property
    def banners(self) -> tuple[Banner, ...]: ...
    @property
    def server_methods(self) -> tuple[str, ...]: ...
    @property
    def steps(self) -> tuple[Step, ...]: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def server_seconds(self) -> float: ...
    @property
    def agent_seconds(self) -> float: ...
    @property
    def proof(self) -> str | None: ...
    @property
    def ending(self) -> str: ...
    @property
    def cause(self) -> MaybeCause: ...


class Words:
    """
    What stands in the braces of a L{Remedy<conch_auth._remedy.Remedy>}: a
    property here, with a capital where its name has one.

    @param facts: those of the login.
    @param attempts: those that came to nothing for the cause in question.
    @param more: other words.
    """

    def __init__(
        self, facts: Facts, attempts: Sequence[Attempt], **more: str
    ) -> None:
        self._facts = facts
        self._attempts = attempts
        self._more = more

    def __getitem__(self, name: str) -> str:
        small = name.lower()
        word = self._more[small] if small in self._more else getattr(self, small)
        return capital(word) if name != small else str(word)

    # Of the login.

    @property
    def user(self) -> str:
        return printable(self._facts.user)

    @property
    def version(self) -> str:
        return printable(self._facts.server_version) or "it did not say which it is"

    @property
    def ending(self) -> str:
        return self._facts.ending

    @property
    def elapsed(self) -> str:
        return f"{self._facts.elapsed:.1f} s"

    @property
    def proof(self) -> str:
        return self._facts.proof or "the first factor"

    @property
    def methods(self) -> str:
        return listed(self._facts.server_methods, "or") or "it did not say which"

    @property
    def accepts(self) -> str:
        methods = self._facts.server_methods
        only = " only" if len(methods) == 1 else ""
        return f"the server accepts {listed(methods)}{only}"

    @property
    def it(self) -> str:
        return "it" if len(self._facts.server_methods) == 1 else "any of them"

    @property
    def others(self) -> str:
        """
        What else the server would accept, as advice.
        """
        others = [each for each in self._facts.server_methods if each != "publickey"]
        return f" It would also accept {listed(others, 'or')}." if others else ""

    @property
    def spent(self) -> str:
        seconds = {
            "the server": self._facts.server_seconds,
            "keys and signatures": self._facts.agent_seconds,
        }
        shown = [f"{n:.1f} s for {who}" for who, n in seconds.items() if n >= 0.05]
        return listed(shown) or "nobody was waited for"

    @property
    def while_waiting(self) -> str:
        step = self._last_step
        if step is None or step.receiver == "client":
            return "when nothing was being waited for"
        if step.receiver == "server":
            return f"while the server was to answer {step.name}"
        return f"while {self.last_question} was being waited for"

    @property
    def last_question(self) -> str:
        asked = [s for s in self._told if s.receiver in ("agent", "person")]
        return _ANSWERS.get(asked[-1].name, asked[-1].name) if asked else "an answer"

    @property
    def _told(self) -> list[Step]:
        return [step for step in self._facts.steps if step.name != "cancel"]

    @property
    def _last_step(self) -> Step | None:
        return self._told[-1] if self._told else None

    @property
    def listed(self) -> str:
        return printable(", ".join(self._server_algorithms), limit=_LIMIT)

    @property
    def _server_algorithms(self) -> list[str]:
        value = dict(self._facts.extensions).get("server-sig-algs", "")
        return value.split(",") if value else []

    @property
    def keygen(self) -> str:
        for name, kind in _KINDS.items():
            if name in self._server_algorithms:
                return f"ssh-keygen -t {kind}"
        return "ssh-keygen"

    @property
    def refusals(self) -> str:
        """
        All that the server has refused in this login.
        """
        refused = [a.method for a in self._facts.attempts if _is_refused(a)]
        kinds = dict.fromkeys(refused)
        return listed([_of_kind(kind, refused.count(kind)) for kind in kinds]) or (
            "whatever it had seen"
        )

    @property
    def fewer(self) -> str:
        refused = [a.method for a in self._facts.attempts if _is_refused(a)]
        return _FEWER_KEYS if "publickey" in refused else _WAIT

    @property
    def last_proof(self) -> str:
        if not self._facts.attempts:
            return "what was sent"
        method = self._facts.attempts[-1].method
        return "a signature" if method == "publickey" else _of_kind(method, 1)

    @property
    def said(self) -> str:
        """
        The server's last banner.
        """
        banners = [
            printable(each.strip().rstrip("."), limit=_LIMIT) for each in self._banners
        ]
        return f', after it had said "{banners[-1]}"' if banners else ""

    @property
    def _banners(self) -> tuple[str, ...]:
        return tuple(filter(str.strip, self._facts.banners))

    @property
    def lasts(self) -> str:
        last = [str(a) for a in self._facts.attempts if a.method != "none"]
        return "; ".join(last[-_MOST_NAMED:]) or "nothing could be tried"

    # Of the attempts.

    @property
    def method(self) -> str:
        return self._attempts[0].method

    @property
    def reason(self) -> str:
        return next((each.reason for each in self._attempts if each.reason), "") or (
            self.ending
        )

    @property
    def files(self) -> str:
        """
        What is wrong with each file.
        """
        return named(dict.fromkeys(map(_of_file, self._attempts)))

    @property
    def source(self) -> str:
        return printable(self._attempts[0].source or "what it was shown")

    @property
    def sources(self) -> str:
        return " ".join(printable(a.source) for a in self._attempts if a.source)

    @property
    def times(self) -> str:
        count = len(self._attempts)
        return "" if count == 1 else " twice" if count == 2 else f" {count} times"

    @property
    def passwords(self) -> str:
        count = len(self._attempts)
        return "the password" if count == 1 else f"{count} passwords"

    @property
    def keys(self) -> str:
        shown = [_key(attempt) for attempt in self._attempts]
        if len(shown) == 1:
            return f"the key {shown[0]}"
        return f"{len(shown)} keys ({named(shown)})"

    @property
    def skipped(self) -> str:
        return f"{self.keys} {'was' if len(self._attempts) == 1 else 'were'}"

    @property
    def left_out(self) -> str:
        count = len(self._attempts)
        return "one key was" if count == 1 else f"{count} keys were"

    @property
    def none_of(self) -> str:
        count = len(self._attempts)
        if count == 1:
            return f"{self.keys} is not"
        return f"none of the {count} keys that were offered is"

    @property
    def certificates(self) -> str:
        shown = [_key(attempt) for attempt in self._attempts]
        if len(shown) == 1:
            return f"the certificate {shown[0]}"
        return f"any of {len(shown)} certificates ({named(shown)})"

    @property
    def refused(self) -> str:
        return _of_kind(self.method, len(self._attempts))

    @property
    def server_failed(self) -> str:
        return next((each.reason for each in self._attempts if each.reason), "") or (
            f"the server takes no ticket for {self.user}: it refused before it had "
            "seen one"
        )


_FEWER_KEYS = (
    "Name the right key to have it tried first (client_keys=, -i), or lower "
    "max_auth_tries to what the server allows: it counts every key, and a "
    "certificate besides (MaxAuthTries of sshd)"
)
_WAIT = (
    "Check what was given, and wait a while before you try again: a server may "
    "count what is refused to a whole address (PerSourcePenalties, fail2ban)"
)

#: A type of signature, and what makes a key for it; the better first.
_KINDS = {
    "ssh-ed25519": "ed25519",
    "ecdsa-sha2-nistp256": "ecdsa",
    "ecdsa-sha2-nistp384": "ecdsa -b 384",
    "ecdsa-sha2-nistp521": "ecdsa -b 521",
    "rsa-sha2-512": "rsa",
    "rsa-sha2-256": "rsa",
    "ssh-rsa": "rsa",
}

_NOUNS = {
    "publickey": ("a key", "keys"),
    "password": ("a password", "passwords"),
    "keyboard-interactive": ("answers", "sets of answers"),
    "hostbased": ("the word of this host", "keys of this host"),
    "gssapi-with-mic": ("a ticket", "tickets"),
}


def _is_refused(attempt: Attempt) -> bool:
    return attempt.outcome == "refused" and attempt.method != "none"


def _of_kind(method: str, count: int) -> str:
    one, many = _NOUNS.get(method, (method, method))
    return one if count == 1 else f"{count} {many}"


def _of_file(attempt: Attempt) -> str:
    """
    What is wrong with a file, by its name.  Where a key was known and was to sign,
    the reason names the file.
    """
    if attempt.key is None and attempt.source:
        return f"{printable(attempt.source)}: {attempt.reason}"
    return attempt.reason


def _key(attempt: Attempt) -> str:
    source = printable(attempt.source) if attempt.source else ""
    if attempt.key is None:
        return source or "that was given"
    return f"{attempt.key} ({source})" if source else str(attempt.key)


def capital(words: str) -> str:
    """
    Words as a sentence begins with them.
    """
    return words[:1].upper() + words[1:]


def listed(words: Sequence[str], last: str = "and") -> str:
    """
    Words in a row, as in "one, two and three".
    """
    *first, end = words or ("",)
    return f"{', '.join(first)} {last} {end}" if first else end


def named(things: Iterable[str]) -> str:
    """
    Some things by their names, and how many more there are.
    """
    every = list(things)
    more = len(every) - _MOST_NAMED
    shown = "; ".join(every[:_MOST_NAMED])
    return f"{shown}; and {more} more" if more > 0 else shown

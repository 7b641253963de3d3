# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
An owner of a login whose answers are drawn at random: values, nothing, garbage,
failures, Deferreds that fire late or after they were cancelled, coroutines.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from conch_auth.agent import AgentKey, SSHAgentClient
from conch_auth.loopback import generate_key
from conch_auth.userauth import SSHUserAuthClient
from tests.gss import LAST, Last, ScriptedContext
from tests.support import NextService

#: Every secret has this in it, and nothing else has.
PLANTED = "PLANTED"
SECRETS = [f"{PLANTED}-{n}" for n in range(3)]

KEYS = [generate_key(), generate_key(), generate_key("ssh-rsa")]


class PlannedFailure(Exception):
    """
    An owner fails, as it was meant to.
    """


class Garbage:
    """
    What no question has for an answer.
    """

    def __repr__(self) -> str:
        return "garbage"


class HalfAKey:
    """
    Has the look of a key.
    """

    def sshType(self) -> bytes:
        return b"ssh-half\x1b[31m"

    def blob(self) -> bytes:
        return b"\x00\x00\x00\x04half"


class Held(Deferred[Any]):
    """
    An answer that comes when the test lets it, or when nobody wants it.

    @ivar value: what it will be; an exception fails it.
    @ivar wanted: whether it was neither answered nor cancelled.
    """

    def __init__(self, value: Any, manner: str) -> None:
        super().__init__()
        self.value, self.manner = value, manner
        self.wanted = True
        self._given = False

    def cancel(self) -> None:
        self.wanted = False
        if self.manner == "raises":
            raise PlannedFailure("it cannot be cancelled")
        if self.manner == "answers":
            self.answer()
        super().cancel()

    def answer(self) -> None:
        """
        The answer comes, wanted or not.
        """
        self.wanted = False
        if self._given:
            return
        self._given = True
        if isinstance(self.value, Exception):
            self.errback(self.value)
        else:
            self.callback(self.value)


class Context(ScriptedContext):
    """
    Its tokens are wanted from when they are asked for.
    """

    def step(self, mechanism: str, token: bytes | None) -> Any:
        answer = super().step(mechanism, token)
        if isinstance(answer, Held):
            answer.wanted = True
        return answer


async def _coroutine(value: Any) -> Any:
    if isinstance(value, Deferred):
        return await value
    if isinstance(value, Exception):
        raise value
    return value


class RandomOwner(SSHUserAuthClient):
    """
    @ivar fate: what its choices are made by: the last number is for the next.
    @ivar ssh_agent: what holds some of its keys.
    @ivar held: the answers that have not been given.
    @ivar questions: how often each question was asked.
    @ivar widest: the most prompts that came at once.
    @ivar shown: the banners.
    """

    # Few enough to be reached.
    maxAttempts = 6
    maxPasswordAttempts = 2
    maxInteractiveAttempts = 2
    maxRounds = 3
    maxPrompts = 4
    maxTokenBytes = 64
    maxBanners = 3
    maxBannerBytes = 200

    def __init__(self, ssh_agent: SSHAgentClient) -> None:
        super().__init__(b"alice", NextService())
        self.ssh_agent = ssh_agent
        self.fate: list[int] = []
        self.held: list[Held] = []
        self.widest = 0
        self.shown: list[str] = []

    def choose(self, *options: Any) -> Any:
        """
        One of C{options}; the first where fate has no more to say.
        """
        return options[self.fate.pop() % len(options) if self.fate else 0]

    def _answer(self, *values: Any) -> Any:
        """
        One of C{values}, or another answer, in one of the ways there are.
        """
        other = (None, Garbage(), b"", 0, [], PlannedFailure("not now"))
        value = self.choose(*values, *values, *other)
        how = self.choose("now", "fired", "coroutine", "held", "held in a coroutine")
        if how.startswith("held"):
            held = self._hold(value, self.choose("polite", "raises", "answers"))
            return held if how == "held" else _coroutine(held)
        if how == "coroutine":
            return _coroutine(value)
        if isinstance(value, Exception):
            if how == "fired":
                return fail(value)
            raise value
        return succeed(value) if how == "fired" else value

    def _hold(self, value: Any, manner: str) -> Held:
        held = Held(value, manner)
        self.held.append(held)
        return held

    def getPublicKey(self) -> Any:
        offered = [key.public() for key in KEYS]
        held_by_agent = [
            AgentKey(self.ssh_agent, key.public().blob(), b"\x1b[31mkey")
            for key in KEYS
        ]
        return self._answer(*held_by_agent, *offered, HalfAKey())

    def getPrivateKey(self) -> Any:
        mine = [k for k in KEYS if k.public() == self.lastPublicKey] or KEYS
        return self._answer(*mine)

    def signData(self, publicKey: Any, signData: bytes) -> Any:
        algorithm = self.signatureAlgorithm
        if isinstance(publicKey, AgentKey) and algorithm and self.choose(True, False):
            return publicKey.sign(signData, algorithm)
        if self.choose(True, False):
            return super().signData(publicKey, signData)
        kind = algorithm if algorithm and algorithm.startswith(b"rsa") else None
        return self._answer(
            *(key.sign(signData, kind) for key in KEYS if key.type() != "RSA"),
            KEYS[2].sign(signData, kind or b"rsa-sha2-256"),
            KEYS[2].sign(signData, b"ssh-rsa"),
            b"\x00\x00\x00\x0bssh-ed25519",
        )

    def getPassword(self, prompt: bytes | None = None) -> Any:
        return self._answer(SECRETS[0], SECRETS[1].encode())

    def getGenericAnswers(self, name: bytes, instruction: bytes, prompts: Any) -> Any:
        self.widest = max(self.widest, len(prompts))
        right = [SECRETS[2].encode()] * len(prompts)
        return self._answer(right, [SECRETS[2], *right], [""] * len(prompts))

    def getSubmethods(self) -> Any:
        return self._answer("pam", b"")

    def getHostKey(self) -> Any:
        return self._answer(KEYS[0], KEYS[2], KEYS[0].public())

    def getClientHost(self) -> Any:
        return self._answer("client.example", b"client")

    def getClientUser(self) -> Any:
        return self._answer("root", b"alice")

    def getGSSAPIContext(self) -> Any:
        tokens = [
            self.choose(LAST, b"token", Last(b"last"), b"x" * 65, None)
            for _ in range(3)
        ]
        if self.choose(False, True):
            tokens[0] = self._hold(b"late token", "polite")
            tokens[0].wanted = False
        return self._answer(
            Context(tokens, has_integrity=self.choose(True, False)),
            Context([PlannedFailure("no ticket")]),
            Context(tokens, mic=PlannedFailure("no MIC")),
        )

    # Nobody waits for what these return.

    def bannerReceived(self, message: str, language: str) -> Any:
        self.shown.append(message)
        return self._told()

    def informationReceived(self, name: bytes, instruction: bytes) -> Any:
        return self._told()

    def passwordChanged(self) -> Any:
        return self._told()

    def passwordChangeFailed(self) -> Any:
        return self._told()

    def _told(self) -> Any:
        before = len(self.held)
        answer = self._answer(None)
        for held in self.held[before:]:
            held.wanted = False
        return answer

"""
The keys that C{connect} offers, in their order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any

from conch_auth import names
from conch_auth._awaiting import as_deferred
from conch_auth._options import DEFAULT_PORT, Options
from conch_auth._signers import CertifiedSigner, problem_of
from conch_auth._sure import is_sure
from conch_auth.agent import AgentKey, SSHAgentClient
from conch_auth.errors import AgentError
from conch_auth.interfaces import ISigner
from conch_auth.keys import Keys, LockedKey, default_identities, load_keys
from conch_auth.memory import Recollection
from conch_auth.plan import Candidate, Circumstances, Step, keys_allowed, plan_keys


class Wallet:
    """
    The keys of one login: those of the options or the user's own, and those of
    the agent.

    @ivar keys: what is still to be offered.
    @ivar host_key_proof: the host key, the session identifier and the key's
        signature of it, for the agent; C{None} where they are not known.
    @ivar allowed: how many keys the server may refuse before no other is
        offered; C{None} for no limit.
    @ivar budget: why it is no more, in words.
    @ivar left_out: the keys beyond it, until they are taken from here.
    @ivar sure: the key that was taken last, where it L{is_sure}.

    @param ask_person: given a name for the report, calls what asks a person for
        a passphrase, with the arguments that follow, and gives a Deferred of
        the answer.
    """

    def __init__(
        self,
        options: Options,
        reactor: Any,
        ask_person: Callable[..., Any] = lambda _, *asked: as_deferred(*asked),
    ) -> None:
        self.keys = Keys()
        self._loaded: list[Keys] = []
        self._options = options
        self._reactor = reactor
        self._ask_person = ask_person
        self._agent: SSHAgentClient | None = None
        self.host_key_proof: tuple[bytes, bytes, bytes] | None = None
        self.allowed: int | None = None
        self.budget = ""
        self.left_out: list[Step] = []
        self.sure: ISigner | None = None
        self._found: list[Candidate] = []
        self._last: Any = None

    @cached_property
    def recollection(self) -> Recollection:
        """
        What is remembered of this user on this host.
        """
        options = self._options
        if options.memory is None:
            return Recollection()
        port = options.port or DEFAULT_PORT
        return options.memory.recall(options.username or "", options.host, port)

    def circumstances(
        self, spent: int = 0, kept_for: Sequence[str] = (), **known: Any
    ) -> Circumstances:
        """
        What the keys are to be planned by.

        @param spent: requests that the server has refused already, but for keys.
        @param kept_for: what comes after the keys.
        @param known: what else is known of the server.
        """
        limit = self._options.max_auth_tries
        return Circumstances(
            tries=None if limit is None else limit - spent,
            limit=limit,
            kept_for=kept_for,
            recollection=self.recollection,
            remembering=self._options.memory is not None,
            **known,
        )

    async def open(self, skipped: Callable[..., object]) -> None:
        """
        Find the keys.

        @param skipped: called with the source of what cannot be used, the
            reason in words, and as one of L{conch_auth.diagnosis.CAUSES}.
        """
        found = await self.candidates(skipped)
        self._found = [each for each in found if each.item]

    def plan(self, circumstances: Circumstances, refused: int = 0) -> None:
        """
        Decide which of the keys that were not taken yet to offer.

        @param refused: how many keys were refused already.
        """
        steps = plan_keys(self._found, circumstances, refused)
        self.keys[:] = [step.item for step in steps if not step.dropped]
        tried = [step.item for step in steps if not step.left_out]
        self._last = tried[-1] if tried else None
        self.left_out = [step for step in steps if step.over_budget]
        if not tried:
            self.left_out += [s for s in steps if s.cause == "identities-only"]
        self.allowed = keys_allowed(circumstances)
        self.budget = circumstances.budget()

    async def candidates(self, skipped: Callable[..., object]) -> list[Candidate]:
        """
        Every key that there is, in OpenSSH's order, behind what cannot be read.
        """
        self.keys = self._kept(self._own_keys())
        own = list(self.keys)
        held = await self._agent_keys(skipped)
        given = self._options.client_keys != ()
        named = {key.blob() for key in own if not isinstance(key, LockedKey)}
        unreadable = [
            Candidate(problem.path, problem=problem.words, cause=problem.cause)
            for problem in self.keys.unusable
        ]
        return unreadable + [
            self._candidate(key, named, given) for key in in_order(own, held, given)
        ]

    def _candidate(
        self, key: ISigner | LockedKey, named: Collection[bytes], given: bool
    ) -> Candidate:
        if isinstance(key, LockedKey):
            return Candidate(key.source, given=given, item=key)
        problem, blob = problem_of(key), key.blob()
        return Candidate(
            key.source,
            blob,
            key.algorithms,
            given=given and blob in named,
            problem="" if problem is None else problem.words,
            cause="" if problem is None else problem.cause,
            unwanted=self._options.identities_only and blob not in named,
            item=key,
        )

    async def take(self) -> ISigner | None:
        """
        The next key; C{None} where there is no more.
        """
        before = list(self.keys)
        key = await self.keys.take()
        self.sure = key if key is not None and self._is_sure(key, self.keys) else None
        gone = [each for each in before if each not in self.keys]
        self._found = [each for each in self._found if each.item not in gone]
        return key

    @property
    def next_is_sure(self) -> bool:
        """
        Whether the key to be taken next is sure to be taken by the server.
        """
        usable = [
            key
            for key in self.keys
            if isinstance(key, LockedKey) or problem_of(key) is None
        ]
        return bool(usable) and self._is_sure(usable[0], usable[1:])

    def _is_sure(
        self, key: ISigner | LockedKey, others: Sequence[ISigner | LockedKey]
    ) -> bool:
        """
        @param others: what would be offered after it.
        """
        given = [each.item for each in self._found if each.given]
        wanted = not others or (
            key in given and not any(other in given for other in others)
        )
        found = any(each.item is key for each in self._found)
        return found and is_sure(key, wanted, self.recollection)

    def is_last(self, key: ISigner | None) -> bool:
        """
        Whether no other key comes after C{key}.
        """
        return key is self._last or not self.keys

    def take_left_out(self) -> list[Step]:
        """
        What L{left_out} has held: each is told once.
        """
        left_out, self.left_out = self.left_out, []
        return left_out

    def add(self, given: Any) -> None:
        """
        Offer what a client gave.
        """
        self.keys = self._kept(self._load(given))

    def _kept(self, loaded: Keys) -> Keys:
        self._loaded.append(loaded)
        return loaded

    def close(self) -> None:
        """
        Keep no decrypted key, no passphrase and no connection to the agent.
        """
        self._options = self._options.without_secrets()
        for loaded in self._loaded:
            loaded.close()
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.close()

    def _own_keys(self) -> Keys:
        options = self._options
        if options.client_keys is None:
            return Keys()
        if options.client_keys == ():
            return default_identities(**self._how())
        return self._load(options.client_keys)

    def _load(self, given: Any) -> Keys:
        return load_keys(given, strict=False, **self._how())

    def _how(self) -> dict[str, Any]:
        options = self._options
        how: dict[str, Any] = {"certificates": options.client_certs}
        if callable(options.passphrase):
            return {**how, "ask_passphrase": self._ask_passphrase}
        return {**how, "passphrase": options.passphrase}

    def _ask_passphrase(self, path: str, attempt: int) -> Any:
        """
        AsyncSSH's function takes no number; here it is asked again where what
        it gave was wrong.
        """
        return self._ask_person("passphrase", self._options.passphrase, path)

    async def _agent_keys(self, skipped: Callable[..., object]) -> Sequence[AgentKey]:
        path = self._options.agent_path
        if path is None:
            return ()
        try:
            self._agent = await SSHAgentClient.connect(path or None, self._reactor)
            # Before it is asked for keys: it may have some for this host only.
            if self.host_key_proof is not None:
                await self._agent.bindSession(*self.host_key_proof)
            held = await self._agent.identities()
        except AgentError as error:
            # Who has none has not said that there is one.
            if path or os.environ.get("SSH_AUTH_SOCK"):
                skipped(names.AGENT, error.told, error.cause)
            return ()
        if path and not held:
            skipped(names.AGENT, "it holds no key, or is locked", "agent-empty")
        return held


def in_order(
    own: Sequence[ISigner | LockedKey],
    held: Sequence[ISigner],
    given: bool,
) -> list[ISigner | LockedKey]:
    """
    Keys of files and keys of an agent, in OpenSSH's order: what both have (the
    agent signs, so that no passphrase is asked for), what only the agent has,
    what only a file has.  Keys that the application gave come before all that
    it did not give.

    @param given: whether the application gave the keys of C{own}.
    """
    by_blob = {key.blob(): key for key in held}
    plain = dict(by_blob)
    both = [_by_agent(key, plain, by_blob) for key in own]
    rest = list(by_blob.values())
    if given:
        return both + rest
    first = [key for key in both if key in held]
    return first + rest + [key for key in both if key not in held]


def _by_agent(
    key: ISigner | LockedKey, held: dict[bytes, ISigner], left: dict[bytes, ISigner]
) -> ISigner | LockedKey:
    """
    The agent's signer in the place of a file's, where it has one.
    """
    if isinstance(key, LockedKey):
        return key
    left.pop(key.blob(), None)
    if isinstance(key, CertifiedSigner):
        signer = held.get(key.signer.blob())
        return CertifiedSigner(signer, key.certificate, key.source) if signer else key
    return held.get(key.blob(), key)

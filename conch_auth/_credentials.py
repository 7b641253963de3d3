"""
The keys that C{connect} offers, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.endpoints import UNIXClientEndpoint

from conch_auth._awaiting import as_deferred
from conch_auth._options import Options
from conch_auth._signers import CertifiedSigner
from conch_auth.agent import AgentKey, SSHAgentClient
from conch_auth.errors import AgentError
from conch_auth.interfaces import ISigner
from conch_auth.keys import Keys, LockedKey, default_identities, load_keys


class Wallet:
    """
    The keys of one login: those of the options or the user's own, and those of
    the agent.

    @ivar keys: what is still to be offered.
    @ivar host_key_proof: the host key, the session identifier and the key's
        signature of it, for the agent; C{None} where they are not known.

    @param ask_person: calls what asks a person for a passphrase, with the
        arguments that follow, and gives a Deferred of the answer.
    """

    def __init__(
        self,
        options: Options,
        reactor: Any,
        ask_person: Callable[..., Any] = as_deferred,
    ) -> None:
        self.keys = Keys()
        self._loaded: list[Keys] = []
        self._options = options
        self._reactor = reactor
        self._ask_person = ask_person
        self._agent: SSHAgentClient | None = None
        self.host_key_proof: tuple[bytes, bytes, bytes] | None = None

    async def open(self, skipped: Callable[[str, str], object]) -> None:
        """
        Find the keys.

        @param skipped: called with the source of what cannot be used and the
            reason.
        """
        self.keys = self._kept(self._own_keys())
        held = await self._agent_keys(skipped)
        self.keys[:] = in_order(
            self.keys,
            held,
            given=self._options.client_keys != (),
            others=not self._options.identities_only,
        )

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
        Keep no decrypted key and no connection to the agent.
        """
        for loaded in self._loaded:
            loaded.forget()
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
        return self._ask_person(self._options.passphrase, path)

    async def _agent_keys(
        self, skipped: Callable[[str, str], object]
    ) -> Sequence[AgentKey]:
        path = self._options.agent_path
        if path is None:
            return ()
        endpoint = UNIXClientEndpoint(self._reactor, path) if path else None
        try:
            self._agent = await SSHAgentClient.connect(endpoint, self._reactor)
            # Before it is asked for keys: it may have some for this host only.
            if self.host_key_proof is not None:
                await self._agent.bindSession(*self.host_key_proof)
            return await self._agent.identities()
        except AgentError as error:
            if path:
                skipped("ssh-agent", str(error))
            return ()


def in_order(
    own: Sequence[ISigner | LockedKey],
    held: Sequence[ISigner],
    *,
    given: bool,
    others: bool,
) -> list[ISigner | LockedKey]:
    """
    Keys of files and keys of an agent, in OpenSSH's order: what both have (the
    agent signs, so that no passphrase is asked for), what only the agent has,
    what only a file has.  Keys that the application gave come before all that
    it did not give.

    @param given: whether the application gave the keys of C{own}.
    @param others: whether keys that only the agent has are wanted.
    """
    by_blob = {key.blob(): key for key in held}
    plain = dict(by_blob)
    both = [_by_agent(key, plain, by_blob) for key in own]
    rest = list(by_blob.values()) if others else []
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

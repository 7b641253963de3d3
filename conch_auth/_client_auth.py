"""
The service that puts its questions to an L{SSHClient}.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from twisted.conch.ssh.service import SSHService
from twisted.internet.defer import Deferred

from conch_auth import _captions, names
from conch_auth._awaiting import as_deferred
from conch_auth._causes import MaybeCause
from conch_auth._client_methods import CallbackKeyboardInteractive, CallbackPassword
from conch_auth._given import KEY_CALLBACK, Credentials, kept_for
from conch_auth._keyfiles import shown
from conch_auth.callbacks import SSHClient, is_overridden
from conch_auth.display import text
from conch_auth.interfaces import ISigner
from conch_auth.messages import (
    PasswordRequest,
)
from conch_auth.methods import METHODS
from conch_auth.plan import MOST_NAMED, Circumstances
from conch_auth.prompts import Challenge
from conch_auth.report import KeyIdentity
from conch_auth.userauth import SSHUserAuthClient

#: A question for the account's password and for nothing else: the word stands
#: alone, or with whose it is.  A stored password answers no other (a server
#: could ask for "the password of your bank").
_PASSWORD_PROMPT = re.compile(
    r"(\([^()]*\) *)?(enter +)?(your +)?(\S+'s +)?"
    r"(password|passcode)( +for +\S+)? *:? *",
    re.IGNORECASE,
)


_KEYS = text(names.PUBLICKEY)


def _asks_for_the_password(challenge: Challenge) -> bool:
    """
    Whether one question is asked, for the password, whose answer is not shown.
    """
    (prompt, *more) = challenge.texts()
    word = _PASSWORD_PROMPT.fullmatch(prompt.prompt)
    return not more and not prompt.echo and word is not None


class ClientUserAuth(SSHUserAuthClient):
    """
    The service, as C{connect} uses it.
    """

    methods = {
        **METHODS,
        names.PASSWORD: CallbackPassword,
        names.KEYBOARD_INTERACTIVE: CallbackKeyboardInteractive,
    }
    #: The password answers one keyboard-interactive question in this login.
    _answersByPassword = False
    _walletOpened = False
    _plannedForList = False
    _keptTryUsed = False
    _heldBack = False
    #: Called when the server has agreed to be logged in to.
    begun: Callable[[], object] = staticmethod(lambda: None)

    def __init__(
        self, instance: SSHService, client: SSHClient, credentials: Credentials
    ) -> None:
        """
        @param client: the L{SSHClient}.
        @param credentials: what goes before the client's own answers.
        """
        super().__init__(credentials.username, instance)
        self.preferredOrder = list(credentials.preferred_auth)
        self._client = client
        self._credentials = credentials

    def tryAuth(self, kind: bytes) -> Any:
        """
        Only methods that are wanted are tried at all.
        """
        return super().tryAuth(kind) if kind in self.preferredOrder else None

    async def _methodsAhead(self) -> list[bytes]:
        credentials = self._credentials
        if credentials.first_method == names.PUBLICKEY:
            await self._conversation.ask(
                "agent", "client_keys", self._planKeys, told=False
            )
            wallet = credentials.wallet
            if wallet.next_is_sure:
                return [names.PUBLICKEY]
            # What cannot be used is told when the keys have their turn.
            others = wallet.keys or wallet.keys.unusable
            if others or is_overridden(self._client, KEY_CALLBACK):
                return []
        return [names.PASSWORD] if credentials.password_is_sure(self._client) else []

    def signsAtOnce(self, key: Any) -> bool:
        return self.eager and key is self._credentials.wallet.sure

    async def getPublicKey(self) -> ISigner | None:
        await self._planKeys()
        wallet = self._credentials.wallet
        if not self._listKnown and self.eager and not wallet.next_is_sure:
            return None
        key = await self._takeKey()
        if key is None and self._mayAskForKeys():
            given = await self.askPerson(
                KEY_CALLBACK, self._client.public_key_auth_requested
            )
            if given:
                wallet.add(given)
                key = await self._takeKey()
        return key

    @property
    def _listKnown(self) -> bool:
        return self._conversation.server_methods is not None

    async def _planKeys(self) -> None:
        """
        Find the keys, and decide which of them to offer: anew when the server
        has listed its methods, for some of which tries are to be kept.
        """
        wallet = self._credentials.wallet
        if not self._walletOpened:
            self._walletOpened = True
            wallet.host_key_proof = getattr(self.transport, "hostKeyProof", None)
            await wallet.open(self.keySkipped)
            self._plan()
        elif self._listKnown and not self._plannedForList:
            self._plan()

    def _plan(self) -> None:
        self._plannedForList = self._listKnown
        self._credentials.wallet.plan(self._circumstances(), self._refused()[_KEYS])

    def _circumstances(self) -> Circumstances:
        listed = self._conversation.server_methods or ()
        order = self.preferredOrder
        after = order[order.index(names.PUBLICKEY) + 1 :]
        return self._credentials.wallet.circumstances(
            sum(n for method, n in self._refused().items() if method != _KEYS),
            kept_for(
                self._client,
                self._credentials.password is not None,
                [name for name in after if name in listed],
            ),
            allowed=self.signatureAlgorithms,
            listed=self.serverSignatureAlgorithms(),
        )

    def _refused(self) -> Counter[str]:
        """
        How many requests the server counts as refused, by method.
        """
        refused = Counter(
            attempt.method
            for attempt in self.report.attempts
            if attempt.outcome == "refused"
        )
        del refused["none"]
        return refused

    def _mayOffer(self) -> bool:
        """
        Whether a key is left within the budget.  What was not known when the
        plan was made is held back here.
        """
        allowed = self._credentials.wallet.allowed
        return allowed is None or allowed > self._refused()[_KEYS]

    def _mayAskForKeys(self) -> bool:
        """
        Whether the client may be asked for keys: one try was kept for them.
        """
        wallet = self._credentials.wallet
        if wallet.allowed is not None and not self._keptTryUsed:
            self._keptTryUsed = True
            if is_overridden(self._client, KEY_CALLBACK):
                wallet.allowed += 1
        return self._mayOffer()

    async def _takeKey(self) -> ISigner | None:
        """
        The next key; what was found to be of no use goes into the report.
        """
        wallet = self._credentials.wallet
        key = await wallet.take() if self._mayOffer() else None
        keys = wallet.keys
        unusable, keys.unusable = keys.unusable, []
        for problem in unusable:
            self.keySkipped(shown(problem.path), problem.problem, problem.cause)
        if key is None or wallet.is_last(key):
            # The server may hang up at the last one: this is told before.
            self._tellLeftOut()
        if key is None and not self._mayOffer():
            self._tellHeldBack()
        return key

    def _tellHeldBack(self) -> None:
        """
        What no plan could foresee, a client's own keys above all, may exceed
        the budget as well.
        """
        wallet = self._credentials.wallet
        more = wallet.keys or is_overridden(self._client, KEY_CALLBACK)
        if more and not self._heldBack:
            self._heldBack = True
            self.keySkipped(
                "", f"{wallet.budget}; no other key is offered", "keys-left-out"
            )

    def _tellLeftOut(self) -> None:
        left_out = self._credentials.wallet.take_left_out()
        for step in left_out[:MOST_NAMED]:
            self.keySkipped(step.source, step.left_out, step.cause, key=step.key)
        if len(left_out) > MOST_NAMED:
            more = len(left_out) - MOST_NAMED
            self.keySkipped(
                "", f"{more} more keys are left out, as those before", "keys-left-out"
            )

    def askPerson(
        self, name: str, question: Callable[..., Any], *arguments: Any
    ) -> Deferred[Any]:
        """
        Ask a person in the middle of another question: the time this takes is
        the person's.

        @param name: what the report calls it.
        """
        conversation = self._conversation
        conversation.recorder.step("client", "person", name)
        conversation.wait("person")
        asked = as_deferred(question, *arguments)
        # After a failure there is no more to wait for.
        return asked.addCallback(self._personAnswered)

    def _personAnswered(self, answer: Any) -> Any:
        conversation = self._conversation
        if not conversation.ended:
            told = _captions.of_answer(answer)
            conversation.recorder.step("person", "client", "answer", told)
            conversation.wait("agent")
        return answer

    def keySkipped(
        self,
        source: str,
        reason: str,
        cause: MaybeCause,
        method: bytes = names.PUBLICKEY,
        key: KeyIdentity | None = None,
    ) -> None:
        """
        A key or certificate was left out before it was offered.
        """
        self._conversation.recorder.skip(
            method, "skipped", reason, cause=cause, source=source or None, key=key
        )

    async def getHostKey(self) -> ISigner | None:
        host = self._credentials.host
        if host is None:
            return None
        return await host.take(
            self.transport, partial(self.keySkipped, method=names.HOSTBASED)
        )

    def getClientHost(self) -> Any:
        host = self._credentials.host
        return super().getClientHost() if host is None else host.name(self.transport)

    def serviceStopped(self) -> None:
        super().serviceStopped()
        self._credentials.close()

    def signData(self, publicKey: ISigner, signData: bytes) -> Any:
        assert self.signatureAlgorithm is not None
        return publicKey.sign(signData, self.signatureAlgorithm)

    async def getPassword(self, prompt: bytes | None = None) -> Any:
        credentials = self._credentials
        if credentials.password is not None:
            if not self._conversation.requests:
                # It may still be an answer, where the server takes no password.
                return credentials.password
            return await credentials.take_password()
        return await as_deferred(self._client.password_auth_requested)

    def getPasswordChange(self, prompt: str, language: str) -> Any:
        """
        The old password and a new one, or C{NotImplemented}.
        """
        return self._client.password_change_requested(prompt, language)

    def ssh_USERAUTH_PK_OK_password(self, packet: bytes) -> None:
        self._credentials.password = None
        super().ssh_USERAUTH_PK_OK_password(packet)

    def _methodsToTry(self) -> Iterator[bytes]:
        listed = self._conversation.server_methods or ()
        if isinstance(self._conversation.request, PasswordRequest) and (
            names.PASSWORD in listed or self.authenticatedWith
        ):
            self._credentials.password = None
        return super()._methodsToTry()

    async def getSubmethods(self) -> Any:
        wanted = await as_deferred(self._client.kbdint_auth_requested)
        if wanted is not NotImplemented:
            self._answersByPassword = False
            return wanted
        if self._credentials.password is None:
            return None
        self._answersByPassword = True
        return ""

    def getChallengeAnswers(self, asked: Challenge) -> Any:
        """
        The answers to a round, or C{None}.
        """
        if self._answersByPassword:
            return self._passwordFor(asked)
        return self._client.kbdint_challenge_received(
            text(asked.name),
            text(asked.instruction),
            text(asked.language),
            asked.texts(),
        )

    async def _passwordFor(self, asked: Challenge) -> Any:
        if not asked.asked:
            return []
        if not _asks_for_the_password(asked):
            return None
        password = await self._credentials.take_password()
        return None if password is None else [password]

    def serviceStarted(self) -> None:
        self.begun()
        super().serviceStarted()

    def _startLogin(self) -> None:
        as_deferred(self._client.begin_auth, self._credentials.username).addErrback(
            self._hookFailed, "begin_auth"
        )
        super()._startLogin()

    def bannerReceived(self, message: str, language: str) -> Any:
        return self._client.auth_banner_received(message, language)

    def touchRequested(self, key: ISigner) -> Any:
        return self._client.touch_requested(key)

    def passwordChanged(self) -> Any:
        return self._client.password_changed()

    def passwordChangeFailed(self) -> Any:
        return self._client.password_change_failed()

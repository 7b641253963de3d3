"""
The service that puts its questions to an L{SSHClient}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from twisted.conch.ssh.service import SSHService
from twisted.internet.defer import Deferred

from conch_auth import _captions, names
from conch_auth._awaiting import as_deferred
from conch_auth._causes import MaybeCause
from conch_auth._credentials import Wallet
from conch_auth._host_credentials import HostWallet
from conch_auth.callbacks import SSHClient, is_overridden
from conch_auth.display import text
from conch_auth.errors import UnusableAnswer
from conch_auth.interfaces import ISigner
from conch_auth.messages import InfoRequest, PasswordChangeRequest
from conch_auth.methods import METHODS, KeyboardInteractive, Password
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


_KEY_CALLBACK = "public_key_auth_requested"


@dataclass
class Credentials:
    """
    What C{connect} was given to log in with.

    @ivar wallet: the keys.
    @ivar host: what this host vouches with; C{None} where it does not.
    @ivar password: text, bytes, or what returns or awaits it.  It is used once.
    @ivar preferred_auth: the methods to use, and no others, in this order.
    """

    username: str
    wallet: Wallet
    host: HostWallet | None = None
    password: Any = field(default=None, repr=False)
    preferred_auth: Sequence[bytes] = (
        names.PUBLICKEY,
        names.KEYBOARD_INTERACTIVE,
        names.PASSWORD,
    )

    async def take_password(self) -> Any:
        """
        The password, which is gone afterwards.
        """
        password, self.password = self.password, None
        if callable(password):
            password = password()
        return await as_deferred(lambda: password)

    def close(self) -> None:
        """
        Keep no secret.
        """
        self.password = None
        self.wallet.close()
        if self.host is not None:
            self.host.close()


def kept_for(
    client: SSHClient, has_password: bool, methods: Sequence[bytes]
) -> list[str]:
    """
    What needs a try of its own when the keys that were found are used up.

    @param has_password: whether C{connect} was given one.
    @param methods: the methods that come after the keys, in order.
    """
    answered = {
        method
        for method, callback in _ANSWERS.items()
        if method in methods and is_overridden(client, callback)
    }
    if has_password:
        # It is sent once: as an answer only where it cannot be sent as itself.
        by = names.PASSWORD if names.PASSWORD in methods else names.KEYBOARD_INTERACTIVE
        answered |= {by}.intersection(methods)
    own = [_KEY_CALLBACK] if is_overridden(client, _KEY_CALLBACK) else []
    return own + [text(method) for method in methods if method in answered]


_ANSWERS = {
    names.PASSWORD: "password_auth_requested",
    names.KEYBOARD_INTERACTIVE: "kbdint_auth_requested",
}


def _asks_for_the_password(challenge: Challenge) -> bool:
    """
    Whether one question is asked, for the password, whose answer is not shown.
    """
    (prompt, *more) = challenge.texts()
    word = _PASSWORD_PROMPT.fullmatch(prompt.prompt)
    return not more and not prompt.echo and word is not None


class CallbackPassword(Password):
    """
    Asks for both passwords of a change at once.
    """

    async def _new_password(self, request: PasswordChangeRequest) -> bool:
        changed = await self.ask(
            "person",
            "getPasswordChange",
            text(request.prompt),
            text(request.language),
        )
        if changed is NotImplemented or changed is None:
            return False
        try:
            old, new = changed
        except (TypeError, ValueError):
            raise UnusableAnswer(
                "password_change_requested", "gave no pair of passwords"
            ) from None
        self.service._setOldPass(old)
        self.service._setNewPass(new)
        return True


class CallbackKeyboardInteractive(KeyboardInteractive):
    """
    Shows the client every round, those without a prompt included.
    """

    async def _answers(self, request: InfoRequest) -> Any:
        asked = self._challenge(request)
        answers = await self.ask("person", "getChallengeAnswers", asked)
        if answers is not None and len(answers) != len(request.prompts):
            raise UnusableAnswer(
                "kbdint_challenge_received",
                f"gave {len(answers)} answers to {len(request.prompts)} prompts",
            )
        return answers


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

    async def getPublicKey(self) -> ISigner | None:
        wallet = self._credentials.wallet
        if not self._walletOpened:
            self._walletOpened = True
            wallet.host_key_proof = getattr(self.transport, "hostKeyProof", None)
            await wallet.open(self.keySkipped, self._circumstances())
        key = await self._takeKey()
        if key is None and self._mayAskForKeys():
            given = await self.askPerson(
                _KEY_CALLBACK, self._client.public_key_auth_requested
            )
            if given:
                wallet.add(given)
                key = await self._takeKey()
        return key

    def _circumstances(self) -> Circumstances:
        listed = self._conversation.server_methods or ()
        order = self.preferredOrder
        after = order[order.index(names.PUBLICKEY) + 1 :]
        return self._credentials.wallet.circumstances(
            self._refused(),
            kept_for(
                self._client,
                self._credentials.password is not None,
                [name for name in after if name in listed],
            ),
            allowed=self.signatureAlgorithms,
            listed=self.serverSignatureAlgorithms(),
        )

    def _refused(self) -> int:
        """
        How many requests the server counts as refused.
        """
        return sum(
            attempt.outcome == "refused" and attempt.method != "none"
            for attempt in self.report.attempts
        )

    def _mayOffer(self) -> bool:
        """
        Whether a key is left within the budget.  What was not known when the
        plan was made is held back here.
        """
        allowed = self._credentials.wallet.allowed
        return allowed is None or allowed > sum(
            attempt.outcome == "refused" and attempt.method == "publickey"
            for attempt in self.report.attempts
        )

    def _mayAskForKeys(self) -> bool:
        """
        Whether the client may be asked for keys: one try was kept for them.
        """
        wallet = self._credentials.wallet
        if wallet.allowed is not None and not self._keptTryUsed:
            self._keptTryUsed = True
            if is_overridden(self._client, _KEY_CALLBACK):
                wallet.allowed += 1
        return self._mayOffer()

    async def _takeKey(self) -> ISigner | None:
        """
        The next key; what was found to be of no use goes into the report.
        """
        wallet = self._credentials.wallet
        keys = wallet.keys
        key = await keys.take() if self._mayOffer() else None
        unusable, keys.unusable = keys.unusable, []
        for problem in unusable:
            self.keySkipped(problem.path, problem.told, problem.cause)
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
        more = wallet.keys or is_overridden(self._client, _KEY_CALLBACK)
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
        if self._credentials.password is not None:
            return await self._credentials.take_password()
        return await as_deferred(self._client.password_auth_requested)

    def getPasswordChange(self, prompt: str, language: str) -> Any:
        """
        The old password and a new one, or C{NotImplemented}.
        """
        return self._client.password_change_requested(prompt, language)

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
        as_deferred(self._client.begin_auth, self._credentials.username).addErrback(
            self._hookFailed, "begin_auth"
        )
        super().serviceStarted()

    def bannerReceived(self, message: str, language: str) -> Any:
        return self._client.auth_banner_received(message, language)

    def touchRequested(self, key: ISigner) -> Any:
        return self._client.touch_requested(key)

    def passwordChanged(self) -> Any:
        return self._client.password_changed()

    def passwordChangeFailed(self) -> Any:
        return self._client.password_change_failed()

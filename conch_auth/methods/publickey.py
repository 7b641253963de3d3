"""
The C{publickey} method (RFC 4252, section 7; RFC 8332), and its host-bound kind
(OpenSSH's PROTOCOL, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.conch.ssh.agent import SSHAgentClient
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from conch_auth import algorithms, names, signing
from conch_auth._asking import Superseded
from conch_auth._causes import MaybeCause
from conch_auth.errors import UnusableAnswer
from conch_auth.interfaces import ISigner
from conch_auth.messages import HostBoundRequest, PublicKeyOk, PublicKeyRequest
from conch_auth.methods._base import Method
from conch_auth.report import KeyIdentity

_SHA1_ONLY = (
    "Conch's agent client has RSA keys sign with SHA-1 only, that of "
    "conch_auth.agent with SHA-2"
)


class PublicKey(Method):
    """
    Offers key after key, and signs with the one that the server would take.
    """

    name = names.PUBLICKEY
    # Whether the key that was last looked at was left out.
    _passed_over = False
    # Whether its signer can make no RSA signature but SHA-1.
    _signer_is_sha1_only = False
    # The request that is to be signed though the server was not asked.
    _unasked: PublicKeyRequest | None = None
    # Whether a key was offered once more, which the server had not judged.
    _offered_again = False
    # The request with an older kind of signature, where the signer can make
    # no other.
    _fallback: PublicKeyRequest | None = None

    def start(self) -> Deferred[bool]:
        """
        Offer the next key.

        @return: C{True} once a key was sent, C{False} when there is none.
        """
        return Deferred.fromCoroutine(self._begin())

    async def _start(self) -> bool:
        if self.given_up:
            return False
        # The bound is for an owner that offers the same key for ever.
        for _ in range(self.service.maxAttempts):
            self._passed_over = False
            answer = await self._next_key()
            if self.conversation.is_ahead and _is_key(answer):
                await self._extensions(answer)
            offered = self.service._cbGetPublicKey(answer)
            if isinstance(offered, Deferred):
                offered = await offered
            if offered or not self._passed_over:
                return bool(offered)
        return False

    async def _extensions(self, key: Any) -> None:
        """
        Wait for the server's EXT_INFO where it decides between algorithms, or
        where an agent might sign for a named host only.
        """
        in_memory = getattr(key, "in_memory", not ISigner.providedBy(key))
        if not in_memory or len(self._algorithms_of(key)) > 1:
            await self.conversation.ask(
                "server", "EXT_INFO", self.service.whenExtensionsKnown, told=False
            )

    async def _next_key(self) -> Any:
        if self.conversation.unjudged and not self._offered_again:
            self._offered_again = True
            if self.service.lastPublicKey is not None:
                return self.service.lastPublicKey
        sha1_only = _keys_of_conch_agent(self.service)
        try:
            answer = await self.ask("agent", "getPublicKey")
        except Superseded:
            raise
        except Exception:
            return Failure()
        self._signer_is_sha1_only = bool(
            sha1_only and _is_key(answer) and answer.blob() in sha1_only
        )
        return answer

    def offer(self, answer: Any) -> bool:
        """
        Ask the server whether a key would do (RFC 4252, section 7), or sign with
        it at once.

        @param answer: what C{getPublicKey} gave: a key, C{None} or a failure.
        @return: whether a request was sent, or is to be.
        """
        if answer is None:
            self.has_nothing("no key was offered", "no-key")
            return False
        if isinstance(answer, Failure) or not _is_key(answer):
            self._cannot_offer(answer)
            return False
        self.service.lastPublicKey = answer
        self.service.triedPublicKeys.append(answer)
        blob = answer.blob()
        choice = algorithms.choose_signature(
            self._algorithms_of(answer),
            self.service.signatureAlgorithms,
            self.service.serverSignatureAlgorithms(),
        )
        if choice.algorithm is None or blob in self.conversation.spent_keys:
            reason, cause = choice.reason, choice.cause
            if self._signer_is_sha1_only:
                reason, cause = f"{reason}; {_SHA1_ONLY}", "sha1-only"
            self._pass_over(answer, reason, cause)
            return False
        self.conversation.sources[blob] = _source_of(answer)
        self.conversation.algorithm_reasons[blob] = choice.reason
        request = PublicKeyRequest(choice.algorithm, blob)
        if self.service.signsAtOnce(answer):
            self._unasked, self._fallback = request, None
            self._go_on(self._sign())
        else:
            self._unasked = None
            self.request(request)
        return True

    def _algorithms_of(self, key: Any) -> Sequence[bytes]:
        if ISigner.providedBy(key):
            signer: ISigner = key
            return signer.algorithms
        able = algorithms.signature_algorithms(key.sshType())
        return able[-1:] if self._signer_is_sha1_only else able

    def _cannot_offer(self, answer: Any) -> None:
        """
        Conch's own getPublicKey may fail to say that it has no more keys, so
        this is no reason to stop; but it is not asked again.
        """
        if not isinstance(answer, Failure):
            problem = f"gave {type(answer).__name__}, which is not a public key"
            answer = Failure(UnusableAnswer("getPublicKey", problem))
        self.give_up()
        self.conversation.could_not_start(self.name, answer)

    def _pass_over(self, key: Any, reason: str, cause: MaybeCause) -> None:
        """
        Leave a key out, and say why, but once only.
        """
        self._passed_over = True
        key_type, blob = key.sshType(), key.blob()
        if blob in self.conversation.spent_keys:
            reason, cause = self.conversation.spent_keys[blob], ""
        identity = KeyIdentity.of(key_type, blob)
        if identity not in self.conversation.told_of:
            self.conversation.told_of.add(identity)
            self.conversation.recorder.skip(
                self.name,
                "skipped",
                reason,
                cause=cause,
                key=identity,
                source=_source_of(key),
            )

    def replied(self, payload: bytes) -> None:
        """
        PK_OK: the server would take the key that was offered.
        """
        if self._incoming(PublicKeyOk, payload) is not None:
            self._fallback = None
            self._go_on(self._sign())

    def _wanted(self) -> PublicKeyRequest | None:
        """
        The request that is to be signed; C{None} once there is no more to sign.
        """
        asked, fallback = self._unasked or self.conversation.request, self._fallback
        if not isinstance(asked, PublicKeyRequest) or asked.signature is not None:
            return None
        if fallback is not None and fallback.blob == asked.blob:
            return fallback
        host_key = self.service.hostKeyToBind()
        if host_key is None:
            return asked
        return HostBoundRequest(asked.algorithm, asked.blob, host_key=host_key)

    def _step_failed(self, failure: Failure) -> None:
        # One key that cannot sign is no reason to leave out the next.
        unasked, self._unasked = self._unasked, None
        if not failure.check(Superseded):
            if unasked is not None:
                self.conversation.begin(unasked)
            self.service._ebAuth(failure)

    async def _sign(self) -> None:
        service, wanted = self.service, self._wanted()
        assert wanted is not None
        data = signing.data_to_sign(
            service.transport.sessionID, service.user, service.instance.name, wanted
        )
        # Whatever becomes of it, the key is not offered again for this factor.
        self.conversation.spent_keys[wanted.blob] = "it gave no signature before"
        if _wants_touch(algorithms.key_type_of(wanted)):
            self.conversation.recorder.step("client", "person", "touchRequested")
            service.tell("touchRequested", service.lastPublicKey)
        service.signatureAlgorithm = wanted.algorithm
        try:
            signature = await self.ask("agent", "signData", service.lastPublicKey, data)
        finally:
            service.signatureAlgorithm = None
        if signature is None:
            raise UnusableAnswer("signData", "gave no signature")
        service._cbSignedData(signature)

    def signed(self, signature: Any) -> None:
        """
        Send the signature; or, where the signer can make none but an older
        kind that the server allows as well, ask it for that kind by name.
        """
        wanted = self._wanted()
        if wanted is None:
            return
        made = signing.algorithm_of(signature)
        if self._may_fall_back(made, wanted):
            self._fallback = replace(wanted, algorithm=made)
            self._go_on(self._sign())
            return
        self._unasked = None
        request = wanted.signed_with(signature)
        self.request(request)

    def _may_fall_back(self, made: bytes, wanted: PublicKeyRequest) -> bool:
        """
        Once for a key: a signer may give yet another kind each time.
        """
        return (
            wanted is not self._fallback
            and made != wanted.algorithm
            and algorithms.may_fall_back(
                made,
                algorithms.key_type_of(wanted),
                self.service.signatureAlgorithms,
                self.service.serverSignatureAlgorithms(),
            )
        )


def _keys_of_conch_agent(service: Any) -> set[bytes]:
    """
    The keys that an agent client of Conch's has still to give.  It asks the
    agent for SHA-1 whenever the key is RSA.
    """
    for attribute in ("agent", "keyAgent"):
        agent = getattr(service, attribute, None)
        if getattr(type(agent), "signData", None) is SSHAgentClient.signData:
            return set(getattr(agent, "blobs", ()))
    return set()


def _is_key(answer: Any) -> bool:
    return hasattr(answer, "sshType") and hasattr(answer, "blob")


def _wants_touch(key_type: bytes) -> bool:
    """
    Whether a touch may be needed (OpenSSH's PROTOCOL.u2f): the types of such
    keys, and of their certificates, begin so.
    """
    return key_type.startswith(b"sk-")


def _source_of(key: Any) -> str:
    return str(getattr(key, "source", "getPublicKey"))

"""
The C{hostbased} method (RFC 4252, section 9).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.python.failure import Failure

from conch_auth import algorithms, names, signing
from conch_auth._asking import Superseded
from conch_auth._signers import KeySigner
from conch_auth.errors import UnusableAnswer
from conch_auth.interfaces import ISigner
from conch_auth.messages import HostBasedRequest
from conch_auth.methods._base import Method
from conch_auth.methods.password import as_bytes
from conch_auth.report import KeyIdentity

_SIGNER = "the host key's signer"


class HostBased(Method):
    """
    Has this host vouch for its user, by host key after host key.

    There is no asking first whether a key would do: each request is signed.
    """

    name = names.HOSTBASED

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Keys that were used up, and the stage of the login that this was in.
        # A key may be refused as a user's and yet be accepted as a host's, so
        # the conversation's spent keys say nothing here.
        self._spent: set[bytes] = set()
        self._spent_in = 0

    async def _start(self) -> bool:
        if self.given_up:
            return False
        # The bound is for an owner that gives the same key for ever.
        for _ in range(self.service.maxAttempts):
            answer = await self.ask("agent", "getHostKey")
            if answer is None:
                self.has_nothing("no host key was given", "no-host-key")
                return False
            if await self._offer(_signer(answer)):
                return True
        return False

    async def _offer(self, key: ISigner) -> bool:
        """
        Vouch with one key.  One that cannot is told of, and the next follows.

        @return: whether a request was sent.
        """
        blob = key.blob()
        if self._is_spent(blob):
            return False
        self._spent.add(blob)
        choice = algorithms.choose_signature(
            key.algorithms,
            self.service.signatureAlgorithms,
            self.service.serverSignatureAlgorithms(),
        )
        if choice.algorithm is None:
            self.conversation.recorder.skip(
                self.name,
                "skipped",
                choice.reason,
                cause=choice.cause,
                **_known_of(key),
            )
            return False
        request = await self._request(choice.algorithm, blob)
        try:
            signed = await self._signed(key, request)
        except Superseded:
            raise
        except Exception:
            # One key that cannot sign is no reason to leave out the next.
            self.conversation.could_not_start(self.name, Failure(), **_known_of(key))
            return False
        self.conversation.sources[blob] = _source_of(key)
        self.conversation.algorithm_reasons[blob] = choice.reason
        self.request(signed)
        return True

    def _is_spent(self, blob: bytes) -> bool:
        """
        What was refused before may be accepted as the next factor.
        """
        if self._spent_in != self.conversation.stage:
            self._spent_in = self.conversation.stage
            self._spent.clear()
        return blob in self._spent

    async def _request(self, algorithm: bytes, blob: bytes) -> HostBasedRequest:
        host = await self.ask("agent", "getClientHost")
        user = await self.ask("agent", "getClientUser")
        return HostBasedRequest(
            algorithm,
            blob,
            as_bytes("getClientHost", host),
            as_bytes("getClientUser", user),
        )

    async def _signed(self, key: ISigner, wanted: HostBasedRequest) -> HostBasedRequest:
        """
        The request with its signature; where the signer can make none but an
        older kind that the server allows as well, with that kind.
        """
        signed = wanted.signed_with(await self._signature(key, wanted))
        made = signing.algorithm_of(signed.signature, _SIGNER)
        if made != wanted.algorithm and algorithms.may_fall_back(
            made,
            algorithms.key_type_of(wanted),
            self.service.signatureAlgorithms,
            self.service.serverSignatureAlgorithms(),
        ):
            older = replace(wanted, algorithm=made)
            signed = older.signed_with(await self._signature(key, older))
        signing.check_signature(signed, _SIGNER)
        return signed

    async def _signature(self, key: ISigner, request: HostBasedRequest) -> Any:
        data = signing.data_to_sign(
            self.service.transport.sessionID,
            self.service.user,
            self.service.instance.name,
            request,
        )
        return await self.conversation.ask(
            "agent", _SIGNER, key.sign, data, request.algorithm
        )


def _signer(answer: Any) -> ISigner:
    """
    Whoever signs with the key that C{getHostKey} gave.

    @raise UnusableAnswer: where it is no private key.
    """
    if ISigner.providedBy(answer):
        signer: ISigner = answer
        return signer
    try:
        key = answer if isinstance(answer, Key) else Key(answer)
        if not key.isPublic():
            return KeySigner(key, "getHostKey")
    except Exception:  # noqa: S110 - Conch raises anything for what is no key.
        pass
    raise UnusableAnswer(
        "getHostKey", f"gave {type(answer).__name__}, which cannot sign"
    )


def _source_of(key: ISigner) -> str:
    return str(getattr(key, "source", "getHostKey"))


def _known_of(key: ISigner) -> dict[str, Any]:
    """
    What a report tells of a key.
    """
    identity = KeyIdentity.of(key.sshType(), key.blob())
    return {"key": identity, "source": _source_of(key)}

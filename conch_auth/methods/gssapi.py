"""
The C{gssapi-with-mic} method (RFC 4462, section 3).
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from conch_auth import names, signing
from conch_auth._asking import Superseded
from conch_auth._causes import Cause
from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSRequest,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth._message import Continuation
from conch_auth._reasons import of_kerberos
from conch_auth.display import printable, text
from conch_auth.errors import (
    GSSAPIError,
    GSSAPIUnavailable,
    LimitReached,
    TransportNotSecure,
    UnusableAnswer,
)
from conch_auth.interfaces import IGSSContext
from conch_auth.methods._base import Method

#: Who is asked, in an error.
_CONTEXT = "the GSSAPI context"


class GSSAPIWithMIC(Method):
    """
    Passes tokens between the server and a context of the owner's, and ends with
    a MIC over the session.

    Every mechanism of the context is offered.  Where the one that the server
    chose came to nothing, the others are offered once more, in a new context.
    """

    name = names.GSSAPI_WITH_MIC
    _context: IGSSContext | None = None
    # The mechanisms that were offered, by the name that they have on the wire.
    _offered: dict[bytes, str] = {}
    _mechanism = ""
    _rounds = 0
    # What the server has not chosen so far, and for which factor.
    _left: frozenset[str] = frozenset()
    _left_in: int | None = None

    _log = Logger()

    async def _start(self) -> bool:
        if self.given_up:
            return False
        if not self.service.transportIsSecure():
            insecure = TransportNotSecure()
            self.has_nothing(str(insecure), insecure.cause)
            return False
        context = await self._acquire()
        if context is None:
            return False
        self._offered = self._to_offer(context)
        # The same credential is not shown twice.
        self.give_up()
        if not self._offered:
            self.has_nothing(
                "the GSSAPI context has no mechanism that may be used", "gssapi-failed"
            )
            return False
        self._context, self._rounds = context, 0
        self.conversation.sources[self.name] = str(getattr(context, "source", ""))
        request = GSSRequest(tuple(self._offered))
        self.request(request)
        return True

    async def _acquire(self) -> IGSSContext | None:
        try:
            context = await self.ask("agent", "getGSSAPIContext")
        except GSSAPIUnavailable as unavailable:
            self.has_nothing(str(unavailable), unavailable.cause)
            return None
        if context is None:
            self.has_nothing("no GSSAPI context was given", "no-ticket")
            return None
        if not hasattr(context, "mechanisms"):
            problem = f"gave {type(context).__name__}, which is not a GSSAPI context"
            raise UnusableAnswer("getGSSAPIContext", problem)
        found: IGSSContext = context
        return found

    def _to_offer(self, context: IGSSContext) -> dict[bytes, str]:
        again = self._left_in == self.conversation.stage
        return {
            _in_der(mechanism): mechanism
            for mechanism in context.mechanisms
            if mechanism != names.SPNEGO and (not again or mechanism in self._left)
        }

    def replied(self, payload: bytes) -> None:
        """
        RESPONSE: the mechanism that the server has chosen.
        """
        response = self._incoming(GSSResponse, payload)
        if response is None:
            return
        chosen = self._offered.get(response.mechanism)
        if self._context is None or chosen is None:
            # An override has asked in its own way.
            self.service._ebAuth(None)
            return
        self._mechanism = chosen
        self._left = frozenset(self._offered.values()) - {self._mechanism}
        self._left_in = self.conversation.stage
        if self._left:
            self._given_up_in = None
        self._go_on(self._establish(self._context, None))

    def token_received(self, payload: bytes) -> None:
        """
        TOKEN: the server's part of the exchange.
        """
        message = self._incoming(GSSToken, payload)
        if message is None:
            return
        if self._context is None:
            self.service._ebAuth(None)
            return
        self._go_on(self._establish(self._context, message.token))

    def _step_failed(self, failure: Failure) -> None:
        if failure.check(Superseded):
            return
        if not self._left:
            self.give_up()
        self.service._ebAuth(failure)

    async def _establish(self, context: IGSSContext, token: bytes | None) -> None:
        self._count_round()
        self._check_size(token)
        answer = await self._step(context, token)
        self._check_size(answer)
        sent: list[Continuation] = [GSSToken(answer)] if answer else []
        if context.complete:
            sent.append(await self._end(context))
        if not sent:
            raise GSSAPIError("the mechanism has nothing more to say, and is not done")
        self.service.sendUserAuth(*sent)

    def _count_round(self) -> None:
        self._rounds += 1
        limit = self.service.maxRounds
        if self._rounds > limit:
            raise LimitReached("GSSAPI tokens", "maxRounds", limit)

    def _check_size(self, token: bytes | None) -> None:
        limit = self.service.maxTokenBytes
        if token is not None and len(token) > limit:
            raise LimitReached("bytes in a GSSAPI token", "maxTokenBytes", limit)

    async def _step(self, context: IGSSContext, token: bytes | None) -> bytes | None:
        try:
            answer = await self.conversation.ask(
                "agent", _CONTEXT, context.step, self._mechanism, token
            )
        except GSSAPIError as error:
            if error.token:
                # No reply to it is waited for: sshd and AsyncSSH send none.
                self.service.sendUserAuth(GSSErrorToken(error.token))
            raise
        return None if answer is None else _as_token(answer)

    async def _end(self, context: IGSSContext) -> Continuation:
        if not context.has_integrity:
            return GSSExchangeComplete()
        service = self.service
        data = signing.data_for_mic(
            service.transport.sessionID, service.user, service.instance.name
        )
        mic = await self.conversation.ask("agent", _CONTEXT, context.sign, data)
        return GSSMic(_as_token(mic))

    def status_received(self, payload: bytes) -> None:
        """
        ERROR: what failed on the server, which is about to refuse.
        """
        status = self._incoming(GSSStatus, payload)
        if status is not None:
            codes = f"major {status.major:#x}, minor {status.minor:#x}"
            self._complain(
                text(status.message) or codes,
                codes,
                of_kerberos(status.minor, "gssapi-failed-on-server"),
            )

    def error_token_received(self, payload: bytes) -> None:
        """
        ERRTOK: the same, in the mechanism's own form.
        """
        message = self._incoming(GSSErrorToken, payload)
        if message is not None:
            said = self._explained(message.token)
            self._complain(
                said or "it sent an error token",
                "error token",
                "gssapi-failed-on-server",
            )

    def _explained(self, token: bytes) -> str:
        if self._context is None or len(token) > self.service.maxTokenBytes:
            return ""
        try:
            return str(self._context.explain(token))
        except Exception:
            self._log.failure("the GSSAPI context could not explain an error token")
            return ""

    def _complain(self, said: str, form: str, cause: Cause) -> None:
        complaint = f"GSSAPI failed on the server: {printable(said, limit=400)}"
        self._log.info("{complaint} ({form})", complaint=complaint, form=form)
        # The first one is the server's own; what follows repeats it.
        if not self.conversation.complaint:
            self.conversation.complaint = complaint
            self.conversation.complaint_cause = cause
        self.conversation.wait("server")


class GSSAPIKeyEx(Method):
    """
    Says why C{gssapi-keyex} (RFC 4462, section 4) is left out.
    """

    name = names.GSSAPI_KEYEX

    def start(self) -> bool:
        self.has_nothing(
            "not supported by this transport, whose key exchange is not by GSSAPI",
            "method-unknown",
        )
        return False


def _in_der(mechanism: str) -> bytes:
    # Who has no ticket need not wait for it to be loaded.
    from pyasn1.codec.der import encoder
    from pyasn1.error import PyAsn1Error
    from pyasn1.type.univ import ObjectIdentifier

    try:
        return bytes(encoder.encode(ObjectIdentifier(mechanism)))
    except PyAsn1Error:
        raise UnusableAnswer(
            "getGSSAPIContext", "named a mechanism that is no object identifier"
        ) from None


def _as_token(answer: Any) -> bytes:
    if not isinstance(answer, bytes):
        raise UnusableAnswer(_CONTEXT, f"gave {type(answer).__name__}, not bytes")
    return answer

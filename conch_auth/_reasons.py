"""
Why an attempt came to nothing: in words for the report, and as a cause for the
diagnosis.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from twisted.python.failure import Failure

from conch_auth import names
from conch_auth._causes import Cause, MaybeCause
from conch_auth._gss_messages import GSSRequest, GSSResponse
from conch_auth.algorithms import key_type_of
from conch_auth.certificates import is_certificate_algorithm
from conch_auth.display import printable
from conch_auth.errors import (
    AgentError,
    AgentRefused,
    GSSAPIError,
    KeyUnusable,
    LimitReached,
    ProtocolError,
    TransportNotSecure,
    UnusableAnswer,
)
from conch_auth.messages import (
    HostBasedRequest,
    InfoRequest,
    KeyboardInteractiveRequest,
    KeyRequest,
    MethodRequest,
    NoneRequest,
    PasswordRequest,
    PublicKeyOk,
)


class Reason(NamedTuple):
    """
    Why an attempt ended.

    @ivar words: in a sentence; empty where the outcome says all.
    @ivar cause: one of L{conch_auth.diagnosis.CAUSES}; empty where there is
        none.
    """

    words: str
    cause: MaybeCause


def of_refusal(
    request: MethodRequest | None, answers: Collection[str] = ()
) -> MaybeCause:
    """
    What it means that the server refuses a request.

    @param answers: the names of the messages that it had answered before.
    """
    if isinstance(request, KeyRequest):
        return _of_refused_key(request, PublicKeyOk.title in answers)
    if isinstance(request, PasswordRequest):
        changed = request.new_password is not None
        return "password-change-refused" if changed else "password-refused"
    if isinstance(request, KeyboardInteractiveRequest):
        return "answers-refused" if InfoRequest.title in answers else "never-asked"
    if isinstance(request, GSSRequest):
        chosen = GSSResponse.title in answers
        return "ticket-refused" if chosen else "gssapi-failed-on-server"
    return "" if request is None or isinstance(request, NoneRequest) else (
        "method-refused"
    )


def _of_refused_key(request: KeyRequest, confirmed: bool) -> Cause:
    if isinstance(request, HostBasedRequest):
        return "host-refused"
    if confirmed:
        return "signature-refused"
    certified = is_certificate_algorithm(key_type_of(request))
    return "certificate-refused" if certified else "key-refused"


#: Their texts are ours and hold no secret.
_OWN_ERRORS = (
    AgentError,
    GSSAPIError,
    KeyUnusable,
    LimitReached,
    ProtocolError,
    TransportNotSecure,
    UnusableAnswer,
)


def of_failure(failure: object, raised_by: str, key_type: str = "") -> Reason:
    """
    What ended an attempt on this side.  The text of a foreign error may hold a
    secret, so only its type is told.

    @param failure: a C{Failure}; anything else says nothing.
    @param raised_by: what was asked, for errors that are not ours.
    @param key_type: the type of the key that was to sign.
    """
    if not isinstance(failure, Failure):
        return Reason("", "")
    error = failure.value
    if isinstance(error, _OWN_ERRORS):
        return Reason(getattr(error, "told", str(error)), _cause_in(error, key_type))
    if isinstance(error, NotImplementedError):
        missing = _NOT_PROVIDED.get(raised_by, "hook-missing")
        return Reason(f"{raised_by} is not provided", missing)
    if isinstance(error, OSError):
        return Reason(f"{raised_by} failed: {printable(str(error))}", "hook-raised")
    return Reason(f"{raised_by} raised {type(error).__name__}", "hook-raised")


#: Questions that an application need not be able to answer.
_NOT_PROVIDED: dict[str, Cause] = {
    "getPassword": "no-password",
    "getGenericAnswers": "no-answers",
}


def _cause_in(error: BaseException, key_type: str) -> MaybeCause:
    if isinstance(error, AgentRefused) and key_type.startswith("sk-"):
        return "security-key-refused"
    if isinstance(error, GSSAPIError):
        return of_kerberos(error.minor, error.cause)
    cause: MaybeCause = getattr(error, "cause", "")
    return cause


#: Errors of Kerberos (RFC 4120, section 7.5.9), as MIT's and Heimdal's libraries
#: number them: those of the protocol come first, those of the library after.
_KERBEROS_ERRORS = 0x96C73A00
_KERBEROS: dict[int, Cause] = {
    _KERBEROS_ERRORS + 7: "service-unknown",
    _KERBEROS_ERRORS + 32: "ticket-expired",
    _KERBEROS_ERRORS + 37: "clock-skew",
    _KERBEROS_ERRORS + 156: "kdc-unreachable",
}


def of_kerberos(minor: int, otherwise: Cause) -> Cause:
    """
    What a minor status code of GSSAPI means, where it is Kerberos's and known.
    """
    return _KERBEROS.get(minor & 0xFFFFFFFF, otherwise)


def had_enough(code: int, description: str) -> bool:
    """
    Whether a server disconnects for too many tries.  AsyncSSH and Conch have
    their code for it; OpenSSH and those after its model say it in words.
    """
    if code == names.DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE:
        return True
    said = "too many" in description.lower()
    return code == names.DISCONNECT_PROTOCOL_ERROR and said

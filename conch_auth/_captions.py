"""
What a message or an answer is called in a report: its name, and words for the
rest of it that are fit to be shown and hold no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.python.failure import Failure as Raised

from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSRequest,
    GSSStatus,
    GSSToken,
)
from conch_auth._message import Message, MethodRequest
from conch_auth.algorithms import key_type_of
from conch_auth.display import printable, text
from conch_auth.messages import (
    Banner,
    Failure,
    HostBasedRequest,
    InfoRequest,
    InfoResponse,
    KeyboardInteractiveRequest,
    KeyRequest,
    PasswordChangeRequest,
    PasswordRequest,
    PublicKeyOk,
    UserAuthRequest,
)
from conch_auth.report import KeyIdentity

#: Characters of a text of the server's in one caption.
_LIMIT = 80


class Caption(NamedTuple):
    name: str
    detail: str


def identity_of(request: KeyRequest) -> KeyIdentity:
    """
    The key that a request is about.
    """
    return KeyIdentity.of(key_type_of(request), request.blob)


def of_request(request: MethodRequest) -> Caption:
    """
    What a USERAUTH_REQUEST says.
    """
    name = f"{UserAuthRequest.title} {_shown(request.method)}"
    describe = _OF_REQUEST.get(type(request))
    if describe is not None:
        return Caption(name, describe(request))
    if isinstance(request, KeyRequest):
        return Caption(name, _key(request))
    return Caption(name, "")


def of_message(message: Message) -> Caption:
    """
    What a message that is no request says.
    """
    describe = _OF_MESSAGE.get(type(message))
    return Caption(message.title, "" if describe is None else describe(message))


def of_answer(answer: Any) -> str:
    """
    What an owner answered, but for what it might give away.
    """
    if isinstance(answer, Raised):
        return f"failed: {type(answer.value).__name__}"
    if answer is None:
        return "nothing"
    return "a key" if hasattr(type(answer), "sshType") else ""


def _key(request: KeyRequest) -> str:
    does = "offers" if request.signature is None else "signs with"
    identity, algorithm = identity_of(request), _shown(request.algorithm)
    by = "" if algorithm == identity.type else f", {algorithm}"
    return f"{does} {identity}{by}"


def _host_based(request: HostBasedRequest) -> str:
    whose = f"{_shown(request.client_user)} on {_shown(request.client_host)}"
    return f"{_key(request)}, for {whose}"


def _password(request: PasswordRequest) -> str:
    return "" if request.new_password is None else "with a new one"


def _submethods(request: KeyboardInteractiveRequest) -> str:
    return _shown(request.submethods)


def _mechanisms(request: GSSRequest) -> str:
    # Object identifiers in DER, of which people know none by heart.
    count = len(request.mechanisms)
    return "1 mechanism" if count == 1 else f"{count} mechanisms"


def _failure(message: Failure) -> str:
    methods = _shown(b", ".join(message.methods)) or "nothing"
    return f"{'accepted, and then ' if message.partial else ''}can continue: {methods}"


def _prompts(message: InfoRequest) -> str:
    told = [message.name, message.instruction, *(p.prompt for p in message.prompts)]
    return printable(text(b" / ".join(filter(None, told))), limit=_LIMIT)


def _answers(message: InfoResponse) -> str:
    # How many were asked for is on the wire; nothing else is told.
    count = len(message.answers)
    return "1 answer" if count == 1 else f"{count} answers"


def _shown(data: bytes) -> str:
    return printable(text(data), limit=_LIMIT)


_OF_REQUEST: dict[type[MethodRequest], Callable[[Any], str]] = {
    HostBasedRequest: _host_based,
    PasswordRequest: _password,
    KeyboardInteractiveRequest: _submethods,
    GSSRequest: _mechanisms,
}
_OF_MESSAGE: dict[type[Message], Callable[[Any], str]] = {
    Failure: _failure,
    Banner: lambda message: _shown(message.message),
    PublicKeyOk: lambda message: _shown(message.algorithm),
    PasswordChangeRequest: lambda message: _shown(message.prompt),
    InfoRequest: _prompts,
    InfoResponse: _answers,
    GSSToken: lambda message: f"{len(message.token)} bytes",
    GSSErrorToken: lambda message: f"{len(message.token)} bytes",
    GSSStatus: lambda message: _shown(message.message),
}

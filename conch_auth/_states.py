"""
Which message of a server is legal when.

Everything that decides this is in this file: the states, the table of what a
message does in each, and the state that each request of ours leads to.  The
table is all there is: what it does not name is not legal.  C{docs/states.rst}
is printed from it.
"""

from __future__ import annotations

from enum import Enum

from conch_auth import names
from conch_auth.errors import UnexpectedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    HostBasedRequest,
    InfoRequest,
    Message,
    MethodReply,
    MethodRequest,
    PasswordChangeRequest,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
)


class State(Enum):
    """
    Where a login stands; the value says it in words that follow a message's
    name in an error.
    """

    CHOOSING = "while no request was outstanding"
    NONE_SENT = "in reply to a 'none' request"
    KEY_OFFERED = "in reply to the offer of a key"
    SIGNING = "while the signature that it had asked for was being made"
    SIGNATURE_SENT = "in reply to a signature"
    PASSWORD_SENT = "in reply to a password"  # noqa: S105 - a state, no password
    CHANGING = "while the new password that it had asked for was being chosen"
    INTERACTIVE_SENT = "in reply to a keyboard-interactive message"
    ANSWERING = "while its questions were being answered"
    OTHER_SENT = "in reply to a request of another method"
    SUCCEEDED = "after it had said that the login succeeded"
    ENDED = "after the login had ended"


#: RFC 4252, sections 5.1, 5.4, 7, 8 and 9; RFC 4256, section 3.  A banner may
#: come at any time.  A server may give up on questions it has asked, or ask
#: others.
TABLE: dict[State, dict[type[Message], State]] = {
    State.CHOOSING: {Banner: State.CHOOSING},
    State.NONE_SENT: {
        Banner: State.NONE_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
    },
    State.KEY_OFFERED: {
        Banner: State.KEY_OFFERED,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
        PublicKeyOk: State.SIGNING,
    },
    State.SIGNING: {Banner: State.SIGNING},
    State.SIGNATURE_SENT: {
        Banner: State.SIGNATURE_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
    },
    State.PASSWORD_SENT: {
        Banner: State.PASSWORD_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
        PasswordChangeRequest: State.CHANGING,
    },
    State.CHANGING: {Banner: State.CHANGING},
    State.INTERACTIVE_SENT: {
        Banner: State.INTERACTIVE_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
        InfoRequest: State.ANSWERING,
    },
    State.ANSWERING: {
        Banner: State.ANSWERING,
        Failure: State.CHOOSING,
        InfoRequest: State.ANSWERING,
    },
    State.OTHER_SENT: {
        Banner: State.OTHER_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
        MethodReply: State.OTHER_SENT,
    },
    State.SUCCEEDED: {},
    State.ENDED: {},
}

_AFTER_METHOD = {
    names.NONE: State.NONE_SENT,
    names.PASSWORD: State.PASSWORD_SENT,
    names.KEYBOARD_INTERACTIVE: State.INTERACTIVE_SENT,
}


def after_reply(state: State, message: type[Message]) -> State:
    """
    The state after C{message} has come in C{state}.

    @raise UnexpectedMessage: where it is not legal there.
    """
    try:
        return TABLE[state][message]
    except KeyError:
        raise UnexpectedMessage(message.title, state.value) from None


def after_request(request: MethodRequest) -> State:
    """
    The state after C{request} was sent.
    """
    if isinstance(request, PublicKeyRequest):
        signed = request.signature is not None
        return State.SIGNATURE_SENT if signed else State.KEY_OFFERED
    if isinstance(request, HostBasedRequest):
        return State.SIGNATURE_SENT
    return _AFTER_METHOD.get(request.method, State.OTHER_SENT)

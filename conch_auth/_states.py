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
from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth.errors import UnexpectedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    HostBasedRequest,
    InfoRequest,
    InfoResponse,
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

    NOT_ACCEPTED = "before it had accepted the service"
    CHOOSING = "while no request was outstanding"
    NONE_SENT = "in reply to a 'none' request"
    KEY_OFFERED = "in reply to the offer of a key"
    SIGNING = "while the signature that it had asked for was being made"
    SIGNATURE_SENT = "in reply to a signature"
    PASSWORD_SENT = "in reply to a password"  # noqa: S105 - a state, no password
    CHANGING = "while the new password that it had asked for was being chosen"
    INTERACTIVE_SENT = "in reply to a keyboard-interactive message"
    ANSWERING = "while its questions were being answered"
    GSSAPI_SENT = "in reply to a gssapi-with-mic request"
    STEPPING = "while the next GSSAPI token was being made"
    TOKEN_SENT = "in reply to a GSSAPI token"  # noqa: S105 - a state, no token
    MIC_SENT = "in reply to the end of the GSSAPI exchange"
    GSSAPI_FAILED = "after the GSSAPI exchange had failed"
    OTHER_SENT = "in reply to a request of another method"
    SUCCEEDED = "after it had said that the login succeeded"
    ENDED = "after the login had ended"


#: RFC 4253, section 10: a request may go before the service was accepted, and is
#: answered after that.
#: RFC 4252, sections 5.1, 5.4, 7, 8 and 9; RFC 4256, section 3.  A banner may
#: come at any time.  A server may give up on questions it has asked, or ask
#: others.  RFC 4462, section 3: a server that reports an error then refuses; it
#: may do so about the last token, which the MIC follows at once.
TABLE: dict[State, dict[type[Message], State]] = {
    State.NOT_ACCEPTED: {},
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
    State.GSSAPI_SENT: {
        Banner: State.GSSAPI_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
        GSSResponse: State.STEPPING,
        GSSStatus: State.GSSAPI_FAILED,
    },
    State.STEPPING: {Banner: State.STEPPING},
    State.TOKEN_SENT: {
        Banner: State.TOKEN_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
        GSSToken: State.STEPPING,
        GSSStatus: State.GSSAPI_FAILED,
        GSSErrorToken: State.GSSAPI_FAILED,
    },
    State.MIC_SENT: {
        Banner: State.MIC_SENT,
        Failure: State.CHOOSING,
        Success: State.SUCCEEDED,
        GSSStatus: State.GSSAPI_FAILED,
        GSSErrorToken: State.GSSAPI_FAILED,
    },
    State.GSSAPI_FAILED: {
        Banner: State.GSSAPI_FAILED,
        Failure: State.CHOOSING,
        GSSStatus: State.GSSAPI_FAILED,
        GSSErrorToken: State.GSSAPI_FAILED,
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
    names.GSSAPI_WITH_MIC: State.GSSAPI_SENT,
}

_AFTER_MESSAGE: dict[type[Message], State] = {
    InfoResponse: State.INTERACTIVE_SENT,
    GSSToken: State.TOKEN_SENT,
    GSSMic: State.MIC_SENT,
    GSSExchangeComplete: State.MIC_SENT,
    GSSErrorToken: State.GSSAPI_FAILED,
}

#: Where an override has answered past the exit, what is awaited then.
ANSWERED = {
    State.ANSWERING: State.INTERACTIVE_SENT,
    State.STEPPING: State.TOKEN_SENT,
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


def after_message(message: Message) -> State:
    """
    The state after C{message}, which carries on a request, was sent.
    """
    return _AFTER_MESSAGE[type(message)]


def awaits_reply(state: State) -> bool:
    """
    Whether the server is to speak: it could then say that the login succeeded.
    """
    return Success in TABLE[state]

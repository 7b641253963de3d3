"""
A login in each of its states, and what a server may say there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth._states import State
from conch_auth.messages import Message, MethodReply, PublicKeyOk
from tests.gss import KRB5_DER, LAST, ScriptedContext
from tests.support import (
    SUCCESS,
    Client,
    banner,
    expired,
    failure,
    new_key,
    questions,
)

KEY = new_key()

#: RFC 4252, 4256 and 4462, once more, in numbers.
LEGAL = {
    State.CHOOSING: {53},
    State.NONE_SENT: {51, 52, 53},
    State.KEY_OFFERED: {51, 52, 53, 60},
    State.SIGNING: {53},
    State.SIGNATURE_SENT: {51, 52, 53},
    State.PASSWORD_SENT: {51, 52, 53, 60},
    State.CHANGING: {53},
    State.INTERACTIVE_SENT: {51, 52, 53, 60},
    State.ANSWERING: {51, 53, 60},
    State.GSSAPI_SENT: {51, 52, 53, 60, 64},
    State.STEPPING: {53},
    State.TOKEN_SENT: {51, 52, 53, 61, 64, 65},
    State.MIC_SENT: {51, 52, 53, 64, 65},
    State.GSSAPI_FAILED: {51, 53, 64, 65},
    State.OTHER_SENT: {51, 52, 53, 60},
}
#: What a server may say besides while gssapi-with-mic is the method.
GSSAPI_NUMBERS = {61, 64, 65}
REPLY_TO: dict[bytes, Message] = {
    b"publickey": PublicKeyOk(KEY.sshType(), KEY.blob()),
    b"password": expired(),
    b"keyboard-interactive": questions(b"?"),
    b"gssapi-with-mic": GSSResponse(KRB5_DER),
}


class OtherClient(Client):
    """
    Has a method of its own.
    """

    def auth_other(self) -> bool:
        self.askForAuth(b"other", b"")
        return True

    def ssh_USERAUTH_PK_OK_other(self, packet: bytes) -> None:
        self.told.append(packet)


def none_sent(client: Client) -> None:
    pass


def choosing(client: Client) -> None:
    client._passwords = iter([Deferred()])
    client.receive(failure(b"password"))


def key_offered(client: Client) -> None:
    client._keys = iter([KEY])
    client.receive(failure(b"publickey"))


def signing(client: Client) -> None:
    client.getPrivateKey = lambda: Deferred()  # type: ignore[method-assign]
    key_offered(client)
    client.receive(REPLY_TO[b"publickey"])


def signature_sent(client: Client) -> None:
    key_offered(client)
    client.receive(REPLY_TO[b"publickey"])


def password_sent(client: Client) -> None:
    client._passwords = iter([b"pw", Deferred()])
    client.receive(failure(b"password"))


def changing(client: Client) -> None:
    password_sent(client)
    client.receive(expired())


def interactive_sent(client: Client) -> None:
    client._answers = iter([Deferred()])
    client.receive(failure(b"keyboard-interactive"))


def answering(client: Client) -> None:
    interactive_sent(client)
    client.receive(questions(b"?"))


def gssapi_sent(client: Client, *tokens: Any) -> None:
    context = ScriptedContext(tokens)
    client.getGSSAPIContext = lambda: context  # type: ignore[method-assign]
    client.receive(failure(b"gssapi-with-mic"))


def stepping(client: Client) -> None:
    gssapi_sent(client, Deferred())
    client.receive(GSSResponse(KRB5_DER))


def token_sent(client: Client) -> None:
    gssapi_sent(client, b"token", Deferred())
    client.receive(GSSResponse(KRB5_DER))


def mic_sent(client: Client) -> None:
    gssapi_sent(client, LAST)
    client.receive(GSSResponse(KRB5_DER))


def gssapi_failed(client: Client) -> None:
    token_sent(client)
    client.receive(GSSStatus(0, 0, b"", b""))


def other_sent(client: Client) -> None:
    client.receive(failure(b"other"))


#: How a login comes into each state.
WAYS: dict[State, Callable[[Client], None]] = {
    State.CHOOSING: choosing,
    State.NONE_SENT: none_sent,
    State.KEY_OFFERED: key_offered,
    State.SIGNING: signing,
    State.SIGNATURE_SENT: signature_sent,
    State.PASSWORD_SENT: password_sent,
    State.CHANGING: changing,
    State.INTERACTIVE_SENT: interactive_sent,
    State.ANSWERING: answering,
    State.GSSAPI_SENT: gssapi_sent,
    State.STEPPING: stepping,
    State.TOKEN_SENT: token_sent,
    State.MIC_SENT: mic_sent,
    State.GSSAPI_FAILED: gssapi_failed,
    State.OTHER_SENT: other_sent,
}


def in_state(client: Client, state: State) -> None:
    """
    Bring a login that has begun into a state.
    """
    WAYS[state](client)
    assert client._conversation.state is state, client._conversation.state


def payload(client: Client, number: int) -> bytes:
    """
    What a message would hold, were it legal now; empty where it never is.
    """
    asked = client._conversation.asked_for or b""
    messages = {
        51: failure(b"hostbased"),
        52: SUCCESS,
        53: banner(b"hello"),
        60: REPLY_TO.get(asked, MethodReply(b"")),
        61: GSSToken(b"token"),
        64: GSSStatus(0, 0, b"", b""),
        65: GSSErrorToken(b"token"),
    }
    return messages[number].build() if number in messages else b""


def numbers_of_method(client: Client) -> set[int]:
    """
    The numbers beyond 60 that mean something to the method that was asked for.
    """
    asked = client._conversation.asked_for
    return GSSAPI_NUMBERS if asked == b"gssapi-with-mic" else set()

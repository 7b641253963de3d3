"""
Tests for L{conch_auth._states}: each message of a server in each state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSRequest,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth._states import TABLE, State, after_message, after_reply, after_request
from conch_auth.errors import ProtocolError, UnexpectedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    InfoRequest,
    InfoResponse,
    KeyboardInteractiveRequest,
    Message,
    MethodReply,
    NoneRequest,
    OtherRequest,
    PasswordChangeRequest,
    PasswordRequest,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
)
from tests.gss import KRB5_DER, LAST, ScriptedContext
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
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


class TableTests(LoginTestCase):
    """
    Every number from 50 to 127 in every state.
    """

    def in_state(self, state: State) -> Client:
        client = OtherClient(allowTrivialAuth=True)
        self.start(client)
        WAYS[state](client)
        self.assertIs(client._conversation.state, state)
        return client

    def payload(self, client: Client, number: int) -> bytes:
        """
        What the message would hold, were it legal.
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

    def numbers_of_method(self, state: State) -> set[int]:
        """
        The numbers beyond 60 that mean something to the method of C{state}.
        """
        asked = self.in_state(state)._conversation.asked_for
        return GSSAPI_NUMBERS if asked == b"gssapi-with-mic" else set()

    def test_every_way_is_known(self) -> None:
        """
        The states in which something is legal are those that are reached here.
        """
        self.assertEqual(set(LEGAL), set(WAYS))
        self.assertEqual(set(LEGAL) | {State.SUCCEEDED, State.ENDED}, set(State))

    def test_legal(self) -> None:
        """
        A legal message goes on: it is no protocol error, and is not answered
        with UNIMPLEMENTED.
        """
        for state, numbers in LEGAL.items():
            for number in numbers:
                client = self.in_state(state)
                client.packetReceived(number, self.payload(client, number))
                where = (state, number)
                self.assertEqual(client.transport.unimplemented, 0, where)
                self.assertNotIn(2, dict(client.transport.disconnects), where)

    def test_known_but_illegal(self) -> None:
        """
        A message that is known but has no place now ends the connection with
        PROTOCOL_ERROR, and the error names the message and the state.
        """
        for state, legal in LEGAL.items():
            for number in ({51, 52, 60} | self.numbers_of_method(state)) - legal:
                client = self.in_state(state)
                client.packetReceived(number, self.payload(client, number))
                self.assert_failed(client, UnexpectedMessage, code=2)
                self.assertEqual(self.error.state, state.value, (state, number))
                ((_, said),) = client.transport.disconnects
                self.assertEqual(said.decode(), str(self.error))
                self.assertIn(self.error.message, str(self.error))

    def test_unknown(self) -> None:
        """
        A number that no server has cause to send is answered with
        UNIMPLEMENTED, and nothing changes (RFC 4253, section 11.4).
        """
        for state in LEGAL:
            client = self.in_state(state)
            sent = len(client.transport.packets)
            known = self.numbers_of_method(state)
            numbers = [50, *range(54, 60), *sorted({*range(61, 80)} - known)]
            for number in numbers:
                client.packetReceived(number, b"")
                self.assertIs(client._conversation.state, state)
            self.assertEqual(client.transport.unimplemented, len(numbers))
            self.assertEqual(len(client.transport.packets), sent)
            self.assertEqual(self.ends, [])

    def test_connection_protocol(self) -> None:
        """
        Messages of the connection protocol are illegal before the login is
        complete (RFC 4252, section 6).
        """
        for state in LEGAL:
            for number in range(80, 128):
                client = self.in_state(state)
                client.packetReceived(number, b"")
                self.assert_failed(client, UnexpectedMessage, code=2)
                self.assertEqual(self.error.message, f"message {number}")

    def test_after_the_end(self) -> None:
        """
        After the end, of whichever kind, whatever comes is passed over: a
        second SUCCESS does not start the service again.
        """
        for last in (SUCCESS, failure()):
            client = self.in_state(State.NONE_SENT)
            client.receive(last)
            transport = client.transport
            before = (list(transport.services), list(transport.disconnects))
            for number in range(50, 128):
                client.packetReceived(number, self.payload(client, number))
            after = (transport.services, transport.disconnects)
            self.assertEqual(after, before)
            self.assertEqual(len(transport.packets), 1)
            self.assertEqual(transport.unimplemented, 0)

    def test_table(self) -> None:
        """
        The table that the documentation prints says the same.
        """
        table = {
            state: {message.number for message in row}
            for state, row in TABLE.items()
            if row
        }
        self.assertEqual(table, LEGAL)


class StepTests(LoginTestCase):
    def test_after_reply(self) -> None:
        """
        A reply leads on to the next state, a banner nowhere.
        """
        for state, message, then in (
            (State.NONE_SENT, Failure, State.CHOOSING),
            (State.KEY_OFFERED, PublicKeyOk, State.SIGNING),
            (State.PASSWORD_SENT, PasswordChangeRequest, State.CHANGING),
            (State.INTERACTIVE_SENT, InfoRequest, State.ANSWERING),
            (State.ANSWERING, InfoRequest, State.ANSWERING),
            (State.OTHER_SENT, MethodReply, State.OTHER_SENT),
            (State.SIGNATURE_SENT, Success, State.SUCCEEDED),
            (State.SIGNING, Banner, State.SIGNING),
        ):
            self.assertIs(after_reply(state, message), then)

    def test_not_legal(self) -> None:
        """
        What the table does not name is an error.
        """
        error = self.assertRaises(
            UnexpectedMessage, after_reply, State.CHOOSING, Success
        )
        self.assertIsInstance(error, ProtocolError)
        self.assertEqual(
            str(error),
            "the server sent USERAUTH_SUCCESS while no request was outstanding",
        )

    def test_after_request(self) -> None:
        """
        Each request has the state in which its reply is awaited.
        """
        for request, then in (
            (NoneRequest(), State.NONE_SENT),
            (PublicKeyRequest(b"a", b"b"), State.KEY_OFFERED),
            (PublicKeyRequest(b"a", b"b", b""), State.SIGNATURE_SENT),
            (PasswordRequest(b""), State.PASSWORD_SENT),
            (PasswordRequest(b"", b""), State.PASSWORD_SENT),
            (KeyboardInteractiveRequest(), State.INTERACTIVE_SENT),
            (GSSRequest(()), State.GSSAPI_SENT),
            (OtherRequest(b"other"), State.OTHER_SENT),
        ):
            self.assertIs(after_request(request), then)

    def test_after_message(self) -> None:
        """
        So has each message that carries on a request.
        """
        for message, then in (
            (InfoResponse(()), State.INTERACTIVE_SENT),
            (GSSToken(b""), State.TOKEN_SENT),
            (GSSMic(b""), State.MIC_SENT),
            (GSSExchangeComplete(), State.MIC_SENT),
            (GSSErrorToken(b""), State.GSSAPI_FAILED),
        ):
            self.assertIs(after_message(message), then)

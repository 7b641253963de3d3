"""
Tests for L{conch_auth._states}: each message of a server in each state.
"""

from __future__ import annotations

from collections.abc import Iterator

from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSRequest,
    GSSToken,
)
from conch_auth._states import TABLE, State, after_message, after_reply, after_request
from conch_auth.errors import MalformedMessage, ProtocolError, UnexpectedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    InfoRequest,
    InfoResponse,
    KeyboardInteractiveRequest,
    MethodReply,
    NoneRequest,
    OtherRequest,
    PasswordChangeRequest,
    PasswordRequest,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
)
from tests.login_states import (
    LEGAL,
    WAYS,
    OtherClient,
    in_state,
    numbers_of_method,
    payload,
)
from tests.support import (
    SUCCESS,
    Client,
    LoginTestCase,
    failure,
)

#: Where nothing may come; L{tests.test_eager} has the first.
NOTHING_LEGAL = {State.NOT_ACCEPTED, State.SUCCEEDED, State.ENDED}


class TableTests(LoginTestCase):
    """
    Every number in every state.
    """

    def in_state(self, state: State) -> Client:
        client = OtherClient(allowTrivialAuth=True)
        self.start(client)
        in_state(client, state)
        return client

    def numbers_of_method(self, state: State) -> set[int]:
        return numbers_of_method(self.in_state(state))

    def test_every_way_is_known(self) -> None:
        """
        The states in which something is legal are those that are reached here.
        """
        self.assertEqual(set(LEGAL), set(WAYS))
        self.assertEqual(set(LEGAL) | NOTHING_LEGAL, set(State))

    def test_legal(self) -> None:
        """
        A legal message goes on: it is no protocol error, and is not answered
        with UNIMPLEMENTED.
        """
        for state, numbers in LEGAL.items():
            for number in numbers:
                client = self.in_state(state)
                client.packetReceived(number, payload(client, number))
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
                client.packetReceived(number, payload(client, number))
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

    def test_malformed(self) -> None:
        """
        A legal message that is cut short anywhere, or goes on after its end, is
        a protocol error like an illegal one, and nothing of it counts.
        """
        for state, legal in LEGAL.items():
            # Message 60 of a method that is not known may hold anything.
            for number in legal - ({60} if state is State.OTHER_SENT else set()):
                whole = payload(self.in_state(state), number)
                for broken in malformed(number, whole):
                    client = self.in_state(state)
                    client.packetReceived(number, broken)
                    self.assert_failed(client, MalformedMessage, code=2)
                    self.assertEqual(client.report.banners, ())

    def test_illegal_whatever_it_holds(self) -> None:
        """
        What has no place is refused for that, not for what it holds.
        """
        for state, legal in LEGAL.items():
            for number in {51, 52, 60} - legal:
                for content in (b"\x00", b"\xff" * 4, b"\x00" * 300):
                    client = self.in_state(state)
                    client.packetReceived(number, content)
                    self.assert_failed(client, UnexpectedMessage, code=2)

    def test_no_message_of_a_service(self) -> None:
        """
        Numbers below 50 never come to a service; were they to, they would mean
        nothing.
        """
        for state in LEGAL:
            client = self.in_state(state)
            for number in range(50):
                client.packetReceived(number, b"\x00" * 16)
                self.assertIs(client._conversation.state, state)
            self.assertEqual(client.transport.unimplemented, 50)
            self.assertEqual(self.ends, [])

    def test_connection_protocol(self) -> None:
        """
        Messages of the connection protocol, and the numbers beyond, are illegal
        before the login is complete (RFC 4252, section 6).
        """
        for state in LEGAL:
            for number in range(80, 256):
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
            for number in range(256):
                client.packetReceived(number, payload(client, number))
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


def malformed(number: int, whole: bytes) -> Iterator[bytes]:
    """
    What a message could hold that is not right.
    """
    yield from (whole[:size] for size in range(len(whole)))
    yield whole + b"\x00\x00"
    if whole and number != 64:
        # Most begin with the length of a string.
        yield b"\xff\xff\xff\xff" + whole[4:]
    if number != 53:
        # The one byte that a banner may have besides: see L{Banner}.
        yield whole + b"\x00"


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

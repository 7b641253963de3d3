# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
"""
Each message of a server in each state, as bytes that arrive.

L{tests.test_states} has all of them without a connection; here they come
through ciphers and the transport, with the transport's own.
"""

from __future__ import annotations

from typing import Any

from twisted.conch.ssh import transport as conch
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._states import State, awaits_reply
from conch_auth._wire import boolean, string, uint32
from conch_auth.errors import LoginError, ServerDisconnected, UnexpectedMessage
from conch_auth.scripted import Packet, ScriptedServer, ext_info
from tests.login_states import LEGAL, OtherClient, in_state, numbers_of_method, payload

#: What may follow whatever state a login is in (RFC 4253, section 11).
HARMLESS = {
    conch.MSG_IGNORE: string(b"nothing"),
    conch.MSG_DEBUG: boolean(True) + string(b"hello") + string(b""),
    # Of a packet that was never sent.
    conch.MSG_UNIMPLEMENTED: uint32(0xFFFFFFFF),
}
#: Messages that the transport has, with what they would hold.  None is legal
#: here.
OUT_OF_PLACE = {
    conch.MSG_SERVICE_ACCEPT: string(b"ssh-userauth"),
    conch.MSG_NEWKEYS: b"",
    conch.MSG_KEX_DH_GEX_GROUP: b"",
    conch.MSG_KEX_DH_GEX_REPLY: b"",
}
#: Numbers that mean nothing to a client.
UNKNOWN = (0, *range(8, 20), conch.MSG_SERVICE_REQUEST, 50, *range(54, 60))
BEYOND = (80, 90, 98, 100, 127, 128, 192, 255)


class Login:
    """
    A login over a connection, in a state of a test's choice.
    """

    def __init__(self, state: State) -> None:
        self.client: Any = OtherClient(allowTrivialAuth=True)
        self.server = ScriptedServer()
        self.ends: list[Any] = []
        self.server.log_in(self.client).addBoth(self.ends.append)
        in_state(self.client, state)
        self.server.pump()
        self.before = self.state

    @property
    def state(self) -> State:
        state: State = self.client._conversation.state
        return state

    def send(self, number: int, content: bytes = b"") -> None:
        self.server.send(Packet(number, content))

    @property
    def refused(self) -> int:
        return self.server.refused


class WireTests(SynchronousTestCase):
    """
    Through C{dataReceived}.
    """

    def assert_unchanged(self, login: Login, where: object) -> None:
        self.assertIs(login.state, login.before, where)
        self.assertEqual((login.ends, login.server.disconnects), ([], []), where)

    def assert_broken_off(self, login: Login, where: object) -> None:
        """
        The server was told of a protocol error, and whoever waits of the end;
        nothing is left.
        """
        (end,) = login.ends
        self.assertIsInstance(end.value, LoginError, where)
        said = [code for code, _ in login.server.disconnects]
        self.assertEqual(said, [conch.DISCONNECT_PROTOCOL_ERROR], where)
        self.assertFalse(login.client.report.succeeded, where)
        self.assertEqual(login.server.clock.getDelayedCalls(), [], where)

    def test_legal(self) -> None:
        """
        What is legal is taken, and nothing is complained of.
        """
        for state, numbers in LEGAL.items():
            for number in numbers:
                login = Login(state)
                login.send(number, payload(login.client, number))
                self.assertEqual(login.refused, 0, (state, number))
                said = [code for code, _ in login.server.disconnects]
                self.assertNotIn(conch.DISCONNECT_PROTOCOL_ERROR, said)

    def test_harmless(self) -> None:
        """
        IGNORE and DEBUG may stand anywhere and change nothing; so does an
        UNIMPLEMENTED, but where a reply is awaited: there it is a refusal.
        """
        for state in LEGAL:
            for number, content in HARMLESS.items():
                login = Login(state)
                asked = len(login.server.received)
                login.send(number, content)
                if number == conch.MSG_UNIMPLEMENTED and awaits_reply(state):
                    again = len(login.server.received) > asked
                    self.assertTrue(
                        login.ends or again or not awaits_reply(login.state)
                    )
                else:
                    self.assert_unchanged(login, (state, number))
                self.assertEqual(login.refused, 0)

    def test_unknown(self) -> None:
        """
        Numbers that mean nothing are answered with UNIMPLEMENTED each.
        """
        for state in LEGAL:
            login = Login(state)
            known = numbers_of_method(login.client)
            numbers = [*UNKNOWN, *sorted({*range(61, 80)} - known)]
            for number in numbers:
                login.send(number)
            self.assert_unchanged(login, state)
            self.assertEqual(login.refused, len(numbers), state)

    def test_illegal(self) -> None:
        """
        What has no place there ends the login and the connection.
        """
        for state, legal in LEGAL.items():
            known = {51, 52, 60} | numbers_of_method(Login(state).client)
            for number in (*(known - legal), *OUT_OF_PLACE, *BEYOND):
                login = Login(state)
                content = OUT_OF_PLACE.get(number)
                if content is None:
                    content = payload(login.client, number)
                login.send(number, content)
                self.assert_broken_off(login, (state, number))

    def test_malformed(self) -> None:
        """
        What may stand there but is not well-formed does so, too.
        """
        for state, legal in LEGAL.items():
            numbers = legal - ({60} if state is State.OTHER_SENT else set())
            for number in (*numbers, *HARMLESS, conch.MSG_EXT_INFO, conch.MSG_KEXINIT):
                if number == conch.MSG_IGNORE:
                    continue  # whatever it holds
                login = Login(state)
                login.send(number, b"\xff\xff\xff")
                self.assert_broken_off(login, (state, number))

    def test_extensions(self) -> None:
        """
        A second EXT_INFO has to be followed by SUCCESS (RFC 8308, section 2.4),
        wherever SUCCESS is legal; a third is too much.
        """
        for state, legal in LEGAL.items():
            second = ext_info({b"x@example.org": b""})
            login = Login(state)
            login.server.send(second)
            self.assert_unchanged(login, state)
            login.send(52)
            if 52 in legal:
                self.assertTrue(login.ends[0].succeeded)
            else:
                self.assert_broken_off(login, state)
            for after in (second, Packet(53, payload(login.client, 53))):
                login = Login(state)
                login.server.send(second)
                login.server.send(after)
                self.assert_broken_off(login, state)

    def test_extensions_in_no_place(self) -> None:
        """
        An EXT_INFO that is not the first message is not taken for it, though
        there was none before; nor may one follow SUCCESS, new keys or not.
        """
        client: Any = OtherClient()
        server = ScriptedServer(extensions=None)
        server.log_in(client).addErrback(lambda _: None)
        server.send(ext_info({b"x@example.org": b""}))
        self.assertEqual(client.transport.initialExtensions, {})
        server.send(Packet(53, payload(client, 53)))
        self.assertIsInstance(client.transport.failure, UnexpectedMessage)
        login = Login(State.NONE_SENT)
        login.send(52)
        login.server.connection.sendKexInit()
        login.server.pump()
        login.server.send(ext_info({}))
        self.assertIsInstance(login.client.transport.failure, UnexpectedMessage)

    def test_disconnect(self) -> None:
        """
        DISCONNECT ends the login with what the server says, however little that
        is.
        """
        full = uint32(14) + string(b"no more") + string(b"")
        for state in LEGAL:
            for size in (0, 3, 4, 10, len(full)):
                login = Login(state)
                login.send(conch.MSG_DISCONNECT, full[:size])
                (end,) = login.ends
                self.assertIsInstance(end.value, ServerDisconnected, (state, size))
                self.assertEqual(login.server.disconnects, [])
                self.assertEqual(login.server.clock.getDelayedCalls(), [])

    def test_rekey(self) -> None:
        """
        New keys may be made in any state, and change none.
        """
        for state in LEGAL:
            login = Login(state)
            login.server.connection.sendKexInit()
            login.server.pump()
            self.assert_unchanged(login, state)
            self.assertEqual(login.server.connection.wire.sizes[9:], [])

    def test_after_the_end(self) -> None:
        """
        After SUCCESS every message is for the service that follows; the login
        hears none of it.
        """
        for number in (*range(50, 80), *BEYOND):
            login = Login(State.NONE_SENT)
            login.send(52)
            report = login.client.report
            login.send(number, payload(login.client, number))
            self.assertIs(login.state, State.SUCCEEDED)
            self.assertEqual(len(login.ends), 1)
            self.assertEqual(login.client.report, report)
            self.assertEqual(login.refused, 1, number)

    def test_before_the_service(self) -> None:
        """
        Before the service was accepted there is nothing to be said to it, and
        SUCCESS means nothing.
        """
        for number in (*range(50, 80), *BEYOND):
            client: Any = OtherClient(allowTrivialAuth=True)
            server = ScriptedServer(instead={conch.MSG_SERVICE_ACCEPT: None})
            ends: list[Any] = []
            server.log_in(client).addBoth(ends.append)
            server.send(Packet(number))
            self.assertEqual((ends, server.received), ([], []))
            self.assertEqual(server.refused, 1, number)

    def test_within_the_key_exchange(self) -> None:
        """
        Within the first key exchange nothing may come but what the transport has
        for anywhere (RFC 4253, section 7.1); what comes breaks the connection
        off before anything was asked of the server.
        """
        for place in (conch.MSG_KEXINIT, conch.MSG_KEX_DH_GEX_GROUP):
            for number in range(256):
                client: Any = OtherClient(allowTrivialAuth=True)
                content = HARMLESS.get(number, b"")
                server = ScriptedServer(after={place: Packet(number, content)})
                ends: list[Any] = []
                server.log_in(client).addBoth(ends.append)
                if number in (0, *HARMLESS):
                    self.assertEqual((ends, len(server.received)), ([], 1), number)
                    self.assertEqual(server.refused, 0 if number else 1)
                    continue
                (end,) = ends
                self.assertIsInstance(end.value, Exception, (place, number))
                self.assertIsNone(client.report.proof)
                self.assertEqual(server.clock.getDelayedCalls(), [])
                said = [code for code, _ in server.disconnects]
                self.assertEqual(said, [] if number == 1 else [2], (place, number))

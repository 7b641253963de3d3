"""
Tests for L{conch_auth._orderly} and L{conch_auth._ending}: which message is
legal when, and why a connection ended.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh import transport as conch
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._wire import boolean, string, uint32
from conch_auth.errors import (
    ConnectionLost,
    MalformedMessage,
    NotSSH,
    ProtocolError,
    ServerDisconnected,
    UnexpectedMessage,
)
from conch_auth.transport import SSHClientTransport
from tests.transport_pair import ED25519, Client, Pair, Service, ext_info

PROTOCOL_ERROR = conch.DISCONNECT_PROTOCOL_ERROR
USERAUTH_SUCCESS = 52


def debug(message: bytes = b"hello") -> bytes:
    return boolean(True) + string(message) + string(b"en")


class OrderCase(SynchronousTestCase):
    """
    How a breach of the protocol shows.
    """

    def assert_breach(
        self, pair: Pair, kind: type[ProtocolError] = UnexpectedMessage, said: str = ""
    ) -> None:
        error = pair.client.failure
        self.assertIsInstance(error, kind)
        self.assertIn(said, str(error))
        self.assertTrue(pair.hung_up)

    def assert_told(self, pair: Pair) -> None:
        """
        The server was told, too.
        """
        codes = [code for code, _ in pair.server.disconnects]
        self.assertEqual(codes, [PROTOCOL_ERROR])


class ServiceTests(OrderCase):
    """
    A service is requested once and accepted once.
    """

    def running(self) -> tuple[Pair, Service]:
        pair, service = Pair().join(), Service()
        pair.client.requestService(service)
        pair.pump()
        self.assertEqual(service.told, ["started"])
        return pair, service

    def test_started(self) -> None:
        """
        An accepted service is started, and gets its messages.
        """
        pair, service = self.running()
        pair.send(60, b"x")
        self.assertEqual(service.told, ["started", (60, b"x")])

    def test_requested_before_the_keys(self) -> None:
        """
        A service that is requested during the first key exchange is requested
        after it.
        """
        pair, service = Pair(Client(Deferred())), Service()
        pair.join()
        pair.client.requestService(service)
        self.assertNotIn(conch.MSG_SERVICE_REQUEST, pair.pump().server.received)
        pair.client._question._answer.callback(True)
        self.assertEqual(pair.pump().outcome, [None])
        self.assertEqual(service.told, ["started"])

    def test_unasked(self) -> None:
        """
        A SERVICE_ACCEPT that nobody asked for is a breach.
        """
        pair = Pair().join()
        pair.send(conch.MSG_SERVICE_ACCEPT, string(b"ssh-userauth"))
        self.assert_breach(pair, said="SERVICE_ACCEPT")
        self.assert_told(pair)

    def test_second(self) -> None:
        """
        A second SERVICE_ACCEPT does not start the service again.
        """
        pair, service = self.running()
        pair.send(conch.MSG_SERVICE_ACCEPT, string(b"ssh-userauth"))
        self.assert_breach(pair)
        self.assert_told(pair)
        self.assertEqual(service.told, ["started"])

    def test_another(self) -> None:
        """
        A SERVICE_ACCEPT for another service starts nothing.
        """
        pair, service = Pair().join(), Service()
        pair.server.tamper[conch.MSG_SERVICE_ACCEPT] = lambda _: string(b"ssh-other")
        pair.client.requestService(service)
        pair.pump()
        self.assert_breach(pair)
        self.assertEqual(service.told, [])

    def test_unnamed(self) -> None:
        """
        A SERVICE_ACCEPT without a name is taken, as Conch takes it.
        """
        pair, service = Pair().join(), Service()
        pair.server.tamper[conch.MSG_SERVICE_ACCEPT] = lambda _: b""
        pair.client.requestService(service)
        pair.pump()
        self.assertEqual(service.told, ["started"])

    def test_fails_to_start(self) -> None:
        """
        A service that cannot be started ends the connection with its error.
        """

        class Broken(Service):
            def serviceStarted(self) -> None:
                raise ValueError

        pair = Pair().join()
        pair.client.requestService(Broken())
        pair.pump()
        self.assertIsInstance(pair.client.failure, ValueError)
        self.assertTrue(pair.hung_up)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_unknown_to_the_server(self) -> None:
        """
        UNIMPLEMENTED for the request of the service ends the connection: no
        other answer will come.
        """
        pair = Pair().join()
        number = pair.client.outgoingPacketSequence
        pair.client.requestService(Service())
        pair._to_server.clear()
        pair.send(conch.MSG_UNIMPLEMENTED, uint32(number))
        self.assert_breach(pair, ProtocolError, "SERVICE_REQUEST")

    def test_another_packet_is_unknown_to_the_server(self) -> None:
        """
        UNIMPLEMENTED for another packet says nothing of the service, nor does
        one for a request that was granted.
        """
        pair, service = Pair().join(), Service()
        number = pair.client.outgoingPacketSequence
        pair.server.follow[conch.MSG_SERVICE_ACCEPT] = [
            (conch.MSG_UNIMPLEMENTED, uint32(number))
        ]
        pair.client.requestService(service)
        pair.server.inject(conch.MSG_UNIMPLEMENTED, uint32(number - 1))
        pair.pump()
        self.assertIsNone(pair.client.failure)
        self.assertIn("started", service.told)

    def test_something_follows_the_name(self) -> None:
        """
        A SERVICE_ACCEPT with more in it than a name is malformed.
        """
        pair = Pair().join()
        pair.server.tamper[conch.MSG_SERVICE_ACCEPT] = lambda name: name + b"\x00"
        pair.client.requestService(Service())
        self.assert_breach(pair.pump(), MalformedMessage)

    def test_no_service(self) -> None:
        """
        A message for a service is refused while none runs.
        """
        pair = Pair().join()
        number = pair.send(80, b"x")
        self.assertEqual(pair.server.unimplemented, [number])
        self.assertIsNone(pair.client.failure)


class SecureTests(OrderCase):
    """
    C{whenSecure} and C{connectionSecure}.
    """

    def test_each_fires_once(self) -> None:
        """
        Every Deferred of C{whenSecure} fires, whether asked for before or
        after.
        """
        pair = Pair()
        before = pair.client.whenSecure()
        pair.join()
        self.assertIsNone(self.successResultOf(before))
        self.assertIsNone(self.successResultOf(pair.client.whenSecure()))

    def test_cancelled(self) -> None:
        """
        Cancelling one aborts the connection; the others learn that it is lost.
        """
        pair = Pair(Client(Deferred())).join()
        waiting = pair.client.whenSecure()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertTrue(pair.aborted)
        self.assertEqual(pair.outcome, [])
        pair.lose(ConnectionDone())
        self.assertIsInstance(pair.outcome[0], ConnectionLost)

    def test_lost(self) -> None:
        """
        A connection that is lost fails all that wait, and all that ask later.
        """
        pair = Pair(Client(Deferred())).join()
        done = ConnectionDone()
        pair.lose(done)
        [error] = pair.outcome
        self.assertIs(type(error), ConnectionLost)
        self.assertIs(error.__cause__, done)
        later = self.failureResultOf(pair.client.whenSecure())
        self.assertIs(later.value, error)

    def test_lost_without_a_reason(self) -> None:
        """
        A transport of Conch's may be lost for no reason that is told.
        """
        pair = Pair()
        pair.join()
        pair.client.connectionLost(None)
        self.assertIsInstance(pair.client.failure, ConnectionLost)

    def test_cancelled_before_it_was_made(self) -> None:
        """
        Whoever waits for a connection that was never made may give up.
        """
        waiting = SSHClientTransport().whenSecure()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)

    def test_lost_twice(self) -> None:
        """
        The first reason counts.
        """
        pair = Pair(Client(False)).join()
        refused = pair.client.failure
        pair.lose(ConnectionDone())
        self.assertIs(pair.client.failure, refused)

    def test_closed_on_this_side(self) -> None:
        """
        Closing the connection fails whoever waits.
        """
        pair = Pair(Client(Deferred())).join()
        pair.client.loseConnection()
        self.assertIsInstance(pair.outcome[0], ConnectionLost)

    def test_lost_before_it_was_made(self) -> None:
        """
        C{connectionLost} raises in no state.
        """
        client = Client()
        self.assertEqual((client.greeting, client.initialExtensions), ((), {}))
        client.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(client.failure, NotSSH)

    def test_service_stops_badly(self) -> None:
        """
        An error of the service as it is stopped is logged and stays there.
        """

        class Broken(Service):
            def serviceStopped(self) -> None:
                raise ValueError

        pair = Pair().join()
        pair.client.requestService(Broken())
        pair.pump().lose(ConnectionDone())
        self.assertIsInstance(pair.client.failure, ConnectionLost)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_hook_fails(self) -> None:
        """
        An error in C{connectionSecure} ends the connection and is its reason.
        """

        class Broken(Client):
            def connectionSecure(self) -> None:
                raise ValueError

        pair = Pair(Broken()).join()
        self.assertIsInstance(pair.outcome[0], ValueError)
        self.assertTrue(pair.hung_up)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_nothing_after_the_end(self) -> None:
        """
        After the end nothing is sent, and nothing that comes is read.
        """
        pair = Pair().join()
        pair.client.loseConnection()
        pair.pump()
        pair.client.sendDebug(b"x")
        pair.client.sendDisconnect(PROTOCOL_ERROR, b"again")
        self.assertEqual(pair._to_server.value(), b"")
        pair.send(conch.MSG_DEBUG, debug())
        self.assertEqual(pair.client.debugs, [])
        self.assertEqual(pair.client.buf, b"")

    def test_closed_by_who_waits(self) -> None:
        """
        The server is told the reason, though whoever waits closes the
        connection as soon as it is known.
        """
        pair = Pair(Client(False))
        pair.client.whenSecure().addErrback(lambda _: pair.client.loseConnection())
        pair.join()
        self.assertEqual(
            [code for code, _ in pair.server.disconnects],
            [conch.DISCONNECT_HOST_KEY_NOT_VERIFIABLE],
        )

    def test_closes_once(self) -> None:
        """
        Ending it again does nothing, nor does sending once it is lost.
        """
        pair = Pair().join()
        closed: list[bool] = []
        pair._to_server.loseConnection = lambda: closed.append(True)
        pair.client.loseConnection()
        pair.client.loseConnection()
        self.assertEqual(closed, [True])
        pair = Pair().join()
        pair.lose(ConnectionDone())
        pair.client.sendDebug(b"x")
        self.assertEqual(pair._to_server.value(), b"")


class RekeyTests(OrderCase):
    """
    New keys change nothing but the keys.
    """

    def test_either_side(self) -> None:
        """
        Whoever begins, as often as it may be: one session, one
        C{connectionSecure}, one question, and the server's extensions stay.
        """
        for strict in (False, True):
            pair = Pair(strict=strict).join()
            session, known = pair.client.sessionID, pair.client.peerExtensions
            for side in (pair.server, pair.client, pair.server, pair.server):
                keys = pair.client.currentEncryptions
                side.sendKexInit()
                pair.pump()
                self.assertIsNot(pair.client.currentEncryptions, keys)
            self.assertIsNone(pair.client.failure)
            self.assertEqual(pair.client.secured, 1)
            self.assertEqual(pair.client.sessionID, session)
            self.assertEqual(len(pair.client.asked), 1)
            self.assertEqual(pair.client.peerExtensions, known)
            self.assertNotEqual(known, {})

    def test_slow_owner_then_rekey(self) -> None:
        """
        A first exchange that had to wait for its owner leaves nothing behind
        that disturbs the next one.
        """
        question: Deferred[bool] = Deferred()
        pair = Pair(Client(question)).join()
        question.callback(True)
        pair.pump()
        for _ in range(3):
            pair.server.sendKexInit()
            pair.pump()
        self.assertIsNone(pair.client.failure)
        pair.send(conch.MSG_DEBUG, debug())
        self.assertEqual(len(pair.client.debugs), 1)

    def test_sends_wait(self) -> None:
        """
        What is sent during a key exchange arrives after it, in order.
        """
        pair, service = Pair().join(), Service()
        pair.client.requestService(service)
        pair.pump()
        pair.client.sendKexInit()
        pair.client.sendPacket(50, b"1")
        pair.client.sendPacket(50, b"2")
        self.assertEqual(pair.server.service.told, ["started"])
        pair.pump()
        self.assertEqual(pair.server.service.told[1:], [(50, b"1"), (50, b"2")])

    def test_another_host_key(self) -> None:
        """
        Another host key than the trusted one is asked about anew, and refused
        as the first one would be.
        """
        pair = Pair().join()
        pair.client.verdict = False
        pair.client.supportedPublicKeys = [b"rsa-sha2-512"]
        pair.server.sendKexInit()
        pair.pump()
        self.assertEqual(len(pair.client.asked), 2)
        self.assertEqual(
            pair.server.disconnects[0][0], conch.DISCONNECT_HOST_KEY_NOT_VERIFIABLE
        )

    def test_markers_only_once(self) -> None:
        """
        What this side says of extensions and strict key exchange is said in the
        first KEXINIT: OpenSSH 7 would send an EXT_INFO after each.
        """
        pair = Pair().join()
        for marker in (b"ext-info-c", b"kex-strict-c-v00@openssh.com"):
            self.assertIn(marker, pair.client.ourKexInitPayload)
        pair.client.sendKexInit()
        for marker in (b"ext-info-c", b"kex-strict-c-v00@openssh.com"):
            self.assertNotIn(marker, pair.client.ourKexInitPayload)
        with self.assertRaises(RuntimeError):
            pair.client.sendKexInit()

    def test_disconnect_right_after_new_keys(self) -> None:
        """
        What is sent after our NEWKEYS uses the new keys, whether or not the
        server's has come.
        """
        for strict in (False, True):
            pair = Pair(strict=strict).join()
            set_up = pair.client._keySetup

            def then_leave(*keys: Any, set_up: Any = set_up, pair: Any = pair) -> None:
                set_up(*keys)
                pair.client.loseConnection()

            pair.client._keySetup = then_leave
            pair.server.sendKexInit()
            pair.pump()
            self.assertEqual(
                [code for code, _ in pair.server.disconnects],
                [conch.DISCONNECT_CONNECTION_LOST],
            )

    def test_messages_out_of_turn(self) -> None:
        """
        A message of a key exchange in the wrong place is a breach, before the
        first one, between two, and in the middle of one.
        """
        for number in (21, 30, 31, 32, 33, 34, 49):
            pair = Pair().join()
            pair.send(number, b"")
            self.assert_breach(pair)
            self.assert_told(pair)
            pair = Pair()
            pair.server.follow[conch.MSG_KEXINIT] = [(number, b"")]
            pair.join()
            self.assertIsInstance(pair.client.failure, ProtocolError)
            self.assertEqual(pair.client.secured, 0)

    def test_second_kexinit(self) -> None:
        """
        A second KEXINIT in the same exchange is a breach.
        """
        pair = Pair()
        pair.server.follow[conch.MSG_KEXINIT] = [(conch.MSG_KEXINIT, bytes(70))]
        pair.join()
        self.assert_breach(pair, said="KEXINIT")

    def test_other_messages_meanwhile(self) -> None:
        """
        After its KEXINIT a server may send nothing of a service before its
        NEWKEYS (RFC 4253, section 7.1).
        """
        for number in (conch.MSG_SERVICE_ACCEPT, conch.MSG_EXT_INFO, 52, 80, 94):
            pair = Pair().join()
            pair.server.follow[conch.MSG_KEXINIT] = [(number, b"")]
            pair.server.sendKexInit()
            pair.pump()
            self.assert_breach(pair, said="during a key exchange")

    def test_generic_messages_meanwhile(self) -> None:
        """
        It may send DEBUG and IGNORE there, unless the exchange is the first of
        a strict server.
        """
        pair = Pair()
        pair.server.follow[conch.MSG_KEXINIT] = [(conch.MSG_DEBUG, debug())]
        self.assertEqual(pair.join().outcome, [None])
        self.assertEqual(len(pair.client.debugs), 1)

    def test_wrong_guess(self) -> None:
        """
        The packet that follows a KEXINIT with a wrong guess is passed over (RFC
        4253, section 7).
        """
        pair = Pair()
        pair.server.supportedKeyExchanges = [
            b"ecdh-sha2-nistp521",
            *pair.server.supportedKeyExchanges,
        ]
        # What may stand anywhere is no part of the guess.
        pair.server.follow[conch.MSG_KEXINIT] = [
            (conch.MSG_DEBUG, boolean(True) + string(b"hello") + string(b"")),
            (31, b"a guess"),
        ]

        def flagged(payload: bytes) -> bytes:
            changed = payload[:-5] + b"\x01" + payload[-4:]
            pair.server.ourKexInitPayload = b"\x14" + changed
            return changed

        pair.server.tamper[conch.MSG_KEXINIT] = flagged
        self.assertEqual(pair.join().outcome, [None])
        self.assertEqual(pair.client.debugs, [("hello", "", True)])

    def test_new_keys_with_data(self) -> None:
        """
        NEWKEYS takes no data.
        """
        pair = Pair()
        pair.server.tamper[conch.MSG_NEWKEYS] = lambda _: b"x"
        self.assert_breach(pair.join(), MalformedMessage, "NEWKEYS")
        self.assertEqual(pair.client.secured, 0)


class StrictTests(OrderCase):
    """
    Strict key exchange (OpenSSH's PROTOCOL, "strict key exchange extension").
    """

    def test_sequence_numbers(self) -> None:
        """
        With a strict server both sides count anew after each NEWKEYS.
        """
        pair = Pair(strict=True).join()
        self.assertEqual(pair.outcome, [None])
        self.assertLess(pair.client.incomingPacketSequence, 3)
        self.assertEqual(pair.client.outgoingPacketSequence, 0)
        for _ in range(3):
            pair.send(conch.MSG_DEBUG, debug())
        pair.server.sendKexInit()
        pair.pump()
        self.assertEqual(pair.client.incomingPacketSequence, 0)
        self.assertEqual(pair.client.outgoingPacketSequence, 0)
        pair.send(conch.MSG_DEBUG, debug())
        self.assertEqual(len(pair.client.debugs), 4)

    def test_without(self) -> None:
        """
        With another server the numbers go on.
        """
        pair = Pair().join()
        self.assertGreater(pair.client.outgoingPacketSequence, 2)

    def test_message_before_kexinit(self) -> None:
        """
        The first packet must be the KEXINIT.
        """
        for strict in (True, False):
            pair = Pair(strict=strict)
            send_kex_init = pair.server.sendKexInit

            def after_ignore(pair: Any = pair, then: Any = send_kex_init) -> None:
                pair.server.inject(conch.MSG_IGNORE, string(b""))
                then()

            pair.server.sendKexInit = after_ignore  # type: ignore[method-assign]
            pair.join()
            if strict:
                self.assert_breach(pair, said="KEXINIT")
            else:
                self.assertEqual(pair.outcome, [None])

    def test_message_in_the_first_exchange(self) -> None:
        """
        No message that is not the key exchange's may come before the first
        NEWKEYS; it could be one that somebody put in.
        """
        for number, payload in (
            (conch.MSG_IGNORE, string(b"")),
            (conch.MSG_DEBUG, debug()),
            (conch.MSG_UNIMPLEMENTED, uint32(0)),
        ):
            for after in (conch.MSG_KEXINIT, conch.MSG_KEXDH_REPLY):
                pair = Pair(strict=True)
                pair.server.follow[after] = [(number, payload)]
                self.assert_breach(pair.join())
                self.assertEqual(pair.client.debugs, [])

    def test_disconnect_in_the_first_exchange(self) -> None:
        """
        A DISCONNECT is heard even there.
        """
        pair = Pair(strict=True)
        pair.server.follow[conch.MSG_KEXINIT] = [
            (conch.MSG_DISCONNECT, uint32(12) + string(b"full") + string(b""))
        ]
        [error] = pair.join().outcome
        self.assertIsInstance(error, ServerDisconnected)

    def test_later_exchanges(self) -> None:
        """
        In a later exchange DEBUG is as legal as ever.
        """
        pair = Pair(strict=True).join()
        pair.server.follow[conch.MSG_KEXINIT] = [(conch.MSG_DEBUG, debug())]
        pair.server.sendKexInit()
        pair.pump()
        self.assertIsNone(pair.client.failure)
        self.assertEqual(len(pair.client.debugs), 1)


class ExtensionTests(OrderCase):
    """
    EXT_INFO (RFC 8308, section 2.4).
    """

    def silent(self) -> Pair:
        """
        A connection to a server that sends no EXT_INFO by itself, with a
        service running.
        """
        pair = Pair()
        pair.server.sendExtInfo = lambda extensions: None  # type: ignore[method-assign]
        return pair.join()

    def test_first(self) -> None:
        """
        The first message after NEWKEYS is taken and remembered as such.
        """
        pair = self.silent()
        self.assertEqual(pair.client.peerExtensions, {})
        pair.send(conch.MSG_EXT_INFO, ext_info(server_sig_algs=b"x"))
        self.assertEqual(pair.client.peerExtensions, {b"server-sig-algs": b"x"})
        self.assertEqual(pair.client.initialExtensions, {b"server-sig-algs": b"x"})
        self.assertIsNone(pair.client.failure)

    def test_own_for_each_connection(self) -> None:
        """
        What one server sends is not another one's.
        """
        pair = self.silent()
        self.assertIsNot(pair.client.peerExtensions, Client.peerExtensions)
        Pair().join()
        self.assertEqual(Client.peerExtensions, {})

    def test_in_clear(self) -> None:
        """
        In clear text, where anybody can put it in, it is a breach, and nothing
        of it is kept.
        """
        for after in (conch.MSG_KEXINIT, conch.MSG_KEXDH_REPLY):
            pair = Pair()
            pair.server.follow[after] = [
                (conch.MSG_EXT_INFO, ext_info(server_sig_algs=b"ssh-rsa"))
            ]
            self.assert_breach(pair.join(), said="EXT_INFO")
            self.assertEqual(pair.client.peerExtensions, {})

    def test_before_success(self) -> None:
        """
        One right before SUCCESS replaces the first, IGNORE and DEBUG between
        them notwithstanding.
        """
        pair = Pair().join()
        pair.client.requestService(Service())
        pair.pump()
        first = pair.client.initialExtensions
        pair.send(conch.MSG_EXT_INFO, ext_info(x=b"1"))
        self.assertEqual(pair.client.peerExtensions, first)
        pair.send(conch.MSG_IGNORE, string(b""))
        pair.send(conch.MSG_DEBUG, debug())
        pair.send(USERAUTH_SUCCESS)
        self.assertIsNone(pair.client.failure)
        self.assertEqual(pair.client.peerExtensions, {b"x": b"1"})
        self.assertEqual(pair.client.initialExtensions, first)

    def test_not_before_success(self) -> None:
        """
        A second one before anything else is a breach.
        """
        for number in (51, 53, 60, 80, conch.MSG_EXT_INFO):
            pair = Pair().join()
            pair.client.requestService(Service())
            pair.pump()
            before = pair.client.peerExtensions
            pair.send(conch.MSG_EXT_INFO, ext_info(x=b"1"))
            pair.send(number, ext_info())
            self.assert_breach(pair, said="EXT_INFO")
            self.assertEqual(pair.client.peerExtensions, before)

    def test_after_new_keys(self) -> None:
        """
        Later NEWKEYS open no other place for it.
        """
        pair = Pair().join()
        pair.client.requestService(Service())
        pair.pump()
        pair.server.sendKexInit()
        pair.pump()
        pair.send(conch.MSG_EXT_INFO, ext_info(x=b"1"))
        pair.send(51)
        self.assert_breach(pair, said="EXT_INFO")

    def test_after_success(self) -> None:
        """
        One after SUCCESS is a breach.
        """
        pair = Pair().join()
        pair.client.requestService(Service())
        pair.pump()
        pair.send(USERAUTH_SUCCESS)
        pair.send(conch.MSG_EXT_INFO, ext_info(x=b"1"))
        self.assert_breach(pair, said="EXT_INFO")

    def test_values(self) -> None:
        """
        Names and values may be any bytes.
        """
        pair = self.silent()
        payload = uint32(1) + string(b"\xff") + string(bytes(range(256)))
        pair.send(conch.MSG_EXT_INFO, payload)
        self.assertEqual(pair.client.peerExtensions, {b"\xff": bytes(range(256))})

    def test_malformed(self) -> None:
        """
        A malformed one is a breach.
        """
        for payload in (b"", uint32(1), uint32(2**32 - 1), ext_info(x=b"1") + b"x"):
            pair = self.silent()
            pair.send(conch.MSG_EXT_INFO, payload)
            self.assert_breach(pair, MalformedMessage, "EXT_INFO")
            self.assert_told(pair)


class GenericMessageTests(OrderCase):
    """
    DEBUG, UNIMPLEMENTED and DISCONNECT (RFC 4253, section 11).
    """

    def test_debug(self) -> None:
        """
        A DEBUG message is told as text; bytes that are no UTF-8 are replaced.
        """
        pair = Pair().join()
        pair.send(conch.MSG_DEBUG, b"\x05" + string(b"a\xffb") + string(b"en"))
        pair.send(conch.MSG_DEBUG, b"\x00" + string(b"") + string(b""))
        self.assertEqual(
            pair.client.debugs, [("a\ufffdb", "en", True), ("", "", False)]
        )

    def test_conchs_hooks(self) -> None:
        """
        Conch's own hooks are called as ever, with bytes.
        """
        heard: list[object] = []

        class Old(Client):
            def receiveDebug(self, *arguments: object) -> None:
                heard.append(arguments)

            def receiveError(self, *arguments: object) -> None:
                heard.append(arguments)

        pair = Pair(Old()).join()
        pair.send(conch.MSG_DEBUG, debug())
        pair.send(conch.MSG_DISCONNECT, uint32(2) + string(b"bye") + string(b""))
        self.assertEqual(heard, [(True, b"hello", b"en"), (2, b"bye")])

    def test_debug_hooks_fail(self) -> None:
        """
        An error in a hook for it is logged; the connection goes on.
        """

        class Broken(Client):
            def debugReceived(self, *arguments: object) -> None:
                raise ValueError

        pair = Pair(Broken()).join()
        pair.send(conch.MSG_DEBUG, debug())
        self.assertIsNone(pair.client.failure)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_unimplemented_sent(self) -> None:
        """
        UNIMPLEMENTED names the packet that was not understood; Conch names the
        one after it.
        """
        for strict in (False, True):
            pair = Pair(strict=strict).join()
            numbers = [pair.send(number) for number in (8, 9, 19, 90, 192)]
            self.assertEqual(pair.server.unimplemented, numbers)
            self.assertIsNone(pair.client.failure)

    def test_unimplemented_received(self) -> None:
        """
        The running service is told which of our packets was not understood.
        """
        pair, service = Pair().join(), Service()
        pair.send(conch.MSG_UNIMPLEMENTED, uint32(7))
        pair.client.requestService(service)
        pair.pump()
        pair.send(conch.MSG_UNIMPLEMENTED, uint32(9))
        self.assertEqual(service.told, ["started", ("unimplemented", 9)])

    def test_disconnect(self) -> None:
        """
        The server's reason reaches the service before the connection goes, and
        is what the connection ended with.
        """
        pair, service = Pair().join(), Service()
        pair.client.requestService(service)
        pair.pump()
        pair.send(
            conch.MSG_DISCONNECT, uint32(2) + string(b"too \xff many") + string(b"")
        )
        self.assertEqual(
            service.told, ["started", ("disconnected", 2, "too \ufffd many")]
        )
        self.assertTrue(pair.hung_up)
        pair.lose(ConnectionDone())
        self.assertEqual(service.told[2:], ["stopped"])
        error = pair.client.failure
        self.assertIsInstance(error, ServerDisconnected)
        self.assertEqual((error.code, error.description), (2, "too \ufffd many"))

    def test_disconnect_before_it_is_secure(self) -> None:
        """
        C{whenSecure} fails with it.
        """
        pair = Pair()
        pair.server.follow[conch.MSG_KEXINIT] = [
            (conch.MSG_DISCONNECT, uint32(12) + string(b"\x1b[2Jfull"))
        ]
        [error] = pair.join().outcome
        self.assertEqual(
            str(error), "the server disconnected (code 12): \\x1b[2Jfull"
        )

    def test_disconnect_cut_short(self) -> None:
        """
        Of a DISCONNECT that is cut short, what there is counts.
        """
        for payload, code in ((b"", 0), (b"\x00", 0), (uint32(11) + b"\x00", 11)):
            pair = Pair().join()
            pair.send(conch.MSG_DISCONNECT, payload)
            self.assertIsInstance(pair.client.failure, ServerDisconnected)
            self.assertEqual(pair.client.failure.code, code)

    def test_malformed(self) -> None:
        """
        A DEBUG or UNIMPLEMENTED that is malformed is a breach.
        """
        for number, payload in (
            (conch.MSG_DEBUG, b""),
            (conch.MSG_DEBUG, b"\x01"),
            (conch.MSG_DEBUG, debug() + b"x"),
            (conch.MSG_UNIMPLEMENTED, b""),
            (conch.MSG_UNIMPLEMENTED, bytes(5)),
        ):
            pair = Pair().join()
            pair.send(number, payload)
            self.assert_breach(pair, MalformedMessage)
            self.assert_told(pair)


class GreetingTests(OrderCase):
    """
    What comes before the server's version.
    """

    def start(self, *pieces: bytes) -> tuple[Client, StringTransport, list[Any]]:
        client, transport, outcome = Client(), StringTransport(), list[Any]()
        client.makeConnection(transport)
        client.whenSecure().addErrback(lambda failure: outcome.append(failure.value))
        for piece in pieces:
            client.dataReceived(piece)
        return client, transport, outcome

    def test_lines_before(self) -> None:
        """
        Lines before the version are kept; Conch would take one for a packet
        when it comes alone.
        """
        for pieces in (
            (b"Hello\r\nbe nice\n", b"SSH-2.0-x\r\n"),
            (b"Hello\r\nbe nice\nSSH-2.0-x\r\n",),
            tuple(bytes([b]) for b in b"Hello\r\nbe nice\nSSH-2.0-x\n"),
        ):
            client, _, outcome = self.start(*pieces)
            self.assertEqual(client.greeting, ("Hello", "be nice"))
            self.assertEqual(client.otherVersionString, b"SSH-2.0-x")
            self.assertEqual(outcome, [])

    def test_whole_exchange(self) -> None:
        """
        A login works after such lines.
        """
        pair = Pair()
        made = pair.server.connectionMade

        def with_notice() -> None:
            pair.server.transport.write(b"Welcome\r\n")
            made()

        pair.server.connectionMade = with_notice  # type: ignore[method-assign]
        self.assertEqual(pair.join().outcome, [None])
        self.assertEqual(pair.client.greeting, ("Welcome",))

    def test_much_after_the_version(self) -> None:
        """
        What follows the version at once does not count as part of it.
        """
        client, _, _ = self.start(b"SSH-2.0-x\r\n" + bytes(2) + b"\xff" * 9000)
        self.assertEqual(client.otherVersionString, b"SSH-2.0-x")

    def test_closed(self) -> None:
        """
        A connection that is closed before the version says what was said
        instead, fit for a screen.
        """
        client, _, outcome = self.start(b"Exceeded \x1b[31mMaxStartups\r\n")
        client.connectionLost(Failure(ConnectionDone()))
        [error] = outcome
        self.assertIsInstance(error, NotSSH)
        self.assertIsInstance(error, ConnectionLost)
        self.assertIn("it said: Exceeded \\x1b[31mMaxStartups.", str(error))

    def test_closed_at_once(self) -> None:
        """
        So does one that is closed without a word.
        """
        client, _, outcome = self.start()
        client.connectionLost(Failure(ConnectionDone()))
        self.assertIn("it said nothing", str(outcome[0]))

    def test_endless(self) -> None:
        """
        A server that sends no version in 4 KiB is left.
        """
        client, transport, outcome = self.start(b"HTTP/1.1 400 Bad Request\r\n")
        self.assertEqual(outcome, [])
        client.dataReceived(b"x" * 4096)
        self.assertIn("it said: HTTP/1.1 400", str(outcome[0]))
        self.assertTrue(transport.disconnecting)
        client.dataReceived(b"SSH-2.0-x\r\n")
        self.assertFalse(client.gotVersion)

    def test_old_version(self) -> None:
        """
        A server of SSH 1 is left with a reason.
        """
        _, transport, outcome = self.start(b"SSH-1.5-old\r\n")
        self.assertIn("1.5", str(outcome[0]))
        self.assertTrue(transport.disconnecting)


class GarbageTests(OrderCase):
    """
    No bytes make C{dataReceived} raise.
    """

    def test_empty_packet(self) -> None:
        """
        A packet without a message is a breach; Conch would stop reading until
        more comes.
        """
        for padding in (b"\x0b", b"\x00", b"\xff"):
            client = Client()
            client.makeConnection(StringTransport())
            client.dataReceived(b"SSH-2.0-x\r\n" + uint32(12) + padding + bytes(11))
            self.assertIsInstance(client.failure, ProtocolError)

    def test_every_message_in_clear(self) -> None:
        """
        Every message before any key exchange; none but a generic one and the
        KEXINIT is legal.
        """
        for number in range(256):
            for payload in (b"", b"\x00", bytes(4), b"\xff" * 30):
                pair = Pair()
                pair.server.sendKexInit = lambda: None  # type: ignore[method-assign]
                pair.join()
                pair.send(number, payload)
                self.assertEqual(pair.client.secured, 0)
                if number > conch.MSG_DEBUG and number != conch.MSG_KEXINIT:
                    self.assert_breach(pair)

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=300))
    def test_bytes_in_clear(self, data: bytes) -> None:
        """
        Any bytes after the version.
        """
        client = Client()
        client.makeConnection(StringTransport())
        client.dataReceived(b"SSH-2.0-x\r\n")
        client.dataReceived(data)
        client.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(client.failure)

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=100), st.binary(max_size=100))
    def test_bytes_before_the_version(self, first: bytes, second: bytes) -> None:
        """
        Any bytes before it.
        """
        client = Client()
        client.makeConnection(StringTransport())
        client.dataReceived(first)
        client.dataReceived(second)
        client.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(client.failure)

    @settings(max_examples=80, deadline=None)
    @given(st.integers(1, 255), st.binary(max_size=60))
    def test_messages_later(self, number: int, payload: bytes) -> None:
        """
        Any message on a connection that is secure, with a service running.
        """
        pair = Pair(keys=[ED25519]).join()
        pair.client.requestService(Service())
        pair.pump()
        pair.send(number, payload)

    @settings(max_examples=80, deadline=None)
    @given(st.sampled_from([20, 31]), st.data())
    def test_damaged_exchange(self, number: int, data: st.DataObject) -> None:
        """
        A KEXINIT or a reply with a byte changed, or cut short, ends the
        connection, and nobody is asked about the key.
        """
        pair = Pair(keys=[ED25519])
        changed: list[bool] = []

        def damaged(payload: bytes) -> bytes:
            at = data.draw(st.integers(0, len(payload) - 1))
            if data.draw(st.booleans()):
                result = payload[:at]
            else:
                octet = bytes([payload[at] ^ data.draw(st.integers(1, 255))])
                result = payload[:at] + octet + payload[at + 1 :]
            changed.append(True)
            return result

        # One kind of exchange, so that damage cannot make each side choose its own.
        curve = [b"curve25519-sha256"]
        pair.server.supportedKeyExchanges = curve
        pair.client.supportedKeyExchanges = curve
        pair.server.tamper[number] = damaged
        pair.join()
        self.assertEqual(changed, [True])
        self.assertEqual(pair.client.asked, [])
        self.assertEqual(pair.client.secured, 0)
        self.assertIsInstance(pair.outcome[0], Exception)

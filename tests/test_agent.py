# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The ssh-agent client, against an agent that does what it is told.
"""

from __future__ import annotations

import gc
import os
import struct
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.conch.error import ConchError
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost as TransportLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from conch_auth import _agent_messages, signing
from conch_auth._agent_constraints import Constraints
from conch_auth._wire import Reader, boolean, string, uint32
from conch_auth.agent import AgentKey, Destination, Hop, SSHAgentClient
from conch_auth.errors import (
    AgentError,
    AgentProtocolError,
    AgentRefused,
    AgentTimeout,
    AgentUnavailable,
)
from conch_auth.interfaces import ISigner
from conch_auth.messages import PublicKeyRequest
from tests.hostile_agent import (
    EXTENSION_FAILURE,
    FAILURE,
    SUCCESS,
    HostileAgent,
    listed,
    signed,
)

RSA = string(b"ssh-rsa") + string(b"\x03") + string(b"\x05")
ED25519 = string(b"ssh-ed25519") + string(bytes(32))
RSA_CERTIFICATE = string(b"ssh-rsa-cert-v01@openssh.com") + b"opaque"
SK_CERTIFICATE = string(b"sk-ssh-ed25519-cert-v01@openssh.com") + b"opaque"
ECDSA_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
TO = Hop("host", keys=[b"host key"])
BIND = (
    string(b"session-bind@openssh.com")
    + string(b"host key")
    + string(b"session")
    + string(b"signature")
)


class AgentCase(SynchronousTestCase):
    """
    A client that is connected to a hostile agent.
    """

    def setUp(self) -> None:
        self.agent = HostileAgent()
        self.clock = Clock()
        self.client = self.connected()

    def connected(self) -> SSHAgentClient:
        client = self.successResultOf(SSHAgentClient.connect(self.agent, self.clock))
        assert isinstance(client, SSHAgentClient)
        return client

    def bind(self, forwarding: bool = False) -> Deferred[bool]:
        return self.client.bindSession(
            b"host key", b"session", b"signature", forwarding
        )

    def key(self, blob: bytes, comment: bytes = b"") -> AgentKey:
        return AgentKey(self.client, blob, comment)

    def idle(self) -> None:
        """
        Nothing is left that would wake up later.
        """
        self.assertEqual([], self.clock.getDelayedCalls())


class RequestTests(AgentCase):
    """
    What is asked, byte for byte (draft-ietf-sshm-ssh-agent).
    """

    def asks(self, asked: Deferred[Any], request: bytes, reply: bytes) -> Any:
        self.assertEqual(request, self.agent.line.requests[-1])
        self.agent.line.reply(reply)
        return self.successResultOf(asked)

    def test_identities(self) -> None:
        """
        The keys come in the agent's order, each with its comment.
        """
        keys = self.asks(
            self.client.identities(), b"\x0b", listed((RSA, b"one"), (ED25519, b""))
        )
        self.assertEqual(
            [(RSA, b"ssh-rsa", "one"), (ED25519, b"ssh-ed25519", "")],
            [(key.blob(), key.sshType(), key.comment) for key in keys],
        )

    def test_sign_flags(self) -> None:
        """
        RSA with SHA-2 is asked for by flags, under a certificate's name of it,
        too; nothing else has any.
        """
        for blob, algorithm, flags in (
            (RSA, b"rsa-sha2-256", 2),
            (RSA, b"rsa-sha2-512", 4),
            (RSA, b"ssh-rsa", 0),
            (RSA_CERTIFICATE, b"rsa-sha2-256-cert-v01@openssh.com", 2),
            (RSA_CERTIFICATE, b"rsa-sha2-512-cert-v01@openssh.com", 4),
            (RSA_CERTIFICATE, b"rsa-sha2-512", 4),
            (ED25519, b"ssh-ed25519", 0),
            (SK_CERTIFICATE, b"sk-ssh-ed25519@openssh.com", 0),
        ):
            signature = self.asks(
                self.key(blob).sign(b"data", algorithm),
                b"\x0d" + string(blob) + string(b"data") + uint32(flags),
                signed(b"signature"),
            )
            self.assertEqual(b"signature", signature)

    def test_remove(self) -> None:
        """
        A key is removed by its public key blob, however it is given.
        """
        for key in (ED25519, self.key(ED25519)):
            self.asks(self.client.remove(key), b"\x12" + string(ED25519), SUCCESS)
        self.asks(self.client.removeAll(), b"\x13", SUCCESS)

    def test_lock(self) -> None:
        """
        A passphrase is sent as UTF-8.
        """
        self.asks(self.client.lock("pä"), b"\x16" + string("pä".encode()), SUCCESS)
        self.asks(self.client.unlock(b"p"), b"\x17" + string(b"p"), SUCCESS)

    def test_smartcard(self) -> None:
        """
        A token is named with its PIN, and may have constraints.
        """
        named = string(b"lib.so") + string(b"123")
        self.asks(self.client.addSmartcard("lib.so", "123"), b"\x14" + named, SUCCESS)
        self.asks(
            self.client.addSmartcard("lib.so", "123", lifetime=5, confirm=True),
            b"\x1a" + named + b"\x01" + uint32(5) + b"\x02",
            SUCCESS,
        )
        removed = self.client.removeSmartcard("lib.so", "123")
        self.asks(removed, b"\x15" + named, SUCCESS)

    def test_bind_session(self) -> None:
        """
        PROTOCOL.agent, section 1.
        """
        for forwarding in (False, True):
            bound = self.asks(
                self.bind(forwarding), b"\x1b" + BIND + boolean(forwarding), SUCCESS
            )
            self.assertTrue(bound)

    def test_query(self) -> None:
        """
        The names come after either of the two replies that drafts have had.
        """
        found = string(b"query") + string(b"x@y")
        for reply in (SUCCESS + found, b"\x1d" + string(b"query") + found):
            known = self.asks(self.client.query(), b"\x1b" + string(b"query"), reply)
            self.assertEqual((b"query", b"x@y"), known)

    def test_reply_of_another_extension(self) -> None:
        """
        A reply that names another extension is none to this one.
        """
        asked = self.client.query()
        self.agent.line.reply(b"\x1d" + string(b"x@y"))
        self.failureResultOf(asked, AgentProtocolError)

    def test_extension(self) -> None:
        """
        Any extension can be asked for; what its reply holds is not looked into.
        """
        asked = self.client.extension(b"x@y", b"more")
        contents = self.asks(
            asked, b"\x1b" + string(b"x@y") + b"more", SUCCESS + b"any"
        )
        self.assertEqual(b"any", contents)


class AddTests(AgentCase):
    """
    Keys that are given to the agent, and what it is to hold them to.
    """

    def setUp(self) -> None:
        super().setUp()
        self.private = ed25519.Ed25519PrivateKey.generate()
        self.fields = Key(self.private).privateBlob()

    def refuses(self, **limits: Any) -> None:
        """
        Nothing is sent for such limits.
        """
        self.failureResultOf(self.client.add(self.private, **limits), ValueError)
        self.failureResultOf(self.client.addSmartcard("lib", **limits), ValueError)
        self.assertEqual([], self.agent.line.requests)

    def test_plain(self) -> None:
        """
        A key of C{cryptography} and one of Conch are the same to it.
        """
        for key in (self.private, Key(self.private)):
            self.client.add(key, "me")
            self.assertEqual(
                b"\x11" + self.fields + string(b"me"), self.agent.line.requests[-1]
            )

    def test_certificate(self) -> None:
        """
        A certificate goes before the private fields and stands for the public.
        """
        _, curve, _, private = _strings(Key(ECDSA_KEY).privateBlob())
        for key, kind, fields in (
            (self.private, b"ssh-ed25519", _strings(self.fields)[1:]),
            (ECDSA_KEY, b"ecdsa-sha2-" + curve, [private]),
            (RSA_KEY, b"ssh-rsa", _strings(Key(RSA_KEY).privateBlob())[3:]),
        ):
            name = kind + b"-cert-v01@openssh.com"
            certificate = string(name) + b"..."
            self.client.add(key, certificate=certificate)
            self.assertEqual(
                b"\x11"
                + b"".join(map(string, [name, certificate, *fields]))
                + string(b""),
                self.agent.line.requests[-1],
            )

    def test_not_its_certificate(self) -> None:
        """
        A certificate of another type of key, and a plain key, are no
        certificate of this one.
        """
        for blob in (RSA_CERTIFICATE, ED25519, b""):
            added = self.client.add(self.private, certificate=blob)
            self.failureResultOf(added, ValueError)
        self.assertEqual([], self.agent.line.requests)

    def test_public(self) -> None:
        """
        A public key cannot be added.
        """
        added = self.client.add(Key(self.private).public())
        self.failureResultOf(added, ValueError)

    def test_constraints(self) -> None:
        """
        Lifetime and confirmation follow the comment.
        """
        self.client.add(self.private, lifetime=600, confirm=True)
        limits = b"\x01" + uint32(600) + b"\x02"
        self.assertEqual(
            [b"\x19" + self.fields + string(b"") + limits], self.agent.line.requests
        )

    def test_lifetime_that_is_none(self) -> None:
        """
        A lifetime that the agent would read as no limit, or that does not fit,
        is an error.
        """
        for lifetime in (0, -1, 2**32):
            self.refuses(lifetime=lifetime)

    def test_destinations_that_are_none(self) -> None:
        """
        A key is never added without limits because those given say nothing.
        """
        for destinations in (
            [],
            [Destination(Hop("host"))],
            [Destination(Hop("", keys=[b"k"]))],
            [Destination(TO, via=Hop("via"))],
            [Destination(TO, via=Hop("", keys=[b"k"]))],
        ):
            self.refuses(destinations=destinations)

    def add_for(self, *destinations: Destination) -> Deferred[None]:
        added = self.client.add(self.private, destinations=destinations)
        self.assertEqual([b"\x1b" + string(b"query")], self.agent.line.requests)
        return added

    def test_destinations(self) -> None:
        """
        PROTOCOL.agent, section 2, as ssh-add writes it.
        """
        via = Hop("via", keys=[b"v"])
        self.add_for(
            Destination(Hop("host", [b"k"], [b"ca"]), "me"), Destination(TO, via=via)
        )
        self.agent.line.reply(FAILURE)

        def hop(user: bytes, host: bytes, keys: bytes) -> bytes:
            return string(string(user) + string(host) + string(b"") + keys)

        def key(blob: bytes, is_ca: bool = False) -> bytes:
            return string(blob) + boolean(is_ca)

        first = hop(b"", b"", b"") + hop(b"me", b"host", key(b"k") + key(b"ca", True))
        second = hop(b"", b"via", key(b"v")) + hop(b"", b"host", key(b"host key"))
        constraints = b"".join(string(hops + string(b"")) for hops in (first, second))
        self.assertEqual(
            b"\x19"
            + self.fields
            + string(b"")
            + b"\xff"
            + string(b"restrict-destination-v00@openssh.com")
            + string(constraints),
            self.agent.line.requests[-1],
        )

    def test_destinations_unknown(self) -> None:
        """
        An agent that tells its extensions, and not this one, may take the
        constraint and not keep to it: it is not given the key.
        """
        added = self.add_for(Destination(TO))
        self.agent.line.reply(SUCCESS + string(b"query"))
        self.failureResultOf(added, AgentRefused)
        self.assertEqual(1, len(self.agent.line.requests))

    def test_destinations_known(self) -> None:
        """
        An agent that knows them is given the key.
        """
        added = self.add_for(Destination(TO))
        self.agent.line.reply(SUCCESS + string(b"session-bind@openssh.com"))
        self.agent.line.reply(SUCCESS)
        self.assertIsNone(self.successResultOf(added))

    def test_refused(self) -> None:
        """
        A constraint that the agent does not take is an error.
        """
        added = self.client.add(self.private, "me", confirm=True)
        self.agent.line.reply(FAILURE)
        error = self.failureResultOf(added, AgentRefused).value
        self.assertIn("did not take the key 'me': it refused", str(error))

    def test_secrets(self) -> None:
        """
        No request shows what it holds.
        """
        for request in (
            _agent_messages.lock("Secret-1"),
            _agent_messages.add_smartcard("x", "Secret-1", Constraints()),
        ):
            self.assertNotIn("Secret-1", repr(request) + request.tried)


class KeyTests(AgentCase):
    """
    A key in an agent, which is a signer.
    """

    def test_interface(self) -> None:
        """
        It is what a method asks of a signer.
        """
        verifyObject(ISigner, self.key(RSA))

    def test_algorithms(self) -> None:
        """
        RSA has three algorithms, every other key its own; those of a
        certificate have its names.
        """
        suffix = b"-cert-v01@openssh.com"
        plain = (b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa")
        for blob, algorithms in (
            (RSA, plain),
            (RSA_CERTIFICATE, tuple(name + suffix for name in plain)),
            (ED25519, (b"ssh-ed25519",)),
            (SK_CERTIFICATE, (b"sk-ssh-ed25519" + suffix,)),
            (string(b"unheard-of@x"), (b"unheard-of@x",)),
            (b"no key", ()),
        ):
            self.assertEqual(algorithms, self.key(blob).algorithms)

    def test_algorithm_of_another(self) -> None:
        """
        The agent is not asked for what the key cannot do.
        """
        for blob in (ED25519, b"no key"):
            self.failureResultOf(self.key(blob).sign(b"", b"ssh-rsa"), ValueError)
        self.assertEqual([], self.agent.line.requests)

    def test_source(self) -> None:
        """
        A comment is shown without what could act on a terminal.
        """
        self.assertEqual("ssh-agent", self.key(RSA).source)
        self.assertEqual("ssh-agent (me)", self.key(RSA, b"me").source)
        key = self.key(RSA, b"\x1b[2J\xff" + b"x" * 100)
        self.assertEqual("\x1b[2J\ufffd" + "x" * 100, key.comment)
        self.assertTrue(key.source.startswith("ssh-agent (\\x1b[2J\ufffdxxx"))
        self.assertLess(len(key.source), 90)
        self.assertNotIn("\x1b", repr(key))


class OrderTests(AgentCase):
    """
    Replies are matched to requests in order, whoever still waits.
    """

    def test_pipelined(self) -> None:
        """
        Requests do not wait for each other, and a reply in pieces is one.
        """
        asked = [self.client.signWith(RSA, b"%d" % i, None) for i in range(3)]
        self.assertEqual(3, len(self.agent.line.requests))
        replies = [string(signed(b"a")), string(FAILURE), string(signed(b"c"))]
        for byte in b"".join(replies):
            self.agent.line.send(bytes((byte,)))
        self.assertEqual(b"a", self.successResultOf(asked[0]))
        self.failureResultOf(asked[1], AgentRefused)
        self.assertEqual(b"c", self.successResultOf(asked[2]))
        self.idle()

    def test_cancelled(self) -> None:
        """
        The reply to a request that was cancelled is dropped, and the next one
        is the next request's.
        """
        first, second = self.client.identities(), self.client.identities()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.agent.line.reply(listed((RSA, b"")), listed())
        self.assertEqual((), self.successResultOf(second))
        self.assertFalse(self.agent.line.closed)
        self.idle()

    def test_cancelled_and_malformed(self) -> None:
        """
        Nobody looks at the reply to a request that was cancelled, whatever it
        is.
        """
        first, second = self.client.identities(), self.client.identities()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.agent.line.reply(b"\xff", listed())
        self.assertEqual((), self.successResultOf(second))
        self.assertFalse(self.agent.line.closed)

    def test_overdue_extension_on_a_given_transport(self) -> None:
        """
        A connection that cannot be made anew is kept, though an extension is
        overdue on it: its reply may come yet.
        """
        client, transport = SSHAgentClient(), StringTransport()
        client.clock = clock = Clock()
        client.makeConnection(transport)
        asked = client.extension(b"x@example.org")
        clock.advance(client.timeout)
        self.failureResultOf(asked, AgentTimeout)
        self.assertFalse(transport.disconnecting)
        keys = client.identities()
        client.dataReceived(string(SUCCESS) + string(listed()))
        self.assertEqual((), self.successResultOf(keys))

    def test_extension_that_is_refused(self) -> None:
        """
        EXTENSION_FAILURE is a refusal like any, and the connection stays.
        """
        asked = self.client.extension(b"x@example.org")
        self.agent.line.reply(EXTENSION_FAILURE)
        self.failureResultOf(asked, AgentRefused)
        self.assertFalse(self.agent.line.closed)

    def test_algorithm_of_another_method(self) -> None:
        """
        What is signed for another method than publickey names no algorithm.
        """
        for method, named in ((b"publickey", b"alg"), (b"hostbased", None)):
            data = string(b"session") + b"\x32" + string(b"alice") + string(b"s")
            data += string(method) + boolean(True) + string(b"alg") + string(b"key")
            self.assertEqual(_agent_messages.algorithm_named_in(data), named)

    def test_nothing_is_kept_after_the_end(self) -> None:
        """
        What comes after the protocol was broken is not kept, nor is what came
        before.
        """
        keys = self.client.identities()
        exchange = self.client._exchange
        self.agent.line.send(b"\xff\xff\xff\xff" + b"x" * 100)
        self.failureResultOf(keys, AgentProtocolError)
        self.agent.line.send(b"x" * 100)
        self.assertEqual(exchange._received, b"")

    def test_cancelled_deadline(self) -> None:
        """
        A request that was cancelled has no deadline.
        """
        keys = self.client.identities()
        keys.cancel()
        self.failureResultOf(keys, CancelledError)
        self.idle()

    def test_cancelled_and_empty(self) -> None:
        """
        A message of no bytes is not even a late reply.
        """
        keys = self.client.identities()
        keys.cancel()
        self.failureResultOf(keys, CancelledError)
        self.agent.line.reply(b"")
        self.assertTrue(self.agent.line.closed)

    def test_timeout(self) -> None:
        """
        An agent that does not answer has its time; what else is asked is not
        touched, and the late reply is dropped.
        """
        first = self.client.identities()
        signature = self.client.signWith(RSA, b"", None)
        self.clock.advance(20)
        error = self.failureResultOf(first, AgentTimeout).value
        self.assertIn("did not list its keys: it gave no answer in 20 s", str(error))
        self.assertNoResult(signature)
        self.agent.line.reply(listed(), signed(b"s"))
        self.assertEqual(b"s", self.successResultOf(signature))
        self.idle()

    def test_time_for_a_person(self) -> None:
        """
        Signing has the longer time, which does not count for those behind.
        """
        signature, keys = (
            self.client.signWith(RSA, b"", None),
            self.client.identities(),
        )
        self.clock.advance(100)
        self.agent.line.reply(signed(b"s"))
        self.clock.advance(15)
        self.assertNoResult(keys)
        self.agent.line.reply(listed())
        self.assertEqual((), self.successResultOf(keys))
        self.successResultOf(signature)

    def test_time_is_not_added_up(self) -> None:
        """
        An agent that says nothing at all is waited for once, not once for every
        request.
        """
        asked = [self.client.identities() for _ in range(3)]
        self.clock.advance(20)
        for one in asked:
            self.failureResultOf(one, AgentTimeout)
        self.idle()

    def test_no_limit(self) -> None:
        """
        C{None} is no limit.
        """
        self.client.signTimeout = None
        signature = self.client.signWith(RSA, b"", None)
        self.idle()
        self.agent.line.reply(signed(b"s"))
        self.successResultOf(signature)

    def test_overdue(self) -> None:
        """
        Where a reply is overdue and nobody waits, later requests go to a new
        connection, as this one may be out of step.
        """
        self.failureResultOf(self._timed_out(self.client.identities()), AgentTimeout)
        self.assertTrue(self.agent.line.closed)
        keys = self.client.identities()
        self.agent.lines[0].reply(listed((RSA, b"")))
        self.agent.lines[1].reply(listed())
        self.assertEqual((), self.successResultOf(keys))

    def _timed_out(self, asked: Deferred[Any]) -> Deferred[Any]:
        self.clock.advance(20)
        return asked

    def test_asked_meanwhile(self) -> None:
        """
        What is asked as soon as an answer is there has its own place.
        """
        keys: Deferred[Any] = self.client.identities()
        keys.addCallback(lambda _: self.client.signWith(RSA, b"", None))
        self.agent.line.reply(listed())
        self.assertNoResult(keys)
        self.agent.line.reply(signed(b"s"))
        self.assertEqual(b"s", self.successResultOf(keys))

    def test_closed_meanwhile(self) -> None:
        """
        After L{SSHAgentClient.close} in the middle of replies, those that have
        come are not heard.
        """
        first, second = self.client.identities(), self.client.identities()
        first.addCallback(lambda _: self.client.close())
        self.agent.line.reply(listed(), listed())
        self.failureResultOf(second, AgentUnavailable)


class HostileTests(AgentCase):
    """
    An agent that breaks its protocol.
    """

    def breaks(
        self, send: Callable[[], None], error: type[AgentError] = AgentProtocolError
    ) -> None:
        """
        What C{send} sends fails what is asked, once, and closes the connection;
        what is asked next goes to a new one.
        """
        first, second = self.client.identities(), self.client.removeAll()
        send()
        self.failureResultOf(first, error)
        self.failureResultOf(second, AgentUnavailable)
        self.agent.lines[-1].reply(listed(), SUCCESS)
        self.assertTrue(self.agent.line.closed)
        self.idle()
        next_one = self.client.identities()
        self.agent.line.reply(listed())
        self.assertEqual((), self.successResultOf(next_one))
        self.idle()

    def test_malformed(self) -> None:
        """
        A reply that is not exactly one reply to what was asked.
        """
        for reply in (
            b"\x0c",
            b"\x0c" + uint32(1),
            b"\x0c" + uint32(1) + string(RSA),
            b"\x0c" + uint32(1) + string(RSA) + uint32(5) + b"four",
            listed() + b"more",
            b"\x0c" + uint32(2**32 - 1),
            listed(*[(b"", b"")] * 2049),
            SUCCESS,
            signed(b"s"),
            EXTENSION_FAILURE,
            b"\x00",
            b"\xff",
        ):
            self.breaks(lambda reply=reply: self.agent.line.reply(reply))  # type: ignore[misc]

    def test_lengths(self) -> None:
        """
        A message is 1 byte to 256 KiB long; a longer one is not waited for.
        """
        for length in (0, 256 * 1024 + 1, 2**32 - 1):
            self.breaks(lambda n=length: self.agent.line.send(uint32(n)))  # type: ignore[misc]

    def test_longest(self) -> None:
        """
        256 KiB are read, and 2048 keys.
        """
        room = 256 * 1024 - len(listed((b"", b"")))
        for keys in ([(b"k" * room, b"")], [(b"", b"")] * 2048):
            asked = self.client.identities()
            self.agent.line.reply(listed(*keys))
            self.assertEqual(len(keys), len(self.successResultOf(asked)))

    def test_dead(self) -> None:
        """
        An agent that closes the connection fails everything that is asked, with
        a part of a reply or without.
        """
        for part in (b"", b"\x00\x00", uint32(9) + b"\x0c"):

            def send(part: bytes = part) -> None:
                self.agent.line.send(part)
                self.agent.line.die()
                self.agent.line.transport.loseConnection()

            self.breaks(send, AgentUnavailable)

    def test_unsolicited(self) -> None:
        """
        A reply that nobody asked for closes the connection and fails nothing.
        """
        self.agent.line.reply(listed())
        self.assertTrue(self.agent.line.closed)
        keys = self.client.identities()
        self.agent.line.reply(listed())
        self.assertEqual((), self.successResultOf(keys))

    def test_one_reply_too_many(self) -> None:
        """
        The request that was answered keeps its answer.
        """
        keys = self.client.identities()
        self.agent.line.reply(listed(), listed())
        self.assertEqual((), self.successResultOf(keys))
        self.assertTrue(self.agent.line.closed)

    def test_dies_at_every_request(self) -> None:
        """
        An agent that takes connections and dies at every request is asked once
        for each, and no more.
        """
        for number in range(1, 4):
            asked = self.client.identities()
            self.agent.line.die()
            self.failureResultOf(asked, AgentUnavailable)
            self.assertEqual(number, len(self.agent.lines))

    def test_too_much_asked(self) -> None:
        """
        A request longer than an agent takes is not sent.
        """
        asked = self.client.signWith(RSA, bytes(256 * 1024), None)
        self.failureResultOf(asked, AgentRefused)
        self.assertEqual([], self.agent.line.requests)

    @example(b"\x0c" + uint32(1) + string(RSA) + string(b"me"))
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """
        Whatever comes, nothing is raised, each Deferred fires at most once, and
        once the agent is gone each has fired.
        """
        agent, clock = HostileAgent(), Clock()
        fired: list[object] = []
        client = self.successResultOf(SSHAgentClient.connect(agent, clock))
        asked: list[Deferred[Any]] = [
            client.identities(),
            client.signWith(RSA, b"", None),
        ]
        for one in asked:
            one.addBoth(fired.append)
        agent.line.send(data)
        agent.line.die()
        self.assertEqual(2, len(fired))
        for outcome in fired:
            if isinstance(outcome, Failure):
                self.assertIsNotNone(outcome.check(AgentError))
        self.assertEqual([], clock.getDelayedCalls())

    @given(
        st.sampled_from(
            [
                _agent_messages.identities(),
                _agent_messages.sign(RSA, b"", None),
                _agent_messages.remove_all(),
                _agent_messages.query(),
                _agent_messages.extension(b"x", b""),
            ]
        ),
        st.sampled_from(b"\x05\x06\x0c\x0e\x1c\x1d"),
        st.binary(max_size=60),
    )
    def test_any_reply(
        self, request: _agent_messages.Request[Any], number: int, rest: bytes
    ) -> None:
        """
        A reply is an answer, a refusal or a breach of the protocol, and nothing
        else.
        """
        try:
            request.answer(bytes((number,)) + rest)
        except (AgentRefused, AgentProtocolError) as error:
            self.assertIn("the agent did not", str(error))

    @given(st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=20))))
    def test_any_list(self, keys: list[tuple[bytes, bytes]]) -> None:
        """
        Every list of keys is read as it was written, whatever the keys are.
        """
        request = _agent_messages.identities()
        self.assertEqual(tuple(keys), request.answer(listed(*keys)))


class StumbleTests(AgentCase):
    """
    Agents that do not survive an extension (yubikey-agent, kr).
    """

    def goes_on_without(self, stumble: Callable[[], None]) -> None:
        bound, keys, again = self.bind(), self.client.identities(), self.bind()
        stumble()
        self.assertIs(False, self.successResultOf(bound))
        self.assertEqual(2, len(self.agent.lines))
        self.assertEqual([b"\x0b"], self.agent.line.requests)
        self.agent.line.reply(listed())
        self.assertEqual((), self.successResultOf(keys))
        self.assertIs(False, self.successResultOf(again))
        self.assertIs(False, self.successResultOf(self.bind()))
        self.assertEqual(1, len(self.agent.line.requests))
        self.idle()

    def test_closes(self) -> None:
        """
        Where it closes the connection, what else was asked is asked anew, and
        the extension is left out from then on.
        """
        self.goes_on_without(lambda: self.agent.line.die())

    def test_answers_nonsense(self) -> None:
        """
        The same where its reply is malformed.
        """
        self.goes_on_without(lambda: self.agent.line.reply(b"\x00"))

    def test_is_silent(self) -> None:
        """
        The same where it does not reply at all.
        """
        self.goes_on_without(lambda: self.clock.advance(20))

    def test_cancelled(self) -> None:
        """
        The same where nobody waits for the extension any more.
        """
        for stumble in (lambda: self.agent.line.die(), lambda: self.clock.advance(20)):
            self.client = self.connected()
            bound, keys = self.bind(), self.client.identities()
            bound.cancel()
            self.failureResultOf(bound, CancelledError)
            stumble()
            self.agent.line.reply(listed())
            self.assertEqual((), self.successResultOf(keys))

    def test_refuses(self) -> None:
        """
        One that refuses stays connected.
        """
        for refusal in (FAILURE, EXTENSION_FAILURE):
            bound = self.bind()
            self.agent.line.reply(refusal)
            self.assertIs(False, self.successResultOf(bound))
        self.assertEqual(1, len(self.agent.lines))

    def test_cannot_be_reached_again(self) -> None:
        """
        Where no new connection can be made, what was asked fails with that.
        """
        bound, keys = self.bind(), self.client.identities()
        self.agent.refusal = TransportLost()
        self.agent.line.die()
        self.assertIs(False, self.successResultOf(bound))
        self.failureResultOf(keys, AgentUnavailable)

    def test_earlier_reply(self) -> None:
        """
        What was asked before the extension is not asked twice.
        """
        keys, bound = self.client.identities(), self.bind()
        self.agent.line.reply(listed())
        self.agent.line.die()
        self.assertEqual((), self.successResultOf(keys))
        self.assertIs(False, self.successResultOf(bound))
        self.assertEqual(1, len(self.agent.lines))

    def test_dies_before(self) -> None:
        """
        An agent that dies at something else has not stumbled.
        """
        keys, bound = self.client.identities(), self.bind()
        self.agent.line.die()
        self.failureResultOf(keys, AgentUnavailable)
        self.failureResultOf(bound, AgentUnavailable)
        bound = self.bind()
        self.agent.line.reply(SUCCESS)
        self.assertIs(True, self.successResultOf(bound))

    def test_bound_again(self) -> None:
        """
        A new connection is bound as the old one was, before anything is asked
        on it.
        """
        self.bind()
        self.agent.line.reply(SUCCESS)
        self.agent.line.die()
        self.client.identities()
        self.assertEqual([b"\x1b" + BIND + b"\x00", b"\x0b"], self.agent.line.requests)

    def test_bound_again_and_refused(self) -> None:
        """
        Where it refuses that, it is asked all the same.
        """
        self.bind()
        self.agent.line.reply(SUCCESS)
        self.agent.line.die()
        keys = self.client.identities()
        self.agent.line.reply(FAILURE, listed())
        self.assertEqual((), self.successResultOf(keys))
        gc.collect()
        self.assertEqual([], self.flushLoggedErrors())

    def test_bound_once(self) -> None:
        """
        Where it survived the first binding only, the new connection is not
        bound.
        """
        self.bind()
        self.agent.line.reply(SUCCESS)
        second = self.bind()
        self.agent.line.die()
        self.assertIs(False, self.successResultOf(second))
        self.client.identities()
        self.assertEqual([b"\x0b"], self.agent.line.requests)

    def test_bound_no_more(self) -> None:
        """
        After L{SSHAgentClient.close} it is not.
        """
        self.bind()
        self.agent.line.reply(SUCCESS)
        self.client.close()
        self.client.identities()
        self.assertEqual([b"\x0b"], self.agent.line.requests)


class ConnectTests(AgentCase):
    """
    How a connection comes and goes.
    """

    def fails(self, error: type[AgentError]) -> str:
        connected = SSHAgentClient.connect(self.agent, self.clock)
        if self.agent.silent:
            self.clock.advance(20)
        told = str(self.failureResultOf(connected, error).value)
        self.idle()
        return told

    def test_no_socket(self) -> None:
        """
        Without SSH_AUTH_SOCK there is no agent, and that is said.
        """
        for environment in ({}, {"SSH_AUTH_SOCK": ""}):
            self.patch(os, "environ", environment)
            connected = SSHAgentClient.connect()
            error = self.failureResultOf(connected, AgentUnavailable).value
            self.assertIn("SSH_AUTH_SOCK is not set. Check that", str(error))

    def test_refused(self) -> None:
        """
        What keeps a connection from being made is told.
        """
        self.agent.refusal = TransportLost()
        self.assertIn("did not take a connection: ", self.fails(AgentUnavailable))

    def test_silent(self) -> None:
        """
        A connection that is not made has its time, too.
        """
        self.agent.silent = True
        self.assertIn("reached in 20 s", self.fails(AgentTimeout))

    def test_dies_at_once(self) -> None:
        """
        One that ends before it is handed out is none.
        """
        self.agent.script = lambda line: line.die()
        self.fails(AgentUnavailable)

    def test_breaks_at_once(self) -> None:
        """
        Nor is one on which an agent speaks first.
        """
        self.agent.script = lambda line: line.reply(listed())
        self.fails(AgentUnavailable)

    def test_cancelled(self) -> None:
        """
        Connecting can be cancelled.
        """
        self.agent.silent = True
        connected = SSHAgentClient.connect(self.agent, self.clock)
        connected.cancel()
        self.failureResultOf(connected, CancelledError)
        self.idle()

    def test_closed(self) -> None:
        """
        L{SSHAgentClient.close} fails what is asked, may be called again, and
        fires when the connection is gone.
        """
        keys = self.client.identities()
        first, second = self.client.close(), self.client.close()
        self.failureResultOf(keys, AgentUnavailable)
        self.assertTrue(self.agent.line.closed)
        self.assertNoResult(first)
        self.agent.line.die()
        for closed in (first, second):
            self.assertIsNone(self.successResultOf(closed))
        self.assertIsNone(self.successResultOf(self.client.close()))
        self.idle()

    def test_closed_without_stumbling(self) -> None:
        """
        To be closed in the middle of an extension is no fault of the agent's.
        """
        bound, keys = self.bind(), self.client.identities()
        self.client.close()
        self.failureResultOf(bound, AgentUnavailable)
        self.failureResultOf(keys, AgentUnavailable)
        self.assertEqual(1, len(self.agent.lines))

    def test_closed_while_connecting(self) -> None:
        """
        A connection that is being made is given up, with what waits for it.
        """
        self.agent.line.die()
        self.agent.silent = True
        keys = self.client.identities()
        self.client.close()
        self.failureResultOf(keys, AgentUnavailable)
        self.idle()

    def test_used_after_close(self) -> None:
        """
        What is asked after that makes a new connection.
        """
        self.client.close()
        keys = self.client.identities()
        self.agent.line.reply(listed())
        self.assertEqual((), self.successResultOf(keys))
        self.assertEqual(2, len(self.agent.lines))

    def test_asked_while_connecting(self) -> None:
        """
        Requests that wait for one connection make no second one; those that
        were cancelled are not sent.
        """
        self.agent.line.die()
        self.agent.silent = True
        first, second = self.client.identities(), self.client.removeAll()
        self.assertEqual(1, len(self.agent.waiting))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.agent.accept()
        self.assertEqual([b"\x13"], self.agent.line.requests)
        self.agent.line.reply(SUCCESS)
        self.successResultOf(second)
        self.idle()

    def test_connection_that_is_not_made(self) -> None:
        """
        What waits for a connection fails with what keeps it from being made.
        """
        self.agent.line.die()
        self.agent.silent = True
        keys = self.client.identities()
        self.clock.advance(20)
        error = self.failureResultOf(keys, AgentTimeout).value
        self.assertIn("did not list its keys: it could not be reached", str(error))


class ConchTests(SynchronousTestCase):
    """
    In place of L{twisted.conch.client.agent.SSHAgentClient}.
    """

    def setUp(self) -> None:
        self.transport = StringTransport()
        self.client = SSHAgentClient()
        self.client.clock = self.clock = Clock()
        self.client.makeConnection(self.transport)

    def reply(self, *messages: bytes) -> None:
        self.client.dataReceived(b"".join(map(string, messages)))

    def flags(self) -> int:
        """
        Those of the last signature that was asked for.
        """
        number: int = struct.unpack(">L", self.transport.value()[-4:])[0]
        return number

    def test_keys(self) -> None:
        """
        C{getPublicKeys} asks, and C{getPublicKey} gives one after the other.
        """
        self.assertIsNone(self.client.getPublicKey())
        asked = self.client.getPublicKeys()
        self.reply(listed((RSA_CERTIFICATE, b"me"), (ED25519, b"")))
        self.assertIsNone(self.successResultOf(asked))
        self.assertEqual([RSA_CERTIFICATE, ED25519], self.client.blobs)
        key = self.client.getPublicKey()
        assert key is not None
        self.assertEqual((RSA_CERTIFICATE, "me"), (key.blob(), key.comment))
        self.client.blobs = [RSA]
        key = self.client.getPublicKey()
        assert key is not None
        self.assertEqual(RSA, key.blob())
        self.assertIsNone(self.client.getPublicKey())

    def test_pairs(self) -> None:
        """
        C{requestIdentities} gives a list of blobs and comments.
        """
        asked = self.client.requestIdentities()
        self.reply(listed((RSA, b"me")))
        self.assertEqual([(RSA, b"me")], self.successResultOf(asked))

    def test_sign_as_the_request_says(self) -> None:
        """
        C{signData} takes the algorithm from the request that is to be signed,
        so that a caller that knows of none gets SHA-2.
        """
        for algorithm, flags in (
            (b"rsa-sha2-512", 4),
            (b"rsa-sha2-256-cert-v01@openssh.com", 2),
            (b"ssh-rsa", 0),
        ):
            data = signing.data_to_sign(
                b"session", b"me", b"ssh-connection", PublicKeyRequest(algorithm, RSA)
            )
            self.client.signData(RSA, data)
            self.assertEqual(flags, self.flags())
        bound = data.replace(
            string(b"publickey"), string(b"publickey-hostbound-v00@openssh.com")
        ).replace(string(b"ssh-rsa"), string(b"rsa-sha2-512"), 1)
        self.client.signData(RSA, bound)
        self.assertEqual(4, self.flags())

    def test_sign_as_told(self) -> None:
        """
        A third argument says it; and data that is no request says nothing.
        """
        self.client.signData(RSA, b"data", b"rsa-sha2-256")
        self.assertEqual(2, self.flags())
        data = signing.data_to_sign(
            b"session", b"me", b"x", PublicKeyRequest(b"rsa-sha2-512", RSA)
        )
        for other in (
            b"data",
            data[:-30],
            b"\x00" * 80,
            data.replace(b"publickey", b"hostbased"),
            data.replace(b"session2", b"session3"),
        ):
            self.client.signData(RSA, other)
            self.assertEqual(0, self.flags())

    def test_add_and_remove(self) -> None:
        """
        Conch's names of these ask the same.
        """
        self.client.addIdentity(b"private", b"me")
        self.client.removeIdentity(RSA)
        self.client.removeAllIdentities()
        self.assertEqual(
            string(b"\x11private" + string(b"me"))
            + string(b"\x12" + string(RSA))
            + string(b"\x13"),
            self.transport.value(),
        )

    def test_errors(self) -> None:
        """
        What fails does so with an error that is Conch's, too.
        """
        asked = self.client.removeAllIdentities()
        self.reply(FAILURE)
        self.failureResultOf(asked, ConchError)

    def test_one_connection(self) -> None:
        """
        Once the transport is gone there is no other: what was asked fails, and
        what is asked later.
        """
        first = self.client.extension(b"x@y")
        self.client.connectionLost(Failure(TransportLost()))
        self.failureResultOf(first, AgentUnavailable)
        self.failureResultOf(self.client.identities(), AgentUnavailable)

    def test_late(self) -> None:
        """
        The one connection is kept though a reply is overdue.
        """
        for asked in (self.client.identities(), self.client.extension(b"x@y")):
            self.clock.advance(20)
            self.failureResultOf(asked, AgentTimeout)
        keys = self.client.identities()
        self.reply(listed((RSA, b"")), FAILURE, listed())
        self.assertEqual((), self.successResultOf(keys))
        self.assertFalse(self.transport.disconnecting)

    def test_own_connection_made(self) -> None:
        """
        A subclass may have a C{connectionMade} that calls no other.
        """

        class Subclass(SSHAgentClient):
            def connectionMade(self) -> None:
                self.asked = self.requestIdentities()

        client = Subclass()
        client.clock = self.clock
        client.makeConnection(StringTransport())
        client.dataReceived(string(listed()))
        self.assertEqual([], self.successResultOf(client.asked))


def _strings(data: bytes) -> list[bytes]:
    reader = Reader(data, "key")
    found = []
    while reader.remaining:
        found.append(reader.string())
    return found

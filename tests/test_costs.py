# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
What a login costs, in what does not depend on the machine: round trips, packets,
signatures, questions, Deferreds, and calls of Python functions beside Conch's own
class in the same process.

The bounds are a little above what is needed.  Where one is passed, find out why
before it is raised; times are for C{tests/benchmarks}.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.conch.ssh import userauth as conch
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _events
from conch_auth.messages import Failure, Message, PublicKeyOk, Success
from conch_auth.userauth import SSHUserAuthClient
from tests.memory import MemoryCase
from tests.support import NextService, RecordingTransport, new_key

KEY = new_key()
REFUSAL = Failure((b"publickey", b"password"), False)
SUCCESS = Success()


def pk_ok(key: Key = KEY) -> PublicKeyOk:
    return PublicKeyOk(key.sshType(), key.public().blob())


class Owner:
    """
    Has keys, and counts what it is asked.
    """

    def lay_out(self, keys: list[Key], answers: int = 0) -> None:
        self.keys = list(keys)
        self.answers = answers
        self.asked: list[str] = []

    def getPublicKey(self) -> Any:
        self.asked.append("getPublicKey")
        self.offered = self.keys.pop(0) if self.keys else None
        return self.offered and self.offered.public()

    def getPrivateKey(self) -> Any:
        self.asked.append("getPrivateKey")
        found: Deferred[Any] = Deferred()
        found.callback(self.offered)
        return found


class Ours(Owner, SSHUserAuthClient):
    clock = Clock()


class Eager(Ours):
    eager = True


class Conchs(Owner, conch.SSHUserAuthClient):
    pass


#: A login with one key, as the server's messages: asked first, and at once.
ORDINARY: list[Message] = [REFUSAL, pk_ok(), SUCCESS]
AT_ONCE: list[Message] = [SUCCESS]


def log_in(kind: Any, replies: list[Message], *keys: Key) -> Any:
    """
    Go through one login.

    @return: the service, which has logged in.
    """
    service = kind(b"alice", NextService())
    service.lay_out(list(keys or [KEY]))
    service.transport = RecordingTransport()
    service.serviceStarted()
    for message in replies:
        service.packetReceived(message.number, message.build())
    assert service.transport.services == [service.instance]
    return service


def calls_in(work: Callable[[], object]) -> int:
    """
    How many functions written in Python are called: the least of some runs, for
    what other tests have left behind may be finalized in the middle of one.
    """
    return min(_calls_in(work) for _ in range(3))


def _calls_in(work: Callable[[], object]) -> int:
    calls = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    gc.collect()
    gc.disable()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return calls


@contextmanager
def counted(kind: type, method: str) -> Iterator[list[Any]]:
    """
    Notes the arguments of every call of a method meanwhile.
    """
    made: list[Any] = []
    real = getattr(kind, method)

    def noting(self: Any, *arguments: Any, **more: Any) -> Any:
        made.append(arguments)
        return real(self, *arguments, **more)

    setattr(kind, method, noting)
    try:
        yield made
    finally:
        setattr(kind, method, real)


class LoginCosts(SynchronousTestCase):
    """
    One key.
    """

    def test_packets(self) -> None:
        """
        Three requests where the server is asked, one where it is not, and
        nothing else.
        """
        for kind, replies, trips in ((Ours, ORDINARY, 3), (Eager, AT_ONCE, 1)):
            service = log_in(kind, replies)
            self.assertEqual(len(service.transport.packets), trips)
            self.assertEqual(service.report.round_trips, trips)

    def test_signatures(self) -> None:
        """
        One signature, and each question once.
        """
        for kind, replies in ((Ours, ORDINARY), (Eager, AT_ONCE)):
            with counted(Key, "sign") as signed:
                service = log_in(kind, replies)
            self.assertEqual(len(signed), 1)
            self.assertEqual(service.asked, ["getPublicKey", "getPrivateKey"])

    def test_refused_keys(self) -> None:
        """
        Keys that the server refuses cost a request each, and no signature.
        """
        keys = [new_key() for _ in range(5)]
        replies = [REFUSAL] * 5 + [pk_ok(keys[-1]), SUCCESS]
        with counted(Key, "sign") as signed:
            service = log_in(Ours, replies, *keys)
        self.assertEqual(len(signed), 1)
        self.assertEqual(len(service.transport.packets), 7)

    def test_blob(self) -> None:
        """
        A key's public half is asked for once.
        """
        with counted(Key, "blob") as asked:
            log_in(Ours, ORDINARY)
        self.assertEqual(len(asked), 1)

    def test_requests_are_built_once(self) -> None:
        """
        What was built to be sent is not read again.
        """
        read = self.patch_reads()
        log_in(Ours, ORDINARY)
        self.assertEqual(read, [b"none"])

    def patch_reads(self) -> list[bytes]:
        from conch_auth import messages

        read: list[bytes] = []
        real = messages.method_request

        def method_request(method: bytes, data: bytes) -> Any:
            read.append(method)
            return real(method, data)

        self.patch(messages, "method_request", method_request)
        # The transport of these tests reads what it is sent.
        self.patch(RecordingTransport, "sendPacket", _only_kept)
        return read

    def test_deferreds(self) -> None:
        """
        An owner that answers at once costs next to no Deferreds.
        """
        for kind, replies, most in ((Ours, ORDINARY, 5), (Eager, AT_ONCE, 6)):
            self.patch(RecordingTransport, "sendPacket", _only_kept)
            with counted(Deferred, "__init__") as made:
                log_in(kind, replies)
            # One of them is the owner's.
            self.assertLessEqual(len(made) - 1, most, kind)

    def test_calls(self) -> None:
        """
        The report, the checks and the limits cost no more than this times what
        Conch does without them.
        """
        self.patch(RecordingTransport, "sendPacket", _only_kept)
        # What becomes of an event is the application's business.
        self.patch(_events._log, "observer", lambda event: None)

        def cost(kind: Any, replies: list[Message]) -> int:
            log_in(kind, replies)
            return calls_in(lambda: log_in(kind, replies))

        ours, eager = cost(Ours, ORDINARY), cost(Eager, AT_ONCE)
        conchs = cost(Conchs, ORDINARY)
        self.assertLess(ours / conchs, 3.2)
        self.assertLess(eager / conchs, 2.2)


class GrowthTests(SynchronousTestCase):
    """
    What a login costs grows no faster than what there is to do.
    """

    def test_keys(self) -> None:
        """
        Ten keys more cost the same, however many there were.
        """
        keys = [new_key() for _ in range(40)]
        self.patch(RecordingTransport, "sendPacket", _only_kept)

        def cost(count: int) -> int:
            offered = keys[:count]
            replies = [REFUSAL] * count + [pk_ok(offered[-1]), SUCCESS]
            log_in(Ours, replies, *offered)
            return calls_in(lambda: log_in(Ours, replies, *offered))

        ten, twenty, forty = cost(10), cost(20), cost(40)
        self.assertLess((forty - twenty) / 2, (twenty - ten) * 1.05)

    def test_logins(self) -> None:
        """
        The hundredth login of a process costs what the second did.
        """
        self.patch(RecordingTransport, "sendPacket", _only_kept)
        log_in(Ours, ORDINARY)
        second = calls_in(lambda: log_in(Ours, ORDINARY))
        held = [log_in(Ours, ORDINARY) for _ in range(97)]
        self.assertLessEqual(calls_in(lambda: log_in(Ours, ORDINARY)), second)
        del held


class WireCosts(MemoryCase):
    """
    C{connect}, on the wire.
    """

    def test_flights(self) -> None:
        """
        After its NEWKEYS the client sends one flight, and waits once.
        """
        self.begin(client_keys=[KEY])
        self.server.add_user("alice", keys=[KEY])
        (link,) = self.endpoint.links
        with counted(type(link.client), "sendPacket") as sent:
            link.pump()
        numbers = [number for number, _ in sent]
        self.assertTrue(self.connection.report.succeeded)
        self.assertEqual(numbers[numbers.index(21) :], [21, 5, 50])

    def test_asked(self) -> None:
        """
        Without C{eager} it is one packet a request, and no other.
        """
        self.begin(client_keys=[KEY], eager=False)
        self.server.add_user("alice", keys=[KEY])
        (link,) = self.endpoint.links
        with counted(type(link.client), "sendPacket") as sent:
            link.pump()
        numbers = [number for number, _ in sent]
        self.assertEqual(numbers[numbers.index(21) :], [21, 5, 50, 50, 50])


class StartTests(SynchronousTestCase):
    """
    What a program pays before its first login.
    """

    def loaded_by(self, statement: str) -> set[str]:
        code = f"import sys; {statement}; print(*sys.modules)"
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return set(out.stdout.split())

    def test_package(self) -> None:
        """
        The package by itself loads nothing.
        """
        loaded = self.loaded_by("import conch_auth")
        self.assertEqual(loaded & {"twisted", "cryptography", "asyncio"}, set())

    def test_not_used(self) -> None:
        """
        C{connect} loads no library of an extra, and none that another method,
        key or server takes.
        """
        loaded = self.loaded_by("from conch_auth import connect")
        unused = {"gssapi", "fido2", "rich", "argcomplete", "asyncssh", "pyasn1"}
        self.assertEqual(loaded & unused, set())
        self.assertNotIn("twisted.internet.reactor", loaded)


def _only_kept(self: RecordingTransport, number: int, payload: bytes) -> None:
    self.packets.append((number, payload))

"""
Tests for L{conch_auth._command}, over a connection in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from twisted.conch.error import ConchError
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import SSHConnection
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._command import CommandChannel, CommandFailed, run_command
from conch_auth.loopback import LoopbackServer, Result
from tests.test_loopback import ClientTransport, ConchOwner


class Typist:
    """
    Input that comes when the test says so.
    """

    def __init__(
        self, received: Callable[[bytes], object], ended: Callable[[], object]
    ) -> None:
        self.received = received
        self.ended = ended
        self.reading: list[bool] = []

    def start(self) -> None:
        self.reading.append(True)

    def stop(self) -> None:
        self.reading.append(False)


class CommandTests(SynchronousTestCase):
    """
    L{CommandChannel} and L{run_command}.
    """

    source: Any = None

    def setUp(self) -> None:
        self.server = LoopbackServer()
        self.server.add_user("alice", password="pw")
        self.connection = SSHConnection()
        auth = ConchOwner(b"alice", self.connection)
        auth.password = "pw"
        transport = ClientTransport()
        transport.service_wanted = auth
        self.link = self.server.connect_in_memory(transport)
        self.written = b""
        self.complained = b""

    def run_line(self, line: bytes) -> Deferred[int]:
        self.channel = CommandChannel(line, self.write, self.complain, self.source)
        status = Deferred.fromCoroutine(run_command(self.connection, self.channel))
        self.link.pump()
        return status

    def write(self, data: bytes) -> None:
        self.written += data

    def complain(self, data: bytes) -> None:
        self.complained += data

    def typing(self, line: bytes) -> tuple[Deferred[int], Typist]:
        typists: list[Typist] = []

        def source(*callables: Any) -> Typist:
            typists.append(Typist(*callables))
            return typists[0]

        self.source = source
        return self.run_line(line), typists[0]

    def test_output(self) -> None:
        """
        Output, errors and the exit status come back.
        """
        self.server.add_command("both", lambda user, words: Result("out", "err", 3))
        self.assertEqual(self.successResultOf(self.run_line(b"both")), 3)
        self.assertEqual((self.written, self.complained), (b"out", b"err"))

    def test_status_zero(self) -> None:
        """
        A command that succeeds has the status 0.
        """
        self.assertEqual(self.successResultOf(self.run_line(b"whoami")), 0)
        self.assertEqual(self.written, b"alice\n")

    def test_input(self) -> None:
        """
        What is typed goes to the command, and its end does, too.
        """
        status, typist = self.typing(b"cat")
        typist.received(b"one\n")
        self.link.pump()
        self.assertEqual(self.written, b"one\n")
        typist.ended()
        self.link.pump()
        self.assertEqual(self.successResultOf(status), 0)

    def test_much_input(self) -> None:
        """
        Input waits while the server takes no more, and its end comes after the
        last byte of it.
        """
        status, typist = self.typing(b"cat")
        data = b"x" * 1_000_000
        typist.received(data)
        self.assertEqual(typist.reading, [True, False])
        typist.ended()
        self.link.pump()
        self.assertEqual(self.successResultOf(status), 0)
        self.assertEqual(self.written, data)

    def test_input_goes_on(self) -> None:
        """
        Input that waited is read again when the server takes more.
        """
        _, typist = self.typing(b"cat")
        typist.received(b"x" * 1_000_000)
        self.link.pump()
        self.assertEqual(typist.reading[:3], [True, False, True])
        self.assertTrue(typist.reading[-1])

    def test_command_ends_first(self) -> None:
        """
        A command that ends without reading its input does not wait for it.
        """
        status, typist = self.typing(b"exit 4")
        self.assertEqual(self.successResultOf(status), 4)
        self.assertFalse(typist.reading[-1])

    def test_reader_gone(self) -> None:
        """
        When nobody reads the output the command is left, with the status that a
        broken pipe has.
        """

        def write(data: bytes) -> None:
            raise BrokenPipeError

        self.write = write  # type: ignore[method-assign]
        self.assertEqual(self.successResultOf(self.run_line(b"whoami")), 128 + 13)

    def test_signal(self) -> None:
        """
        A command that a signal has ended has 128 and its number for a status,
        as in a shell; a signal that is not known here has 255.
        """
        for name, status, told in (
            (b"TERM", 128 + 15, "TERM"),
            (b"\x1bc@local", 255, "\\x1bc@local"),
        ):
            channel = CommandChannel(b"x", self.write, self.complain)
            channel.request_exit_signal(NS(name) + b"\x00" + NS(b"") + NS(b""))
            self.assertEqual((channel.status, channel.signal), (status, told))

    def test_status_is_unsigned(self) -> None:
        """
        The exit status is the number that the server sent.
        """
        channel = CommandChannel(b"x", self.write, self.complain)
        self.assertTrue(channel.request_exit_status(struct.pack(">L", 255)))
        self.assertEqual(channel.status, 255)

    def test_not_run(self) -> None:
        """
        A server that does not run commands is an error.
        """
        self.patch(
            type(self.link.server.avatar),  # type: ignore[attr-defined]
            "__conform__",
            lambda self, interface: None,
        )
        error = self.failureResultOf(self.run_line(b"whoami"), CommandFailed)
        self.flushLoggedErrors()
        self.assertEqual(error.getErrorMessage(), "the server did not run the command")

    def test_no_session(self) -> None:
        """
        A server that opens no session is an error, with what it said.
        """
        self.link.server.avatar.channelLookup = {}  # type: ignore[attr-defined]
        error = self.failureResultOf(self.run_line(b"whoami"), CommandFailed)
        self.flushLoggedErrors()
        self.assertEqual(
            error.getErrorMessage(),
            "the server opened no session: unknown channel",
        )

    def test_no_shell(self) -> None:
        """
        The loopback server refuses a shell and a terminal, and logs no error.
        """
        self.typing(b"cat")
        for request in (b"shell", b"pty-req"):
            refused = self.connection.sendRequest(
                self.channel, request, b"", wantReply=True
            )
            self.link.pump()
            self.failureResultOf(refused, ConchError)

    def test_connection_lost(self) -> None:
        """
        A connection that goes while the command runs is an error.
        """
        status, typist = self.typing(b"cat")
        self.link.lose()
        error = self.failureResultOf(status, CommandFailed)
        self.assertEqual(
            error.getErrorMessage(), "the connection ended before the command did"
        )
        self.assertFalse(typist.reading[-1])

"""
Tests for L{conch_auth.cli}: the arguments in this process, the rest in one of
its own, against a L{LoopbackServer} on 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
from importlib.metadata import version

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import _running, errors
from conch_auth._arguments import parse
from conch_auth._command import CommandFailed
from conch_auth._status import Status
from conch_auth.loopback import LoopbackServer, Result, generate_key
from conch_auth.report import Attempt, AuthReport
from tests.cli_process import LoginCase, start, start_on_terminal
from tests.support import flat

#: The subcommands, and the statuses other than 0 that each may end with.
COMMANDS = {
    "demo": (2, 4),
    "login": (1, 2, 3, 4),
    "explain": (1, 2, 3, 4),
    "plan": (2,),
    "completion": (2,),
}


class ParseTests(SynchronousTestCase):
    """
    L{parse}.
    """

    def refused(self, *argv: str) -> str:
        """
        @return: what is said of wrong arguments.
        """
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            error = self.assertRaises(SystemExit, parse, argv)
        self.assertEqual(error.code, Status.USAGE)
        return told.getvalue().splitlines()[-1]

    def refused_lines(self, *argv: str) -> str:
        return self.refused(*argv).replace("'", "")

    def test_destination(self) -> None:
        """
        The user stands before the last @; without one none is said.
        """
        for given, user, host in (
            ("alice@example.org", "alice", "example.org"),
            ("alice@corp@example.org", "alice@corp", "example.org"),
            ("example.org", None, "example.org"),
            ("alice@[::1]", "alice", "::1"),
        ):
            arguments = parse(["login", given])
            self.assertEqual((arguments.user, arguments.host), (user, host))

    def test_command(self) -> None:
        """
        What follows -- is the command, options of its own included.
        """
        arguments = parse(["login", "-p", "2222", "host", "--", "ls", "-l", "--"])
        self.assertEqual(arguments.remote_command, "ls -l --")
        self.assertEqual(arguments.port, 2222)

    def test_command_without_dashes(self) -> None:
        """
        A command has to stand after --.
        """
        self.assertEqual(
            self.refused("login", "me@host", "ls", "/"),
            "conch-auth login: error: a COMMAND stands after --: conch-auth login "
            "me@host -- ls /",
        )

    def test_unknown(self) -> None:
        """
        Arguments that there are not are named, by the subcommand.
        """
        self.assertEqual(
            self.refused("plan", "host", "--nope", "x"),
            "conch-auth plan: error: there is no such argument: --nope x",
        )
        self.assertIn("demo, login, explain", self.refused_lines("nope"))

    def test_uri(self) -> None:
        """
        A destination may be written as ssh takes it, too; -p goes before its
        port.
        """
        for given, user, host, port in (
            ("ssh://alice@example.org:2222", "alice", "example.org", 2222),
            ("ssh://example.org/", None, "example.org", None),
            ("ssh://[::1]:22", None, "::1", 22),
            ("ssh://[::1]", None, "::1", None),
        ):
            arguments = parse(["login", given])
            self.assertEqual(
                (arguments.user, arguments.host, arguments.port), (user, host, port)
            )
        arguments = parse(["login", "-p", "1", "ssh://example.org:2"])
        self.assertEqual(arguments.port, 1)
        self.assertIn("is not a port", self.refused("login", "ssh://host:ssh"))

    def test_port(self) -> None:
        """
        A port is a number from 1 to 65535.
        """
        for port in ("0", "65536", "ssh"):
            self.assertIn("port", self.refused("login", "-p", port, "host"))

    def test_fingerprint(self) -> None:
        """
        A fingerprint that is none is told at once.
        """
        self.assertIn(
            "not a SHA256 fingerprint",
            self.refused("login", "--fingerprint", "aa:bb", "host"),
        )

    def test_known_hosts(self) -> None:
        """
        A known_hosts file that is named has to be there.
        """
        told = self.refused("login", "--known-hosts", "/nowhere/known_hosts", "host")
        self.assertIn("No such file", told)

    def test_nothing(self) -> None:
        """
        Without a host, or without a subcommand, there is nothing to do.
        """
        commands = "demo, login, explain, plan or completion"
        self.assertIn(commands, self.refused("--", "ls"))
        self.assertIn("required", self.refused("login"))
        self.assertIn("no host", self.refused("login", "alice@"))

    def test_demo_takes_no_command(self) -> None:
        """
        The demonstration runs its own.
        """
        self.assertIn("COMMAND", self.refused("demo", "--", "ls"))


class HelpTests(SynchronousTestCase):
    """
    What the help says, of the whole and of each subcommand.
    """

    def help(self, *arguments: str) -> str:
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            error = self.assertRaises(SystemExit, parse, [*arguments, "--help"])
        self.assertEqual(error.code or 0, 0)
        return " ".join(told.getvalue().split())

    def test_subcommands(self) -> None:
        """
        The help names each subcommand, with what it does.
        """
        told = self.help()
        self.assertTrue(told.startswith("usage: conch-auth [-h] [--version] COMMAND"))
        for command in COMMANDS:
            self.assertRegex(told, rf" {command} (log|show|print)")

    def test_statuses(self) -> None:
        """
        Each tells its exit statuses, in the same words.
        """
        words = {
            1: "authentication failed",
            2: "wrong usage or configuration",
            3: "host key not verified",
            4: "not connected or protocol broken",
        }
        for command, numbers in COMMANDS.items():
            told = self.help(command)
            self.assertTrue(told.startswith(f"usage: conch-auth {command} "), told)
            _, _, statuses = told.partition("Exit status: 0 ")
            found = {
                int(number): said
                for number, said in re.findall(r", (\d) ([^,.;]+)", statuses)
            }
            self.assertEqual(found, {number: words[number] for number in numbers})

    def test_same_options(self) -> None:
        """
        C{login} and C{explain} take the same options to log in by.
        """
        options = [
            set(re.findall(r" (--[\w-]+)", self.help(command)))
            for command in ("login", "explain")
        ]
        self.assertEqual(options[0] - options[1], {"--verbose", "--no-input"})
        self.assertEqual(options[1] - options[0], {"--json", "--svg"})

    def test_version(self) -> None:
        """
        C{--version} tells the version of the package.
        """
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            error = self.assertRaises(SystemExit, parse, ["--version"])
        self.assertEqual(error.code or 0, 0)
        self.assertEqual(told.getvalue(), f"conch-auth {version('conch_auth')}\n")


class WhyTests(SynchronousTestCase):
    """
    L{_running.tell_why}: an error to an exit status, and to what is said.
    """

    def explained(self, error: Exception) -> tuple[int, str]:
        told: list[str] = []
        self.patch(_running, "show", lambda text, number=2: told.append(text))
        return _running.tell_why(Failure(error)), "".join(told)

    def test_statuses(self) -> None:
        """
        Each kind of end has its exit status.
        """
        report = AuthReport("alice", "ssh-connection", ending="no")
        refused = AuthReport(
            "alice", "ssh-connection", attempts=(Attempt("password", "refused"),)
        )
        asked = AuthReport(
            "alice", "ssh-connection", attempts=(Attempt("none", "refused"),)
        )
        for error, status in (
            (errors.AuthenticationFailed(report), 1),
            (errors.TooManyAttempts(report), 1),
            (errors.ServerDisconnected(2, "Too many tries", refused), 1),
            (errors.ServerDisconnected(2, "Go away", asked), 4),
            (errors.ServerDisconnected(2, "Go away"), 4),
            (errors.HostKeyUnknown("host", 22, "ssh-ed25519", "SHA256:x"), 3),
            (errors.HostKeyRevoked("host", 22, "ssh-ed25519", "SHA256:x"), 3),
            (errors.ProtocolError("it broke"), 4),
            (errors.ConnectionLost(report), 4),
            (errors.NotSSH("HTTP/1.1 400"), 4),
            (CommandFailed("not run"), 4),
            (OSError("no"), 4),
            (errors.KeyUnusable("/key", "it is none"), 2),
            (errors.ConfigUnreadable("ssh -G", "it ended"), 2),
            (_running.WrongUsage("no"), 2),
            (ZeroDivisionError("oops"), 4),
        ):
            self.assertEqual(self.explained(error)[0], status, repr(error))

    def test_cancelled_is_silent(self) -> None:
        """
        A person who has stopped it need not be told so.
        """
        report = AuthReport("alice", "ssh-connection")
        error = errors.AuthenticationCancelled(report)
        self.assertEqual(self.explained(error)[1], "")

    def test_message(self) -> None:
        """
        A message is one line, prefixed, and safe to show.
        """
        self.assertEqual(
            self.explained(OSError("\x1b[2Jno"))[1], "conch-auth: \\x1b[2Jno\n"
        )

    def test_narrow(self) -> None:
        """
        A narrow terminal has lines broken between words, and what is to be
        copied in one piece; a file has them as they are.
        """
        told: list[str] = []
        self.patch(_running, "show", lambda text, number=2: told.append(text))
        key = "SHA256:" + "x" * 60
        text = f"one\n  - two three {key} four\n\nfive six"
        size = os.terminal_size((20, 5))
        self.patch(_running.os, "get_terminal_size", lambda number: size)
        _running.show_lines(text)
        self.assertEqual(
            told.pop(),
            f"one\n  - two three\n    {key}\n    four\n\nfive six\n",
        )

        def no_terminal(number: int) -> None:
            raise OSError

        self.patch(_running.os, "get_terminal_size", no_terminal)
        _running.show_lines(text)
        self.assertEqual(told.pop(), f"{text}\n")

    def test_nobody_listens(self) -> None:
        """
        That the standard error is closed is no error.
        """
        reading, writing = os.pipe()
        os.close(reading)
        _running.show("text", writing)
        os.close(writing)


class ProcessTests(LoginCase):
    """
    C{conch-auth login} from outside.
    """

    async def test_password(self) -> None:
        """
        The right password logs in; it is not shown, and the report is.
        """
        running = start_on_terminal(*self.login())
        await running.shows("alice@127.0.0.1's password: ")
        running.type("wonderland\n")
        await self.ended(running, 0)
        self.assertNotIn("wonderland", running.shown())
        self.assertIn("\nalice is logged in to 127.0.0.1: password\n", running.shown())
        self.assert_usual(running)

    async def test_wrong_password(self) -> None:
        """
        After three wrong passwords the login has failed, and the report says
        what to do.
        """
        running = start_on_terminal(*self.login())
        for _ in range(3):
            await running.shows("alice@127.0.0.1's password: ")
            running.type("underland\n")
        await self.ended(running, 1)
        self.assertEqual(running.shown().count("Permission denied"), 2)
        self.assertIn("alice is not logged in to 127.0.0.1: ", running.shown())
        self.assertIn("Check the password", running.shown())
        self.assert_usual(running)

    async def test_interrupt(self) -> None:
        """
        ^C at the prompt ends the program as a shell expects it, and leaves the
        terminal as it was.
        """
        running = start_on_terminal(*self.login())
        await running.shows("password: ")
        running.type("\x03")
        await self.ended(running, 128 + signal.SIGINT)
        self.assertTrue(running.shown().endswith("password: \n"))
        self.assert_usual(running)

    async def test_interrupt_while_connecting(self) -> None:
        """
        ^C ends a login to a server that says nothing.
        """
        accepted: Deferred[None] = Deferred()
        silent = Factory.forProtocol(lambda: Silent(accepted))
        port = reactor.listenTCP(0, silent, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        running = start_on_terminal(*self.place(port.getHost().port), "127.0.0.1")
        await accepted
        running.type("\x03")
        await self.ended(running, 128 + signal.SIGINT)
        self.assertNotIn("conch-auth:", running.shown())

    async def test_interrupt_command(self) -> None:
        """
        ^C ends a command, too.
        """
        self.server.add_user("alice", password="wonderland")
        running = start_on_terminal(*self.login("-v", "--", "cat"))
        await running.shows("password: ")
        running.type("wonderland\n")
        await running.shows("alice is logged in")
        running.type("one\n")
        await running.shows("one\r\none\r\n")
        running.type("\x03")
        await self.ended(running, 128 + signal.SIGINT)

    async def test_terminate(self) -> None:
        """
        So does a signal.
        """
        for number in (signal.SIGTERM, signal.SIGHUP):
            running = start_on_terminal(*self.login())
            await running.shows("password: ")
            running.transport.signalProcess(number)
            await self.ended(running, 128 + number)
            self.assert_usual(running)

    async def test_ignored_signal(self) -> None:
        """
        A signal that the shell has had ignored, as nohup does, stays so.
        """
        running = start_on_terminal(*self.login(), shell="trap '' HUP; exec \"$@\"")
        await running.shows("password: ")
        running.transport.signalProcess(signal.SIGHUP)
        running.type("wonderland\n")
        await self.ended(running, 0)

    async def test_end_of_file(self) -> None:
        """
        ^D at the prompt gives no password, and the login fails.
        """
        running = start_on_terminal(*self.login())
        await running.shows("password: ")
        running.type("\x04")
        await self.ended(running, 1)
        self.assert_usual(running)

    async def test_questions(self) -> None:
        """
        Each line of keyboard-interactive says whose it is, and nothing in it
        acts on the terminal.
        """
        self.server.add_user(
            "carol",
            prompts=[[("Code: ", True), ("\x1b[2JPIN: ", False)]],
            answers=[["123456", "0000"]],
            instruction="Two\nthings",
        )
        running = start_on_terminal(*self.login(user="carol"))
        await running.shows("(carol@127.0.0.1) Code: ")
        running.type("123456\n")
        await running.shows("PIN: ")
        running.type("0000\n")
        await self.ended(running, 0)
        self.assertTrue(
            running.shown().startswith(
                "(carol@127.0.0.1) Two\n"
                "(carol@127.0.0.1) things\n"
                "(carol@127.0.0.1) Code: 123456\n"
                "(carol@127.0.0.1) \\x1b[2JPIN: \n"
            ),
            running.shown(),
        )

    async def test_password_change(self) -> None:
        """
        A new password is asked for twice, until both are the same.
        """
        self.server.add_user("erin", password="old", password_change="Expired")
        running = start_on_terminal(*self.login(user="erin"))
        for prompt, typed in (
            ("password: ", "old"),
            ("(erin@127.0.0.1) Expired\r\nerin@127.0.0.1's old password: ", "old"),
            ("new password: ", "new"),
            ("again: ", "now"),
            ("new password: ", "new"),
            ("again: ", "new"),
        ):
            await running.shows(prompt)
            running.type(f"{typed}\n")
        await self.ended(running, 0)
        self.assertIn("two different passwords", running.shown())
        self.assertEqual(self.server.accounts[b"erin"].password, b"new")

    async def test_key(self) -> None:
        """
        A key from a file logs in; the command's output, errors and status are
        passed through, and nothing else is on the standard output.
        """
        key = generate_key("ssh-rsa")
        self.server.add_user("alice", keys=[key], banner="Hello\x07\n")
        self.server.add_command("both", lambda user, words: Result("out", "err", 42))
        running = start(*self.login("-i", self.key_file(key), "--", "both"))
        await self.ended(running, 42)
        self.assertEqual(running.screen, b"out")
        self.assertEqual(running.complaints, b"Hello\\x07\nerr")

    async def test_verbose(self) -> None:
        """
        With -v the report is on the standard error beside a command.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        running = start(*self.login("-v", "-i", self.key_file(key), "--", "whoami"))
        await self.ended(running, 0)
        self.assertEqual(running.screen, b"alice\n")
        self.assertIn(b"alice is logged in", running.complaints)

    async def test_input(self) -> None:
        """
        The standard input goes to the command.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        running = start(*self.login("-i", self.key_file(key), "--", "cat"))
        running.type("one\ntwo\n" * 50_000)
        running.end_input()
        await self.ended(running, 0)
        self.assertEqual(running.screen, b"one\ntwo\n" * 50_000)

    async def test_passphrase(self) -> None:
        """
        An encrypted key is asked for its passphrase, in words that no server
        can use.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        path = self.key_file(key, b"sesame")
        running = start_on_terminal(*self.login("-i", path, "--", "whoami"))
        await running.shows("Passphrase for key ")
        running.type("wrong\n")
        await running.shows("not its passphrase")
        await running.shows("Passphrase for key ")
        running.type("sesame\n")
        await self.ended(running, 0)
        self.assertTrue(running.shown().endswith("\nalice\n"))
        self.assertNotIn("sesame", running.shown())

    async def test_no_terminal(self) -> None:
        """
        Where nobody can be asked, that is said, and the login fails.
        """
        running = start(*self.login())
        await self.ended(running, 1)
        self.assertEqual(running.screen, b"")
        self.assertIn(b"conch-auth: there is no terminal: ", running.complaints)

    async def test_key_missing(self) -> None:
        """
        A key file that is not there is told before anything is sent.
        """
        running = start(*self.login("-i", "/nowhere/key"))
        await self.ended(running, 2)
        self.assertIn(b"/nowhere/key", running.complaints)
        self.assertEqual(self.server.requests, [])

    async def test_host_key(self) -> None:
        """
        An unknown host, or another key than the known one, is not logged in to.
        """
        known = os.path.abspath(self.mktemp())
        for line in ("", self.server.known_hosts_line()):
            with open(known, "w") as file:
                file.write(f"{line}\n")
            other = LoopbackServer()
            await other.listen(reactor)
            other_port = str(other.port)
            with open(known, "a") as file:
                place = f"[127.0.0.1]:{self.server.port}"
                file.write(line.replace(place, f"[127.0.0.1]:{other_port}") + "\n")
            running = start(
                *self.place(other.port), "--known-hosts", known, "alice@127.0.0.1"
            )
            await self.ended(running, 3)
            self.assertIn(other.fingerprint.encode(), running.complaints)
            self.assertEqual(other.requests, [])
            await other.stop()

    async def test_known_hosts(self) -> None:
        """
        A host that is in the file is logged in to.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        known = os.path.abspath(self.mktemp())
        with open(known, "w") as file:
            file.write(f"{self.server.known_hosts_line()}\n")
        running = start(
            *self.place(),
            *("--known-hosts", known),
            *("-i", self.key_file(key), "alice@127.0.0.1"),
        )
        await self.ended(running, 0)
        self.assertIn(b"alice is logged in", running.screen)

    async def test_not_connected(self) -> None:
        """
        A server that is not there is told in one line.
        """
        place = self.place()
        await self.server.stop()
        running = start(*place, "alice@127.0.0.1")
        await self.ended(running, 4)
        self.assertRegex(running.complaints, rb"\Aconch-auth: .*\n\Z")

    async def test_too_many_tries(self) -> None:
        """
        A server that hangs up after wrong passwords has not let the user in.
        """
        self.server.max_tries = 1
        running = start_on_terminal(*self.login())
        for _ in range(2):
            await running.shows("password: ")
            running.type("underland\n")
        await self.ended(running, 1)
        self.assertIn("too many bad auths", flat(running.shown()))


class Silent(Protocol):
    """
    A server that says nothing, and tells when somebody has come.
    """

    def __init__(self, accepted: Deferred[None]) -> None:
        self.accepted = accepted

    def dataReceived(self, data: bytes) -> None:
        if not self.accepted.called:
            self.accepted.callback(None)


class DemoTests(TestCase):
    """
    C{conch-auth demo}.
    """

    timeout = 60

    async def test_demo(self) -> None:
        """
        It logs in six times, a change of password and three steps among them,
        runs a command each time, and explains a refusal.
        """
        running = start("demo")
        self.assertEqual(await running.status, 0, running.complaints)
        self.assertEqual(running.complaints, b"")
        # A line that was too long goes on in the next one, indented.
        shown = re.sub(r"\n {2,}", " ", running.screen.decode())
        proofs = re.findall(r"^(\w+) is logged in to 127.0.0.1: (.*)$", shown, re.M)
        self.assertEqual(
            [(user, re.sub(r" SHA256:[^ ,]+", "", proof)) for user, proof in proofs],
            [
                ("alice", "publickey with ssh-rsa"),
                ("bob", "password"),
                ("erin", "password, which was changed"),
                ("carol", "keyboard-interactive"),
                ("dave", "publickey with ssh-ed25519, then password"),
                (
                    "frank",
                    "publickey with ssh-ed25519, then password, then "
                    "keyboard-interactive",
                ),
            ],
        )
        self.assertEqual(
            re.findall(r"^\$ whoami\n(.*)$", shown, re.M),
            ["alice", "bob", "erin", "carol", "dave", "frank"],
        )
        self.assertIn("dave is not logged in to 127.0.0.1", shown)
        self.assertIn("What is wrong, and what to do:", shown)

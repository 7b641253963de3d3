"""
What a person meets at a first login with C{conch-auth}: an unknown host, what
ssh is configured to do, and each first mistake, on a terminal and without one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from conch_auth.knownhosts import KnownHosts
from conch_auth.loopback import generate_key
from tests.cli_process import (
    LoginCase,
    OnTerminal,
    environment,
    start,
    start_on_terminal,
)
from tests.peers.sshd import User, machine

QUESTION = "Trust this key? (yes, no, or the fingerprint that you were given): "


class FirstUseCase(LoginCase):
    """
    Has a home directory for the person.
    """

    async def setUp(self) -> None:
        await super().setUp()
        self.home = os.path.abspath(self.mktemp())
        os.mkdir(self.home)
        self.known = os.path.join(self.home, ".ssh", "known_hosts")

    def lines(self) -> list[str]:
        with open(self.known) as file:
            return file.read().splitlines()

    def on_terminal(self, *arguments: str) -> OnTerminal:
        return start_on_terminal(*arguments, HOME=self.home)

    async def log_in(self, running: OnTerminal) -> None:
        await running.shows("password: ")
        running.type("wonderland\n")
        await self.ended(running, 0)


class UnknownHostTests(FirstUseCase):
    """
    A host that known_hosts says nothing of.
    """

    def unknown(self, *rest: str) -> list[str]:
        return [*self.place(), *rest, "alice@127.0.0.1"]

    async def test_yes(self) -> None:
        """
        The person sees whose key it is and says yes; the line is written
        before the login goes on, and nobody is asked the next time.
        """
        running = self.on_terminal(*self.unknown())
        await running.shows(f"[127.0.0.1]:{self.server.port} (address 127.0.0.1)")
        await running.shows(f"  {self.server.fingerprint}\r\n")
        await running.shows(QUESTION)
        self.assertFalse(os.path.exists(self.known))
        self.assertEqual(self.server.requests, [])
        running.type("yes\n")
        await running.shows(f" is added to {self.known}\r\n")
        await running.shows("password: ")
        self.assertEqual(self.lines(), [self.server.known_hosts_line()])
        running.type("wonderland\n")
        await self.ended(running, 0)
        again = self.on_terminal(*self.unknown())
        await self.log_in(again)
        self.assertNotIn("not known", again.shown())
        self.assertEqual(len(self.lines()), 1)

    async def test_fingerprint(self) -> None:
        """
        The fingerprint, pasted whole, is as good as yes.
        """
        running = self.on_terminal(*self.unknown())
        await running.shows(QUESTION)
        running.type(f"{self.server.fingerprint}\n")
        await self.log_in(running)
        self.assertEqual(len(self.lines()), 1)

    async def test_no(self) -> None:
        """
        Without a yes in full nothing is sent and nothing is written.
        """
        running = self.on_terminal(*self.unknown())
        await running.shows(QUESTION)
        running.type("y\n")
        await running.shows("Type yes in full, no, or the whole fingerprint: ")
        running.type("no\n")
        await self.ended(running, 3)
        self.assertIn("the host key was not accepted", running.shown())
        self.assertEqual(self.server.requests, [])
        self.assertFalse(os.path.exists(self.known))

    async def test_typed_ahead(self) -> None:
        """
        A yes that was typed before the question is no answer to it.
        """
        running = self.on_terminal(*self.unknown())
        running.type("yes\n")
        await running.shows(QUESTION)
        running.type("no\n")
        await self.ended(running, 3)

    async def test_interrupt(self) -> None:
        """
        ^C at the question trusts nothing.
        """
        running = self.on_terminal(*self.unknown())
        await running.shows(QUESTION)
        running.type("\x03")
        await self.ended(running, 128 + signal.SIGINT)
        self.assertFalse(os.path.exists(self.known))
        self.assertNotIn("conch-auth:", running.shown())

    async def test_server_leaves(self) -> None:
        """
        A server that goes while the person thinks ends the question.
        """
        running = self.on_terminal(*self.unknown())
        await running.shows(QUESTION)
        await self.server.stop()
        self.assertNotEqual(await running.status, 0)
        self.assertFalse(os.path.exists(self.known))
        self.assert_usual(running)

    async def test_named_file(self) -> None:
        """
        A file of --known-hosts gets the line.
        """
        self.known = os.path.join(self.home, "hosts")
        open(self.known, "w").close()
        running = self.on_terminal(*self.unknown("--known-hosts", self.known))
        await running.shows(QUESTION)
        running.type("yes\n")
        await self.log_in(running)
        self.assertEqual(self.lines(), [self.server.known_hosts_line()])

    async def test_not_written(self) -> None:
        """
        That the line cannot be written is a warning, and the login goes on.
        """
        os.rmdir(self.home)
        running = self.on_terminal(*self.unknown())
        await running.shows(QUESTION)
        running.type("yes\n")
        await running.shows("conch-auth: warning: ")
        await self.log_in(running)

    async def test_changed_or_revoked(self) -> None:
        """
        Nobody is asked about a key that is changed or revoked.
        """
        known = os.path.join(self.home, "hosts")
        line = self.server.known_hosts_line()
        other = generate_key().public().toString("openssh").decode()
        for content, said in (
            (f"{line.split()[0]} {other}", "is not the one that is known"),
            (f"@revoked {line}", "is revoked"),
        ):
            with open(known, "w") as file:
                file.write(f"{content}\n")
            running = self.on_terminal(*self.unknown("--known-hosts", known))
            await self.ended(running, 3)
            self.assertIn(said, running.shown())
            self.assertIn(f"decided by {known}:1", running.shown())
            self.assertNotIn("Trust", running.shown())
        self.assertEqual(self.server.requests, [])

    async def test_no_terminal(self) -> None:
        """
        Where nobody can be asked, the login is refused, and it is said what to
        do.
        """
        running = start(*self.unknown(), HOME=self.home)
        await self.ended(running, 3)
        said = running.complaints.decode()
        self.assertIn("conch-auth: there is no terminal: /dev/tty: ", said)
        self.assertIn("the host key is unknown (ssh-ed25519 SHA256:", said)
        self.assertIn(f"--fingerprint {self.server.fingerprint}", said)
        self.assertIn("--known-hosts", said)
        self.assertIn("ssh-keyscan", said)
        self.assertEqual(self.server.requests, [])
        self.assertFalse(os.path.exists(self.known))


class ConfigurationTests(FirstUseCase):
    """
    What ssh is configured to do.
    """

    def configured(self, *lines: str) -> str:
        """
        A configuration in which C{box} is the server.
        """
        path = os.path.join(self.home, "config")
        box = "Host box", "HostName 127.0.0.1", f"Port {self.server.port}", "User alice"
        with open(path, "w") as file:
            file.write("".join(f"{line}\n" for line in (*box, *lines)))
        return path

    async def test_alias(self) -> None:
        """
        The host, its port, the user and the name of its key are as configured;
        the host is called what the person has called it.
        """
        self.known = os.path.join(self.home, "hosts")
        config = self.configured(
            f"UserKnownHostsFile {self.known}", "HostKeyAlias the-box"
        )
        running = self.on_terminal("login", "-F", config, "box")
        await running.shows("The host the-box (address 127.0.0.1) is not known here.")
        await running.shows(QUESTION)
        running.type("yes\n")
        await running.shows("alice@box's password: ")
        running.type("wonderland\n")
        await self.ended(running, 0)
        known = KnownHosts.from_files(self.known)
        self.assertEqual(known.key_types("the-box"), (b"ssh-ed25519",))

    async def test_argument_first(self) -> None:
        """
        What stands on the command line goes before the configuration.
        """
        self.server.add_user("bob", password="builder")
        config = self.configured("Port 1")
        running = self.on_terminal(
            *("login", "-F", config, "-p", str(self.server.port)),
            *("--fingerprint", self.server.fingerprint, "bob@box"),
        )
        await running.shows("bob@box's password: ")
        running.type("builder\n")
        await self.ended(running, 0)

    async def test_hashed(self) -> None:
        """
        C{HashKnownHosts} hides the name in the line.
        """
        self.known = os.path.join(self.home, "hosts")
        config = self.configured(
            f"UserKnownHostsFile {self.known}", "HashKnownHosts yes"
        )
        running = self.on_terminal("login", "-F", config, "box")
        await running.shows(QUESTION)
        running.type("yes\n")
        await self.log_in(running)
        self.assertTrue(self.lines()[0].startswith("|1|"))

    async def test_strict(self) -> None:
        """
        C{StrictHostKeyChecking yes} asks nobody.
        """
        config = self.configured(
            "UserKnownHostsFile /nonexistent", "StrictHostKeyChecking yes"
        )
        running = self.on_terminal("login", "-F", config, "box")
        await self.ended(running, 3)
        self.assertNotIn(QUESTION, running.shown())

    async def test_proxy(self) -> None:
        """
        A way through another host is not taken, and that is told before
        anything is sent.
        """
        for line in "ProxyJump bastion", "ProxyCommand nc bastion 22":
            running = start("login", "-F", self.configured(line), "box")
            await self.ended(running, 2)
            self.assertIn(line.encode(), running.complaints)
        self.assertEqual(self.server.requests, [])

    async def test_unreadable(self) -> None:
        """
        A configuration that ssh cannot read is told, with what ssh says.
        """
        running = start("login", "-F", self.configured("Hosst x"), "box")
        await self.ended(running, 2)
        self.assertIn(b"Bad configuration option: hosst", running.complaints)

    async def test_default(self) -> None:
        """
        Without -F ssh is asked what it would do, without a file being named.
        """
        program = os.path.join(self.home, "ssh")
        with open(program, "w") as file:
            file.write(
                f'#!/bin/sh\necho "$*" >> {self.home}/asked\n'
                f"echo hostname 127.0.0.1\necho port {self.server.port}\n"
                "echo user alice\n"
            )
        os.chmod(program, 0o700)
        running = start_on_terminal(
            *("login", "--fingerprint", self.server.fingerprint, "box"),
            PATH=f"{self.home}:{os.environ['PATH']}",
        )
        await running.shows("alice@box's password: ")
        running.type("wonderland\n")
        await self.ended(running, 0)
        with open(os.path.join(self.home, "asked")) as file:
            self.assertEqual(file.readline(), "-T -G -- box\n")

    async def test_no_ssh(self) -> None:
        """
        Where there is no ssh its configuration counts for nothing, unless it
        was named.
        """
        arguments = self.login()[3:]
        running = start_on_terminal("login", *arguments, PATH="/nonexistent")
        await self.log_in(running)
        running = start("login", "-F", self.configured(), "box", PATH="/nonexistent")
        await self.ended(running, 2)
        self.assertIn(b"there is no program ssh", running.complaints)


class FirstMistakeTests(FirstUseCase):
    """
    What goes wrong at first, and its exit status.
    """

    async def said(self, status: int, *arguments: str) -> str:
        """
        What is said without a terminal.
        """
        running = start(*arguments)
        await self.ended(running, status)
        self.assertEqual(running.screen, b"")
        return running.complaints.decode()

    async def test_no_such_host(self) -> None:
        """
        A name without an address.
        """
        said = await self.said(4, "login", "-F", "none", "alice@no-such-host.invalid")
        self.assertEqual(
            said,
            "conch-auth: could not connect to no-such-host.invalid, port 22: no "
            "address is known for this name. Check how no-such-host.invalid is spelt, "
            "and whether the name server knows it (getent hosts "
            "no-such-host.invalid); an address does without.\n",
        )

    async def test_refused(self) -> None:
        """
        A port on which nobody listens.
        """
        place = self.place()
        await self.server.stop()
        said = await self.said(4, *place, "127.0.0.1")
        self.assertIn("the connection was refused. The host answers, and nothing", said)

    async def test_not_ssh(self) -> None:
        """
        A server of another protocol: the first line of what it says is shown.
        """
        listener = Factory.forProtocol(WebServer)
        port = reactor.listenTCP(0, listener, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        said = await self.said(4, *self.place(port.getHost().port), "127.0.0.1")
        self.assertEqual(
            said,
            "conch-auth: the server did not begin to speak SSH; it said: HTTP/1.1 "
            "400 Bad Request. Check the host and the port: something else than an SSH "
            "server answers there.\n",
        )

    async def test_silent(self) -> None:
        """
        A server that never says a word is left after C{ConnectTimeout}.
        """
        port = reactor.listenTCP(
            0, Factory.forProtocol(Protocol), interface="127.0.0.1"
        )
        self.addCleanup(port.stopListening)
        config = os.path.join(self.home, "config")
        with open(config, "w") as file:
            file.write("ConnectTimeout 1\n")
        place = self.place(port.getHost().port)
        place[place.index("none")] = config
        said = await self.said(4, *place, "127.0.0.1")
        self.assertIn(
            "something answers there, but it did not begin to speak SSH in 1 s",
            said,
        )

    async def test_no_credentials(self) -> None:
        """
        Nothing to log in with: what the server would take is told.
        """
        self.server.add_user("bob", keys=[generate_key()])
        said = await self.said(1, *self.login(user="bob"))
        self.assertIn("bob is not logged in to 127.0.0.1", said)
        self.assertIn("The server would still accept: publickey.", said)
        self.assertIn("What is wrong, and what to do:", said)

    async def test_key_files(self) -> None:
        """
        A key file that is no key, is public, open to others or a directory is
        told before anything is sent.
        """
        key = generate_key()
        private, public = self.key_file(key), self.key_file(key)
        with open(public, "wb") as file:
            file.write(key.public().toString("openssh"))
        os.chmod(private, 0o644)
        for path, problem in (
            (self.home, "Is a directory"),
            (public, "it holds a public key"),
            (private, f"chmod 600 {private}"),
            (__file__, "no private key"),
        ):
            said = await self.said(2, *self.login("-i", path))
            self.assertTrue(said.startswith(f"conch-auth: {path}: "), said)
            self.assertIn(problem, said)
        self.assertEqual(self.server.requests, [])

    async def test_no_input(self) -> None:
        """
        With -n the command gets no input, and the terminal's is left alone.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        running = start(*self.login("-n", "-i", self.key_file(key), "--", "cat"))
        await self.ended(running, 0)
        self.assertEqual(running.screen, b"")


class WebServer(Protocol):
    """
    Does not know what to make of SSH.
    """

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>")
        self.transport.loseConnection()


class SuspendTests(LoginCase):
    """
    ^Z at a question.
    """

    async def test_suspend(self) -> None:
        """
        The shell gets a terminal that shows what is typed; when the login goes
        on, the question is put again, and what was typed before is forgotten.
        """
        running = start_on_terminal(
            *self.login("--", "whoami"),
            shell='"$@"; echo stopped $?; stty -a; fg >/dev/null; echo ended $?',
        )
        await running.shows("password: ")
        running.type("nonsense\x1a")
        await running.shows(f"stopped {128 + signal.SIGTSTP}\r\n")
        await running.shows(" echo ")
        await running.shows("password: ")
        running.type("wonderland\n")
        await running.shows("alice\r\nended 0\r\n")
        await self.ended(running, 0)
        self.assert_usual(running)


    async def test_suspend_where_shown(self) -> None:
        """
        So is a question whose answer is shown.
        """
        running = start_on_terminal(
            *self.place(),
            "alice@127.0.0.1",
            shell='"$@"; echo stopped $?; fg >/dev/null; echo ended $?',
        )
        await running.shows(QUESTION)
        running.type("nonsense\x1a")
        await running.shows(f"stopped {128 + signal.SIGTSTP}\r\n")
        await running.shows(QUESTION)
        running.type("no\n")
        await running.shows("ended 3\r\n")
        await self.ended(running, 0)


class StartTests(SynchronousTestCase):
    """
    The first moments of the command.
    """

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_help_is_quick(self) -> None:
        """
        Help and wrong arguments do without Twisted and cryptography.
        """
        ran = self.python(
            "import sys\n"
            "from conch_auth.cli import main\n"
            "for arguments in ['--help'], ['login', '-h'], [], ['login']:\n"
            "    try: main(arguments)\n"
            "    except SystemExit: pass\n"
            "print({'twisted', 'cryptography', 'asyncio'} & set(sys.modules))\n"
        )
        self.assertEqual(ran.stdout.splitlines()[-1], "set()")

    def test_interrupt(self) -> None:
        """
        ^C while the rest is imported ends the command without a word.
        """
        ran = self.python(
            "import os, signal, sys\n"
            "class Interrupting:\n"
            "    def find_spec(self, name, *rest):\n"
            "        if name == 'conch_auth._running':\n"
            "            os.kill(os.getpid(), signal.SIGINT)\n"
            "sys.meta_path.insert(0, Interrupting())\n"
            "from conch_auth.cli import main\n"
            "main(['demo'])\n"
        )
        self.assertEqual((ran.returncode, ran.stderr), (-signal.SIGINT, ""))

    def test_not_installed(self) -> None:
        """
        A library that is missing is named, with what to do.
        """
        ran = self.python(
            "import sys\n"
            "sys.modules['cryptography'] = None\n"
            "from conch_auth.cli import main\n"
            "sys.exit(main(['demo']))\n"
        )
        self.assertEqual(ran.returncode, 2)
        self.assertRegex(
            ran.stderr,
            r"\Aconch-auth: a part of it is not installed \(.*cryptography.*\)\. "
            r"Install it with what it needs: pip install conch_auth\n\Z",
        )

    def test_nothing_to_do(self) -> None:
        """
        Without arguments the help is shown, and the status is that of wrong
        usage.
        """
        ran = self.python("from conch_auth.cli import main\nmain([])")
        self.assertEqual((ran.returncode, ran.stdout), (2, ""))
        self.assertIn("log in to a server, and run a command on it", ran.stderr)


class SSHDTests(FirstUseCase):
    """
    A first login to OpenSSH's server.
    """

    async def test_first_login(self) -> None:
        """
        The host is asked about once, is written as ssh reads it, and the key
        logs in.
        """
        sshd = machine([User("first_use")]).sshd()
        self.addCleanup(sshd.stop)
        key = generate_key()
        sshd.authorize("first_use", key)
        arguments = [
            *self.place(sshd.port),
            *("-i", self.key_file(key), "first_use@127.0.0.1", "--", "echo", "in"),
        ]
        running = self.on_terminal(*arguments)
        await running.shows(QUESTION)
        running.type("yes\n")
        await running.shows(f" is added to {self.known}\r\n")
        await running.shows("in\r\n")
        await self.ended(running, 0)
        written = Key.fromString(" ".join(self.lines()[0].split()[1:]))
        self.assertIn(written, sshd.host_keys)
        found = subprocess.run(
            ["ssh-keygen", "-F", f"[127.0.0.1]:{sshd.port}", "-f", self.known],
            capture_output=True,
            check=False,
        )
        self.assertEqual(found.returncode, 0, found)
        again = start(*arguments, HOME=self.home)
        await self.ended(again, 0)
        self.assertEqual(again.screen, b"in\n")


class LazyNamesTests(SynchronousTestCase):
    """
    The names of the package, which are imported at their first use.
    """

    def test_names(self) -> None:
        """
        Each name is there, and those that type checkers are told are the same.
        """
        import conch_auth

        self.assertEqual(set(conch_auth._HOMES), set(conch_auth.__all__))
        self.assertTrue(set(conch_auth.__all__) <= set(dir(conch_auth)))
        place = os.path.dirname(conch_auth.__file__)
        told: dict[str, object] = {}
        with open(os.path.join(place, "__init__.pyi")) as stub:
            exec(stub.read(), told)
        self.assertEqual(told["__all__"], conch_auth.__all__)
        for name in conch_auth.__all__:
            self.assertIs(getattr(conch_auth, name), told[name])

    def test_unknown(self) -> None:
        """
        Any other name is an error that names it.
        """
        import conch_auth

        error = self.assertRaises(AttributeError, getattr, conch_auth, "no_such")
        self.assertIn("no_such", str(error))

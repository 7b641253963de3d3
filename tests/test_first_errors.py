# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
What goes wrong in the first ten minutes, word for word: to a program that calls
L{connect}, and to a person who types C{conch-auth login}.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _gss, connect, errors
from conch_auth.loopback import generate_key
from conch_auth.security_keys import SecurityKey, SecurityKeySigner
from tests.cli_process import LoginCase, OnTerminal, environment, start
from tests.cli_process import start_on_terminal as on_terminal


class WebServer(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.transport.loseConnection()


class FirstErrorCase(LoginCase):
    """
    Has a server with a user who has a password.
    """

    async def setUp(self) -> None:
        await super().setUp()
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(self.home, ".ssh"), 0o700)

    def file(self, name: str, content: bytes, mode: int = 0o600) -> str:
        path = Path(self.home, name)
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    def listen(self, protocol: type[Protocol]) -> int:
        net: Any = reactor
        factory = Factory.forProtocol(protocol)
        port = net.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number


class LibraryTests(FirstErrorCase):
    """
    L{connect}.
    """

    async def error(self, kind: type[Exception], **options: Any) -> str:
        """
        @return: what the error of a login says, on one line.
        """
        given = {
            **self.server.options,
            "username": "alice",
            "client_keys": None,
            "agent_path": None,
            "gss_host": None,
            **options,
        }
        error: Exception = await self.assertFailure(connect(**given), kind)
        return " ".join(str(error).split())

    async def test_no_such_host(self) -> None:
        """
        A name without an address.
        """
        self.assertEqual(
            await self.error(errors.ConnectFailed, host="no-such-host.invalid"),
            f"could not connect to no-such-host.invalid, port {self.server.port}: no "
            "address is known for this name. Check how no-such-host.invalid is spelt, "
            "and whether the name server knows it (getent hosts "
            "no-such-host.invalid); an address does without.",
        )

    async def test_refused(self) -> None:
        """
        A port on which nobody listens.
        """
        port = self.server.port
        await self.server.stop()
        self.assertEqual(
            await self.error(errors.ConnectFailed, port=port, known_hosts=None),
            f"could not connect to 127.0.0.1, port {port}: the connection was "
            "refused. The host answers, and nothing listens there: check the port, "
            "and whether its SSH server runs.",
        )

    async def test_not_ssh(self) -> None:
        """
        A server of another protocol.
        """
        self.assertEqual(
            await self.error(errors.NotSSH, port=self.listen(WebServer)),
            "the server did not begin to speak SSH; it said: HTTP/1.1 400 Bad "
            "Request. Check the host and the port: something else than an SSH "
            "server answers there.",
        )

    async def test_unknown_host_key(self) -> None:
        """
        A host that known_hosts says nothing of.
        """
        self.assertEqual(
            await self.error(errors.HostKeyUnknown, known_hosts=b""),
            f"[127.0.0.1]:{self.server.port}: the host key is unknown (ssh-ed25519 "
            f"{self.server.fingerprint}). Compare the fingerprint with one from the "
            "host's owner, then add the key to known_hosts.",
        )

    async def test_changed_host_key(self) -> None:
        """
        A host that is known under another key.
        """
        name = self.server.known_hosts_line().split()[0]
        other = generate_key().public().toString("openssh").decode()
        known = self.file("known_hosts", f"{name} {other}\n".encode())
        self.assertEqual(
            await self.error(errors.HostKeyChanged, known_hosts=known),
            f"{name}: the host key is not the one that is known (ssh-ed25519 "
            f"{self.server.fingerprint}), decided by {known}:1. Do not log in before "
            "the host's owner has confirmed the new fingerprint; then replace the "
            "line.",
        )

    async def test_no_credentials(self) -> None:
        """
        Nothing to log in with.
        """
        self.server.add_user("bob", keys=[generate_key()])
        told = await self.error(errors.AuthenticationFailed, username="bob")
        self.assertTrue(told.startswith("bob is not logged in to 127.0.0.1: no method"))
        self.assertTrue(
            told.endswith(
                "What is wrong, and what to do: - The server accepts publickey only, "
                "and nothing was given for it. Give the client a key (client_keys=, "
                "-i, a file in ~/.ssh, or an agent that has one)."
            ),
            told,
        )

    async def test_wrong_password(self) -> None:
        """
        A password that is not alice's.
        """
        told = await self.error(errors.AuthenticationFailed, password="underland")
        self.assertTrue(
            told.endswith(
                "What is wrong, and what to do: - The server refused the password. "
                "Check the password, and the user name alice. An account that may not "
                "log in looks the same from here."
            ),
            told,
        )
        self.assertNotIn("underland", told)

    async def test_key_files(self) -> None:
        """
        A key file that cannot be used.
        """
        self.server.add_user("bob", keys=[generate_key()])
        key = generate_key()
        public = self.file("id.pub", key.public().toString("openssh"))
        shared = self.file("id", key.toString("openssh", subtype="v1"), 0o644)
        for path, problem in (
            ("/nowhere/id", "it cannot be read: No such file or directory"),
            (public, "it holds a public key"),
            (shared, "others may use this private key (mode 0644)"),
            (__file__, "it holds no private key in a known form"),
        ):
            told = await self.error(
                errors.AuthenticationFailed, username="bob", client_keys=path
            )
            self.assertIn(f"- {path}: {problem}", told)

    def test_options(self) -> None:
        """
        Options that cannot be so are told before anything is done.
        """
        for kind, told, options in (
            (TypeError, "port cannot be of the type str", {"port": "22"}),
            (ValueError, "not a port: 70000", {"port": 70000}),
            (
                ValueError,
                "preferred_auth: no method is called 'passwrd'; there are publickey, "
                "password, keyboard-interactive, hostbased, gssapi-with-mic, "
                "gssapi-keyex",
                {"preferred_auth": "passwrd"},
            ),
            (
                ValueError,
                "login_timeout is not an interval: '1x'",
                {"login_timeout": "1x"},
            ),
            (
                ValueError,
                "not the name of a host: 'alice@host'; the user is given apart "
                "(username=)",
                {"host": "alice@host"},
            ),
            (
                ValueError,
                "not the name of a host: 'host:22'; the port is given apart (port=, "
                "-p)",
                {"host": "host:22"},
            ),
            (ValueError, "not the name of a host: ''", {"host": ""}),
            (TypeError, "password cannot be of the type int", {"password": 5}),
            (TypeError, "known_hosts cannot be of the type int", {"known_hosts": 5}),
            (
                TypeError,
                "client_factory cannot be of the type str",
                {"client_factory": "SSHClient"},
            ),
            (
                TypeError,
                "connect() got an unexpected keyword argument 'passwort'",
                {"passwort": "x"},
            ),
        ):
            given: dict[str, Any] = {"host": "127.0.0.1", **options}
            error: Any = self.assertRaises(kind, lambda given=given: connect(**given))
            self.assertEqual(str(error), told)


class CommandLineTests(FirstErrorCase):
    """
    C{conch-auth login}, without a terminal.
    """

    async def said(self, status: int, *arguments: str) -> str:
        """
        @return: what is said, without the prefix, on one line.
        """
        running = start(*arguments, HOME=self.home)
        await self.ended(running, status)
        self.assertEqual(running.screen, b"")
        told = " ".join(running.complaints.decode().split())
        return told.removeprefix("conch-auth: ")

    async def test_no_such_host(self) -> None:
        """
        A name without an address.
        """
        told = await self.said(4, "login", "-F", "none", "alice@no-such-host.invalid")
        self.assertEqual(
            told,
            "could not connect to no-such-host.invalid, port 22: no address is known "
            "for this name. Check how no-such-host.invalid is spelt, and whether the "
            "name server knows it (getent hosts no-such-host.invalid); an address "
            "does without.",
        )

    async def test_refused(self) -> None:
        """
        A port on which nobody listens.
        """
        place = self.place()
        await self.server.stop()
        self.assertEqual(
            await self.said(4, *place, "127.0.0.1"),
            f"could not connect to 127.0.0.1, port {place[-1]}: the connection was "
            "refused. The host answers, and nothing listens there: check the port, "
            "and whether its SSH server runs.",
        )

    async def test_not_ssh(self) -> None:
        """
        A server of another protocol.
        """
        self.assertEqual(
            await self.said(4, *self.place(self.listen(WebServer)), "127.0.0.1"),
            "the server did not begin to speak SSH; it said: HTTP/1.1 400 Bad "
            "Request. Check the host and the port: something else than an SSH "
            "server answers there.",
        )

    async def test_unknown_host_key(self) -> None:
        """
        A host that known_hosts says nothing of, and nobody to be asked.
        """
        place = f"[127.0.0.1]:{self.server.port}"
        self.assertEqual(
            await self.said(3, *self.place(), "127.0.0.1"),
            "there is no terminal: /dev/tty: No such device or address; nobody can "
            f"be asked conch-auth: {place}: the host key is unknown (ssh-ed25519 "
            f"{self.server.fingerprint}). Compare the fingerprint with one from the "
            "host's owner, then add the key to known_hosts. conch-auth: once it is "
            f"confirmed, log in with --fingerprint {self.server.fingerprint}, or name "
            "a file that holds the key with --known-hosts. What ssh-keyscan prints "
            "confirms nothing: it asks whoever answers on the network",
        )

    async def test_other_fingerprint(self) -> None:
        """
        Another fingerprint than that of the host's key.
        """
        other = f"SHA256:{'a' * 43}"
        arguments = [*self.place(), "--fingerprint", other, "127.0.0.1"]
        self.assertEqual(
            await self.said(3, *arguments),
            f"[127.0.0.1]:{self.server.port}: the host key is not the pinned one, "
            f"{other} (ssh-ed25519 {self.server.fingerprint}). Do not log in before "
            "the host's owner has confirmed the new fingerprint; then pin that one.",
        )

    async def test_no_terminal(self) -> None:
        """
        A password is wanted, and nobody can be asked.
        """
        told = await self.said(1, *self.login())
        self.assertTrue(
            told.startswith(
                "there is no terminal: /dev/tty: No such device or address; nobody "
                "can be asked alice is not logged in to 127.0.0.1: no method is left "
                "to try. What was tried: 1. password: not tried; no password was given"
            ),
            told,
        )

    async def test_host_is_more(self) -> None:
        """
        A port that stands beside the host is told to stand elsewhere.
        """
        self.assertEqual(
            await self.said(2, "login", "-F", "none", "alice@host:22"),
            "not the name of a host: 'host:22'; the port is given apart (port=, -p)",
        )

    async def test_key_file(self) -> None:
        """
        A key file that is not there, and one that is public.
        """
        public = self.file("id.pub", generate_key().public().toString("openssh"))
        for path, problem in (
            ("/nowhere/id", "it cannot be read: No such file or directory"),
            (
                public,
                "it holds a public key; give the private one, which mostly has the "
                "same name without .pub",
            ),
        ):
            told = await self.said(2, *self.login("-i", path))
            self.assertEqual(told, f"{path}: {problem}")


class TerminalTests(FirstErrorCase):
    """
    C{conch-auth login}, at a terminal.
    """

    async def test_wrong_password(self) -> None:
        """
        Three wrong passwords: what is asked, and what is said in the end.
        """
        running = on_terminal(*self.login(), HOME=self.home)
        for _ in range(3):
            await running.shows("password: ")
            running.type("underland\n")
        await self.ended(running, 1)
        prompt = "alice@127.0.0.1's password: "
        again = "Permission denied, please try again."
        lines = running.shown().splitlines()
        self.assertEqual(lines[:5], [prompt, again, prompt, again, prompt])
        self.assertEqual(
            lines[-4:],
            [
                "What is wrong, and what to do:",
                "  - The server refused 3 passwords.",
                "    Check the password, and the user name alice. An account that may "
                "not log in",
                "    looks the same from here.",
            ],
        )

    async def interrupted(self, running: OnTerminal, prompt: str) -> str:
        """
        Press ^C when a prompt is shown.

        @return: what is on the screen, without the prompt.
        """
        await running.shows(prompt)
        running.type("\x03")
        await self.ended(running, 128 + signal.SIGINT)
        self.assert_usual(running)
        self.assertNotIn("conch-auth:", running.shown())
        return running.shown().partition(prompt)[2]

    async def test_interrupt(self) -> None:
        """
        ^C at any prompt ends the command without another word, and leaves the
        terminal as it was.
        """
        key = generate_key()
        self.server.add_user("key", keys=[key])
        self.server.add_user("asked", prompts=[[("Code: ", True)]], answers=[["1"]])
        path = self.key_file(key, b"sesame")
        default = Path(self.home, ".ssh", "id_ed25519")
        default.write_bytes(Path(path).read_bytes())
        default.chmod(0o600)
        for arguments, prompt in (
            (self.login(), "alice@127.0.0.1's password: "),
            (self.login(user="asked"), "(asked@127.0.0.1) Code: "),
            (self.login("-i", path, user="key"), f"Passphrase for key {path}: "),
            (self.login(user="key"), f"Passphrase for key {default}: "),
            ([*self.place(), "127.0.0.1"], "you were given): "),
        ):
            running = on_terminal(*arguments, HOME=self.home)
            # The terminal itself shows ^C where it shows what is typed.
            rest = await self.interrupted(running, prompt)
            self.assertEqual(rest.replace("^C", ""), "\n")

    async def test_wrong_passphrase(self) -> None:
        """
        A passphrase that is wrong is told so, for a key in ~/.ssh as for one of
        -i, and is asked for three times.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        default = Path(self.home, ".ssh", "id_ed25519")
        path = self.key_file(key, b"sesame")
        default.write_bytes(Path(path).read_bytes())
        default.chmod(0o600)
        running = on_terminal(*self.login("--", "whoami"), HOME=self.home)
        for number in range(3):
            if number:
                await running.shows("That is not its passphrase.\r\n")
            await running.shows(f"Passphrase for key {default}: ")
            running.type("sesame\n" if number == 2 else "simsim\n")
        await running.shows("alice\r\n")
        await self.ended(running, 0)


class MissingExtraTests(SynchronousTestCase):
    """
    What is said where an extra is not installed.
    """

    def without(self, names: Sequence[str], *arguments: str) -> str:
        """
        Run C{conch-auth} where these modules cannot be imported.

        @return: what it says.
        """
        ran = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys\n"
                f"sys.modules.update(dict.fromkeys({list(names)!r}))\n"
                "from conch_auth.cli import main\n"
                f"sys.exit(main({list(arguments)!r}))\n",
            ],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )
        self.assertNotIn("Traceback", ran.stderr)
        return ran.stdout + ran.stderr

    def test_rich(self) -> None:
        """
        Without C{rich} everything works, in plain text.
        """
        arguments = ("explain", "-F", "none", "no-such-host.invalid")
        self.assertEqual(
            self.without(["rich"], *arguments), self.without([], *arguments)
        )

    def test_security_key(self) -> None:
        """
        A security key says that it takes C{fido2}, or the agent.
        """
        blob = generate_key().blob()
        signer = SecurityKeySigner(SecurityKey(blob, "ssh:", 0, b""), "id_sk")
        with patch.dict(sys.modules, {"fido2.ctap": None}):
            error = self.assertRaises(
                errors.KeyUnusable, signer._assertion, b"", None, Event()
            )
        self.assertEqual(
            str(error),
            "id_sk: a security key takes the fido2 library, or ssh-agent; run: pip "
            "install conch_auth[fido2], or: ssh-add FILE",
        )

    def test_gssapi(self) -> None:
        """
        A Kerberos ticket says that it takes C{gssapi}.
        """
        with patch.dict(sys.modules, {"gssapi": None}):
            error = self.assertRaises(errors.GSSAPIUnavailable, _gss._credentials)
        self.assertEqual(
            str(error),
            'the gssapi library is not installed: pip install "conch_auth[gssapi]"',
        )

    def test_argcomplete(self) -> None:
        """
        Completion says what it takes.
        """
        self.assertEqual(
            self.without(["argcomplete"], "completion", "bash"),
            "conch-auth: completion takes the library argcomplete, which is not "
            "installed. Install it with: pip install 'conch_auth[cli]'\n",
        )

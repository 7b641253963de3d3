"""
What OpenSSH's own client resolves for a host, as L{conch_auth.ssh_config} reads it.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import ssh_config
from conch_auth._ssh_program import MAX_OUTPUT
from conch_auth.errors import ConfigUnreadable, LoginError
from conch_auth.ssh_config import SSHConfig, parse, resolve

HOME = pwd.getpwuid(os.getuid()).pw_dir
EVERY_TOKEN = "/t-%h-%r-%u-%d-%n-%l-%%-%p-%i-%k-%C-%L"
MINIMAL = {"hostname": ("h",), "port": ("22",), "user": ("u",)}


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    with patch.dict(os.environ):
        for name, value in values.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        yield


class CountingReactor:
    """
    The reactor's processes, under a clock that stands still unless it is moved.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.processes: list[Any] = []

    def spawnProcess(self, *args: Any, **kwargs: Any) -> Any:
        self.processes.append(reactor.spawnProcess(*args, **kwargs))
        return self.processes[-1]


class Case(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.reactor = CountingReactor()

    def written(self, lines: str, name: str = "config") -> str:
        path = self.folder / name
        path.write_text(lines)
        path.chmod(0o600)
        return str(path)

    def script(self, lines: str) -> str:
        path = Path(self.written(f"#!/bin/sh\n{lines}\n", "program"))
        path.chmod(0o700)
        return str(path)

    async def gone(self, process: Any, pid: int) -> None:
        """
        Wait until a process is dead and reaped.
        """
        while process.pid is not None:
            await deferLater(reactor, 0)
        self.assertRaises(ProcessLookupError, os.kill, pid, 0)


class RefusedTests(SynchronousTestCase):
    """
    What OpenSSH could take for something else never reaches it.
    """

    def refusal(self, host: str = "host", **options: Any) -> str:
        reactor = CountingReactor()
        failed = self.failureResultOf(
            resolve(host, reactor=reactor, **options), ValueError
        )
        self.assertEqual(reactor.processes, [])
        self.assertEqual(reactor.clock.getDelayedCalls(), [])
        return str(failed.value)

    def test_host_that_is_an_option(self) -> None:
        """
        A host that begins with a dash is refused.
        """
        self.assertIn("'-oProxyCommand=x'", self.refusal("-oProxyCommand=x"))

    def test_host_of_odd_characters(self) -> None:
        """
        A host with spaces, control characters or characters of a shell is refused.
        """
        self.refusal("")
        for character in " \t\n\0\x1b\x7f\xa0\u202e\udc80":
            self.refusal(f"a{character}b")
        for character in "'\"`$\\;&<>|(){}":
            self.refusal(f"a{character}b")

    def test_host_that_is_more_than_a_host(self) -> None:
        """
        A user and a host in one, or a URI, is refused: OpenSSH would take it apart.
        """
        self.refusal("user@host")
        self.refusal("ssh://host:22")

    def test_user(self) -> None:
        """
        A user name that OpenSSH refuses, or that is empty, is refused.
        """
        for user in ["", "-x", "a -x", "a\n", "a;b", "a'b", "a\\", "\x07"]:
            self.refusal(user=user)

    def test_port(self) -> None:
        """
        A port is from 1 to 65535.
        """
        for port in [0, -1, 65536]:
            self.assertIn(str(port), self.refusal(port=port))

    def test_several_files(self) -> None:
        """
        Several files are refused, and what to do about it is said.
        """
        self.assertIn("Include", self.refusal(config=["/a", "/b"]))


class ResolveTests(Case):
    """
    The real program's answer.
    """

    if shutil.which("ssh") is None:
        skip = "there is no ssh"

    async def resolved(self, lines: str, host: str = "host", **more: Any) -> SSHConfig:
        return await resolve(host, config=self.written(lines), **more)

    async def unreadable(self, lines: str) -> str:
        failure = await self.assertFailure(
            resolve("host", config=self.written(lines)), ConfigUnreadable
        )
        self.assertIn(str(self.folder), str(failure))
        self.assertIn("-- host", str(failure))
        return str(failure)

    async def test_nothing_configured(self) -> None:
        """
        Without a file, the answer is OpenSSH's defaults, and says so of the keys.
        """
        with environment(SSH_AUTH_SOCK="/the/agent"):
            found = await resolve("host", config=None)
            self.assertEqual(found, await resolve("host", config=[]))
        self.assertEqual((found.hostname, found.port), ("host", 22))
        self.assertEqual(found.user, pwd.getpwuid(os.getuid()).pw_name)
        self.assertIn(f"{HOME}/.ssh/id_ed25519", found.identity_files)
        self.assertEqual(
            found,
            SSHConfig(
                hostname="host",
                port=22,
                user=found.user,
                identity_files=found.identity_files,
                identity_agent="/the/agent",
                user_known_hosts_files=(
                    f"{HOME}/.ssh/known_hosts",
                    f"{HOME}/.ssh/known_hosts2",
                ),
                global_known_hosts_files=(
                    "/etc/ssh/ssh_known_hosts",
                    "/etc/ssh/ssh_known_hosts2",
                ),
            ),
        )

    async def test_everything_configured(self) -> None:
        """
        Every option arrives, and those of another host do not.
        """
        found = await self.resolved(
            """
            Host other
              Port 1
            Host al*
              HostName %h.example
              Port 2222
              User bob
              IdentityFile "/keys/a b"
              IdentityFile /keys/c
              IdentitiesOnly yes
              CertificateFile /keys/c-cert.pub
              IdentityAgent /run/agent
              PreferredAuthentications publickey,password
              UserKnownHostsFile "/k h/1" /kh/2
              GlobalKnownHostsFile /g "/g 2"
              HostKeyAlias al-key
              NumberOfPasswordPrompts 1
              PasswordAuthentication no
              KbdInteractiveAuthentication no
              PubkeyAuthentication no
              ConnectTimeout 5m
              ProxyCommand nc %h %p
            """,
            "al",
        )
        self.assertEqual(
            found,
            SSHConfig(
                hostname="al.example",
                port=2222,
                user="bob",
                identity_files=("/keys/a b", "/keys/c"),
                identities_configured=True,
                identities_only=True,
                certificate_files=("/keys/c-cert.pub",),
                identity_agent="/run/agent",
                preferred_authentications=("publickey", "password"),
                user_known_hosts_files=("/k h/1", "/kh/2"),
                global_known_hosts_files=("/g", "/g 2"),
                host_key_alias="al-key",
                number_of_password_prompts=1,
                password_authentication=False,
                kbdint_authentication=False,
                pubkey_authentication=False,
                connect_timeout=300,
                proxy_command="nc %h %p",
            ),
        )

    async def test_match_and_include(self) -> None:
        """
        C{Match} and C{Include} are OpenSSH's to follow.
        """
        included = self.written("Match user carol\n Port 7\n", "included")
        found = await self.resolved(
            f"Include {included}\nMatch exec true\n HostName matched\n", user="carol"
        )
        self.assertEqual((found.hostname, found.port), ("matched", 7))

    async def test_arguments_go_first(self) -> None:
        """
        A user and a port that are given take the place of the configured ones.
        """
        found = await self.resolved("User bob\nPort 7\n", user="a b", port=8)
        self.assertEqual((found.user, found.port), ("a b", 8))

    async def test_proxy_jump(self) -> None:
        """
        The hosts to connect through are told; C{none} is none.
        """
        found = await self.resolved("ProxyJump a@b:33,c\n")
        self.assertEqual(found.proxy_jump, "a@b:33,c")
        for option in ["ProxyJump", "ProxyCommand"]:
            found = await self.resolved(f"{option} none\n")
            self.assertEqual((found.proxy_jump, found.proxy_command), (None, None))

    async def test_tokens_as_openssh_expands_them(self) -> None:
        """
        A token means in a key's path what it means in the agent's, which OpenSSH
        itself expands.
        """
        for alias in ["", "HostKeyAlias known-as\n"]:
            found = await self.resolved(
                f"{alias}HostName real\nPort 7\nUser bob\n"
                + "".join(
                    f"{option} {EVERY_TOKEN}\n"
                    for option in ["IdentityAgent", "IdentityFile", "CertificateFile"]
                ),
                "Host.Example",
            )
            self.assertIn("-Host.Example-", found.identity_agent or "")
            self.assertEqual(found.identity_files, (found.identity_agent,))
            self.assertEqual(found.certificate_files, (found.identity_agent,))

    async def test_tilde_and_environment(self) -> None:
        """
        A tilde is an account's home, whatever C{$HOME} says, and C{${VAR}} is taken
        from the environment.
        """
        name = pwd.getpwuid(os.getuid()).pw_name
        with environment(HOME="/elsewhere", OF_MINE="/mine"):
            found = await self.resolved(
                f"IdentityFile ~/a\nIdentityFile ~{name}/b\n"
                "IdentityFile ${OF_MINE}/c\n"
                "UserKnownHostsFile ~/k ${OF_MINE}/k\n"
            )
        self.assertEqual(found.identity_files, (f"{HOME}/a", f"{HOME}/b", "/mine/c"))
        self.assertEqual(
            [os.path.normpath(path) for path in found.user_known_hosts_files],
            [f"{HOME}/k", "/mine/k"],
        )

    async def test_paths_that_stand_for_nothing(self) -> None:
        """
        A path with an unknown token, variable or account is an error that names it.
        """
        for option in ["IdentityFile", "CertificateFile"]:
            for path in ["/%q", "/a%", "${NO_SUCH}/x", "~no.such.account/x"]:
                said = await self.unreadable(f"{option} {path}\n")
                self.assertIn(path.strip("/a~x"), said)

    async def test_agent(self) -> None:
        """
        The agent is a path, a variable's value, the usual one, or switched off.
        """
        cases = {
            "IdentityAgent none": (None, True),
            "IdentityAgent SSH_AUTH_SOCK": ("/usual", False),
            "IdentityAgent $OF_MINE": ("/mine", False),
            "IdentityAgent $NO_SUCH": (None, False),
            "IdentityAgent ${OF_MINE}/x": ("/mine/x", False),
            "IdentityAgent ~/x": (f"{HOME}/x", False),
            "": ("/usual", False),
        }
        with environment(SSH_AUTH_SOCK="/usual", OF_MINE="/mine", NO_SUCH=None):
            for line, expected in cases.items():
                found = await self.resolved(line)
                self.assertEqual(
                    (
                        os.path.normpath(found.identity_agent)
                        if found.identity_agent
                        else None,
                        found.identity_agent_off,
                    ),
                    expected,
                    line,
                )
        with environment(SSH_AUTH_SOCK=None):
            self.assertIsNone((await self.resolved("")).identity_agent)

    async def test_none_for_files(self) -> None:
        """
        C{none} is no file, and is a configuration all the same.
        """
        found = await self.resolved(
            "IdentityFile none\nCertificateFile none\nUserKnownHostsFile none\n"
            "GlobalKnownHostsFile none\n"
        )
        self.assertEqual(found.identity_files, ())
        self.assertTrue(found.identities_configured)
        self.assertEqual(found.certificate_files, ())
        self.assertEqual(found.user_known_hosts_files, ())
        self.assertEqual(found.global_known_hosts_files, ())

    async def test_one_of_the_default_keys_configured(self) -> None:
        """
        A default key that is configured by name counts as configured.
        """
        found = await self.resolved("IdentityFile ~/.ssh/id_rsa\n")
        self.assertEqual(found.identity_files, (f"{HOME}/.ssh/id_rsa",))
        self.assertTrue(found.identities_configured)

    async def test_no_connect_timeout(self) -> None:
        """
        C{none} and 0 leave the time to connect to the system.
        """
        for value in ["none", "0"]:
            found = await self.resolved(f"ConnectTimeout {value}\n")
            self.assertIsNone(found.connect_timeout)

    async def test_user_with_spaces_around(self) -> None:
        """
        A value is all that follows the first space.
        """
        self.assertEqual((await self.resolved('User " x "\n')).user, " x ")

    async def test_path_that_is_not_utf8(self) -> None:
        """
        A path of any bytes arrives as the one that L{open} takes.
        """
        config = self.folder / "bytes"
        config.write_bytes(b"IdentityFile /\xff\n")
        found = await resolve("host", config=[config])
        self.assertEqual(found.identity_files, (os.fsdecode(b"/\xff"),))

    async def test_file_called_none(self) -> None:
        """
        A file in the current directory may be called C{none}, or begin with a dash.
        """
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        for name in ["none", "-x"]:
            self.written("Port 7\n", name)
            self.assertEqual((await resolve("host", config=name)).port, 7)

    async def test_file_in_the_home_directory(self) -> None:
        """
        C{~} stands for the home directory, as in the path of any other file
        that an application names.
        """
        self.addCleanup(os.environ.__setitem__, "HOME", os.environ["HOME"])
        os.environ["HOME"] = str(self.folder)
        self.written("Port 7\n", "config")
        self.assertEqual((await resolve("host", config="~/config")).port, 7)

    async def test_bad_configuration(self) -> None:
        """
        What OpenSSH says of a bad configuration is in the error, in one line.
        """
        said = await self.unreadable("Bogus yes\n")
        self.assertIn("line 1: Bad configuration option: bogus", said)
        self.assertIn("terminating, 1 bad configuration options", said)
        self.assertIn("status 255", said)
        self.assertNotIn("\n", said)
        self.assertNotIn("\\x0", said)

    async def test_no_such_file(self) -> None:
        """
        A file that is not there is an error, not an empty configuration.
        """
        missing = str(self.folder / "missing")
        failure = await self.assertFailure(
            resolve("host", config=missing), ConfigUnreadable
        )
        # ssh cuts a long path off.
        self.assertIn("No such file", str(failure))


class ProgramTests(Case):
    """
    A program that is not as it should be.
    """

    async def unreadable(self, program: str) -> ConfigUnreadable:
        failure = await self.assertFailure(
            resolve("host", program=program, reactor=self.reactor), ConfigUnreadable
        )
        self.assertIsInstance(failure, LoginError)
        self.assertEqual(self.reactor.clock.getDelayedCalls(), [])
        return failure

    async def hanging(self) -> tuple[Deferred[SSHConfig], Any, int]:
        program = self.script("exec tail -f /dev/null")
        asked = resolve("host", program=program, reactor=self.reactor, timeout=3)
        (process,) = self.reactor.processes
        return asked, process, process.pid

    async def test_what_is_run(self) -> None:
        """
        The host is the last argument, after C{--}; the user's and system's files
        are read unless one is named.
        """
        heard = self.folder / "heard"
        program = self.script(
            f'echo "$@" >>{heard}; cat; printf "hostname h\\nuser u\\nport 1\\n"'
        )
        for options in [{}, {"config": "/c", "user": "u", "port": 9}, {"config": None}]:
            await resolve("host", program=program, **options)  # type: ignore[arg-type]
        self.assertEqual(
            heard.read_text().splitlines()[::2],
            [
                "-T -G -- host",
                "-T -G -F /c -l u -p 9 -- host",
                "-T -G -F none -- host",
            ],
        )
        self.assertEqual(set(heard.read_text().splitlines()[1::2]), {"-T -G -F none h"})

    async def test_missing(self) -> None:
        """
        Where there is no program, the error says what to install.
        """
        with environment(PATH=str(self.folder)):
            failure = await self.unreadable("ssh")
        self.assertIn("there is no program ssh", str(failure))
        self.assertIn("Install", str(failure))
        self.assertEqual(self.reactor.processes, [])

    async def test_not_a_program(self) -> None:
        """
        A file that cannot be run is an error.
        """
        program = self.written("#!/no/such/interpreter\n")
        os.chmod(program, 0o700)
        await self.unreadable(program)

    async def test_says_what_is_no_answer(self) -> None:
        """
        An answer that is not C{ssh -G}'s is an error that shows nothing raw.
        """
        for answer in [
            "",
            "x",
            "hostname h",
            "hostname h\\nuser u\\nport 0",
            "\\033[2J",
        ]:
            failure = await self.unreadable(self.script(f'printf "{answer}\\n"'))
            self.assertIn("its answer", str(failure))
            self.assertNotIn("\x1b", str(failure))

    async def test_failure_is_shown_printable(self) -> None:
        """
        What the program says cannot act on a terminal, and is cut.
        """
        failure = await self.unreadable(
            self.script('printf "\\033[2Jhelp\\r\\n%01000d" 0 >&2; exit 3')
        )
        self.assertIn("it said: \\x1b[2Jhelp; 000", str(failure))
        self.assertIn("status 3", str(failure))
        self.assertLess(len(str(failure)), 1000)
        self.assertTrue(failure.said.startswith("\x1b[2Jhelp\r\n0"))

    async def test_killed_by_a_signal(self) -> None:
        """
        A program that a signal ended has failed.
        """
        failure = await self.unreadable(self.script("kill -9 $$"))
        self.assertIn("signal 9", str(failure))

    async def test_flood(self) -> None:
        """
        A program that writes without end, to either stream, is killed.
        """
        for stream in ["1", "2"]:
            failure = await self.unreadable(self.script(f"exec yes yes yes >&{stream}"))
            self.assertIn(f"more than {MAX_OUTPUT} bytes", str(failure))
            self.assertIn("program -T -G", str(failure))
            process = self.reactor.processes[-1]
            while process.pid is not None:
                await deferLater(reactor, 0)

    async def test_hangs(self) -> None:
        """
        A program that does not end is killed when its time is over.
        """
        asked, process, pid = await self.hanging()
        self.reactor.clock.advance(2.9)
        self.assertNoResult(asked)
        self.reactor.clock.advance(0.2)
        failure = self.failureResultOf(asked, ConfigUnreadable).value
        self.assertIn("within 3 s", str(failure))
        self.assertIn("-- host", str(failure))
        await self.gone(process, pid)

    async def test_cancelled(self) -> None:
        """
        Cancelling kills the program and leaves nothing waiting.
        """
        asked, process, pid = await self.hanging()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(self.reactor.clock.getDelayedCalls(), [])
        await self.gone(process, pid)

    async def test_cancelled_in_the_second_run(self) -> None:
        """
        Cancelling kills the program while it is asked for its defaults, too.
        """
        program = self.script(
            'case "$*" in *none*) exec tail -f /dev/null;; esac\n'
            'printf "hostname h\\nuser u\\nport 1\\n"'
        )
        asked = resolve("host", program=program, reactor=self.reactor)
        while len(self.reactor.processes) < 2:
            await deferLater(reactor, 0)
        process = self.reactor.processes[1]
        pid = process.pid
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        await self.gone(process, pid)

    async def test_a_command_of_match_exec_holds_no_one_up(self) -> None:
        """
        What the program has started may outlive it; it is not waited for.
        """
        started = self.folder / "started"
        program = self.script(
            f"tail -f /dev/null & echo $! >{started}.new\n"
            f"mv {started}.new {started}; wait"
        )
        asked = resolve("host", program=program, reactor=self.reactor)
        while not started.exists():
            await deferLater(reactor, 0)
        self.addCleanup(os.kill, int(started.read_text()), 9)
        (process,) = self.reactor.processes
        pid = process.pid
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        await self.gone(process, pid)


KEYWORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9)
VALUES = st.binary(max_size=20).map(lambda value: value.replace(b"\n", b""))
PATHS = st.text("a /~.", max_size=6).map(lambda rest: f"/{rest}")
PATH_KEYWORDS = [
    "identityagent",
    "identityfile",
    "certificatefile",
    "userknownhostsfile",
]
BEGINS_ANOTHER = re.compile(" [/~]")


class ParseTests(SynchronousTestCase):
    """
    The lines of an answer.
    """

    @given(st.dictionaries(KEYWORDS, st.lists(VALUES, min_size=1, max_size=3)))
    def test_every_value_is_found(self, said: dict[str, list[bytes]]) -> None:
        """
        What was written is what is read: every keyword, every value, in order.
        """
        lines = [
            keyword.upper().encode() + b" " + value + b"\n"
            for keyword, values in said.items()
            for value in values
        ]
        self.assertEqual(
            parse(b"".join(lines)),
            {keyword: tuple(map(os.fsdecode, said[keyword])) for keyword in said},
        )

    def test_line_without_a_value(self) -> None:
        """
        A line is a keyword, a space and a value, which may be empty.
        """
        self.assertEqual(parse(b"a \n\nb c"), {"a": ("",), "b": ("c",)})
        for line in [b"a", b" a", b" "]:
            self.assertRaises(ValueError, parse, b"b c\n" + line)

    @given(st.binary())
    def test_any_bytes(self, answer: bytes) -> None:
        """
        Any bytes are read, or are a L{ValueError}.
        """
        try:
            parse(answer)
        except ValueError as problem:
            self.assertIn("its answer", str(problem))

    @given(
        st.dictionaries(
            st.sampled_from(["port", "connecttimeout", *PATH_KEYWORDS]),
            st.lists(st.text("%~${}/ h0189q", max_size=8), min_size=1).map(tuple),
        )
    )
    def test_any_values(self, said: dict[str, tuple[str, ...]]) -> None:
        """
        Any values make a configuration without a tilde or variable left to expand,
        or are a L{ValueError}.
        """
        try:
            found = ssh_config._config("h", MINIMAL | said, {}, {})
        except ValueError:
            return
        self.assertTrue(0 < found.port < 65536)
        for path in found.identity_files + found.certificate_files:
            self.assertFalse(path.startswith("~"), path)
            self.assertNotIn("${", path.replace("%%", ""))

    @given(
        st.lists(PATHS.filter(lambda path: not BEGINS_ANOTHER.search(path)), min_size=1)
    )
    def test_paths_of_one_line(self, paths: list[str]) -> None:
        """
        Absolute paths with spaces in them are told apart.
        """
        self.assertEqual(ssh_config._paths(" ".join(paths)), tuple(paths))

    def test_unexpanded_known_hosts(self) -> None:
        """
        A version that leaves the tilde of a known_hosts file has it expanded here,
        and what a version has expanded is left alone.
        """
        said = MINIMAL | {"userknownhostsfile": ("~/a /%h",)}
        found = ssh_config._config("h", said, {}, {})
        self.assertEqual(found.user_known_hosts_files, (f"{HOME}/a", "/%h"))

    def test_flags_that_are_neither(self) -> None:
        """
        C{host-bound} and C{unbound} are kinds of yes, C{false} is no.
        """
        for value, expected in [
            ("true", True),
            ("unbound", True),
            ("host-bound", True),
            ("false", False),
            ("no", False),
        ]:
            said = MINIMAL | {"pubkeyauthentication": (value,)}
            found = ssh_config._config("h", said, {}, {})
            self.assertIs(found.pubkey_authentication, expected)

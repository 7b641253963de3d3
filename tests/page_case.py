# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Runs the code of a page of documentation, as a reader would.

The blocks of a page are run in their order, and share their names:

  - C{python}: a block that calls C{react} is a program, and is run to its end.
    One that awaits something outside a function is the inside of such a program,
    as the pages' index says.
  - C{sh}: run by a shell in the reader's home directory, but for what is known
    to be run elsewhere: see L{tests.pages.CHECKED}.
  - C{diff}: both sides of a changed import can be imported.
  - A block that a line ending in C{prints::} leads in to is what the program
    before it has printed; C{says::} leads in to the error that it ended with.
  - Blocks of another language are shown only.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import inspect
import io
import os
import re
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.tcp import Connection
from twisted.trial.unittest import TestCase

from conch_auth.loopback import LoopbackServer
from conch_auth.transport import SSHClientTransport
from tests.pages import (
    DOCS,
    Block,
    alike,
    blocks_of,
    check_commands,
    check_imports,
    rewrite,
)
from tests.peers.kdc import realm
from tests.peers.sshd import Sshd, User, machine
from tests.stage import Stage

#: Where this variable is set, a page is rewritten where it shows what is not so.
REWRITE = "CONCH_AUTH_REWRITE_PAGES"
#: The reader of the pages.
READER = "/home/alice"
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
ALICE = User("alice", "wonderland")


class PageCase(TestCase):
    """
    A page, and the servers that its examples name.

    @cvar page: its name, below C{docs}, without C{.rst}.
    @ivar home: the reader's home directory.
    @ivar stage: where the servers are.
    """

    page = ""
    timeout = 120
    #: Every page that a test runs.
    pages: set[str] = set()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        PageCase.pages.add(cls.page)

    def setUp(self) -> None:
        # As long a name as the reader's, so that lines break where they would there.
        self.home = Path(tempfile.mkdtemp(prefix="al"))
        self.addCleanup(shutil.rmtree, self.home)
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.home)
        self.set_environment(HOME=str(self.home), LOGNAME="alice", SSH_AUTH_SOCK=None)
        self.stage = Stage(self)
        self.file = DOCS / f"{self.page}.rst"
        self.blocks = blocks_of(self.file.read_text())
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed, self.error = "", ""
        self._examples: dict[str, str] = {}
        self._main: Callable[[Any], Awaitable[Any]] | None = None
        self.patch(task, "react", self._react)
        self._look_after_what_is_opened()

    def set_environment(self, **values: str | None) -> None:
        """
        Set variables until the test is over; C{None} removes one.
        """
        for name, value in values.items():
            self.addCleanup(_set_variable, name, os.environ.get(name))
            _set_variable(name, value)

    def _react(self, main: Callable[[Any], Awaitable[Any]], *_: Any) -> None:
        self._main = main

    def _look_after_what_is_opened(self) -> None:
        """
        A program's end closes what it has opened; here there are several
        programs in one process.
        """
        listen, made = LoopbackServer.listen, SSHClientTransport.connectionMade
        case = self

        def listening(self: LoopbackServer, *arguments: Any) -> Any:
            case.addCleanup(self.stop)
            return listen(self, *arguments)

        def connected(self: SSHClientTransport) -> None:
            case.addCleanup(_close, self)
            made(self)

        self.patch(LoopbackServer, "listen", listening)
        self.patch(SSHClientTransport, "connectionMade", connected)

    def block(self, language: str, of: str = "") -> Block:
        """
        The first block of a language that has C{of} in it.
        """
        return next(
            block
            for block in self.blocks
            if block.language == language and of in block.text
        )

    async def run_page(self) -> None:
        """
        Run every block.
        """
        for block in self.blocks:
            await self.run_block(block)
        self.assertEqual(self.error, "", "the page does not tell of this error")
        for picture in self.home.glob("*.svg"):
            self.check_picture(picture)

    def check_picture(self, drawn: Path) -> None:
        """
        The picture that the page shows has the messages of the one that it has
        drawn; when each came is another matter.
        """
        shown = self.file.with_name(drawn.name)
        if os.environ.get(REWRITE):
            text = _FINGERPRINT.sub(self._example, drawn.read_text())
            text = re.sub(r"port \d{4,5}", "port 22", text)
            shown.write_text(text.replace(str(self.home), READER))
        self.assertIn(f".. image:: {drawn.name}\n", self.file.read_text())
        self.assertEqual(_messages(shown), _messages(drawn))

    async def run_block(self, block: Block) -> None:
        if block.language == "python":
            self.assertEqual(self.error, "", "the page does not tell of this error")
            await self._run_python(block)
        elif block.language == "sh":
            self._run_shell(block)
        elif block.language == "diff":
            check_imports(self, block.text)
        elif block.lead.endswith("prints"):
            self.check(block, self.printed)
        elif block.lead.endswith("says"):
            self.check(block, self.error)
            self.error = ""

    def check(self, block: Block, said: str) -> None:
        """
        The page shows what was said, wherever it breaks the lines; or it is made
        to.
        """
        said, shown = self.told(said), alike(block.text)
        if said != shown and os.environ.get(REWRITE):
            rewrite(self.file, block, said)
        else:
            self.assertEqual(said.split(), shown.split(), block)

    def told(self, text: str) -> str:
        """
        What a program said, as the page may show it.
        """
        text = _FINGERPRINT.sub(self._example, text)
        return alike(text.strip("\n").replace(str(self.home), READER))

    def _example(self, fingerprint: re.Match[str]) -> str:
        """
        Keys are new in each run; the page shows the same ones.
        """
        number = len(self._examples)
        digest = hashlib.sha256(f"{self.page} {number}".encode()).digest()
        example = b64encode(digest).decode().rstrip("=")
        return self._examples.setdefault(fingerprint[0], f"SHA256:{example}")

    async def _run_python(self, block: Block) -> None:
        # As many lines before it as there are in the page, for tracebacks.
        source = "\n" * (block.line - 1) + block.text
        code = compile(
            source,
            str(self.file),
            "exec",
            ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        self._main = None
        written = io.StringIO()
        try:
            with contextlib.redirect_stdout(written):
                await self._finished(code)
        except Exception as error:
            if not self._tells_of_error(block):
                raise
            self.error = str(error)
        self.printed = written.getvalue()

    async def _finished(self, code: Any) -> None:
        from twisted.internet import reactor

        self.names.setdefault("reactor", reactor)
        running = eval(code, self.names)
        if inspect.isawaitable(running):
            await running
        if self._main is not None:
            await self._main(reactor)

    def _tells_of_error(self, program: Block) -> bool:
        """
        Whether the page tells of an error before the next program.
        """
        for block in self.blocks[self.blocks.index(program) + 1 :]:
            if block.language in ("python", "sh"):
                return False
            if block.lead.endswith("says"):
                return True
        return False

    def _run_shell(self, block: Block) -> None:
        if not check_commands(self, block.text):
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            self.assertEqual(ran.returncode, 0, f"{block}\n{ran.stdout}{ran.stderr}")
            self.printed = ran.stdout


def _messages(picture: Path) -> list[str]:
    return re.findall(r"USERAUTH_\w+", picture.read_text())


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _close(transport: Any) -> Any:
    below = transport.transport
    if not isinstance(below, Connection) or not below.connected:
        return None
    gone: Deferred[None] = Deferred()
    lost = transport.connectionLost

    def connection_lost(*reason: Any) -> None:
        lost(*reason)
        gone.callback(None)

    transport.connectionLost = connection_lost
    below.abortConnection()  # type: ignore[attr-defined]
    return gone


class Programs:
    """
    For a L{PageCase} in which nothing more is to be checked than what its page
    says itself.
    """

    async def test_programs(self: Any) -> None:
        """
        Each program prints what is said of it.
        """
        await self.run_page()


class SshdPageCase(PageCase):
    """
    A page whose C{server.example.org} is an sshd where alice has an account, and
    whose key she knows.  It is set as the page says of its C{sshd_config}.

    @cvar config: more lines of sshd_config.
    @cvar users: who else has an account.
    @cvar authorizes: whether the server's administrator adds each key that the
        reader makes.
    @ivar keys: what is added besides.
    """

    config = "UsePAM yes\n"
    users: tuple[User, ...] = ()
    authorizes = True
    keys: tuple[str, ...] = ()

    def setUp(self) -> None:
        super().setUp()
        settings = [
            block.text for block in self.blocks if block.lead.endswith("sshd_config")
        ]
        self.server = self.sshd("\n".join([self.config, *settings, ""]))
        self.stage.add("server.example.org", self.server.port)
        self.know("server.example.org", self.server)

    def sshd(self, config: str) -> Sshd:
        server = machine([ALICE, *self.users]).sshd(config)
        self.addCleanup(server.stop)
        return server

    def know(self, host: str, server: Any, file: str = ".ssh/known_hosts") -> None:
        """
        Add the host keys of a server to a known_hosts file.
        """
        with open(self.home / file, "a") as known_hosts:
            for key in server.host_keys:
                known_hosts.write(f"{host} {key.toString('openssh').decode()}\n")

    async def run_block(self, block: Block) -> None:
        # The administrator of the server adds what the reader has made.
        made = [file.read_text().strip() for file in self.home.glob("*/*.pub")]
        if self.authorizes:
            self.server.authorize(ALICE.name, *self.keys, *made)
        await super().run_block(block)


class RealmPageCase(SshdPageCase):
    """
    A page whose server belongs to a Kerberos realm, of which alice has a ticket
    that can be forwarded.
    """

    config = "UsePAM yes\nGSSAPIAuthentication yes\nGSSAPIStrictAcceptorCheck no\n"

    def setUp(self) -> None:
        realm().enter(self)
        realm().add_host("server.example.org")
        realm().log_in(ALICE.name, "-f")
        super().setUp()

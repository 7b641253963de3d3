# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Runs the code of a page of documentation, as a reader would.

The blocks of a page are run in their order, and share their names:

  - C{python}: a block that calls C{react} is a program, and is run to its end.
    One that awaits something outside a function is the inside of such a program,
    as the pages' index says.
  - C{sh}: run by a shell in the reader's home directory, but for what is known
    to be run elsewhere: see L{CHECKED}.
  - C{diff}: both sides of a changed import can be imported.
  - A block that a line ending in C{prints::} leads in to is what the program
    before it has printed; C{says::} leads in to the error that it ended with.
  - Blocks of another language are shown only.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import importlib
import inspect
import io
import os
import re
import shlex
import subprocess
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import cli
from conch_auth.loopback import LoopbackServer
from conch_auth.transport import SSHClientTransport
from tests.stage import Stage

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
#: The reader of the pages.
READER = "/home/alice"

_BLOCK = re.compile(
    r"^(?:\.\. code-block:: (?P<language>\w+)\n(?P<options>(?:    ?:.*\n)*)"
    r"|(?P<lead>.*[^:])::\n)\n(?P<text>(?:    .*\n|\n)+)",
    re.MULTILINE,
)
_SHOWN_ALIKE = (
    (re.compile(r"\d+\.\d\d? s\b"), "0.00 s"),
    (re.compile(r"SHA256:[A-Za-z0-9+/]{43}"), "SHA256:..."),
    (re.compile(r"\bport \d{4,5}|\]:\d{4,5}"), "port N"),
)


class Block(NamedTuple):
    """
    A block of code, or a literal one.

    @ivar language: empty for a literal block.
    @ivar lead: the line that leads in to a literal block.
    @ivar line: the number of its first line, from 1.
    """

    language: str
    lead: str
    text: str
    line: int


def blocks_of(page: str) -> list[Block]:
    """
    The blocks in reStructuredText.
    """
    return [
        Block(
            found["language"] or "",
            (found["lead"] or "").strip(),
            textwrap.dedent(found["text"]).strip("\n"),
            page.count("\n", 0, found.start("text")) + 1,
        )
        for found in _BLOCK.finditer(page)
    ]


def alike(text: str) -> str:
    """
    Without what differs from run to run.
    """
    for varying, instead in _SHOWN_ALIKE:
        text = varying.sub(instead, text)
    return text


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
        self.home = Path(self.mktemp()).absolute()
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        self.set_environment(HOME=str(self.home), LOGNAME="alice", SSH_AUTH_SOCK=None)
        self.stage = Stage(self)
        self.blocks = blocks_of((DOCS / f"{self.page}.rst").read_text())
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed, self.error = "", ""
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

    async def run_block(self, block: Block) -> None:
        if block.language == "python":
            self.assertEqual(self.error, "", "the page does not tell of this error")
            await self._run_python(block)
        elif block.language == "sh":
            self._run_shell(block)
        elif block.language == "diff":
            check_imports(self, block.text)
        elif block.lead.endswith("prints"):
            self.assertEqual(self.told(self.printed), alike(block.text), block)
        elif block.lead.endswith("says"):
            # The page breaks lines where it must.
            said, shown = self.told(self.error).split(), alike(block.text).split()
            self.assertEqual(said, shown, block)
            self.error = ""

    def told(self, text: str) -> str:
        """
        What a program said, as the page may show it.
        """
        return alike(text.strip("\n").replace(str(self.home), READER))

    async def _run_python(self, block: Block) -> None:
        # As many lines before it as there are in the page, for tracebacks.
        source = "\n" * (block.line - 1) + block.text
        code = compile(
            source,
            str(DOCS / f"{self.page}.rst"),
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


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _close(transport: Any) -> Any:
    below = transport.transport
    if below is None or not hasattr(below, "abortConnection"):
        return None
    gone: Deferred[None] = Deferred()
    lost = transport.connectionLost

    def connection_lost(*reason: Any) -> None:
        lost(*reason)
        gone.callback(None)

    if not below.connected:
        return None
    transport.connectionLost = connection_lost
    below.abortConnection()
    return gone


def check_imports(case: SynchronousTestCase, text: str) -> None:
    """
    Each line of a diff that imports, before and after, can be run.
    """
    for line in text.splitlines():
        found = re.fullmatch(r"[-+ ]\s*from (\S+) import (.+)", line)
        if found is not None:
            module = importlib.import_module(found[1])
            for name in found[2].split(", "):
                case.assertTrue(hasattr(module, name), line)


def _commands(text: str) -> Iterator[list[str]]:
    joined = text.replace("\\\n", " ")
    for command in re.split(r" && |\n", joined):
        words = shlex.split(command, comments=True)
        if words:
            yield words


def check_commands(case: SynchronousTestCase, text: str) -> bool:
    """
    Check the commands that are run elsewhere: each names extras, options and
    tests that there are.

    @return: whether the block is of such commands.
    """
    commands = list(_commands(text))
    checked = [CHECKED.get(os.path.basename(words[0])) for words in commands]
    for check, words in zip(checked, commands, strict=True):
        if check is not None:
            check(case, words[1:])
    return all(checked) and bool(checked)


def _check_pip(case: SynchronousTestCase, arguments: list[str]) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for extras in re.findall(r"\[(.*)\]", arguments[-1]):
        for extra in extras.split(","):
            case.assertIn(extra, setup["options.extras_require"])


def _check_conch_auth(case: SynchronousTestCase, arguments: list[str]) -> None:
    cli.parse(arguments)


def _check_trial(case: SynchronousTestCase, arguments: list[str]) -> None:
    for name in arguments:
        if not name.startswith("-"):
            importlib.import_module(name)


def _check_python(case: SynchronousTestCase, arguments: list[str]) -> None:
    if arguments[0] == "-m":
        case.assertTrue(importlib.util.find_spec(arguments[1]))
    else:
        case.assertTrue((ROOT / arguments[0]).exists(), arguments[0])


def _check_sphinx(case: SynchronousTestCase, arguments: list[str]) -> None:
    case.assertTrue(any((ROOT / word / "conf.py").exists() for word in arguments))


def _shown_only(case: SynchronousTestCase, arguments: list[str]) -> None:
    """
    It takes a person, a device or a service that is not here.
    """


#: The commands that the pages name and that are run elsewhere.
CHECKED: dict[str, Callable[[SynchronousTestCase, list[str]], None]] = {
    "conch-auth": _check_conch_auth,
    "kinit": _shown_only,
    "pip": _check_pip,
    "python": _check_python,
    "python3": _check_python,
    "sphinx-build": _check_sphinx,
    "ssh-add": _shown_only,
    "trial": _check_trial,
}

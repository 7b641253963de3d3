# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
What a page of documentation has in it, and what of that can be checked without
running it.
"""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import os
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from conch_auth import cli

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

_BLOCK = re.compile(
    r"^(?:\.\. code-block:: (?P<language>\w+)\n(?P<options>(?:    ?:.*\n)*)"
    r"|(?P<lead>.*[^:])::\n)\n(?P<text>(?:    .*\n|\n)+)",
    re.MULTILINE,
)
_SHOWN_ALIKE = (
    (re.compile(r"\d+\.\d\d? s\b"), "0.00 s"),
    (re.compile(r"\bport \d{4,5}"), "port N"),
    (re.compile(r"\d{3,} bytes"), "N bytes"),
    (re.compile(r" +$", re.MULTILINE), ""),
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


def rewrite(file: Path, block: Block, said: str) -> None:
    """
    Have a page show what was said, in the place of a block.
    """
    head, shown, rest = file.read_text().partition(
        f"{block.lead}::\n\n{textwrap.indent(block.text, '    ')}\n"
    )
    assert shown, block
    instead = f"{block.lead}::\n\n{textwrap.indent(said, '    ')}\n"
    file.write_text(head + instead + rest)


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
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
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

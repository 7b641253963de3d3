"""
C{conch-auth explain}, in a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
from referencing import Registry, Resource
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from conch_auth.loopback import generate_key
from tests.cli_process import LoginCase, Running, start, start_on_terminal

DOCS = Path(__file__).parent.parent / "docs"


def schema(name: str) -> Any:
    return json.loads((DOCS / name).read_text("utf-8"))


class ExplainCase(LoginCase):
    subcommand = "explain"

    async def told(self, status: int, *arguments: str) -> str:
        """
        What is told without a terminal.
        """
        running = start(*arguments)
        await self.ended(running, status)
        return running.screen.decode()


class TextTests(ExplainCase):
    """
    What it prints for people.
    """

    async def test_success(self) -> None:
        """
        A login is told with what led to it; the status is that of C{login}.
        """
        key, other = generate_key(), generate_key()
        self.server.add_user("alice", keys=[key], banner="Hello\x07\n")
        files = self.key_file(other), self.key_file(key)
        told = await self.told(0, *self.login("-i", files[0], "-i", files[1]))
        self.assertTrue(told.startswith("alice@127.0.0.1: logged in: publickey with "))
        for words in (
            f" host 127.0.0.1, port {self.server.port}\n",
            " server SSH-2.0-",
            f" host key ssh-ed25519 {self.server.fingerprint}\n",
            " trusted by its fingerprint, which was given\n",
            " banner Hello\\x07\n",
            " 1. none: asks what is accepted\n",
            " 2. publickey: refused\n",
            f" from {files[0]}\n",
            " sent the key without a signature\n",
            " 3. publickey: accepted\n",
            " sent the key and a signature\n",
            " answer USERAUTH_SUCCESS\n",
        ):
            self.assertIn(words, re.sub(" +", " ", told))
        self.assertNotIn("What to do", told)

    async def test_refused(self) -> None:
        """
        A login that is refused is told to its end, on the standard output: it
        is what was asked for.
        """
        path = self.key_file(generate_key())
        told = await self.told(1, *self.login("-i", path))
        self.assertTrue(told.startswith("alice@127.0.0.1: not logged in: "))
        self.assertIn("  still accepted  password\n", told)
        self.assertIn("What to do:\n", told)

    async def test_before(self) -> None:
        """
        So is one that did not begin.
        """
        place = self.place()
        told = await self.told(3, *place, "alice@127.0.0.1")
        self.assertIn(": not logged in: the host key was not verified\n", told)
        self.assertIn("  server    SSH-2.0-", told)
        self.assertIn(f"  host key  ssh-ed25519 {self.server.fingerprint}\n", told)
        await self.server.stop()
        told = await self.told(4, *place, "alice@127.0.0.1")
        self.assertIn(": not logged in: the login did not begin\n", told)
        self.assertIn("the connection was refused", told)

    async def test_hint(self) -> None:
        """
        For an unknown host it is told what this command offers.
        """
        running = start(*self.place(), "alice@127.0.0.1")
        await self.ended(running, 3)
        self.assertIn(
            f"log in with --fingerprint {self.server.fingerprint}",
            running.complaints.decode(),
        )

    async def test_usage(self) -> None:
        """
        A key file that is none is told as C{login} tells it.
        """
        running = start(*self.login("-i", "/nowhere/key"))
        await self.ended(running, 2)
        self.assertEqual(running.screen, b"")
        self.assertIn(b"conch-auth: /nowhere/key: ", running.complaints)


class TerminalTests(ExplainCase):
    """
    At a terminal.
    """

    async def answered(self, *typed: str, **variables: str) -> str:
        running = start_on_terminal(*self.login(), TERM="xterm", **variables)
        for password in typed:
            await running.shows("alice@127.0.0.1's password: ")
            running.type(f"{password}\n")
        await self.ended(running, 0 if "wonderland" in typed else 1)
        self.assert_usual(running)
        self.assertNotIn("wonderland", running.shown())
        return running.shown()

    async def test_table(self) -> None:
        """
        Passwords are asked for as by C{login}, and then there is a table.
        """
        shown = await self.answered("underland", "wonderland")
        self.assertEqual(shown.count("Permission denied"), 1)
        self.assertRegex(shown, r"\n[^\n]* ─{40,}")
        self.assertIn("\x1b[", shown)

    async def test_no_color(self) -> None:
        """
        C{NO_COLOR} and a plain terminal have plain text.
        """
        for variables in {"NO_COLOR": "1"}, {"TERM": "dumb"}:
            running = start_on_terminal(*self.login(), **variables)
            await running.shows("password: ")
            running.type("wonderland\n")
            await self.ended(running, 0)
            self.assertIn("  2. password: accepted\n", running.shown())
            self.assertNotIn("\x1b", running.shown())

    async def test_interrupt(self) -> None:
        """
        ^C at a question tells what has happened until then.
        """
        running = start_on_terminal(*self.login(), NO_COLOR="1")
        await running.shows("password: ")
        running.type("\x03")
        await self.ended(running, 128 + signal.SIGINT)
        self.assertIn("alice@127.0.0.1: not logged in: ", running.shown())
        self.assertIn("  1. none: asks what is accepted\n", running.shown())
        self.assert_usual(running)

    async def test_waiting(self) -> None:
        """
        While a server says nothing it is told that it is waited for; ^C ends
        that, and leaves nothing of it.
        """
        silent = Factory.forProtocol(Protocol)
        port = reactor.listenTCP(0, silent, interface="127.0.0.1")  # type: ignore
        self.addCleanup(port.stopListening)
        running = start_on_terminal(
            *self.place(port.getHost().port), "127.0.0.1", TERM="xterm"
        )
        await running.shows("exchanging keys with 127.0.0.1, 1 s")
        running.type("\x03")
        await self.ended(running, 128 + signal.SIGINT)
        self.assertTrue(running.screen.endswith(b"\x1b[1A\x1b[2K"), running.screen)


class JSONTests(ExplainCase):
    """
    C{--json}.
    """

    async def json(self, running: Running, status: int) -> Any:
        """
        @return: what is told, which the schema in the documentation describes.
        """
        await self.ended(running, status)
        plain = json.loads(running.screen)
        self.assertEqual(plain["status"], status)
        report = Resource.from_contents(schema("report.schema.json"))
        registry: Any = Registry().with_resource("report.schema.json", report)
        jsonschema.Draft202012Validator(
            schema("explain.schema.json"), registry=registry
        ).validate(plain)
        return plain

    async def test_success(self) -> None:
        """
        It has the report.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        running = start(*self.login("--json", "-i", self.key_file(key)))
        plain = await self.json(running, 0)
        self.assertTrue(plain["report"]["succeeded"])
        self.assertEqual((plain["error"], plain["diagnosis"]), (None, []))

    async def test_refused(self) -> None:
        """
        It has the report, the error and the diagnosis.
        """
        path = self.key_file(generate_key())
        plain = await self.json(start(*self.login("--json", "-i", path)), 1)
        self.assertFalse(plain["report"]["succeeded"])
        self.assertEqual(plain["error"]["type"], "AuthenticationFailed")
        self.assertTrue(plain["diagnosis"])

    async def test_before(self) -> None:
        """
        Where there is no report it has the others in the same shape.
        """
        place = [*self.place(), "--json", "127.0.0.1"]
        plain = await self.json(start(*place), 3)
        self.assertEqual(plain["error"]["cause"], "host-key-unknown")
        self.assertIsNone(plain["report"])
        await self.server.stop()
        plain = await self.json(start(*place), 4)
        self.assertEqual(plain["error"]["type"], "ConnectFailed")
        (diagnosis,) = plain["diagnosis"]
        self.assertEqual(diagnosis["cause"], "connection-refused")

    def test_schema(self) -> None:
        """
        The schema is one.
        """
        jsonschema.Draft202012Validator.check_schema(schema("explain.schema.json"))


class SVGTests(ExplainCase):
    """
    C{--svg}.
    """

    async def test_picture(self) -> None:
        """
        The file has the picture, and it is said so.
        """
        path = os.path.abspath(self.mktemp())
        key = self.key_file(generate_key())
        running = start(*self.login("--svg", path, "-i", key))
        await self.ended(running, 1)
        self.assertIn(
            f"conch-auth: the picture is in {path}\n", running.complaints.decode()
        )
        root = ElementTree.parse(path).getroot()
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertIn("alice@127.0.0.1", "".join(root.itertext()))

    async def test_before(self) -> None:
        """
        There is a picture of a login that has not begun, too.
        """
        path = os.path.abspath(self.mktemp())
        await self.told(3, *self.place(), "--svg", path, "127.0.0.1")
        text = "".join(ElementTree.parse(path).getroot().itertext())
        self.assertIn("the host key is unknown", text)

    async def test_nowhere(self) -> None:
        """
        A place where there can be no file is told before anything is sent.
        """
        for path, reason in (
            ("/nowhere/x.svg", "No such file or directory"),
            ("/", "it is a directory"),
        ):
            running = start(*self.login("--svg", path))
            await self.ended(running, 2)
            self.assertIn(f"{path}: {reason}".encode(), running.complaints)
        self.assertEqual(self.server.requests, [])

    async def test_not_written(self) -> None:
        """
        A full disk is told, and is no success.
        """
        key = generate_key()
        self.server.add_user("alice", keys=[key])
        running = start(*self.login("--svg", "/dev/full", "-i", self.key_file(key)))
        await self.ended(running, 2)
        self.assertIn(
            b"conch-auth: /dev/full could not be written: No space left on device\n",
            running.complaints,
        )
        self.assertIn(b"logged in", running.screen)

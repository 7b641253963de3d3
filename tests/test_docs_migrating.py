# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
C{docs/from-conch.rst} and C{docs/from-asyncssh.rst}: their programs run, and they
leave nothing out.
"""

from __future__ import annotations

import inspect
import os
import re

import asyncssh
from twisted.conch.ssh import userauth as conch

from conch_auth import SSHClient, connect
from conch_auth.questions import Questions
from tests.keygen import ssh_keygen
from tests.page_case import SshdPageCase


class MigratingCase(SshdPageCase):
    """
    A page that names everything of another library.
    """

    def words(self) -> set[str]:
        """
        Every name that stands in C{``}.
        """
        quoted = re.findall(r"``([^`]+)``", self.file.read_text())
        return {word for text in quoted for word in re.findall(r"\w+", text)}


class FromConchTests(MigratingCase):
    """
    C{docs/from-conch.rst}.
    """

    page = "from-conch"

    async def test_programs(self) -> None:
        """
        The client logs in with an RSA key, in the directory that it is run in.
        """
        ssh_keygen(
            *("-t", "rsa", "-b", "3072", "-N", "", "-m", "PEM"),
            *("-f", str(self.home / "id_rsa")),
        )
        self.keys = ((self.home / "id_rsa.pub").read_text().strip(),)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.home)
        await self.run_page()

    def test_every_name_of_conch(self) -> None:
        """
        Each name that Conch's class has, underscored ones too, is told of.
        """
        names = {name for name in vars(conch.SSHUserAuthClient) if name[:2] != "__"}
        self.assertEqual(names - self.words(), set())

    def test_every_question(self) -> None:
        """
        So is each question and hook of the class that is new.
        """
        names = {
            name
            for name, value in vars(Questions).items()
            if inspect.isfunction(value) and not name.startswith("_")
        }
        self.assertEqual(names - self.words(), set())


class FromAsyncSSHTests(MigratingCase):
    """
    C{docs/from-asyncssh.rst}.
    """

    page = "from-asyncssh"

    async def test_programs(self) -> None:
        """
        The client of AsyncSSH's shape logs in.
        """
        await self.run_page()

    def test_every_callback(self) -> None:
        """
        Each callback of AsyncSSH's client is told of, and each of ours.
        """
        names = {
            name
            for client in (asyncssh.SSHClient, SSHClient)
            for name in vars(client)
            if not name.startswith("_")
        }
        self.assertEqual(names - self.words(), set())

    def test_every_option(self) -> None:
        """
        Each option of connect is told of, and has AsyncSSH's name, or is said
        not to be there.
        """
        ours = set(inspect.signature(connect).parameters)
        ours -= {"host", "port", "client_factory"}
        self.assertEqual(ours - self.words(), set())
        prepare = asyncssh.SSHClientConnectionOptions.prepare
        theirs = set(inspect.signature(prepare).parameters)
        rows = [
            row
            for row in self.file.read_text().split("   * - ")
            if "Not in AsyncSSH" in row
        ]
        new = set(re.findall(r"\w+", " ".join(rows)))
        self.assertEqual(ours - theirs - new, set())

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Every method on every server that has it, and every chain of them on sshd, as
C{docs/methods-matrix.rst} says.
"""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.matrix import (
    METHODS,
    SSHD,
    AsyncSSHPeer,
    Chains,
    ConchPeer,
    LoopbackPeer,
    OpenSSHPeer,
    Peer,
    Row,
)

PAGE = Path(__file__).parent.parent / "docs" / "methods-matrix.rst"
_ROW = re.compile(r"   \* - (.*)\n     - (.*)\n     - (.*)\n     - (.*)\n")


def printed() -> tuple[list[Row], list[Row]]:
    """
    The rows of the page, without its headings: of the methods and the chains.
    """
    parts = PAGE.read_text().split(".. list-table::")[1:]
    methods, chains = ([Row(*cells) for cells in _ROW.findall(part)] for part in parts)
    return methods[1:], chains[1:]


class MatrixTests(TestCase):
    timeout = 120

    async def rows(self, kind: type[Peer]) -> list[Row]:
        from twisted.internet import reactor

        return await kind(reactor).rows(self)

    async def assert_printed(self, kind: type[Peer]) -> None:
        """
        The page has a row for each login to a server, and no other of it.
        """
        methods, _ = printed()
        expected = [row for row in methods if row.server == kind.name]
        self.assertEqual(sorted(await self.rows(kind)), sorted(expected))

    async def test_openssh(self) -> None:
        """
        OpenSSH's sshd takes every method.
        """
        await self.assert_printed(OpenSSHPeer)

    async def test_asyncssh(self) -> None:
        """
        AsyncSSH's server takes every method.
        """
        await self.assert_printed(AsyncSSHPeer)

    async def test_conch(self) -> None:
        """
        Conch's own server takes the two methods that it has.
        """
        await self.assert_printed(ConchPeer)

    async def test_loopback(self) -> None:
        """
        The server of this package takes every method that it has.
        """
        await self.assert_printed(LoopbackPeer)

    async def test_chains(self) -> None:
        """
        Every chain that sshd may want logs in, in its order.
        """
        _, chains = printed()
        self.assertEqual(await self.rows(Chains), chains)
        for row in chains:
            self.assertEqual(re.sub(r" \(.*?\)|then ", "", row.accepted), row.what)

    def test_all_chains(self) -> None:
        """
        The page has each chain of two, three and four different methods.
        """
        _, chains = printed()
        expected = {
            ", ".join(chain) for n in (2, 3, 4) for chain in permutations(METHODS, n)
        }
        self.assertEqual(
            {row.what for row in chains}, expected | {"publickey, publickey"}
        )

    def test_every_method(self) -> None:
        """
        Each method has its row on sshd, and on another server.
        """
        methods, _ = printed()
        for method in METHODS:
            servers = {row.server for row in methods if row.what.startswith(method)}
            self.assertLess({SSHD}, servers, method)

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The programs of C{docs/tutorial.rst}, against the servers that they name.
"""

from __future__ import annotations

from tests.pages import PageCase
from tests.peers.sshd import User, machine

ALICE = User("alice", "wonderland")


class TutorialTests(PageCase):
    """
    C{docs/tutorial.rst}.
    """

    page = "tutorial"

    def setUp(self) -> None:
        super().setUp()
        self.server = machine([ALICE]).sshd("UsePAM yes\n")
        self.addCleanup(self.server.stop)
        self.stage.add("server.example.org", self.server.port)
        lines = [
            f"server.example.org {key.toString('openssh').decode()}\n"
            for key in self.server.host_keys
        ]
        (self.home / "known_hosts_from_its_owner").write_text("".join(lines))

    async def test_programs(self) -> None:
        """
        Each prints what is said of it; the owner of the server adds the key
        when it is made.
        """
        for block in self.blocks:
            await self.run_block(block)
            if block.language == "sh" and "id_ed25519.pub" in block.text:
                self.server.authorize("alice", self.printed.strip())

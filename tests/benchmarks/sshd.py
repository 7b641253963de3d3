"""
OpenSSH's sshd, for logins in great number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.credentials import PASSWORD, KeyPair
from tests.benchmarks.jobs import Server
from tests.peers.sshd import Sshd, User, machine

_AGREED = (
    r"kex: (host key algorithm|algorithm|(client|server)->(client|server) cipher):"
)
USER = "benchmarked"
#: As it is delivered, but that many may come at once, and that questions are not
#: offered where a password would do.
_CONFIG = """\
MaxStartups 10000
KbdInteractiveAuthentication no
"""


class Daemon:
    """
    A running sshd with one user, who has a password and some keys.
    """

    def __init__(self, running: Sshd) -> None:
        self._sshd = running
        # The first of the host keys is that of Ed25519.
        host_key = running.host_keys[0].toString("openssh").decode().strip()
        self.server = Server(running.port, host_key)

    def authorize(self, *keys: KeyPair) -> None:
        self._sshd.authorize(USER, *(key.public for key in keys))

    def agreed(self) -> set[str]:
        """
        What key exchanges have agreed on so far, in sshd's words.
        """
        lines = self._sshd.log().splitlines()
        return {line.strip() for line in lines if re.search(_AGREED, line)}

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Daemon]:
        """
        @raise SkipTest: where this machine cannot run one.
        """
        started = machine([User(USER, PASSWORD)]).sshd(_CONFIG)
        try:
            yield cls(started)
        finally:
            started.stop()

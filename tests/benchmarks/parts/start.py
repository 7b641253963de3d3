"""
Processor time of a process that imports what a client uses, or that only prints its
help.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.processes import ROOT
from tests.benchmarks.results import Comparison
from tests.benchmarks.samples import in_turn
from tests.benchmarks.scale import Scale

PART = "start"
UNIT = "ms of processor time"

_CONCHS = "from twisted.conch.ssh.transport import SSHClientTransport"
_COMMANDS = {
    "connect": ("-c", "from conch_auth import connect"),
    "drop-in": ("-c", f"from conch_auth import SSHUserAuthClient; {_CONCHS}"),
    "Conch": ("-c", f"from twisted.conch.ssh import userauth; {_CONCHS}"),
    "AsyncSSH": ("-c", "import asyncssh"),
    "Paramiko": ("-c", "import paramiko"),
    "import conch_auth": ("-c", "import conch_auth"),
    "conch-auth --help": ("-m", "conch_auth", "--help"),
    "Python alone": ("-c", ""),
}


def measure(scale: Scale) -> Iterator[Comparison]:
    """
    Each has its files in the cache, and compiled.
    """
    for name in _COMMANDS:
        _milliseconds(name)
    rounds = in_turn(scale.rounds, list(_COMMANDS), _milliseconds)
    yield Comparison(PART, "a new process", UNIT, rounds)


def _milliseconds(name: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *_COMMANDS[name]],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used * 1e3

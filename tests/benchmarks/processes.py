"""
Starting the processes of clients and servers, and talking to them.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.jobs import Account, Cost, Job, Server

#: Seconds for one job: some thousand logins, on a machine that has other work.
PATIENCE = 600.0
ROOT = Path(__file__).parent.parent.parent


def _start(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class Process:
    """
    A process that answers each line with a line, and ends with its input.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._name = " ".join([module, *arguments])
        self._process = _start(module, *arguments)

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def hear(self) -> str:
        """
        @raise AssertionError: where the process has ended, or does not answer.
        """
        said = self._process.stdout
        assert said is not None
        ready, _, _ = select.select([said], [], [], PATIENCE)
        if not ready:
            raise AssertionError(f"{self._name} has not answered in {PATIENCE:g} s")
        line = said.readline()
        if not line:
            raise AssertionError(f"{self._name} ended: {self._process.wait()}")
        return line

    def stop(self) -> None:
        """
        End it, whatever it is at.
        """
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()


class Worker(Process):
    """
    A client's process.
    """

    def __init__(self, client: str) -> None:
        super().__init__("worker", client)
        self.client = client

    def do(self, job: Job) -> Cost:
        self.say(job.line())
        return Cost.parse(self.hear())


@contextmanager
def workers(clients: Sequence[str]) -> Iterator[dict[str, Worker]]:
    """
    A process for each client, by its name.
    """
    started: dict[str, Worker] = {}
    try:
        for client in clients:
            started[client] = Worker(client)
        yield started
    finally:
        for worker in started.values():
            worker.stop()


@contextmanager
def server(kind: str, *accounts: Account) -> Iterator[Server]:
    """
    A server in a process of its own.

    @param kind: one of L{tests.benchmarks.server.KINDS}.
    """
    process = Process("server", kind)
    try:
        process.say(json.dumps([asdict(account) for account in accounts]) + "\n")
        yield Server(**json.loads(process.hear()))
    finally:
        process.stop()

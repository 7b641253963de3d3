"""
OpenSSH's own program: a process for each login.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.clients.interface import Work
from tests.benchmarks.jobs import CIPHER, HOST_KEY, KEY_EXCHANGE, MAC, Login, Server
from tests.peers import missing

_ASKPASS = """\
#!/bin/sh
cat "$PASSWORD_FILE"
"""


async def _gather(coroutines: Any) -> Any:
    raise ValueError("a process for each login: one at a time")


class SSH:
    """
    C{ssh -N}, from its start to its end.
    """

    usage = resource.RUSAGE_CHILDREN

    def run(self, work: Work) -> None:
        with tempfile.TemporaryDirectory(prefix="conch-auth-ssh-") as directory:
            self._directory = Path(directory)
            try:
                work(_gather).send(None)
            except StopIteration:
                return

    def prepare(self, server: Server, login: Login) -> None:
        program = shutil.which("ssh")
        if program is None:
            missing("ssh is not installed")
        options = list(self._options(server, login))
        self._command = [
            *(program, "-F", "none", "-N", "-p", str(server.port), "-l", login.user),
            *(word for option in options for word in ("-o", option)),
            "127.0.0.1",
        ]
        ask = self._write("askpass", _ASKPASS, 0o700)
        self._environment = {
            **os.environ,
            "SSH_ASKPASS": ask,
            "SSH_ASKPASS_REQUIRE": "force",
            "PASSWORD_FILE": self._write("password", f"{login.password}\n"),
        }

    def _options(self, server: Server, login: Login) -> Iterator[str]:
        yield f"UserKnownHostsFile={self._write('known_hosts', server.known_hosts)}"
        yield "GlobalKnownHostsFile=/dev/null"
        yield "StrictHostKeyChecking=yes"
        yield "IdentityAgent=none"
        yield "IdentitiesOnly=yes"
        yield "LogLevel=VERBOSE"
        yield f"KexAlgorithms={KEY_EXCHANGE}"
        yield f"HostKeyAlgorithms={HOST_KEY}"
        yield f"Ciphers={CIPHER}"
        yield f"MACs={MAC}"
        yield "PreferredAuthentications=publickey,password"
        for number, key in enumerate(login.keys):
            yield f"IdentityFile={self._write(f'key{number}', key)}"
        if not login.keys:
            yield "IdentityFile=none"

    def _write(self, name: str, content: str, mode: int = 0o600) -> str:
        file = self._directory / name
        file.write_text(content)
        file.chmod(mode)
        return str(file)

    async def open(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("Authenticated to"):
                return process
        raise AssertionError(f"ssh has not logged in: {''.join(said)}")

    async def close(self, opened: subprocess.Popen[str]) -> None:
        opened.terminate()
        opened.communicate()

    async def pend(self) -> None:
        raise ValueError("a program waits at its terminal")

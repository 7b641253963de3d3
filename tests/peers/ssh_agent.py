"""
OpenSSH's ssh-agent, and the programs that fill it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.peers import missing

TIMEOUT = 30.0

#: The security key of OpenSSH's own tests, which needs no hardware.
DUMMY_SECURITY_KEY = Path("/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so")
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")

_ASKPASS = """\
#!/bin/sh
echo "$1" >>"$0.asked"
exec cat "$0.answer"
"""


class SSHAgent:
    """
    An agent of the test's own.

    @param directory: a new one, for its files.
    @param environment: what it gets besides this process's.
    @ivar socket: the path of its socket.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str] = {}) -> None:
        for program in ("ssh-agent", "ssh-add", "ssh-keygen"):
            if shutil.which(program) is None:
                missing(f"{program} is not installed")
        directory.mkdir()
        self._directory = directory
        self._askpass = directory / "askpass"
        self._askpass.write_text(_ASKPASS)
        self._askpass.chmod(0o700)
        # A socket's path has room for 107 bytes; trial's directories are longer.
        self._place = tempfile.mkdtemp(prefix="agent-")
        self.socket = os.path.join(self._place, "socket")
        self._environment = {
            **os.environ,
            "SSH_AUTH_SOCK": self.socket,
            "SSH_ASKPASS": str(self._askpass.absolute()),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": ":none",
            **environment,
        }
        self._process = self._started()

    def _started(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", self.socket],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )
        assert process.stdout is not None
        # The first line is written once it listens.
        if not process.stdout.readline():
            raise RuntimeError("ssh-agent did not start")
        return process

    def run(self, *arguments: str | Path, expect: int | None = 0) -> str:
        """
        Run a program that talks to the agent.

        @param expect: its exit status; C{None} for any.
        @return: what it wrote.
        """
        done = subprocess.run(
            list(map(str, arguments)),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
        )
        if expect is not None and done.returncode != expect:
            raise RuntimeError(f"{arguments[0]}: {done.returncode}: {done.stdout}")
        return done.stdout

    def answer(self, said: str) -> None:
        """
        What a person says to its questions from now on.
        """
        Path(f"{self._askpass}.answer").write_text(f"{said}\n")

    @property
    def asked(self) -> list[str]:
        """
        The questions it put to a person.
        """
        record = Path(f"{self._askpass}.asked")
        return record.read_text().splitlines() if record.exists() else []

    def freeze(self) -> None:
        """
        Make it do nothing until L{thaw}.
        """
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """
        Kill it, frozen or not.
        """
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._place, ignore_errors=True)

    def restart(self) -> None:
        """
        Start it anew, without keys.
        """
        os.makedirs(self._place, mode=0o700, exist_ok=True)
        self._process = self._started()

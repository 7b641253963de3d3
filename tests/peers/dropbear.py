"""
Dropbear's server, in the view of a L{Machine<tests.peers.sshd.Machine>}.
"""

from __future__ import annotations

import socket
import subprocess
import time
from itertools import count
from pathlib import Path

from twisted.conch.ssh.keys import Key

from tests.peers.sshd import TIMEOUT, Machine, User, find

_numbers = count(1)


class Dropbear:
    """
    A running server.

    @ivar port: its port on 127.0.0.1.
    @ivar host_keys: its public host keys.

    @param user: one whose home directory is C{/etc/peers/homes} and the name.
    """

    def __init__(self, machine: Machine, user: User) -> None:
        self._machine = machine
        place = f"dropbear-{next(_numbers)}"
        machine.write(place, b"")
        self._key, self._pid = f"/etc/peers/{place}.key", f"/etc/peers/{place}.pid"
        self._log = machine.outside(f"{place}.log")
        self._home = machine.outside("homes") / user.name

    def start(self, *authorized: Key) -> None:
        """
        Listen.

        @param authorized: the public keys that let the user in.
        """
        self._authorize(authorized)
        said = self._run("dropbearkey", "-t", "ed25519", "-f", self._key)
        line = next(each for each in said.splitlines() if each.startswith("ssh-"))
        self.host_keys = (Key.fromString(line),)
        with socket.socket() as reserved:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
            self.port: int = reserved.getsockname()[1]
        listen = ("-p", f"127.0.0.1:{self.port}", "-r", self._key, "-P", self._pid)
        command = self._machine.inside(find("dropbear"), "-F", "-E", *listen)
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_listens()

    def _authorize(self, keys: tuple[Key, ...]) -> None:
        directory = self._home / ".ssh"
        directory.mkdir(parents=True, exist_ok=True)
        lines = (key.public().toString("openssh").decode() for key in keys)
        file = directory / "authorized_keys"
        file.write_text("".join(f"{line}\n" for line in lines))
        file.chmod(0o644)

    def _run(self, *command: str) -> str:
        return subprocess.run(
            self._machine.inside(*command), capture_output=True, text=True, check=True
        ).stdout

    def _wait_until_it_listens(self) -> None:
        latest = time.monotonic() + TIMEOUT
        while not self._pid_file().exists():
            if self._process.poll() is not None or time.monotonic() > latest:
                log = self._log.read_text(errors="replace")
                raise AssertionError(f"dropbear does not listen:\n{log}")
            time.sleep(0.01)

    def _pid_file(self) -> Path:
        return self._machine.outside(Path(self._pid).name)

    def stop(self) -> None:
        """
        End the server.
        """
        if self._process.poll() is None:
            self._machine.run("kill", self._pid_file().read_text().strip())
        self._process.wait()

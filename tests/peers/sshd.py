"""
OpenSSH's sshd, with users of its own, on a machine that stays as it is.

L{Machine} is a private view of this machine: its own C{/etc}, C{/run} and
C{/var/log}, and its own processes, which all end with it.  L{Machine.sshd}
starts a server in it, on a free port of 127.0.0.1.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.ssh.keys import Key
from twisted.python import log

from tests.peers import missing

TIMEOUT = 20.0

_SETUP = """
mount --bind "$1" /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir /run/sshd
echo ready
exec cat
"""

_PAM = """\
auth [success=done ignore=ignore default=die] {module} /etc/peers/rounds
auth required pam_unix.so nullok nodelay
account required pam_unix.so
password required pam_unix.so
session required pam_permit.so
"""

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
PidFile {place}/pid
AuthorizedKeysFile {place}/keys/%u
StrictModes no
UseDNS no
LogLevel DEBUG2
"""


@dataclass(frozen=True)
class User:
    """
    A user of a L{Machine}.

    @ivar password: an empty one is one that anybody has; C{None} is none.
    @ivar locked: the account is locked.
    @ivar expired: the password must be changed at the next login.
    @ivar home: the home directory.
    @ivar rounds: questions that PAM asks instead of the password: C{"info:TEXT"},
        C{"on:PROMPT=ANSWER"} or C{"off:PROMPT=ANSWER"}.
    """

    name: str
    password: str | None = None
    locked: bool = False
    expired: bool = False
    home: str = "/"
    rounds: tuple[str, ...] = ()

    @property
    def shadow(self) -> str:
        """
        The line of /etc/shadow before the password is set.
        """
        word = "!" if self.locked else "" if self.password == "" else "*"
        return f"{self.name}:{word}:{0 if self.expired else 19000}:0:99999:7:::\n"


class Machine:
    """
    A view of this machine with users of its own.
    """

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="conch-auth-peers-"))
        self._etc = self._directory / "etc"
        self._users: dict[str, User] = {}
        self._uids = count(23000)
        self._numbers = count(1)
        self._keeper: subprocess.Popen[str] | None = None
        self.host_keys: tuple[Key, ...] = ()

    def start(self) -> None:
        shutil.copytree("/etc", self._etc, symlinks=True, ignore=_not_needed)
        (self._etc / "peers/rounds").mkdir(parents=True)
        (self._etc / "pam.d").mkdir(exist_ok=True)
        (self._etc / "pam.d/sshd").write_text(_PAM.format(module=self._pam_module()))
        self._make_host_keys()
        self._enter()

    def _pam_module(self) -> str:
        built = self._directory / "pam_rounds.so"
        source = Path(__file__).with_name("pam_rounds.c")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-o", built, source, "-lpam"], check=True
        )
        return str(built)

    def _make_host_keys(self) -> None:
        for number, key in enumerate(
            (
                Key(ed25519.Ed25519PrivateKey.generate()),
                Key(ec.generate_private_key(ec.SECP256R1())),
                Key(rsa.generate_private_key(65537, 2048)),
            )
        ):
            file = self._etc / f"peers/host_key_{number}"
            file.write_bytes(key.toString("openssh", subtype="v1"))
            file.chmod(0o600)
            self.host_keys += (key.public(),)

    def _enter(self) -> None:
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        self._keeper = subprocess.Popen(
            [*unshare, "sh", "-ec", _SETUP, "sh", str(self._etc)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "ready\n":
            _, said = self._keeper.communicate()
            missing(f"no private view of this machine can be had: {said.strip()}")

    def inside(self, *command: str) -> list[str]:
        """
        C{command}, to be run inside.
        """
        assert self._keeper is not None
        namespaces = f"/proc/{self._keeper.pid}/ns"
        return [
            "nsenter",
            f"--mount={namespaces}/mnt",
            f"--pid={namespaces}/pid_for_children",
            *command,
        ]

    def run(self, *command: str, given: str = "") -> None:
        """
        Run C{command} inside, to its end.

        @raise subprocess.CalledProcessError: where it fails.
        """
        subprocess.run(
            self.inside(*command),
            input=given,
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def add_users(self, users: Iterable[User]) -> None:
        """
        Have these users, too.  One of a name that another had takes its place.
        """
        new = [user for user in users if self._users.get(user.name) != user]
        for user in new:
            self._add(user)
        set_now = [user for user in new if user.password]
        if set_now:
            lines = "".join(f"{user.name}:{user.password}\n" for user in set_now)
            self.run("chpasswd", "--crypt-method", "SHA512", given=lines)
        for user in set_now:
            # chpasswd made the password one of today, of an open account.
            if user.expired:
                self.run("chage", "--lastday", "0", user.name)
            if user.locked:
                self.run("usermod", "--lock", user.name)

    def _add(self, user: User) -> None:
        uid = next(self._uids)
        rounds = self._etc / "peers/rounds" / user.name
        if user.name in self._users:
            self._forget(user.name)
            rounds.unlink(missing_ok=True)
        self._users[user.name] = user
        with open(self._etc / "passwd", "a") as passwd:
            passwd.write(f"{user.name}:x:{uid}:65534::{user.home}:/bin/sh\n")
        with open(self._etc / "shadow", "a") as shadow:
            shadow.write(user.shadow)
        if user.rounds:
            rounds.write_text("".join(f"{line}\n" for line in user.rounds))

    def _forget(self, name: str) -> None:
        for file in (self._etc / "passwd", self._etc / "shadow"):
            lines = file.read_text().splitlines(keepends=True)
            kept = [line for line in lines if not line.startswith(f"{name}:")]
            file.write_text("".join(kept))

    def outside(self, name: str) -> Path:
        """
        The file that is C{/etc/peers} and C{name} inside.
        """
        return self._etc / "peers" / name

    def write(self, name: str, content: bytes) -> str:
        """
        Write a file inside.

        @return: its path there.
        """
        self.outside(name).write_bytes(content)
        return f"/etc/peers/{name}"

    def sshd(self, config: str = "") -> Sshd:
        """
        Start a server.

        @param config: lines of sshd_config.
        """
        place = f"peers/{next(self._numbers)}"
        (self._etc / place / "keys").mkdir(parents=True)
        server = Sshd(self, self._etc / place, f"/etc/{place}")
        server.start(config)
        return server

    def stop(self) -> None:
        """
        End every process inside, and forget all of it.
        """
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.communicate()
        shutil.rmtree(self._directory, ignore_errors=True)


class Sshd:
    """
    A running sshd.

    @ivar port: its port on 127.0.0.1.
    @ivar host_keys: its public host keys.
    """

    def __init__(self, machine: Machine, outside: Path, inside: str) -> None:
        self._machine = machine
        self._outside, self._inside = outside, inside
        self._log = outside / "log"
        self.host_keys = machine.host_keys
        self.port = 0

    def start(self, config: str) -> None:
        with socket.socket() as reserved:
            # Nobody else is given the port while this socket holds it; sshd,
            # which sets the same option, may listen on it.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
            self.port = reserved.getsockname()[1]
            self._write_config(config)
            self._spawn()
            # It writes its number once it listens.
            self._wait_until(lambda: bool(self._pid()), "that it listens")

    def _write_config(self, config: str) -> None:
        lines = _CONFIG.format(port=self.port, place=self._inside)
        for number in range(len(self.host_keys)):
            lines += f"HostKey /etc/peers/host_key_{number}\n"
        (self._outside / "config").write_text(lines + config)

    def _spawn(self) -> None:
        program = find("sshd")
        with open(self._log, "wb") as own_log:
            self._process = subprocess.Popen(
                self._machine.inside(
                    program, "-D", "-e", "-f", f"{self._inside}/config"
                ),
                stdin=subprocess.DEVNULL,
                stderr=own_log,
            )

    def authorize(self, user: str, *keys: Key | str) -> None:
        """
        Let C{user} in with these keys, and no others.

        @param keys: public keys, or whole lines of authorized_keys.
        """
        lines = (
            key if isinstance(key, str) else key.public().toString("openssh").decode()
            for key in keys
        )
        text = "".join(f"{line}\n" for line in lines)
        (self._outside / "keys" / user).write_text(text)

    def log(self) -> str:
        """
        What the server has logged so far.
        """
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """
        Wait until the server has logged C{text}: it may do so after its reply.

        @raise AssertionError: where it does not.
        """
        self._wait_until(lambda: text in self.log(), repr(text))

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        latest = time.monotonic() + TIMEOUT
        while not condition():
            if self._process.poll() is not None or time.monotonic() > latest:
                raise AssertionError(f"sshd has not logged {what}:\n{self.log()}")
            time.sleep(0.01)

    def _pid(self) -> str:
        """
        The number of its process, inside; empty before it has written it.
        """
        file = self._outside / "pid"
        return file.read_text().strip() if file.exists() else ""

    def stop(self) -> None:
        """
        End the server, and leave its log in that of the tests.  Connections that
        it has end by themselves.
        """
        if self._process.poll() is None:
            self._machine.run("kill", self._pid())
            self._process.wait()
            log.msg(f"sshd on port {self.port}:\n{self.log()}")


def _not_needed(directory: str, names: list[str]) -> list[str]:
    """
    This machine's own host keys are nobody's business.
    """
    return [name for name in names if name.startswith("ssh_host_")]


def find(program: str) -> str:
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    found = shutil.which(program, path=path)
    if found is None:
        missing(f"{program} is not installed")
    # sshd starts itself anew, and wants to know where it is.
    return os.path.abspath(found)


@cache
def _shared_machine() -> Machine:
    machine = Machine()
    atexit.register(machine.stop)
    machine.start()
    return machine


def machine(users: Iterable[User]) -> Machine:
    """
    The one L{Machine} of this test run, with these users among others.
    """
    if os.geteuid() != 0:
        missing("sshd with users of its own takes root")
    for program in ("sshd", "unshare", "nsenter", "chpasswd", "gcc"):
        find(program)
    if not os.path.exists("/usr/include/security/pam_ext.h"):
        missing("the headers of PAM (libpam0g-dev) are not installed")
    found = _shared_machine()
    found.add_users(users)
    return found

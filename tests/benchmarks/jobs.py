"""
What a client's process is told to do, and what it says of it: a line of JSON each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

#: What is negotiated with every server, by every client: the best of what all of
#: them have.
KEY_EXCHANGE = "curve25519-sha256"
#: The same by the name that it had before RFC 8731; Paramiko knows no other.
OLD_KEY_EXCHANGE = "curve25519-sha256@libssh.org"
HOST_KEY = "ssh-ed25519"
CIPHER = "aes256-ctr"
MAC = "hmac-sha2-512"

ANSWER = "the answer"

#: C{log_in}: log in and out.  C{hold}: log in, and keep the connections.
#: C{pend}: come to where a person is asked, and wait there.  C{layer}: run the
#: service of a login alone.
Task = Literal["log_in", "hold", "pend", "layer"]


@dataclass(frozen=True)
class Server:
    """
    Where to log in.

    @ivar host_key: its public key, as in C{authorized_keys}.
    """

    port: int
    host_key: str

    @property
    def known_hosts(self) -> str:
        """
        The line of known_hosts for it.
        """
        return f"[127.0.0.1]:{self.port} {self.host_key}\n"


@dataclass(frozen=True)
class Account:
    """
    A user of a server, and what lets it in: any of these alone.

    @ivar keys: public keys, as in C{authorized_keys}.
    @ivar rounds: how many rounds of one question keyboard-interactive has; the
        answer is C{ANSWER}.
    @ivar banners: how many banners come before the first reply.
    """

    name: str
    keys: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    rounds: int = 0
    banners: int = 0


@dataclass(frozen=True)
class Login:
    """
    What to log in with.

    @ivar keys: private keys, in OpenSSH's form, in the order to try them.
    @ivar password: the password; C{None} for none.
    @ivar answer: what to answer to each question of keyboard-interactive; C{None}
        to leave that method out.
    @ivar memory: the file in which a client that remembers does so.
    """

    user: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    password: str | None = field(default=None, repr=False)
    answer: str | None = field(default=None, repr=False)
    memory: str | None = None


@dataclass(frozen=True)
class Job:
    """
    One piece of work.

    @ivar count: how many logins.
    @ivar at_once: how many of them at a time.
    @ivar course: which course of a login, where only its service is run.
    """

    task: Task
    login: Login
    server: Server = Server(0, "")
    count: int = 1
    at_once: int = 1
    course: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def parse(cls, line: str) -> Job:
        fields = json.loads(line)
        login = fields.pop("login")
        login["keys"] = tuple(login["keys"])
        return cls(
            login=Login(**login), server=Server(**fields.pop("server")), **fields
        )


@dataclass(frozen=True)
class Cost:
    """
    What a L{Job} has cost the client's process.

    @ivar cpu: seconds of processor time, the system's for it included.
    @ivar wall: seconds that went by.
    @ivar memory: bytes of resident memory by which the process has grown.
    @ivar logins: when each login began and when it was complete, in seconds of
        the machine's monotonic clock, which all of its processes share.
    """

    cpu: float
    wall: float
    memory: int = 0
    logins: Sequence[tuple[float, float]] = ()

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def parse(cls, line: str) -> Cost:
        return cls(**json.loads(line))

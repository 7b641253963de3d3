# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
The logins that C{docs/explain.rst} shows.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.protocol import Protocol

from conch_auth.loopback import generate_key
from tests.explained import (
    KEYS_ONLY,
    PASSWORD,
    PASSWORDS_ONLY,
    QUESTIONS_ONLY,
    SERVER,
    Scene,
    Stage,
)
from tests.keygen import ssh_keygen

ASKED = "'s password: "
LOGINS = "Logins"
BEFORE = "The login does not begin"
KEYS = "Keys"
AGENTS = "The agent"
PEOPLE = "What a person types"
#: The scenes of each chapter.
SCENES: dict[str, list[Scene]] = {}


def scene(
    chapter: str, title: str, setting: str, **more: Any
) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """
    Have a function prepare a scene of its name.
    """

    def register(prepare: Callable[[Stage], Awaitable[None]]) -> None:
        name = prepare.__name__.replace("_", "-")
        found = Scene(name, title, setting, prepare, **more)
        SCENES.setdefault(chapter, []).append(found)

    return register


def typed(*answers: str, prompt: str = ASKED) -> Sequence[tuple[str, str]]:
    return [(prompt, f"{answer}\n") for answer in answers]


@scene(
    LOGINS,
    "A login by key",
    "The key in ``~/.ssh`` is in alice's ``authorized_keys``.",
    status=0,
    drawn=True,
)
async def key(stage: Stage) -> None:
    stage.sshd(keys=[stage.key()])


@scene(
    LOGINS,
    "A login by a key in the agent, and then a password",
    "The server wants both: ``AuthenticationMethods publickey,password``.",
    status=0,
    typed=typed(PASSWORD),
    thinks=1.5,
    drawn=True,
)
async def two_factors(stage: Stage) -> None:
    agent, key = stage.agent(), stage.key()
    agent.run("ssh-add", "-q", stage.home / ".ssh" / "id_ed25519")
    stage.sshd("AuthenticationMethods publickey,password\n", [key])


@scene(
    BEFORE,
    "No such host",
    "The name has no address.",
    status=4,
    command="alice@no-such-host.invalid",
)
async def no_such_host(stage: Stage) -> None:
    stage.host = "no-such-host.invalid"


@scene(BEFORE, "A port that refuses", "Nothing listens on the port.", status=4)
async def refused(stage: Stage) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        stage.port = reserved.getsockname()[1]


class WebServer(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.transport.loseConnection()


@scene(BEFORE, "Another protocol", "A web server listens on the port.", status=4)
async def not_ssh(stage: Stage) -> None:
    stage.listen(WebServer)


@scene(
    BEFORE,
    "A server that says nothing",
    "Something takes the connection and never says a word; ``ConnectTimeout`` is 1.",
    status=4,
)
async def silent(stage: Stage) -> None:
    stage.listen(Protocol)
    stage.options += "ConnectTimeout 1\n"


@scene(
    BEFORE,
    "A server that is full",
    "``MaxStartups`` is 1, and somebody else is about to log in.",
    status=4,
)
async def full(stage: Stage) -> None:
    server = stage.sshd(f"{KEYS_ONLY}MaxStartups 1\n")
    other = socket.create_connection(("127.0.0.1", server.port))
    stage.add_cleanup(other.close)
    server.wait_for("Connection from 127.0.0.1")


@scene(
    BEFORE,
    "No common algorithm",
    "The server has one key exchange, which this side has not.",
    status=4,
)
async def no_common_algorithm(stage: Stage) -> None:
    stage.sshd("KexAlgorithms sntrup761x25519-sha512@openssh.com\n")


@scene(
    BEFORE,
    "An unknown host key",
    "No line of known_hosts is for the host, and alice types ``no``.",
    status=3,
    typed=[("you were given): ", "no\n")],
)
async def unknown_host(stage: Stage) -> None:
    stage.sshd()
    stage.know([])


@scene(
    BEFORE,
    "An unknown host key, and nobody to be asked",
    "``StrictHostKeyChecking`` is ``yes``.",
    status=3,
)
async def strict(stage: Stage) -> None:
    stage.sshd()
    stage.know([])
    stage.options += "StrictHostKeyChecking yes\n"


@scene(
    BEFORE,
    "A changed host key",
    "known_hosts has another key for the host.",
    status=3,
    drawn=True,
)
async def changed_host_key(stage: Stage) -> None:
    stage.sshd()
    stage.know([generate_key()])


@scene(BEFORE, "A revoked host key", "known_hosts marks the key as revoked.", status=3)
async def revoked_host_key(stage: Stage) -> None:
    stage.know(stage.sshd().host_keys, mark="@revoked ")


@scene(
    KEYS,
    "A key that the server does not know",
    "Another key is in alice's ``authorized_keys``.",
    drawn=True,
)
async def unknown_key(stage: Stage) -> None:
    stage.key()
    stage.sshd(keys=[generate_key()])


@scene(KEYS, "No key", "The server accepts keys only, and there is none.")
async def no_key(stage: Stage) -> None:
    stage.sshd()


@scene(KEYS, "A key file that others can read", "Its mode is 644.")
async def exposed_key(stage: Stage) -> None:
    stage.sshd(keys=[stage.key(mode=0o644)])


@scene(KEYS, "A damaged key file", "Half of the file is missing.")
async def damaged_key(stage: Stage) -> None:
    stage.sshd(keys=[stage.key()])
    path = stage.home / ".ssh" / "id_ed25519"
    path.write_bytes(path.read_bytes()[:200])


@scene(
    KEYS,
    "A wrong passphrase",
    "The key is encrypted, and what is typed does not open it.",
    typed=typed("one", "two", "three", prompt="id_ed25519: "),
)
async def wrong_passphrase(stage: Stage) -> None:
    stage.sshd(keys=[stage.key(passphrase="sesame")])


@scene(
    KEYS, "An expired certificate", "The server trusts the authority that signed it."
)
async def expired_certificate(stage: Stage) -> None:
    stage.key()
    authority = str(stage.home / "authority")
    ssh_keygen("-t", "ed25519", "-N", "", "-f", authority)
    public = str(stage.home / ".ssh" / "id_ed25519.pub")
    valid = "20200101:20210101"
    ssh_keygen("-s", authority, "-I", "alice", "-n", "alice", "-V", valid, public)
    with open(f"{authority}.pub") as file:
        stage.sshd(keys=[f"cert-authority {file.read()}"])


@scene(
    KEYS,
    "More keys than tries",
    "The agent holds eight keys, and the server knows the eighth.",
)
async def many_keys(stage: Stage) -> None:
    agent = stage.agent()
    for _ in range(8):
        key = stage.key()
        agent.run("ssh-add", "-q", stage.home / ".ssh" / "id_ed25519")
    for name in "id_ed25519", "id_ed25519.pub":
        (stage.home / ".ssh" / name).unlink()
    stage.sshd(keys=[key])


@scene(AGENTS, "No agent", "``SSH_AUTH_SOCK`` names a socket that is not there.")
async def no_agent(stage: Stage) -> None:
    stage.environment["SSH_AUTH_SOCK"] = str(stage.home / "agent")
    stage.sshd()


@scene(AGENTS, "An agent without keys", "There is no key file either.")
async def empty_agent(stage: Stage) -> None:
    stage.agent()
    stage.sshd()


@scene(
    AGENTS,
    "An agent that does not sign",
    "The key was added with ``ssh-add -c``, and alice does not confirm its use.",
    drawn=True,
)
async def unconfirmed(stage: Stage) -> None:
    agent, key = stage.agent(), stage.key()
    agent.answer("no")
    agent.run("ssh-add", "-q", "-c", stage.home / ".ssh" / "id_ed25519")
    for name in "id_ed25519", "id_ed25519.pub":
        (stage.home / ".ssh" / name).unlink()
    stage.sshd(keys=[key])


@scene(
    PEOPLE,
    "A wrong password",
    "It is wrong three times.",
    typed=typed("Wrong-1", "Wrong-2", "Wrong-3"),
    drawn=True,
)
async def wrong_password(stage: Stage) -> None:
    stage.sshd(PASSWORDS_ONLY)


@scene(
    PEOPLE, "No password", "alice presses ^D at the prompt.", typed=[(ASKED, "\x04")]
)
async def no_password(stage: Stage) -> None:
    stage.sshd(PASSWORDS_ONLY)


@scene(
    PEOPLE,
    "A wrong code",
    "PAM asks for the code of a token.",
    typed=typed("654321", "654321", "654321", prompt="Token: "),
    drawn=True,
    command=f"carol@{SERVER}",
)
async def wrong_code(stage: Stage) -> None:
    stage.sshd(QUESTIONS_ONLY)


@scene(
    PEOPLE,
    "A second factor that is refused",
    "The server wants a key and a password. The key is accepted, and the password "
    "is wrong.",
    typed=typed("Wrong-1", "Wrong-2", "Wrong-3"),
    drawn=True,
)
async def second_factor(stage: Stage) -> None:
    stage.sshd("AuthenticationMethods publickey,password\n", [stage.key()])


@scene(
    PEOPLE,
    "Too many tries",
    "``MaxAuthTries`` is 2, and the password is wrong twice.",
    typed=typed("Wrong-1", "Wrong-2"),
)
async def too_many_tries(stage: Stage) -> None:
    stage.sshd(f"{PASSWORDS_ONLY}MaxAuthTries 2\n")


@scene(
    PEOPLE,
    "A server that does not wait",
    "``LoginGraceTime`` is 2, and alice looks for the password.",
    status=4,
    typed=[(ASKED, "")],
)
async def grace_time(stage: Stage) -> None:
    stage.sshd(f"{PASSWORDS_ONLY}LoginGraceTime 2\n")


@scene(
    PEOPLE,
    "An interruption",
    "alice presses ^C at the prompt.",
    status=130,
    typed=[(ASKED, "\x03")],
)
async def interrupted(stage: Stage) -> None:
    stage.sshd(PASSWORDS_ONLY)


@scene(
    PEOPLE,
    "A server that offers nothing",
    "Every method is switched off in ``sshd_config``.",
)
async def nothing_offered(stage: Stage) -> None:
    stage.sshd(f"{KEYS_ONLY}PubkeyAuthentication no\n")

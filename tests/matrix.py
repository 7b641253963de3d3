# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Every method on every server that has it, and every chain of them on sshd.

L{PEERS} are the servers, each with its logins, which are made with
L{conch_auth.connect}.  C{docs/print_matrix.py} prints what comes of it, and
C{tests/test_matrix.py} holds it against what is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import asyncssh
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHClient, connect
from conch_auth._loopback_session import COMMANDS, Realm
from conch_auth.knownhosts import insecure_accept_any
from conch_auth.loopback import LoopbackServer, generate_key
from conch_auth.report import AuthReport
from tests.peers.asyncssh_server import AsyncSSHServer, Partial
from tests.peers.kdc import HOST, NAME, realm
from tests.peers.sshd import Sshd, User, machine

SSHD = "OpenSSH's sshd"
ASYNCSSH = "AsyncSSH's server"
CONCH = "Conch's SSHUserAuthServer"
LOOPBACK = "LoopbackServer"

PASSWORD, NEW_PASSWORD = "Old-secret-word-1", "New-secret-word-2"
CLIENT_HOST, CLIENT_USER = "client.example", "bob"
#: From a round of questions to the right answers, by what ends the prompt.
ANSWERS = {
    "Password: ": PASSWORD,
    "Current password: ": PASSWORD,
    "New password: ": NEW_PASSWORD,
    "Retype new password: ": NEW_PASSWORD,
    "Token: ": "123456",
    "PIN: ": "0000",
}

METHODS = (
    "publickey",
    "password",
    "keyboard-interactive",
    "hostbased",
    "gssapi-with-mic",
)
CHAINS: tuple[tuple[str, ...], ...] = (
    *permutations(METHODS, 2),
    *permutations(METHODS, 3),
    *permutations(METHODS, 4),
    ("publickey", "publickey"),
)

ED25519, OTHER_ED25519, ECDSA, RSA = map(
    generate_key, ("ssh-ed25519", "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
)
CERTIFIED, CLIENT_HOST_KEY = generate_key(), generate_key()
AUTHORITY = asyncssh.generate_private_key("ssh-ed25519")


class Row(NamedTuple):
    """
    One login that succeeded.

    @ivar what: the method, or the chain of methods.
    @ivar server: who was logged in to.
    @ivar accepted: what it accepted, in order.
    @ivar round_trips: how often the client waited for it.
    """

    what: str
    server: str
    accepted: str
    round_trips: str


@dataclass(frozen=True)
class Login:
    """
    One login to make.

    @ivar methods: what the server is to ask for, in order; empty for nothing.
    @ivar what: how it is called; where that is empty, by its methods.
    @ivar user: the user's name on servers with one account for each login.
    @ivar options: for C{connect}, besides those of every login.
    """

    methods: tuple[str, ...]
    what: str = ""
    user: str = "alice"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.what or ", ".join(self.methods)


def _certificate() -> tuple[Key, bytes]:
    key = asyncssh.import_private_key(CERTIFIED.toString("openssh", subtype="v1"))
    made = AUTHORITY.generate_user_certificate(
        key, "alice", principals=["alice", "matrix_user"]
    )
    return CERTIFIED, made.export_certificate()


NONE = Login((), "none", "nobody", {"disable_trivial_auth": False})
KEYS = tuple(
    Login(("publickey",), f"publickey, {kind}", options={"client_keys": [key]})
    for kind, key in (("Ed25519", ED25519), ("ECDSA", ECDSA), ("RSA", RSA))
)
CERTIFICATE = Login(
    ("publickey",),
    "publickey, certificate",
    options={"client_keys": [_certificate()]},
)
PASSWORDS = Login(("password",))
CHANGE = Login(("password",), "password, expired", "expired")
QUESTIONS = Login(("keyboard-interactive",))
ROUNDS = Login(("keyboard-interactive",), "keyboard-interactive, 2 rounds", "asked")
#: PAM: for the old password, and twice for the new one.
EXPIRED = Login(("keyboard-interactive",), "keyboard-interactive, expired", "expired")
HOSTBASED, GSSAPI = Login(("hostbased",)), Login(("gssapi-with-mic",))


class Owner(SSHClient):
    """
    Answers whatever it is asked.
    """

    def password_auth_requested(self) -> str:
        return PASSWORD

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        return PASSWORD, NEW_PASSWORD

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self,
        name: str,
        instructions: str,
        lang: str,
        prompts: Sequence[tuple[str, bool]],
    ) -> list[str]:
        # PAM puts a text before the first of its own prompts.
        return [ANSWERS[prompt.split("\n")[-1]] for prompt, _ in prompts]


#: An owner has all that any server may ask for.
OPTIONS: dict[str, Any] = {
    "client_factory": Owner,
    "client_keys": [ED25519, OTHER_ED25519],
    "client_host_keys": [CLIENT_HOST_KEY],
    "client_host": CLIENT_HOST,
    "client_username": CLIENT_USER,
    "gss_host": HOST,
    "agent_path": None,
    "known_hosts": insecure_accept_any(),
}


def public_line(key: Key) -> str:
    return str(key.public().toString("openssh").decode().strip())


class Peer:
    """
    A server of one kind.

    @cvar name: what it is called.
    @cvar logins: the logins that it serves.
    """

    name: str
    logins: Sequence[Login]

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor

    def start(self, case: SynchronousTestCase) -> None:
        """
        Start it; C{case} stops it.
        """
        raise NotImplementedError

    def place(self, login: Login) -> dict[str, Any]:
        """
        The options of C{connect} that lead to where C{login} is served.
        """
        raise NotImplementedError

    async def log_in(self, login: Login) -> AuthReport:
        settings = {**OPTIONS, **login.options, **self.place(login)}
        connection = await connect(**settings, reactor=self.reactor)
        connection.close()
        await connection.wait_closed()
        assert connection.report is not None
        return connection.report

    async def rows(self, case: SynchronousTestCase) -> list[Row]:
        """
        Log in in every way that is served here.
        """
        self.start(case)
        return [
            _row(login, self.name, await self.log_in(login)) for login in self.logins
        ]


def _row(login: Login, server: str, report: AuthReport) -> Row:
    accepted = [
        attempt.method + (f" ({attempt.algorithm})" if attempt.algorithm else "")
        for attempt in report.attempts
        if attempt.outcome in ("partial", "accepted")
    ]
    return Row(login.title, server, ", then ".join(accepted), str(report.round_trips))


class OpenSSHPeer(Peer):
    """
    One sshd: the address that a client comes from says which methods it needs.
    """

    name = SSHD
    logins = (
        NONE,
        *KEYS,
        CERTIFICATE,
        PASSWORDS,
        QUESTIONS,
        ROUNDS,
        EXPIRED,
        HOSTBASED,
        GSSAPI,
    )
    users: Mapping[str, User] = {
        "alice": User("matrix_user", PASSWORD),
        "nobody": User("matrix_nobody", ""),
        "expired": User("matrix_expired", PASSWORD, expired=True),
        "asked": User("matrix_asked", rounds=("on:Token: =123456", "off:PIN: =0000")),
    }
    _CONFIG = """\
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PermitEmptyPasswords yes
HostbasedAuthentication yes
HostbasedUsesNameFromPacketOnly yes
IgnoreUserKnownHosts yes
GSSAPIAuthentication yes
GSSAPIStrictAcceptorCheck no
"""
    _server: Sshd

    def start(self, case: SynchronousTestCase) -> None:
        ours = realm()
        ours.enter(case)
        ours.log_in(self.users["alice"].name)
        place = machine(self.users.values())
        known = f"{CLIENT_HOST} {public_line(CLIENT_HOST_KEY)}\n"
        for name, content in (
            ("ssh_known_hosts", known),
            ("shosts.equiv", f"{CLIENT_HOST} {CLIENT_USER}\n"),
        ):
            path = f"/etc/ssh/{name}"
            place.run("sh", "-c", f"cat > {path} && chmod 644 {path}", given=content)
        self._server = place.sshd(self._CONFIG + "".join(self._matches()))
        case.addCleanup(self._server.stop)
        self._server.authorize(
            self.users["alice"].name,
            *(ED25519, OTHER_ED25519, ECDSA, RSA),
            f"cert-authority {AUTHORITY.export_public_key().decode().strip()}",
        )

    def _matches(self) -> Iterable[str]:
        for login in self.logins:
            wanted = ",".join(login.methods) or "none"
            yield f"Match Address {self._address(login)}\n"
            yield f"AuthenticationMethods {wanted}\n"

    def _address(self, login: Login) -> str:
        return f"127.0.1.{1 + self.logins.index(login)}"

    def place(self, login: Login) -> dict[str, Any]:
        endpoint = TCP4ClientEndpoint(
            self.reactor,
            "127.0.0.1",
            self._server.port,
            bindAddress=(self._address(login), 0),
        )
        return {
            "host": "127.0.0.1",
            "endpoint": endpoint,
            "username": self.users[login.user].name,
        }


class Chains(OpenSSHPeer):
    """
    The same, with several methods in turn.
    """

    logins = tuple(Login(chain) for chain in CHAINS)


class _Everything(Partial):
    """
    Wants the one method that the user's name names.
    """

    def begin_auth(self, username: str) -> bool:
        (login,) = (known for known in AsyncSSHPeer.logins if _name(known) == username)
        self.expired = login is CHANGE
        several = [("Token: ", True), ("PIN: ", False)]
        self.questions = [several, [("Password: ", False)]]
        if login is not ROUNDS:
            del self.questions[0]
        # What is left when there is nothing to ask for is one success.
        self.left = list(login.methods) or [""]
        # AsyncSSH asks these only where it has no list of its own.
        for method, question in (
            ("publickey", "public_key_auth_supported"),
            ("hostbased", "host_based_auth_supported"),
            ("gssapi-with-mic", "gss_mic_auth_supported"),
        ):
            setattr(self.conn, question, partial(self._is_next, method))
        return bool(login.methods)

    def validate_host_based_user(self, username: str, host: str, user: str) -> bool:
        return user == CLIENT_USER

    def validate_gss_principal(
        self, username: str, user_principal: str, host_principal: str
    ) -> bool:
        return user_principal == f"{OpenSSHPeer.users['alice'].name}@{NAME}"

    def validate_password(self, username: str, password: str) -> bool:
        if self.expired:
            raise asyncssh.PasswordChangeRequired("Choose a new one")
        return password == PASSWORD

    def change_password(self, username: str, old_password: str, new: str) -> bool:
        return (old_password, new) == (PASSWORD, NEW_PASSWORD)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", self.questions[0]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Any:
        asked = self.questions.pop(0)
        if list(responses) != [ANSWERS[prompt] for prompt, _ in asked]:
            return False
        return ("", "", "", self.questions[0]) if self.questions else True


def _name(login: Login) -> str:
    """
    A user's name for a login.
    """
    if login is CERTIFICATE:
        # A certificate is for a user who is named in it.
        return "alice"
    return login.title.replace(", ", "-").replace(" ", "-").lower()


class AsyncSSHPeer(Peer):
    """
    AsyncSSH's server, with a user for each login.
    """

    name = ASYNCSSH
    logins = (
        NONE,
        *KEYS,
        CERTIFICATE,
        PASSWORDS,
        CHANGE,
        QUESTIONS,
        ROUNDS,
        HOSTBASED,
        GSSAPI,
    )

    def start(self, case: SynchronousTestCase) -> None:
        ours = realm()
        ours.enter(case)
        ours.log_in(OpenSSHPeer.users["alice"].name)
        authority = AUTHORITY.export_public_key().decode()
        self._server = AsyncSSHServer(
            _Everything,
            authorized_client_keys=asyncssh.import_authorized_keys(
                f"cert-authority {authority}"
                + "".join(f"{public_line(key)}\n" for key in (ED25519, ECDSA, RSA))
            ),
            known_client_hosts=asyncssh.import_known_hosts(
                f"{CLIENT_HOST} {public_line(CLIENT_HOST_KEY)}\n"
            ),
            trust_client_host=True,
            gss_host=HOST,
        )
        self._server.start()
        case.addCleanup(self._server.stop)

    def place(self, login: Login) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self._server.port,
            "username": _name(login),
        }


class ConchPeer(Peer):
    """
    Conch's server as it comes, with a checker for each of its two methods.
    """

    name = CONCH
    logins = (*KEYS, PASSWORDS)

    def start(self, case: SynchronousTestCase) -> None:
        keys = {b"alice": [key.public() for key in (ED25519, ECDSA, RSA)]}
        passwords = InMemoryUsernamePasswordDatabaseDontUse()
        passwords.addUser(b"alice", PASSWORD.encode())
        factory: Any = SSHFactory()
        factory.noisy = False
        factory.portal = Portal(
            Realm(COMMANDS, self.reactor),
            [passwords, SSHPublicKeyChecker(InMemorySSHKeyDB(keys))],
        )
        host_key = generate_key()
        factory.privateKeys = {host_key.sshType(): host_key}
        factory.publicKeys = {host_key.sshType(): host_key.public()}
        factory.services = {
            b"ssh-userauth": SSHUserAuthServer,
            b"ssh-connection": SSHConnection,
        }
        listening = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        case.addCleanup(listening.stopListening)
        self._port = listening.getHost().port

    def place(self, login: Login) -> dict[str, Any]:
        # It lists all its methods.
        return {
            "host": "127.0.0.1",
            "port": self._port,
            "username": "alice",
            "preferred_auth": list(login.methods),
        }


class LoopbackPeer(Peer):
    """
    The server of this package, with a user for each login.
    """

    name = LOOPBACK
    logins = (NONE, *KEYS, PASSWORDS, CHANGE, QUESTIONS, ROUNDS)

    def start(self, case: SynchronousTestCase) -> None:
        self._server = LoopbackServer()
        for login in self.logins:
            rounds = [["Token: ", "PIN: "], ["Password: "]]
            if login is not ROUNDS:
                del rounds[0]
            self._server.add_user(
                _name(login),
                keys=[ED25519, ECDSA, RSA],
                password=PASSWORD,
                password_change="New one: " if login is CHANGE else None,
                prompts=[[(prompt, False) for prompt in asked] for asked in rounds],
                answers=[[ANSWERS[prompt] for prompt in asked] for asked in rounds],
                factors=[login.methods or ["none"]],
            )
        self._server.listen(self.reactor)
        case.addCleanup(self._server.stop)

    def place(self, login: Login) -> dict[str, Any]:
        return {**self._server.options, "username": _name(login)}


#: Each kind of server; the chains are a table of their own.
PEERS: tuple[type[Peer], ...] = (OpenSSHPeer, AsyncSSHPeer, ConchPeer, LoopbackPeer)

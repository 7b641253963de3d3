# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
The conversations with OpenSSH that are recorded in C{tests/conversations}: what
each server is told to want, and what the client has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.conch.ssh.connection import SSHConnection
from zope.interface import implementer

from conch_auth._wire import string
from conch_auth.algorithms import signature_algorithms
from conch_auth.certificates import (
    certificate_algorithm,
    is_certificate_algorithm,
    key_type,
    plain_algorithm,
)
from conch_auth.interfaces import ISigner
from conch_auth.userauth import SSHUserAuthClient
from tests.peers.sshd import User

PLACE = Path(__file__).parent / "conversations"
PASSWORD = "Correct-horse-1"
NEW_PASSWORD = "Better-battery-2"

ALICE = User("recorded", PASSWORD)
EMPTY = User("recorded_empty", "")
EXPIRED = User("recorded_expired", PASSWORD, expired=True)
# Its password is changed by the recording.
EXPIRED_TOO = User("recorded_expired_too", PASSWORD, expired=True)
LOCKED = User("recorded_locked", PASSWORD, locked=True)
QUESTIONED = User(
    "recorded_questioned",
    rounds=(
        "info:Welcome, step 1",
        "off:Password: =pw1",
        "info:Now the token",
        "on:Token: =123456",
        "off:PIN: =0000",
    ),
)
USERS = (ALICE, EMPTY, EXPIRED, EXPIRED_TOO, LOCKED, QUESTIONED)

ANSWERS = {
    "Password: ": PASSWORD,
    "Current password: ": PASSWORD,
    "New password: ": NEW_PASSWORD,
    "Retype new password: ": NEW_PASSWORD,
    "Token: ": "123456",
    "PIN: ": "0000",
}
ROUNDS = {**ANSWERS, "Password: ": "pw1"}

PAM = """\
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
"""
KEYS_ONLY = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
QUESTIONS_ONLY = "PasswordAuthentication no\n" + PAM


@dataclass(frozen=True)
class Case:
    """
    One conversation.

    @ivar name: the name of its file.
    @ivar config: lines of sshd_config.
    @ivar keys: the names of the keys that the client offers: one of
        L{tests.keygen.TYPES}, with a number after it where it is another of that
        type, or C{-cert} where it is a certificate.
    @ivar authorized: those that let the user in.
    @ivar options: attributes of the client.
    """

    name: str
    config: str = ""
    user: User = ALICE
    keys: tuple[str, ...] = ()
    authorized: tuple[str, ...] = ()
    passwords: tuple[str, ...] = ()
    answers: dict[str, str] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def key_case(kind: str) -> Case:
    return Case(f"key-{kind}", keys=(kind,), authorized=(kind,))


def factors(name: str, config: str, *keys: str, **given: Any) -> Case:
    """
    A chain of C{AuthenticationMethods}.
    """
    methods = f"{PAM}AuthenticationMethods {config}\n"
    return Case(name, methods, keys=keys, authorized=keys, **given)


CASES = (
    Case("password", passwords=("wrong", PASSWORD)),
    Case("password-refused", passwords=("wrong",) * 3),
    Case("password-pam", PAM, passwords=(PASSWORD,)),
    Case("password-locked", user=LOCKED, passwords=(PASSWORD,)),
    Case("password-expired", PAM, EXPIRED, passwords=(PASSWORD,)),
    Case(
        "none",
        "PermitEmptyPasswords yes\n",
        EMPTY,
        options={"allowTrivialAuth": True},
    ),
    Case("no-methods", "PubkeyAuthentication no\n" + KEYS_ONLY),
    Case("questions", QUESTIONS_ONLY, answers=ANSWERS),
    Case("questions-wrong", QUESTIONS_ONLY, answers={"Password: ": "wrong"}),
    Case("questions-rounds", QUESTIONS_ONLY, QUESTIONED, answers=ROUNDS),
    Case("questions-expired", QUESTIONS_ONLY, EXPIRED_TOO, answers=ANSWERS),
    key_case("ssh-ed25519"),
    key_case("ecdsa-sha2-nistp256"),
    key_case("ecdsa-sha2-nistp384"),
    key_case("ecdsa-sha2-nistp521"),
    key_case("ssh-rsa"),
    Case(
        "key-second",
        KEYS_ONLY,
        keys=("ssh-ed25519 1", "ssh-ed25519"),
        authorized=("ssh-ed25519",),
    ),
    Case("key-refused", KEYS_ONLY, keys=("ssh-ed25519", "ssh-rsa")),
    Case(
        "key-algorithm-refused",
        KEYS_ONLY + "PubkeyAcceptedAlgorithms rsa-sha2-256\n",
        keys=("ssh-rsa",),
        authorized=("ssh-rsa",),
    ),
    Case("certificate", KEYS_ONLY, keys=("ssh-ed25519-cert",)),
    Case("certificate-rsa", KEYS_ONLY, keys=("ssh-rsa-cert",)),
    Case(
        "max-tries",
        KEYS_ONLY + "MaxAuthTries 2\n",
        keys=("ssh-ed25519 1", "ssh-ed25519 2", "ssh-ed25519 3"),
    ),
    Case("banner", "Banner /etc/peers/banner\n", passwords=(PASSWORD,)),
    factors(
        "factors-key-password",
        "publickey,password",
        "ssh-ed25519",
        passwords=(PASSWORD,),
    ),
    factors(
        "factors-key-questions",
        "publickey,keyboard-interactive",
        "ssh-ed25519",
        answers=ANSWERS,
    ),
    factors("factors-two-keys", "publickey,publickey", "ssh-ed25519", "ssh-rsa"),
    factors("factors-same-key", "publickey,publickey", "ssh-ed25519"),
    factors(
        "factors-three",
        "publickey,password,keyboard-interactive",
        "ssh-ed25519",
        passwords=(PASSWORD,),
        answers=ANSWERS,
    ),
    factors("factors-second-missing", "publickey,password", "ssh-ed25519"),
)

BANNER = 'A "banner", é,\nin two lines\x1b[0m.\n'


class Client(SSHUserAuthClient):
    """
    Has what its case says.

    @param signers: its keys.
    """

    def __init__(self, case: Case, signers: Sequence[Any]) -> None:
        super().__init__(case.user.name, SSHConnection())
        self._case = case
        self._signers = list(signers)
        self._passwords = list(case.passwords)
        for name, value in case.options.items():
            setattr(self, name, value)

    def getPublicKey(self) -> Any:
        return self._signers.pop(0) if self._signers else None

    def signData(self, publicKey: Any, signData: bytes) -> Any:
        return publicKey.sign(signData, self.signatureAlgorithm)

    def getPassword(self, prompt: bytes | None = None) -> Any:
        return self._passwords.pop(0) if self._passwords else None

    def getSubmethods(self) -> Any:
        return None if self._case.answers is None else b""

    def getGenericAnswers(self, name: Any, instruction: Any, prompts: Any) -> Any:
        answers = self._case.answers or {}
        # PAM puts what it has to say before the prompt.
        asked = [prompt.decode().split("\n")[-1] for prompt, _ in prompts]
        return [answers[prompt] for prompt in asked]


@implementer(ISigner)
class StandIn:
    """
    A key of which nothing is known but its type.
    """

    source = "a transcript"

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        kind = key_type(blob)
        plain = signature_algorithms(plain_algorithm(kind))
        of_certificate: Callable[[bytes], bytes] = certificate_algorithm
        certified = is_certificate_algorithm(kind)
        self.algorithms = tuple(map(of_certificate, plain)) if certified else plain

    def sshType(self) -> bytes:
        return key_type(self._blob)

    def blob(self) -> bytes:
        return self._blob

    def sign(self, data: bytes, algorithm: bytes) -> bytes:
        return string(plain_algorithm(algorithm)) + string(b"no signature")

# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
What a person types, and a second factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from conch_auth import SSHClient
from conch_auth.errors import LoginError
from tests.causes import (
    ALICE,
    ED25519,
    PASSWORDS_ONLY,
    QUESTIONS_ONLY,
    TOKEN,
    Stage,
)
from tests.causes import provokes as _provokes
from tests.causes.services import Service, ended, failed
from tests.peers.asyncssh_server import PasswordChange

provokes = partial(_provokes, "Passwords, questions and second factors")

TWO_FACTORS = "AuthenticationMethods publickey,password\n"


class Answers(SSHClient):
    """
    Answers every question in the same way.
    """

    answer: str | None = "000000"

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[Any]
    ) -> Any:
        if prompts and self.answer is None:
            return None
        return [self.answer for _ in prompts]


class Speechless(Answers):
    answer = None


class Changes(SSHClient):
    """
    Knows a new password that does not do.
    """

    def password_change_requested(self, prompt: str, lang: str) -> Any:
        return "old", "newer"


@provokes("second-factor-missing")
async def key_is_not_enough(stage: Stage) -> LoginError:
    """
    What was given was accepted, and the server wants something besides
    (``AuthenticationMethods`` of sshd).  The list is what it would take next; the
    client has nothing for it.
    """
    place = stage.sshd(TWO_FACTORS, ALICE, ED25519)
    return await stage.fails(place, client_keys=[ED25519])


@provokes("second-factor-refused")
async def wrong_second_factor(stage: Stage) -> LoginError:
    """
    The first factor was accepted, and what followed was refused.  So the user name
    is right; look for what is wrong with the second alone.
    """
    place = stage.sshd(TWO_FACTORS, ALICE, ED25519)
    return await stage.fails(place, client_keys=[ED25519], password="Wrong-secret")


@provokes("password-refused")
async def wrong_password(stage: Stage) -> LoginError:
    """
    The server did not accept the password.  Servers do not tell a wrong password
    from a wrong user name, nor from an account that is locked, or that ``DenyUsers``
    or ``AllowUsers`` keep out: all of these look alike.
    """
    return await stage.fails(stage.sshd(PASSWORDS_ONLY), password="Wrong-secret")


@provokes("password-change-refused")
async def bad_new_password(stage: Stage) -> LoginError:
    """
    The password has expired, a new one was given, and the server did not take it.
    What it expects of a password, its prompt or its administrator says.
    """
    place = stage.asyncssh(PasswordChange)
    return await stage.fails(place, Changes, password="old")


@provokes("password-not-changed")
async def no_new_password(stage: Stage) -> LoginError:
    """
    The password was right and has expired; the server asks for a new one, and
    nobody gave one.  A subclass of ``SSHClient`` answers in
    ``password_change_requested``, one of Conch's class in ``getPassword``, which is
    then called with a prompt.
    """
    return await stage.fails(stage.asyncssh(PasswordChange), password="old")


@provokes("answers-refused")
async def wrong_token(stage: Stage) -> LoginError:
    """
    The server asked (keyboard-interactive), was answered, and did not accept the
    answers.  A code may have changed meanwhile; an account that may not log in is
    asked and refused as well.
    """
    return await stage.fails(stage.sshd(QUESTIONS_ONLY, TOKEN), Answers)


@provokes("questions-unanswered")
async def speechless(stage: Stage) -> LoginError:
    """
    The server asked, and the client had no answer to that.  A password that was
    given to ``connect`` answers a question for the password only: a server could
    ask for anything.
    """
    return await stage.fails(stage.sshd(QUESTIONS_ONLY, TOKEN), Speechless)


@provokes("never-asked")
async def nothing_asked(stage: Stage) -> LoginError:
    """
    The server lists keyboard-interactive, and refuses before it has asked anything.
    It has nothing to ask with (here, sshd without PAM), or does not let this account
    in.
    """
    config = QUESTIONS_ONLY.replace("UsePAM yes", "UsePAM no")
    return await stage.fails(stage.sshd(config), Answers)


@provokes("person-timeout")
async def nobody_there(stage: Stage) -> LoginError:
    """
    A person, or the callback that asks one, did not answer in time, and the server
    was told nothing.  ``answerTimeout`` is 600 s where nothing else is said.
    """
    stage.limit("answerTimeout", 0.5)
    return await stage.fails(stage.sshd(PASSWORDS_ONLY), password=stage.never)


@provokes("transport-not-secure")
async def in_clear(stage: Stage) -> LoginError:
    """
    The transport does not encrypt, so a password was not sent (RFC 4252, section
    8).  That of ``connect`` always encrypts; this can happen to one of your own, or
    of Conch's, that allows the cipher ``none``.
    """
    client = Service(b"alice")
    client.transport.isEncrypted = lambda direction: False  # type: ignore[method-assign]
    client.password = "secret"
    return await ended(client, failed(b"password"))

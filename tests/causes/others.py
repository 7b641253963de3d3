# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Hosts that vouch for their users, Kerberos, callbacks, and nothing at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.task import deferLater

from conch_auth._gss_messages import GSSResponse
from conch_auth._keysign import DIRECTORIES
from conch_auth.errors import GSSAPIError, LoginError
from conch_auth.loopback import generate_key
from conch_auth.messages import MethodReply, PublicKeyOk
from conch_auth.methods import METHODS, Method
from tests.causes import (
    ALICE,
    ED25519,
    KEYS_ONLY,
    PASSWORDS_ONLY,
    QUESTIONS_ONLY,
    TOKEN,
    Stage,
)
from tests.causes import provokes as _provokes
from tests.causes.services import Service, ended, failed
from tests.gss import KRB5_DER, ScriptedContext
from tests.peers import missing
from tests.peers.kdc import HOST

by_host = partial(_provokes, "Hosts that vouch for their users")
by_ticket = partial(_provokes, "Kerberos")
by_callback = partial(_provokes, "What the application answers")
by_nothing = partial(_provokes, "Nothing to try")

HOSTBASED_ONLY = (
    "HostbasedAuthentication yes\nHostbasedUsesNameFromPacketOnly yes\n"
    "PubkeyAuthentication no\n" + KEYS_ONLY
)
GSSAPI_ONLY = (
    "GSSAPIAuthentication yes\nGSSAPIStrictAcceptorCheck no\n"
    "PubkeyAuthentication no\n" + KEYS_ONLY
)
GSSAPI = b"gssapi-with-mic"


@by_host("host-refused")
async def unknown_host(stage: Stage) -> LoginError:
    """
    This host vouched for its user (hostbased, RFC 4252, section 9), and the server
    does not take its word.  Both have to be set up on the server: the host's key in
    ``ssh_known_hosts``, the host and its user in ``shosts.equiv`` or ``.shosts``.
    """
    return await stage.fails(
        stage.sshd(HOSTBASED_ONLY),
        client_host_keys=[generate_key()],
        client_host="laptop.example.org",
        client_username="alice",
    )


@by_host("keysign-failed")
async def keysign_is_off(stage: Stage) -> LoginError:
    """
    ``ssh-keysign`` signs with the host's keys, which only root can read, and it did
    not.  It does so only where the system's ``ssh_config`` says ``EnableSSHKeysign
    yes``, and only for the names that are this host's and this user's.
    """
    if not any(os.path.exists(f"{place}/ssh-keysign") for place in DIRECTORIES):
        missing("ssh-keysign is not installed")
    return await stage.fails(
        stage.sshd(HOSTBASED_ONLY),
        client_host_keysign=True,
        client_host_keys=[ED25519.public()],
        client_host="laptop.example.org",
        client_username="alice",
    )


@by_ticket("gssapi-not-installed")
async def no_library(stage: Stage) -> LoginError:
    """
    The server takes Kerberos tickets and nothing else that was given, and the
    library for them is not installed here.  It is an extra of this package.
    """
    modules: dict[str, Any] = sys.modules
    loaded = modules.get("gssapi")
    stage.case.addCleanup(_reload, loaded)
    modules["gssapi"] = None
    # Others are to have a server that was started in the realm.
    return await stage.fails(stage.sshd(GSSAPI_ONLY + "# in no realm\n"))


def _reload(module: Any) -> None:
    del sys.modules["gssapi"]
    if module is not None:
        sys.modules["gssapi"] = module


@by_ticket("ticket-missing")
async def no_ticket(stage: Stage) -> LoginError:
    """
    The server takes Kerberos tickets and nothing else that was given, and there is
    no ticket.  ``kinit`` gets one; ``klist`` shows what there is.
    """
    stage.realm()
    return await stage.fails(stage.sshd(GSSAPI_ONLY))


@by_ticket("ticket-expired")
async def old_ticket(stage: Stage) -> LoginError:
    """
    There was a ticket, and its time is over.
    """
    stage.realm().log_in(ALICE.name, "-l", "1s")
    await deferLater(stage.reactor, 1.5)
    return await stage.fails(stage.sshd(GSSAPI_ONLY), gss_host=HOST)


@by_ticket("service-unknown")
async def unknown_service(stage: Stage) -> LoginError:
    """
    The realm has no service ``host/NAME`` for the name that the server was called
    by.  Call it by the full name that it has there, or give that as ``gss_host=``.
    """
    stage.realm().log_in(ALICE.name)
    place = stage.sshd(GSSAPI_ONLY)
    return await stage.fails(place, gss_host="server.example.org")


@by_ticket("kdc-unreachable")
async def no_kdc(stage: Stage) -> LoginError:
    """
    The ticket for the server has to come from the realm's KDC, and none answers.
    Its address is in ``krb5.conf`` or in the DNS.
    """
    stage.realm().log_in(ALICE.name)
    with open(os.environ["KRB5_CONFIG"]) as file:
        lines = file.read().splitlines()
    elsewhere = ["kdc = 127.0.0.1:9" if "kdc = " in line else line for line in lines]
    config = stage.write("krb5.conf", "\n".join(elsewhere).encode())
    stage.setenv("KRB5_CONFIG", config)
    return await stage.fails(stage.sshd(GSSAPI_ONLY), gss_host=HOST)


@by_ticket("clock-skew")
async def wrong_clock(stage: Stage) -> LoginError:
    """
    Kerberos wants the clocks of this machine, the KDC and the server to agree to
    within five minutes.  (What the library says is played here: it takes a wrong
    clock.)
    """
    skewed = GSSAPIError("Clock skew too great", 0xD0000, 0x96C73A25)
    return await _ticket(stage, ScriptedContext([skewed]))


@by_ticket("gssapi-failed")
async def broken_context(stage: Stage) -> LoginError:
    """
    The mechanism failed on this side, with an error that has no paragraph of its
    own.  Its words are the library's.  (They are played here.)
    """
    failure = GSSAPIError("KDC has no support for encryption type", 0xD0000, 0x96C73A0E)
    return await _ticket(stage, ScriptedContext([failure]))


@by_ticket("gssapi-failed-on-server")
async def server_without_key(stage: Stage) -> LoginError:
    """
    The server could not take the ticket, and may have said why: its keytab has no
    key of the service that the ticket is for, mostly.  A server that refuses before
    it has seen a ticket may not know the user.
    """
    realm = stage.realm()
    realm.log_in(ALICE.name)
    realm.add_service("host/nokey.example.org")
    place = stage.sshd(GSSAPI_ONLY)
    return await stage.fails(place, gss_host="nokey.example.org")


@by_ticket("ticket-refused")
async def somebody_elses_account(stage: Stage) -> LoginError:
    """
    The server knows whose ticket it is, and does not let that one into this account.
    The names have to be the same, unless the account's ``.k5login`` says otherwise.
    """
    stage.realm().log_in("bob")
    return await stage.fails(stage.sshd(GSSAPI_ONLY), gss_host=HOST)


async def _ticket(stage: Stage, context: ScriptedContext) -> LoginError:
    class Ticket(Service):
        def getGSSAPIContext(self) -> Any:
            return context

    return await ended(
        Ticket(b"alice"), failed(GSSAPI), GSSResponse(KRB5_DER), failed(GSSAPI)
    )


@by_callback("hook-raised")
async def broken_callback(stage: Stage) -> LoginError:
    """
    Something that the application gave to be called (a callback of ``SSHClient``, an
    override, ``password=``) raised an exception.  Its text is not repeated, because
    it may hold a secret; the ``error`` of the attempt is the exception itself.
    """

    def password() -> str:
        raise KeyError("alice")

    return await stage.fails(stage.sshd(PASSWORDS_ONLY), password=password)


@by_callback("hook-missing")
async def no_private_key(stage: Stage) -> LoginError:
    """
    A subclass of Conch's class offers a key and does not override ``getPrivateKey``
    (or ``signData``), so that nobody can sign with it.
    """

    class NoPrivateKey(Service):
        def getPublicKey(self) -> Any:
            return None if self.triedPublicKeys else ED25519.public()

    accepted = PublicKeyOk(b"ssh-ed25519", ED25519.public().blob())
    return await ended(NoPrivateKey(b"alice"), failed(b"publickey"), accepted)


@by_callback("answer-unusable")
async def number_for_a_password(stage: Stage) -> LoginError:
    """
    What the application answered cannot be sent: a password that is a number, a
    signature with another algorithm, two answers to three questions.
    """
    return await stage.fails(stage.sshd(PASSWORDS_ONLY), password=lambda: 1234)


@by_nothing("no-method-offered")
async def no_method(stage: Stage) -> LoginError:
    """
    The server's list of methods is empty.  It cannot be logged in to by anybody, or
    not by this user.
    """
    return await stage.fails(stage.sshd("PubkeyAuthentication no\n" + KEYS_ONLY))


@by_nothing("no-key")
async def no_key(stage: Stage) -> LoginError:
    """
    The server takes keys, and there is none: none was given, there is none in
    ``~/.ssh``, and no agent has one.
    """
    return await stage.fails(stage.sshd(KEYS_ONLY), client_keys=(), agent_path=())


@by_nothing("no-password")
async def no_password(stage: Stage) -> LoginError:
    """
    The server takes passwords, and none was given.
    """
    return await stage.fails(stage.sshd(PASSWORDS_ONLY))


@by_nothing("no-answers")
async def nobody_answers(stage: Stage) -> LoginError:
    """
    The server wants to ask questions (keyboard-interactive), and the client has
    nobody to answer them.  Many servers ask for the password so; ``password=``
    answers that one question.
    """
    return await stage.fails(stage.sshd(QUESTIONS_ONLY, TOKEN))


@by_nothing("no-ticket")
async def unwanted_ticket(stage: Stage) -> LoginError:
    """
    The server takes Kerberos tickets and nothing else, and the client was not told
    to use one.  ``connect`` does by itself; Conch's class wants ``gssHost``.
    """
    return await ended(Service(b"alice"), failed(GSSAPI))


@by_nothing("no-host-key")
async def no_host_key(stage: Stage) -> LoginError:
    """
    The server takes the word of a host (hostbased) and nothing else, and the client
    was given no key of this host.
    """
    return await ended(Service(b"alice"), failed(b"hostbased"))


@by_nothing("method-off")
async def keys_only(stage: Stage) -> LoginError:
    """
    What the server takes is switched off on this side, by an option or in
    ``ssh_config`` (``PreferredAuthentications``, ``PasswordAuthentication``).
    """
    return await stage.fails(
        stage.sshd(PASSWORDS_ONLY), password="secret", preferred_auth="publickey"
    )


@by_nothing("method-unknown")
async def unknown_method(stage: Stage) -> LoginError:
    """
    What the server takes is a method that this package does not have.
    ``gssapi-keyex`` is one: it takes a key exchange of its own.
    """
    return await ended(Service(b"alice"), failed(b"securid@ssh.com"))


class _Ours(Method):
    """
    A method of the application's own.
    """

    name = b"hmac@example.org"
    given: Sequence[bytes] = (b"proof",)

    async def _start(self) -> bool:
        if self.exhausted(1):
            return False
        self.count_try()
        self.service.askForAuth(self.name, b"proof")
        return True

    def replied(self, payload: bytes) -> None:
        self.declined("there is no secret")


class _Own(Service):
    methods = {**METHODS, _Ours.name: _Ours}


@by_nothing("method-refused")
async def own_method(stage: Stage) -> LoginError:
    """
    The server refused a method that is not of this package: one of the
    application's own (``your-own-method.rst``).
    """
    return await ended(_Own(b"alice"), failed(_Ours.name), failed(_Ours.name))


@by_nothing("no-method-left")
async def own_method_declines(stage: Stage) -> LoginError:
    """
    All that the server takes was tried, nothing of it led anywhere, and no other
    cause is known: a method of the application's own gave up, for a reason of its
    own.
    """
    return await ended(_Own(b"alice"), failed(_Ours.name), MethodReply(b""))

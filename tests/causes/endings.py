# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
The login is ended, by whom it may be.
"""

from __future__ import annotations

import asyncio
from functools import partial

from conch_auth import connect
from conch_auth.errors import LoginError
from conch_auth.knownhosts import insecure_accept_any
from tests.causes import (
    CLOSED,
    ED25519,
    FOURTH,
    KEYS_ONLY,
    PASSWORDS_ONLY,
    SECOND,
    THIRD,
    Stage,
    failure_of,
)
from tests.causes import provokes as _provokes
from tests.causes.typed import Answers
from tests.peers.asyncssh_server import Scripted, Server, String, UInt32

provokes = partial(_provokes, "The login is ended")


@provokes("trivial-success")
async def open_to_everybody(stage: Stage) -> LoginError:
    """
    The server said that the login succeeded, and nothing was proved: it took the
    opening ``none`` request, a key that was only shown, or questions without an
    answer.  Somebody who stands between can do that to be sent the next secret
    (CVE-2021-36369 and its like), so it counts as a failure.  Where an account is
    open to everybody on purpose, ``disable_trivial_auth=False`` accepts it.
    """

    class Open(Server):
        def begin_auth(self, username: str) -> bool:
            return False

    return await stage.fails(stage.asyncssh(Open))


@provokes("protocol-broken")
async def unasked_key(stage: Stage) -> LoginError:
    """
    The server sent what the protocol does not allow at this point, or what cannot
    be read; here it approves of a key that it was not shown.  Such a server is
    broken or hostile, and nothing on this side can be set right.
    """
    unasked = partial(Scripted.send, number=60, payload=String(b"") + String(b""))
    return await stage.fails(stage.scripted(begin=unasked), password="secret")


@provokes("server-timeout")
async def slow_server(stage: Stage) -> LoginError:
    """
    The server has not answered a request in time.  It may ask somebody else first:
    a directory that does not answer, a name server, a telephone.
    ``serverTimeout`` is the time that it has, 120 s where nothing else is said.
    """
    stage.limit("serverTimeout", 0.5)
    return await stage.fails(_sleeping(stage), password="secret")


@provokes("login-timeout")
async def slow_login(stage: Stage) -> LoginError:
    """
    The login as a whole took too long, though nobody took too long over one thing.
    The time in which a person was asked does not count.  ``login_timeout``, or
    ``loginTimeout``, is the limit.
    """
    return await stage.fails(_sleeping(stage), password="secret", login_timeout=0.5)


@provokes("login-cancelled")
async def cancelled(stage: Stage) -> LoginError:
    """
    The application gave up: it cancelled the Deferred, maybe by ``addTimeout``, or
    the person at the terminal typed ^C.
    """
    connecting = connect(
        **_sleeping(stage),
        password="secret",
        client_keys=None,
        agent_path=None,
        known_hosts=insecure_accept_any(),
        reactor=stage.reactor,
    )
    stage.reactor.callLater(0.5, connecting.cancel)
    return await failure_of(connecting)


@provokes("too-many-tries")
async def too_many_keys(stage: Stage) -> LoginError:
    """
    A server hangs up after so many refused attempts: ``MaxAuthTries`` of sshd, 6
    where nothing else is set.  Each key that is shown counts, and a certificate and
    its key as two, so that an agent full of keys may never get to the right one, nor
    to the password.  ``connect`` keeps to 6 by itself (``max_auth_tries``); this
    server allows 3.
    """
    place = stage.sshd("MaxAuthTries 3\n")
    keys = [ED25519, SECOND, THIRD, FOURTH]
    return await stage.fails(place, client_keys=keys, password="secret")


@provokes("server-disconnected")
async def maintenance(stage: Stage) -> LoginError:
    """
    The server ended the connection and said why, in words of its own (RFC 4253,
    section 11.1).  They are all that is known on this side.
    """

    def disconnect(server: Scripted) -> None:
        text = b"The system is going down for maintenance"
        server.send(1, UInt32(11) + String(text) + String(b"en"))
        server.conn.abort()

    return await stage.fails(stage.scripted(password=disconnect), password="secret")


@provokes("lost-while-asking")
async def grace_time(stage: Stage) -> LoginError:
    """
    The server closed the connection while this side still had to answer: a person
    was looking for a password, or an agent was waiting for a touch.  Servers give a
    login only so much time, ``LoginGraceTime`` of sshd 120 s; they say nothing about
    it.
    """
    place = stage.sshd("LoginGraceTime 1\n" + PASSWORDS_ONLY)
    return await stage.fails(place, password=stage.never)


@provokes("account-refused")
async def expired_account(stage: Stage) -> LoginError:
    """
    The server closed the connection, without a refusal, when it had been given a
    signature or a password.  sshd does that where PAM keeps the account out: it has
    expired, there is a ``/etc/nologin``, or ``pam_access`` says so.  A banner may
    have told more.  Other servers (Dropbear) hang up so after too many tries.
    """
    stage.machine().run("usermod", "--expiredate", "1", CLOSED.name)
    place = stage.sshd("UsePAM yes\n" + KEYS_ONLY, CLOSED, ED25519)
    return await stage.fails(place, client_keys=[ED25519])


@provokes("connection-lost")
async def broken_connection(stage: Stage) -> LoginError:
    """
    The connection went without a word, in the middle of the login: the server
    crashed or was restarted, something between gave the connection up, or
    the address was shut out (fail2ban).
    """
    return await stage.fails(stage.scripted(begin=lambda server: server.conn.abort()))


@provokes("limit-reached")
async def endless_questions(stage: Stage) -> LoginError:
    """
    The server went on for so long that this side gave up: here it asked one
    question after the other.  The limit is named, and can be raised on the class of
    the service; no server in order comes near it.
    """

    class Endless(Server):
        def kbdint_auth_supported(self) -> bool:
            return True

        def get_kbdint_challenge(self, username: str, lang: str, sub: str) -> object:
            return "", "", "", [("Another one: ", True)]

        def validate_kbdint_response(self, username: str, responses: object) -> object:
            return self.get_kbdint_challenge(username, "", "")

    return await stage.fails(stage.asyncssh(Endless), Answers)


def _sleeping(stage: Stage) -> dict[str, object]:
    """
    A server that does not judge a password.
    """
    place: dict[str, object] = stage.scripted(password=lambda _: asyncio.sleep(60))
    return place



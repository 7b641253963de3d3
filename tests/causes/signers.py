# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Whoever signs: agents, security keys, and callbacks.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from conch_auth.agent import SSHAgentClient
from conch_auth.errors import LoginError
from conch_auth.interfaces import ISigner
from conch_auth.security_keys import SecurityKeySigner
from tests.causes import ALICE, ED25519, KEYS_ONLY, RSA, Stage
from tests.causes import provokes as _provokes
from tests.peers import missing
from tests.peers.asyncssh_server import Server
from tests.peers.ssh_agent import DUMMY_SECURITY_KEY, SSHAgent

provokes = partial(_provokes, "Agents, and others who sign")


@provokes("agent-unavailable")
async def no_agent(stage: Stage) -> LoginError:
    """
    Nobody listens on the agent's socket.  The agent has ended, or ``SSH_AUTH_SOCK``
    is that of a session which has; an agent that was never named is no cause.
    """
    gone = f"{stage.agent().socket}.gone"
    return await stage.fails(stage.sshd(KEYS_ONLY), agent_path=gone)


@provokes("agent-lost")
async def dying_agent(stage: Stage) -> LoginError:
    """
    The agent closed the connection before it had answered: it ended, crashed, or
    stumbled on what it was asked.
    """
    # It asks whether it may sign, and does not survive the answer.
    killer = stage.write("killer", b"#!/bin/sh\nkill -9 $PPID\n", 0o700)
    agent = stage.agent(SSH_ASKPASS=killer)
    agent.run("ssh-add", "-q", "-c", stage.key_file(ED25519))
    place = stage.sshd(KEYS_ONLY, ALICE, ED25519)
    return await stage.fails(place, agent_path=agent.socket)


@provokes("agent-timeout")
async def frozen_agent(stage: Stage) -> LoginError:
    """
    The agent took the connection and did not answer in time.  It may show a question
    on a screen that nobody looks at, or hang on a smartcard.
    """
    agent = stage.agent(ED25519)
    stage.case.patch(SSHAgentClient, "timeout", 0.5)
    agent.freeze()
    return await stage.fails(stage.sshd(KEYS_ONLY), agent_path=agent.socket)


@provokes("agent-broken")
async def no_agent_at_all(stage: Stage) -> LoginError:
    """
    What answers on the socket does not speak the agent's protocol.  The path is that
    of another program, or the agent is broken.
    """
    agent = stage.agent()
    path = f"{agent.socket}.other"
    listening = stage.reactor.listenUNIX(path, Factory.forProtocol(_Chatter))
    stage.case.addCleanup(listening.stopListening)
    return await stage.fails(stage.sshd(KEYS_ONLY), agent_path=path)


@provokes("agent-refused")
async def declined(stage: Stage) -> LoginError:
    """
    The server would take a key of the agent's, and the agent did not sign with it.
    Somebody was asked and said no (here, ``ssh-add -c``), the key was removed
    meanwhile, or it may be used for other hosts only (``ssh-add -h``).
    """
    agent = stage.agent()
    agent.answer("no")
    agent.run("ssh-add", "-q", "-c", stage.key_file(ED25519))
    place = stage.sshd(KEYS_ONLY, ALICE, ED25519)
    return await stage.fails(place, agent_path=agent.socket)


@provokes("agent-empty")
async def empty_agent(stage: Stage) -> LoginError:
    """
    The agent that was named has no key to show.  A locked one shows none either.
    """
    agent = stage.agent()
    return await stage.fails(stage.sshd(KEYS_ONLY), agent_path=agent.socket)


@provokes("security-key-refused")
async def not_confirmed(stage: Stage) -> LoginError:
    """
    The server would take a security key, and it did not sign: nobody touched it in
    time, the PIN was wrong, or, as here, the agent was told not to let it.
    """
    agent, key = agent_and_security_key(stage)
    agent.run("ssh-add", "-q", "-c", key)
    agent.answer("no")
    line = Path(f"{key}.pub").read_text().strip()
    place = stage.sshd(KEYS_ONLY, ALICE, line)
    return await stage.fails(place, agent_path=agent.socket)


@provokes("security-key-absent")
async def not_plugged_in(stage: Stage) -> LoginError:
    """
    No device that is plugged in has made this key.  Plug in the one that has, or
    another: a key file belongs to one device.
    """
    if find_spec("fido2") is None:
        missing("the Python package fido2 is not installed")
    _, key = agent_and_security_key(stage)
    signer = SecurityKeySigner.load(key, devices=list)
    line = Path(f"{key}.pub").read_text().strip()
    place = stage.sshd(KEYS_ONLY, ALICE, line)
    return await stage.fails(place, client_keys=[signer])


@provokes("signer-timeout")
async def signs_never(stage: Stage) -> LoginError:
    """
    A key was wanted, or a signature, and whoever has it did not answer in time: an
    agent, a device, or a signer of the application's.  ``signTimeout`` is 120 s
    where nothing else is said.
    """
    stage.limit("signTimeout", 0.5)
    signer = _Signer(ED25519, sign=lambda data, algorithm: stage.never())
    place = stage.sshd(KEYS_ONLY, ALICE, ED25519)
    return await stage.fails(place, client_keys=[signer])


@provokes("sha1-only")
async def old_signer(stage: Stage) -> LoginError:
    """
    The key is an RSA key, and whoever signs with it makes SHA-1 signatures only
    (``ssh-rsa``), whatever is asked for: Conch's own agent client, and agents from
    before RFC 8332.  Today's servers do not take them.
    """
    signer = _Signer(RSA, sign=lambda data, algorithm: RSA.sign(data, b"ssh-rsa"))
    place = stage.asyncssh(Server, RSA, signature_algs=["rsa-sha2-512"])
    return await stage.fails(place, client_keys=[signer])


def agent_and_security_key(stage: Stage) -> tuple[SSHAgent, Path]:
    """
    An agent that can use a security key, and the file of one.
    """
    if not DUMMY_SECURITY_KEY.exists():
        missing("the security key of OpenSSH's tests is not installed")
    agent = stage.agent(SSH_SK_PROVIDER=str(DUMMY_SECURITY_KEY))
    file = stage.home / ".ssh" / "id_ed25519_sk"
    agent.run(
        *("ssh-keygen", "-q", "-t", "ed25519-sk", "-N", "", "-C", "alice@laptop"),
        *("-f", file, "-w", DUMMY_SECURITY_KEY),
    )
    return agent, file


class _Chatter(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@implementer(ISigner)
class _Signer:
    """
    A key of an application's own.
    """

    source = "a signer of the application's"

    def __init__(self, key: Key, sign: Any) -> None:
        self._key = key
        self.sign = sign
        self.algorithms = (
            (b"rsa-sha2-512", b"rsa-sha2-256")
            if key.type() == "RSA"
            else (key.sshType(),)
        )

    def sshType(self) -> bytes:
        kind: bytes = self._key.sshType()
        return kind

    def blob(self) -> bytes:
        blob: bytes = self._key.public().blob()
        return blob

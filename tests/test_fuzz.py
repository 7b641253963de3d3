# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The targets of the fuzzer, on every input that is kept; C{docs/fuzzing.rst} tells
how more are looked for.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import (
    _agent_exchange,
    _greeting,
    _keyfiles,
    _wire,
    certificates,
    display,
    errors,
    knownhosts,
    memory,
    messages,
    signing,
    ssh_config,
)
from conch_auth._conversation import Conversation
from conch_auth.report import AuthReport
from conch_auth.userauth import SSHUserAuthClient
from tests.fuzz import corpus
from tests.fuzz.conversation import played
from tests.fuzz.script import Script
from tests.fuzz.targets import TARGETS


class CorpusTests(SynchronousTestCase):
    """
    What is kept still holds.
    """

    def test_every_target_has_inputs(self) -> None:
        """
        Each target begins with inputs that have names, and says what it holds.
        """
        files = {path.stem for path in corpus.ROOT.iterdir()}
        self.assertEqual(files, set(TARGETS))
        for target, function in TARGETS.items():
            named = [n for n in corpus.read(target) if not n.startswith("found-")]
            self.assertGreaterEqual(len(named), 5, target)
            self.assertGreater(len((function.__doc__ or "").split()), 10, target)

    def test_a_line_is_what_was_kept(self) -> None:
        """
        Any bytes stand in one line of ASCII and are read back.
        """
        every = bytes(range(256)) + b"'\"\\\r\n"
        self.patch(corpus, "ROOT", corpus.Path(self.mktemp()))
        corpus.ROOT.mkdir()
        self.assertEqual(corpus.add("t", [every, b""]), 2)
        self.assertEqual(corpus.add("t", [every]), 0)
        self.assertEqual(set(corpus.read("t").values()), {every, b""})

    def test_only_what_leads_further_is_kept(self) -> None:
        """
        An input is kept where it reaches a branch that no other does, the
        shortest first.
        """
        kept = corpus.worth_keeping(
            TARGETS["display"], [b""], [b"\0\0" + b"\x1b" * 2, b"\0\0\x1b", b"\0"]
        )
        self.assertEqual(kept, [b"\0\0\x1b"])

    def test_conversations_lead_where_they_say(self) -> None:
        """
        The inputs of the conversation are logins that come as far as their
        names tell.
        """
        ends: dict[str, Any] = {
            "key": "publickey with ssh-ed25519",
            "second-key": "publickey with ssh-ed25519",
            "key-then-password": "then password",
            "password": "password",
            "change": "password, which was changed",
            "questions": "keyboard-interactive",
            "rounds": "keyboard-interactive",
            "late": "password",
            "gssapi": "gssapi-with-mic",
            "trivial": errors.TrivialAuthenticationRefused,
            "trivial-by-query": errors.TrivialAuthenticationRefused,
            "empty-round": errors.TrivialAuthenticationRefused,
            "unasked-pk-ok": errors.UnexpectedMessage,
            "cancelled": errors.AuthenticationCancelled,
            "disconnect": errors.ServerDisconnected,
            "too-late": errors.AuthenticationFailed,
        }
        inputs = corpus.read("conversation")
        for name, expected in ends.items():
            (end,) = played(Script(inputs[name])).ends[0]
            if isinstance(expected, str):
                self.assertIsInstance(end, AuthReport, name)
                self.assertIn(expected, end.proof, name)
            else:
                self.assertIs(end.type, expected, name)


def _replays(target: str) -> Callable[[CorpusTests], None]:
    def test(self: CorpusTests) -> None:
        for name, data in corpus.read(target).items():
            try:
                TARGETS[target](data)
            except Exception as error:
                raise AssertionError(f"{target}: {name}: {error!r}") from error
        # A Deferred that failed and that nobody heard is logged, and found.
        gc.collect()

    test.__doc__ = TARGETS[target].__doc__
    return test


for _target in TARGETS:
    setattr(CorpusTests, f"test_{_target}", _replays(_target))


class Guard(NamedTuple):
    """
    Something that a target watches over.
    """

    owner: Any
    name: str
    without: Any


#: What each target finds, on its corpus alone, when it is gone.
GUARDS = {
    "wire": Guard(_wire.Reader, "take", lambda self, count: b"\0" * min(count, 99)),
    "messages": Guard(messages, "name_list", lambda names: _wire.string(b" ")),
    "known_hosts": Guard(
        knownhosts.KnownHosts, "_revocations", lambda self, *anything: []
    ),
    "certificates": Guard(certificates, "_is_signature_valid", lambda found: True),
    "memory": Guard(memory, "_several", lambda field, *anything: (field,)),
    "ssh_config": Guard(ssh_config, "_account", lambda who: {}[who]),
    "key_files": Guard(_keyfiles, "conch_key", lambda key, path: Key(key).public()),
    "signed_request": Guard(signing, "check_signature", lambda request: None),
    "display": Guard(display, "_is_safe", lambda character: True),
    "agent": Guard(
        _agent_exchange.Exchange, "connectionLost", lambda self, reason: None
    ),
    "greeting": Guard(_greeting.Greeting, "too_long", False),
    "transport": Guard(Key, "verify", lambda self, signature, data: True),
    "conversation": Guard(SSHUserAuthClient, "_isProved", lambda self: True),
    "eager": Guard(Conversation, "go_ahead", lambda self: None),
}


class ControlTests(SynchronousTestCase):
    """
    Each target can fail.
    """

    def test_every_target_has_one(self) -> None:
        """
        No target is left out below.
        """
        self.assertEqual(set(GUARDS), set(TARGETS))

    def test_a_missing_guard_is_found(self) -> None:
        """
        Where the code that a target watches over is taken out, its corpus shows
        it.
        """
        for target, guard in GUARDS.items():
            patched = self.patch(guard.owner, guard.name, guard.without)
            found = []
            for name, data in corpus.read(target).items():
                try:
                    TARGETS[target](data)
                except Exception:
                    found.append(name)
            patched.restore()
            self.assertTrue(found, target)
        self.flushLoggedErrors()

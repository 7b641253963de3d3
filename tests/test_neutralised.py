# mypy: disallow-untyped-calls = False
# (Most of Conch has no annotations.)
"""
What others have named stands in errors and reprs, where it must be short and do
nothing to a screen.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _agent_messages
from conch_auth._agent_constraints import Constraints
from conch_auth._knownhosts_lines import Problem, checked_key_type, format_line
from conch_auth._wire import string
from conch_auth.agent import AgentKey, SSHAgentClient
from tests.hostile_agent import HostileAgent
from tests.support import new_key

#: What acts on a terminal, and more of it than anybody reads.
HOSTILE = "\x1b]0;x\x07‮" + "x" * 1000
NAME = HOSTILE.encode()
#: A key of a type of that name.
BLOB = string(NAME) + string(b"a key")
#: More than one such name may stand in a text.
LONGEST = 500


class NeutralisedTests(SynchronousTestCase):
    def assert_harmless(self, text: str) -> None:
        self.assertTrue(text.isprintable(), repr(text))
        self.assertLess(len(text), LONGEST)
        self.assertIn("\\x1b", text)

    def test_requests_of_an_agent(self) -> None:
        """
        Every request says what was asked for, and names keys, algorithms,
        comments, providers and extensions.
        """
        for request in (
            _agent_messages.sign(BLOB, b"", b"ssh-ed25519"),
            _agent_messages.sign(new_key().blob(), b"", NAME),
            _agent_messages.add(b"", HOSTILE, Constraints()),
            _agent_messages.remove(BLOB),
            _agent_messages.add_smartcard(HOSTILE, "", Constraints()),
            _agent_messages.remove_smartcard(HOSTILE, ""),
            _agent_messages.extension(NAME, b""),
        ):
            self.assert_harmless(request.tried)

    def test_keys_of_an_agent(self) -> None:
        """
        A key says of what type it is, and what it cannot do.
        """
        key = AgentKey(SSHAgentClient(), BLOB, NAME)
        self.assert_harmless(repr(key))
        other = AgentKey(SSHAgentClient(), new_key().blob(), NAME)
        error = self.failureResultOf(other.sign(b"", NAME), ValueError).value
        self.assert_harmless(str(error))

    def test_where_an_agent_is(self) -> None:
        """
        So do a path that is none, and what a connection failed with.
        """
        connecting = SSHAgentClient.connect(HOSTILE, Clock())
        error = self.failureResultOf(connecting).value
        self.assertTrue(str(error).isprintable())
        hostile = HostileAgent()
        hostile.refusal = OSError(HOSTILE)
        failed: Deferred[SSHAgentClient] = SSHAgentClient.connect(hostile, Clock())
        self.assert_harmless(str(self.failureResultOf(failed).value))

    def test_known_hosts(self) -> None:
        """
        So do a file of known hosts, a key of a type that nobody knows, and a
        name that cannot be written.
        """
        self.assertTrue(str(Problem(HOSTILE, 3, "is wrong")).isprintable())
        error = self.assertRaises(ValueError, checked_key_type, BLOB)
        self.assert_harmless(str(error))
        error = self.assertRaises(
            ValueError, format_line, HOSTILE, 22, new_key().blob(), False
        )
        self.assertTrue(str(error).isprintable())
        self.assertLess(len(str(error)), LONGEST)

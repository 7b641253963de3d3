# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth.plan}: which keys are offered, in which order, and what
is left out; by itself and in C{connect}.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int32StringReceiver
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import SSHClient, connect, errors
from conch_auth._client_auth import kept_for
from conch_auth._wire import Reader, string, uint32
from conch_auth.display import fingerprint
from conch_auth.loopback import generate_key
from conch_auth.memory import Memory, Recollection
from conch_auth.plan import (
    IDENTITIES_ONLY,
    Candidate,
    Circumstances,
    Plan,
    Step,
    keys_allowed,
    order_methods,
    plan_keys,
)
from tests import keygen
from tests.memory import MemoryCase
from tests.peers.ssh_agent import SSHAgent
from tests.peers.sshd import Sshd, User, machine
from tests.support import flat

ED25519 = b"ssh-ed25519"
RSA = (b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa")
ESCAPE = "a\x1b"


def key(name: str, **known: Any) -> Candidate:
    """
    A key that is called C{name}.
    """
    known.setdefault("blob", string(ED25519) + string(name.encode()))
    known.setdefault("algorithms", (ED25519,))
    return Candidate(name, **known)


def print_of(name: str) -> str:
    return fingerprint(key(name).blob)


def remembered(worked: str = "", refused: str = "") -> Circumstances:
    """
    Circumstances in which keys of one letter are remembered.
    """
    return Circumstances(
        recollection=Recollection(
            key=print_of(worked) if worked else "",
            refused=tuple(map(print_of, refused)),
        ),
        remembering=True,
    )


class PlanCase(SynchronousTestCase):
    def tried(self, steps: list[Step]) -> str:
        return "".join(step.source for step in steps if not step.left_out)

    def left_out(self, *candidates: Candidate, **known: Any) -> str:
        """
        Why the last of these keys is left out.
        """
        steps = plan_keys(candidates, Circumstances(**known))
        (reason,) = (s.left_out for s in steps if s.source == candidates[-1].source)
        return reason


class OrderTests(PlanCase):
    """
    The order of keys.
    """

    def order(self, circumstances: Circumstances, names: str, given: str = "") -> str:
        keys = [key(name, given=name in given) for name in names]
        return self.tried(plan_keys(keys, circumstances))

    def test_nothing_remembered(self) -> None:
        """
        Where nothing is remembered, keys stay in the order that they came in.
        """
        self.assertEqual(self.order(Circumstances(), "cab"), "cab")

    def test_worked(self) -> None:
        """
        The key that worked last goes first.
        """
        self.assertEqual(self.order(remembered("b"), "cab"), "bca")

    def test_refused(self) -> None:
        """
        Keys that were refused go last, and the one that was refused longest ago
        goes first among them.
        """
        self.assertEqual(self.order(remembered("", "bc"), "cabd"), "adbc")

    def test_given(self) -> None:
        """
        A key that the application names goes before every other, whatever is
        remembered: which key it is may decide as whom one is logged in.
        """
        self.assertEqual(self.order(remembered("a", "c"), "cab", given="c"), "cab")

    def test_among_the_given(self) -> None:
        """
        Among several that it names, what is remembered counts.
        """
        found = self.order(remembered("b", "a"), "abcd", given="abc")
        self.assertEqual(found, "bcad")

    @given(st.permutations("abcdefgh"), st.integers(0, 8), st.integers(1, 12))
    def test_every_key_has_its_turn(
        self, names: list[str], right: int, tries: int
    ) -> None:
        """
        However many keys there are and however few tries, each has its turn
        after as many connections as it takes, none being refused twice before.
        """
        refused: list[str] = []
        for _ in range(len(names)):
            known = Recollection(refused=tuple(map(print_of, refused)))
            here = Circumstances(tries=tries, limit=tries, recollection=known)
            offered = self.tried(plan_keys([key(name) for name in names], here))
            new = [name for name in offered if name not in refused]
            self.assertEqual(len(new), min(tries, len(names) - len(refused)))
            refused += new
            if len(refused) == len(names):
                break
        self.assertEqual(sorted(refused), sorted(names))

    def test_methods(self) -> None:
        """
        Of password and keyboard-interactive the one by which the last login
        went comes first, and no other method changes its place.
        """
        methods = (b"hostbased", b"publickey", b"keyboard-interactive", b"password")
        for passed, wanted in (
            ((), methods),
            (("publickey", "keyboard-interactive"), methods),
            (("password",), (*methods[:2], methods[3], methods[2])),
            (("hostbased",), methods),
        ):
            found = order_methods(methods, Recollection(methods=passed))
            self.assertEqual(found, wanted, passed)


class BudgetTests(PlanCase):
    """
    How many keys are offered.
    """

    def test_six(self) -> None:
        """
        Six keys are offered, and the seventh is told why not and what to do.
        """
        keys = [key(name) for name in "abcdefg"]
        self.assertEqual(self.tried(plan_keys(keys, Circumstances())), "abcdef")
        self.assertEqual(
            self.left_out(*keys),
            "6 refused attempts are all that most servers allow; it is the 7th key. "
            "Name it with client_keys= or -i to have it tried first",
        )

    def test_kept(self) -> None:
        """
        What comes after the keys keeps a try each.
        """
        keys = [key(name) for name in "abcde"]
        reason = self.left_out(*keys, kept_for=("keyboard-interactive", "password"))
        self.assertIn("2 of them are kept for keyboard-interactive and pass", reason)
        self.assertIn("the 5th key", reason)

    def test_allowed(self) -> None:
        """
        At most half of all tries are kept, and one key is offered in any case.
        """
        for tries, kept, allowed in (
            (6, 0, 6),
            (6, 2, 4),
            (6, 5, 3),
            (3, 2, 2),
            (1, 2, 1),
            (0, 0, 1),
            (-1, 3, 1),
            (None, 2, None),
        ):
            here = Circumstances(tries=tries, kept_for=("x",) * kept)
            self.assertEqual(keys_allowed(here), allowed, (tries, kept))

    def test_no_limit(self) -> None:
        """
        Without a limit every key is offered.
        """
        keys = [key(str(number)) for number in range(50)]
        steps = plan_keys(keys, Circumstances(tries=None, limit=None))
        self.assertEqual([step.left_out for step in steps], [""] * 50)

    def test_named_keys(self) -> None:
        """
        Who names too many keys is told something else.
        """
        reason = self.left_out(*(key(name, given=True) for name in "abcdefg"))
        self.assertIn("Give fewer keys before it, or raise max_auth_tries", reason)

    def test_memory(self) -> None:
        """
        With a memory, the next connection goes on.
        """
        reason = self.left_out(*map(key, "abcdefg"), remembering=True)
        self.assertIn("the next connection goes on with it", reason)

    def test_ordinals(self) -> None:
        """
        Numbers read well.
        """
        keys = [key(str(number)) for number in range(113)]
        steps = plan_keys(keys, Circumstances(tries=1, limit=1))
        for number, word in ((2, "2nd"), (3, "3rd"), (11, "11th"), (111, "111th")):
            self.assertIn(f"the {word} key", steps[number - 1].left_out)


class LeftOutTests(PlanCase):
    """
    What costs no try.
    """

    def assert_free(self, candidate: Candidate, **known: Any) -> None:
        """
        A key is left out, and six others are offered all the same.
        """
        others = [key(name) for name in "abcdef"]
        steps = plan_keys([candidate, *others], Circumstances(**known))
        self.assertEqual(self.tried(steps), "abcdef")

    def test_algorithm(self) -> None:
        """
        A key by none of whose algorithms the server, or the client, lets sign.
        """
        self.assert_free(key("x", algorithms=(b"new-cert-v09@example.org",)))
        self.assert_free(key("x", algorithms=()))
        self.assert_free(key("x", algorithms=RSA), listed=(ED25519,))
        self.assertIn(
            "no common signature algorithm",
            self.left_out(key("x", algorithms=RSA), listed=(ED25519,)),
        )

    def test_duplicate(self) -> None:
        """
        A public key that came before.
        """
        twice = key("again", blob=key("a").blob)
        steps = plan_keys([key("a"), twice], Circumstances())
        self.assertEqual(steps[1].left_out, "it is the key from a again")
        self.assertTrue(steps[1].dropped)

    def test_unusable_is_no_duplicate(self) -> None:
        """
        A key that cannot be used does not keep the same key from being offered
        by who can use it.
        """
        unusable = key("locked", blob=key("a").blob, problem="it is encrypted")
        self.assertEqual(self.tried(plan_keys([unusable, key("a")], remembered())), "a")

    def test_problem(self) -> None:
        """
        A key, or a certificate, with a problem of its own; the problem is told.
        """
        self.assert_free(key("x", problem="it expired"))
        self.assertEqual(self.left_out(key("x", problem="it expired")), "it expired")

    def test_identities_only(self) -> None:
        """
        A key that IdentitiesOnly excludes.
        """
        self.assert_free(key("x", unwanted=True))
        self.assertEqual(self.left_out(key("x", unwanted=True)), IDENTITIES_ONLY)

    def test_not_known_yet(self) -> None:
        """
        A key whose public half takes a passphrase to know costs a try.
        """
        locked = Candidate("locked")
        steps = plan_keys([locked, *map(key, "abcdef")], Circumstances())
        self.assertEqual(self.tried(steps), "lockedabcde")


class ShownTests(SynchronousTestCase):
    """
    A plan as people and programs read it.
    """

    def plan(self, *candidates: Candidate, **known: Any) -> Plan:
        steps = plan_keys(candidates, Circumstances(**known))
        return Plan("alice", "host", 22, (*steps, Step("password")))

    def test_text(self) -> None:
        """
        What would be tried is numbered, and what is left out says why.
        """
        shown = str(self.plan(key(ESCAPE), key("b", problem="it expired")))
        self.assertEqual(
            shown.splitlines(),
            [
                "To log in as alice on host, port 22, these would be tried:",
                f"  1. publickey with ssh-ed25519 {print_of(ESCAPE)} (from a\\x1b)",
                "  2. password",
                "These would be left out:",
                f"  - publickey with ssh-ed25519 {print_of('b')} (from b): it expired",
                "What is not sure to be wanted is tried where the server says it takes "
                "it. "
                "It was not asked.",
            ],
        )

    def test_nothing(self) -> None:
        """
        Where there is nothing, it says so.
        """
        self.assertIn("nothing to try", str(Plan("alice", "host", 22)))

    def test_notes(self) -> None:
        """
        What is remembered of a key stands beside it.
        """
        known = Recollection(key=print_of("a"), refused=(print_of("b"),))
        plan = self.plan(key("b"), key("a"), recollection=known)
        self.assertEqual(
            [step.note for step in plan.tried],
            ["it was accepted last time", "it was refused before", ""],
        )

    def test_dict(self) -> None:
        """
        It is there for JSON, too.
        """
        self.assertEqual(
            self.plan(key("a")).as_dict(),
            {
                "user": "alice",
                "host": "host",
                "port": 22,
                "tries": 6,
                "steps": [
                    {
                        "method": "publickey",
                        "key": {"type": "ssh-ed25519", "fingerprint": print_of("a")},
                        "source": "a",
                        "left_out": "",
                        "note": "",
                    },
                    {
                        "method": "password",
                        "key": None,
                        "source": "",
                        "left_out": "",
                        "note": "",
                    },
                ],
            },
        )


class Answers(SSHClient):
    """
    Has a password, which is asked for.
    """

    def password_auth_requested(self) -> str:
        return "right"


class Interactive(SSHClient):
    def kbdint_auth_requested(self) -> str:
        return ""


class KeptTests(SynchronousTestCase):
    """
    L{kept_for}.
    """

    def test_kept(self) -> None:
        """
        A try is kept for each method that somebody can answer, and for a
        password that was given one alone.
        """
        class HasKeys(SSHClient):
            def public_key_auth_requested(self) -> None:
                return None

        both = [b"keyboard-interactive", b"password"]
        for client, password, methods, kept in (
            (SSHClient(), False, both, []),
            (SSHClient(), True, both, ["password"]),
            (SSHClient(), True, both[:1], ["keyboard-interactive"]),
            (SSHClient(), True, [], []),
            (Answers(), False, both, ["password"]),
            (Interactive(), False, both, ["keyboard-interactive"]),
            (Interactive(), True, both, ["keyboard-interactive", "password"]),
            (Answers(), False, both[:1], []),
            (HasKeys(), False, both, ["public_key_auth_requested"]),
        ):
            self.assertEqual(kept_for(client, password, methods), kept)


class ConnectTests(MemoryCase):
    """
    The plan in C{connect}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.wrong = [generate_key() for _ in range(12)]
        self.right = generate_key()
        self.server.add_user("alice", password="right", keys=[self.right])

    def offered(self) -> list[Any]:
        """
        The public keys that the server has seen, in order.
        """
        found = [
            request.blob
            for request in self.methods_seen()
            if request.method == b"publickey"
        ]
        return list(dict.fromkeys(found))

    def methods_seen(self) -> list[Any]:
        return [getattr(each, "request", each) for each in self.server.requests]

    def outcomes(self, report: Any) -> list[str]:
        return [a.outcome for a in report.attempts if a.method == "publickey"]

    def test_too_many_keys(self) -> None:
        """
        Six keys are offered; the others are in the report, and the login has
        failed for want of the right one.
        """
        self.log_in(client_keys=[*self.wrong[:6], self.right])
        report = self.error.report
        self.assertEqual(self.outcomes(report).count("refused"), 6)
        (left,) = (a for a in report.attempts if a.outcome == "skipped" and a.key)
        self.assertEqual(left.key.fingerprint, fingerprint(self.right.blob()))
        self.assertIn("it is the 7th key", flat(report))

    def test_no_limit(self) -> None:
        """
        C{max_auth_tries=None} offers every key.
        """
        self.server.max_tries = 20
        self.log_in(client_keys=[*self.wrong, self.right], max_auth_tries=None)
        self.assertTrue(self.connection.report.succeeded)

    def test_given_password(self) -> None:
        """
        A try is kept for a password: five keys are offered before it.
        """
        self.server.max_tries = 5
        self.log_in(client_keys=self.wrong, password="right")
        report = self.connection.report
        self.assertEqual(self.outcomes(report).count("refused"), 5)
        self.assertEqual(report.attempts[-1].method, "password")

    def test_asked_password(self) -> None:
        """
        So it is for a client that can be asked.
        """
        self.server.max_tries = 5
        self.log_in(Answers, client_keys=self.wrong)
        self.assertEqual(self.connection.report.attempts[-1].method, "password")

    def test_password_is_not_offered(self) -> None:
        """
        No try is kept for what the server does not list.
        """
        self.server.add_user("alice", keys=[self.right])
        self.log_in(Answers, client_keys=[*self.wrong[:5], self.right])
        self.assertTrue(self.connection.report.succeeded)

    def test_spent_before(self) -> None:
        """
        What was refused before the keys had their turn is counted.
        """
        self.log_in(
            client_keys=[*self.wrong[:5], self.right],
            password="wrong",
            preferred_auth="password,publickey",
        )
        self.assertEqual(self.outcomes(self.error.report).count("refused"), 5)

    def test_own_keys(self) -> None:
        """
        A try is kept for the keys that the client is asked for.
        """
        right = self.right

        class HasKey(SSHClient):
            def public_key_auth_requested(self) -> Key:
                return right

        self.log_in(HasKey, client_keys=self.wrong)
        report = self.connection.report
        self.assertEqual(self.outcomes(report).count("refused"), 5)

    def test_endless_keys(self) -> None:
        """
        A client that has ever more keys is asked for as many as the server
        takes.
        """

        class Endless(SSHClient):
            def public_key_auth_requested(self) -> Key:
                return generate_key()

        self.server.max_tries = 100
        self.log_in(Endless)
        self.assertEqual(self.outcomes(self.error.report).count("refused"), 6)
        told = flat(self.error.report)
        self.assertEqual(told.count("one of them is kept for public_key_auth_"), 1)
        self.assertIn("no other key is offered", told)

    def test_success_is_quiet(self) -> None:
        """
        A login that needed none of what was left out does not tell of it.
        """
        self.log_in(client_keys=[self.wrong[0], self.right, *self.wrong[1:]])
        self.assertEqual(self.outcomes(self.connection.report), ["refused", "accepted"])

    def test_very_many_keys(self) -> None:
        """
        A report names some dozens of what was left out, and counts the others.
        """
        keys = [generate_key() for _ in range(50)]
        self.log_in(client_keys=keys)
        self.assertEqual(self.outcomes(self.error.report).count("skipped"), 33)
        self.assertIn("12 more keys are left out", str(self.error.report))

    def test_wrong_option(self) -> None:
        """
        What cannot be a number of tries, or a memory, is an error of the call.
        """
        self.assertRaises(ValueError, connect, "h", max_auth_tries=0)
        self.assertRaises(TypeError, connect, "h", max_auth_tries="6")
        self.assertRaises(TypeError, connect, "h", memory=6)


class MemoryTests(ConnectTests):
    """
    What C{connect} remembers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.memory = self.mktemp()

    def begin(self, *arguments: Any, **options: Any) -> Deferred[Any]:
        self.ends = []
        self.endpoint = self.server.endpoint()
        options = {"memory": self.memory, "endpoint": self.endpoint, **options}
        return super().begin(*arguments, **options)

    def recollection(self) -> Recollection:
        return Memory(self.memory).recall("alice", "server", 22)

    def test_right_key_first(self) -> None:
        """
        The key that worked is the first, and the only, one the next time.
        """
        keys = [*self.wrong[:3], self.right]
        for outcomes in (["refused"] * 3 + ["accepted"], ["accepted"]):
            self.log_in(client_keys=keys)
            self.assertEqual(self.outcomes(self.connection.report), outcomes)

    def test_goes_on(self) -> None:
        """
        The second connection goes on where the first one stopped.
        """
        keys = [*self.wrong[:10], self.right]
        self.log_in(client_keys=keys)
        self.assertIn("the next connection goes on with it", flat(self.error.report))
        self.log_in(client_keys=keys)
        report = self.connection.report
        self.assertEqual(self.outcomes(report), ["refused"] * 4 + ["accepted"])

    def test_server_hangs_up(self) -> None:
        """
        The key at which the server ends the connection counts as refused.
        """
        self.server.max_tries = 2
        self.log_in(client_keys=[*self.wrong[:3], self.right])
        self.assertIsInstance(self.error, errors.ServerDisconnected)
        self.assertEqual(self.outcomes(self.error.report)[-1], "refused")
        self.assertEqual(len(self.recollection().refused), 3)

    def test_methods(self) -> None:
        """
        What is remembered of the methods orders those that a person answers.
        """
        self.log_in(password="right")
        self.assertEqual(self.recollection().methods, ("password",))

    def test_preferred(self) -> None:
        """
        It does not change an order that was asked for.
        """
        self.log_in(password="right")
        self.server.add_user(
            "alice", password="right", prompts=[[("Password: ", False)]],
            answers=[["right"]],
        )
        cases: tuple[tuple[dict[str, Any], str], ...] = (
            ({}, "password"),
            (
                {"preferred_auth": "keyboard-interactive,password"},
                "keyboard-interactive",
            ),
        )
        for options, method in cases:
            self.log_in(password="right", **options)
            self.assertEqual(self.connection.report.attempts[-1].method, method)

    def test_useless_memory(self) -> None:
        """
        A memory that cannot be used changes no login.
        """
        told: list[str] = []
        os.mkdir(self.memory)
        self.log_in(password="right", memory=Memory(self.memory, warn=told.append))
        self.assertTrue(self.connection.report.succeeded)
        self.assertEqual(len(told), 2)


class UnknownType(Int32StringReceiver):
    """
    An agent that holds what another one holds and, before its last key, a
    certificate of a type that nobody knows.
    """

    behind: str
    MAX_LENGTH = 1 << 20

    def stringReceived(self, message: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(self.behind)
            agent.sendall(string(message))
            answer = self._read(agent)
        self.sendString(self._with_unknown(answer) if answer[:1] == b"\x0c" else answer)

    def _read(self, agent: socket.socket) -> bytes:
        with agent.makefile("rb") as stream:
            return stream.read(int.from_bytes(stream.read(4), "big"))

    def _with_unknown(self, answer: bytes) -> bytes:
        reader = Reader(answer[1:], "identities")
        pairs = [(reader.string(), reader.string()) for _ in range(reader.uint32())]
        blob = string(b"ssh-future-cert-v09@example.org") + string(b"?")
        pairs.insert(len(pairs) - 1, (blob, b"future"))
        listed = b"".join(string(blob) + string(comment) for blob, comment in pairs)
        return b"\x0c" + uint32(len(pairs)) + listed


class OpenSSHTests(TestCase):
    """
    OpenSSH's server with C{MaxAuthTries 6}, and an agent with too many keys.
    """

    timeout = 120

    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir()
        self.agent = SSHAgent(self.place / "agent")
        self.addCleanup(self.agent.stop)
        self.server: Sshd = machine([User("plan_user", "Secret-Plan")]).sshd(
            "MaxAuthTries 6\nPasswordAuthentication yes\n"
            "KbdInteractiveAuthentication no\nUsePAM no\n"
        )
        self.addCleanup(self.server.stop)

    def fill(self) -> Key:
        """
        Ten wrong keys, then the right one.
        """
        for number in range(11):
            made = str(self.place / f"key{number}")
            keygen.ssh_keygen("-t", "ed25519", "-N", "", "-C", "k", "-f", made)
            self.agent.run("ssh-add", "-q", made)
        right: Key = Key.fromFile(made + ".pub")
        return right

    async def connect(self, **options: Any) -> Any:
        server = self.server
        name = f"[127.0.0.1]:{server.port}"
        known = b"".join(
            name.encode() + b" " + key.toString("openssh") + b"\n"
            for key in server.host_keys
        )
        return await connect(
            "127.0.0.1",
            server.port,
            username="plan_user",
            client_keys=None,
            known_hosts=known,
            **options,
        )

    @contextmanager
    def held_open(self, connection: Any) -> Iterator[Any]:
        try:
            yield connection.report
        finally:
            connection.close()

    async def test_wrong_keys_first(self) -> None:
        """
        An agent with ten wrong keys, one certificate of an unknown type and the
        right key last: the first connection fails and says what happened, the
        second logs in, the third with the first key that it shows.
        """
        right = self.fill()
        self.server.authorize("plan_user", right)
        factory = Factory.forProtocol(UnknownType)
        UnknownType.behind = self.agent.socket
        relay = self.agent.socket + ".relay"
        port = await UNIXServerEndpoint(reactor, relay).listen(factory)
        self.addCleanup(port.stopListening)
        options = {"agent_path": relay, "memory": str(self.place / "memory")}

        try:
            await self.connect(**options)
        except errors.ServerDisconnected as error:
            told = flat(error)
            assert error.report is not None
            report = error.report
        self.assertIn("Too many authentication failures", told)
        self.assertIn(f"{right.sshType().decode()} {fingerprint(right.blob())}", told)
        self.assertIn("it is the 11th key", told)
        self.assertIn("the next connection goes on with it", told)
        outcomes = [a.outcome for a in report.attempts if a.method == "publickey"]
        self.assertEqual(outcomes.count("refused"), 6)
        self.assertEqual(outcomes.count("skipped"), 5)

        for refused in (4, 0):
            connection = await self.connect(**options)
            with self.held_open(connection) as report:
                outcomes = [a.outcome for a in report.attempts if a.key]
                self.assertEqual(outcomes.count("refused"), refused)
                self.assertEqual(outcomes[-1], "accepted")
            await connection.wait_closed()

    async def test_password(self) -> None:
        """
        The password logs in on the first connection, whatever an agent holds.
        """
        self.fill()
        connection = await self.connect(
            agent_path=self.agent.socket, password="Secret-Plan"
        )
        with self.held_open(connection) as report:
            self.assertEqual(report.attempts[-1].method, "password")
        await connection.wait_closed()

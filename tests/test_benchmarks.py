# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The benchmarks run, at a size at which they take seconds.  No time is checked: the
machine that runs the tests has other things to do.  What is checked are counts.

The clients that are compared are in the extra C{bench}.
"""

from __future__ import annotations

import io
import math
import tempfile
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks import samples
from tests.benchmarks.__main__ import measure
from tests.benchmarks.aims import aims, steepness
from tests.benchmarks.credentials import new_key
from tests.benchmarks.jobs import CIPHER, HOST_KEY, KEY_EXCHANGE, MAC, Job, Login
from tests.benchmarks.network import ClearText, Passage, round_trips
from tests.benchmarks.page import page
from tests.benchmarks.processes import workers
from tests.benchmarks.results import Comparison, Results, load, save
from tests.benchmarks.scale import TINY
from tests.benchmarks.sshd import USER, Daemon
from tests.peers import missing

DOCS = Path(__file__).parent.parent / "docs"
KEXINIT, NEWKEYS = 20, 21
DELAY = 0.02


def want(*packages: str) -> None:
    """
    Skip the test where C{bench} is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            missing(f"{package} is not installed")


def packet(number: int, padding: int = 6) -> bytes:
    """
    A packet in the clear with one byte of payload (RFC 4253, section 6).
    """
    length = 1 + 1 + padding
    return length.to_bytes(4, "big") + bytes([padding, number]) + bytes(padding)


class ClearTextTests(SynchronousTestCase):
    """
    Where a connection begins to be encrypted.
    """

    def test_after_newkeys(self) -> None:
        """
        It is right behind NEWKEYS, wherever the bytes are cut.
        """
        clear = b"SSH-2.0-x\r\n" + packet(KEXINIT, 200) + packet(NEWKEYS)
        for cut in range(len(clear) + 1):
            reader = ClearText()
            self.assertFalse(reader.has_more_after(clear[:cut]))
            self.assertFalse(reader.has_more_after(clear[cut:]))
            self.assertTrue(reader.over)
            self.assertTrue(reader.has_more_after(b"?"))

    def test_in_one_flight(self) -> None:
        """
        What leaves together with NEWKEYS is behind it.
        """
        reader = ClearText()
        self.assertTrue(reader.has_more_after(b"SSH-2.0-x\n" + packet(NEWKEYS) + b"?"))

    def test_other_packets(self) -> None:
        """
        Without NEWKEYS nothing is encrypted.
        """
        reader = ClearText()
        self.assertFalse(reader.has_more_after(b"SSH-2.0-x\n" + packet(KEXINIT) * 9))
        self.assertFalse(reader.over)


def passages(*told: tuple[str, float], encrypted: bool = True) -> list[Passage]:
    return [
        Passage(at, "client" if sender == "c" else "server", encrypted)
        for sender, at in told
    ]


class RoundTripsTests(SynchronousTestCase):
    """
    What is counted, for a network with 20 ms each way.
    """

    def count(self, *told: tuple[str, float], until: float = 9.0) -> int:
        return round_trips(passages(*told), DELAY, until)

    def test_one_after_the_other(self) -> None:
        """
        Each flight that is answered is one.
        """
        self.assertEqual(
            self.count(("c", 0), ("s", 0.041), ("c", 0.042), ("s", 0.09)), 2
        )

    def test_one_flight(self) -> None:
        """
        Several packets are one flight, though each has an answer of its own.
        """
        self.assertEqual(
            self.count(("c", 0), ("c", 0.001), ("s", 0.041), ("s", 0.042)), 1
        )

    def test_not_an_answer(self) -> None:
        """
        What comes before it can be an answer is none.
        """
        self.assertEqual(self.count(("c", 0), ("s", 0.03), ("c", 0.031)), 0)
        self.assertEqual(
            self.count(("c", 0), ("s", 0.03), ("c", 0.031), ("s", 0.041)), 1
        )

    def test_only_the_login(self) -> None:
        """
        Neither the key exchange counts, nor what comes after the login.
        """
        exchange = passages(("c", 0), ("s", 0.05), encrypted=False)
        login = passages(("c", 0.06), ("s", 0.11), ("c", 0.12), ("s", 0.2))
        self.assertEqual(round_trips(exchange + login, DELAY, 0.115), 1)

    def test_needs_a_delay(self) -> None:
        """
        Without a delay there is no telling.
        """
        self.assertRaises(ValueError, round_trips, [], 0, 1)


class SamplesTests(SynchronousTestCase):
    """
    Medians and ratios.
    """

    rounds = [{"a": 2.0, "b": 1.0}, {"a": 90.0, "b": 30.0}, {"a": 4.0, "b": 1.0}]

    def test_ratio_within_rounds(self) -> None:
        """
        A ratio is that of a round, in which both have met the same machine.
        """
        self.assertEqual(samples.ratio(self.rounds, "a", "b").median, 3)
        self.assertEqual(samples.of(self.rounds, "a"), (4, 3, 47))

    def test_in_turn(self) -> None:
        """
        Every candidate has its turn in every round, each time behind another one.
        """
        asked: list[str] = []

        def measure(candidate: str) -> float:
            asked.append(candidate)
            return len(asked)

        rounds = samples.in_turn(3, "abc", measure)
        self.assertEqual("".join(asked), "abcbcacab")
        self.assertEqual(rounds[1], {"b": 4, "c": 5, "a": 6})
        self.assertEqual(list(rounds[1]), ["a", "b", "c"])


class AimsTests(SynchronousTestCase):
    """
    Whether an aim was reached.
    """

    def grown(self, *costs: float) -> list[Comparison]:
        return [
            Comparison("growth", "keys", "ms", [{"connect": cost}], size)
            for size, cost in enumerate(costs, 1)
        ]

    def test_steepness(self) -> None:
        """
        It is 1 for what grows in proportion, with a constant besides, and more
        for what grows faster.
        """
        self.assertEqual(steepness(self.grown(12, 14, 16, 18, 20), "connect"), 1)
        self.assertEqual(steepness(self.grown(1, 4, 9, 16, 25), "connect"), 2)
        self.assertEqual(steepness(self.grown(2, 1, 2), "connect"), math.inf)

    def test_least_counts(self) -> None:
        """
        An aim for whole logins is reached where each server is met so.
        """
        unit = "ms of processor time a login"
        for conch, reached in ((1.3, True), (1.1, False)):
            found = Results(
                {},
                tuple(
                    Comparison("logins", what, unit, [dict(costs)])
                    for what, costs in (
                        (
                            "sshd",
                            {"connect": 1, "Conch": 1.5, "AsyncSSH": 2, "Paramiko": 2},
                        ),
                        (
                            "Conch's",
                            {
                                "connect": 1,
                                "Conch": conch,
                                "AsyncSSH": 2,
                                "Paramiko": 2,
                            },
                        ),
                    )
                ),
            )
            told = {aim.what: aim.reached for aim in aims(found)}
            name = "whole logins in a second of processor time, to Conch's"
            self.assertIs(told[name], reached)


class BenchmarkCase(SynchronousTestCase):
    """
    A part, run once.
    """

    libraries = ("connect", "drop-in", "Conch", "AsyncSSH", "Paramiko")
    programs = ("ssh",)

    def setUp(self) -> None:
        want("asyncssh", "paramiko")

    def measure(self, part: str) -> list[Comparison]:
        with redirect_stderr(io.StringIO()):
            found = measure([part], TINY)
        for comparison in found:
            for numbers in comparison.rounds:
                self.assertGreater(min(numbers.values()), -1)
        return found


class AlgorithmsTests(BenchmarkCase):
    """
    What the clients agree on with a server.
    """

    def test_alike(self) -> None:
        """
        It is the same for all of them.
        """
        key, clients = new_key(), [*self.libraries, *self.programs]
        with Daemon.running() as daemon, workers(clients) as started:
            daemon.authorize(key)
            for worker in started.values():
                worker.do(Job("log_in", Login(USER, (key.private,)), daemon.server))
            agreed = daemon.agreed()
        # The exchange has two names.
        both = f"cipher: {CIPHER} MAC: {MAC} compression: none [preauth]"
        self.assertEqual(
            {line.removeprefix("debug1: kex: ") for line in agreed},
            {
                f"algorithm: {KEY_EXCHANGE} [preauth]",
                f"algorithm: {KEY_EXCHANGE}@libssh.org [preauth]",
                f"host key algorithm: {HOST_KEY} [preauth]",
                f"client->server {both}",
                f"server->client {both}",
            },
        )


class RoundTripsPartTests(BenchmarkCase):
    #: One key, a password, the third of three keys, the sixth of ten, the second
    #: of two.
    WANTED = {
        "connect": (1, 1, 4, 1, 2),
        "drop-in": (4, 3, 6, 9, 5),
        "Conch": (4, 3, 6, 9, 5),
        "AsyncSSH": (4, 3, 6, 9, 5),
        "Paramiko": (2, 2, 6, 12, 4),
        "ssh": (4, 3, 6, 9, 5),
    }

    def test_counts(self) -> None:
        """
        Each client waits for sshd as often as its own course has it.
        """
        found = self.measure("round-trips")
        trips = [each.rounds[0] for each in found if each.unit == "round trips"]
        counted = {name: tuple(each[name] for each in trips) for name in trips[0]}
        self.assertEqual(counted, self.WANTED)


class LayerPartTests(BenchmarkCase):
    def test_courses(self) -> None:
        """
        Each course is gone through: the login is complete after the packets that
        belong to it.
        """
        (found,) = self.measure("layer")
        self.assertEqual(found.candidates, ["Conch", "ordinary", "eager", "signature"])


class LoginsPartTests(BenchmarkCase):
    def test_servers(self) -> None:
        """
        Every client logs in to both servers, and those that can, all at once.
        """
        found = self.measure("logins")
        everybody = [*self.libraries, *self.programs]
        for comparison in found:
            alone = comparison.what == "OpenSSH's sshd, one by one"
            expected = everybody if alone else list(self.libraries)
            self.assertEqual(comparison.candidates, expected)
        self.assertEqual(len({each.what for each in found}), 4)


class MemoryPartTests(BenchmarkCase):
    def test_kept(self) -> None:
        """
        Connections are kept, and logins wait, by every library.
        """
        found = self.measure("memory")
        self.assertEqual([each.what for each in found], ["connected", "pending"])
        for comparison in found:
            self.assertEqual(comparison.candidates, list(self.libraries))


class GrowthPartTests(BenchmarkCase):
    def test_sizes(self) -> None:
        """
        Each quantity grows.
        """
        found = self.measure("growth")
        sizes: dict[str, list[float]] = {}
        for each in found:
            sizes.setdefault(each.what, []).append(each.size)
        self.assertEqual(
            sizes,
            {key: [1, 3] for key in ("keys", "questions", "banners", "at a time")},
        )


class StartPartTests(BenchmarkCase):
    def test_processes(self) -> None:
        """
        Each library can be imported, and the command prints its help.
        """
        (found,) = self.measure("start")
        self.assertEqual(tuple(found.candidates[:5]), self.libraries)


class PageTests(SynchronousTestCase):
    """
    C{docs/benchmarks.rst}.
    """

    def test_printed_from_the_numbers(self) -> None:
        """
        The page is what its numbers print.
        """
        results = load(DOCS / "benchmarks.json")
        self.assertEqual(page(results), (DOCS / "benchmarks.rst").read_text())

    def test_pictures(self) -> None:
        """
        Each picture on it can be drawn, and is there.
        """
        want("matplotlib")
        from tests.benchmarks.plots import draw

        results = load(DOCS / "benchmarks.json")
        with tempfile.TemporaryDirectory() as directory:
            drawn = {file.name for file in draw(results, Path(directory))}
        self.assertEqual(drawn, {file.name for file in (DOCS / "benchmarks").iterdir()})
        text = (DOCS / "benchmarks.rst").read_text()
        for name in drawn:
            self.assertIn(f".. image:: benchmarks/{name}\n", text)

    def test_kept(self) -> None:
        """
        What is saved is what is loaded.
        """
        made = Results(
            {"Python": "3"},
            (Comparison("layer", "one key", "µs", [{"a": 1.5, "b": 2.0}], 3),),
        )
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "numbers.json"
            save(made, file)
            self.assertEqual(load(file), made)

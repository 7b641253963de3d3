# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Conch's own tests pass with our class in the place of Conch's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from twisted.trial.unittest import SynchronousTestCase

from tests.conch_suite import (
    BROKEN,
    MODULES,
    OURS,
    PLAIN,
    QUICK_TO_FAIL,
    Outcome,
    regressions,
    run,
)


class ConchSuiteTests(SynchronousTestCase):
    """
    L{tests.conch_suite}.
    """

    def test_no_regression(self) -> None:
        """
        No test of Conch's that passes with its own class fails, or is left
        out, with ours.
        """
        with ThreadPoolExecutor() as both:
            plain, ours = both.map(run, (PLAIN, OURS))
        self.assertEqual(plain.client, "twisted.conch.ssh.userauth.SSHUserAuthClient")
        self.assertEqual(ours.client, OURS)
        for module in MODULES:
            self.assertTrue(plain.of(module) & plain.passed, f"{module} did not run")
        self.assertEqual(regressions(ours, plain), [])

    def test_substitution_bites(self) -> None:
        """
        With a class in place that cannot work, tests fail: in memory, over the
        network, and in the processes of Conch's command line.
        """
        broken = run(BROKEN, QUICK_TO_FAIL)
        failed = set(broken.failed)
        for module in QUICK_TO_FAIL:
            self.assertTrue(broken.of(module) & failed, f"{module} did not notice")
        self.assertIn(
            "twisted.conch.test.test_conch.CmdLineClientTests.test_exec", failed
        )

    def test_regressions(self) -> None:
        """
        A test that fails, or is skipped, or is gone is a regression where it
        passes otherwise; one that never passed is none.
        """
        plain = Outcome(
            {"a": "success", "b": "success", "c": "success", "d": "error"}, ""
        )
        ours = Outcome({"a": "success", "b": "failure", "d": "error"}, "")
        self.assertEqual(regressions(ours, plain), ["b", "c"])

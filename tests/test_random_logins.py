"""
Logins and agents played at random: see L{tests.random_logins} and
L{tests.random_agent}.

The run of every day takes the same examples each time.  A longer one takes new
ones, as many as the variable says::

    CONCH_AUTH_EXAMPLES=2000 trial tests.test_random_logins
"""

from __future__ import annotations

import gc
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.random_agent import RandomAgents
from tests.random_logins import RandomLogins
from tests.random_owner import PlannedFailure

EXAMPLES = "CONCH_AUTH_EXAMPLES"


def bounded(examples: int, steps: int) -> Any:
    """
    The settings of a run: of every day, or as long as the environment says.
    """
    longer = int(os.environ.get(EXAMPLES, "0"))
    return settings(
        max_examples=longer or examples,
        stateful_step_count=4 * steps if longer else steps,
        derandomize=not longer,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


class RandomLoginTests(SynchronousTestCase):
    def tearDown(self) -> None:
        # What an owner does badly in a hook is logged.
        gc.collect()
        self.flushLoggedErrors(PlannedFailure)

    def test_logins(self) -> None:
        """
        Whatever server, owner and clock do, what must hold holds.
        """
        run_state_machine_as_test(RandomLogins, settings=bounded(120, 30))

    def test_agents(self) -> None:
        """
        Nor does an agent, whatever it is asked and says.
        """
        run_state_machine_as_test(RandomAgents, settings=bounded(60, 40))

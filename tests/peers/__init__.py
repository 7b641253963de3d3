"""
Real servers for the tests: OpenSSH's sshd and AsyncSSH.

A machine that cannot run one of them skips the tests that want it, and says
why.  Where C{CI} or C{CONCH_AUTH_REQUIRE_PEERS} is set, they fail instead.
"""

from __future__ import annotations

import os
from typing import NoReturn

from twisted.trial.unittest import FailTest, SkipTest

_REQUIRED_IF = ("CI", "CONCH_AUTH_REQUIRE_PEERS")


def missing(reason: str) -> NoReturn:
    """
    A peer cannot be run here.

    @param reason: what is missing, in words.
    @raise SkipTest: on a machine that need not have it.
    @raise FailTest: on one that must.
    """
    if any(os.environ.get(name) for name in _REQUIRED_IF):
        raise FailTest(f"a peer is required and cannot be run: {reason}")
    raise SkipTest(reason)

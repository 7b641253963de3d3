"""
Conch's own tests of its client, with another class in the place of its
C{SSHUserAuthClient}::

    python -m tests.conch_suite            # with the class of conch_auth
    python -m tests.conch_suite --plain    # with Conch's own
    python -m tests.conch_suite --broken   # with one that cannot log in

Twisted is not edited: the tests run in a process of their own, where the class
is put in place before anything else is imported, and in the processes which
those tests start.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULES = (
    "test_userauth",
    "test_endpoints",
    "test_default",
    "test_ssh",
    "test_conch",
    "test_recvline",
)
#: The modules that notice a client which cannot log in without waiting for it.
QUICK_TO_FAIL = ("test_userauth", "test_endpoints", "test_default", "test_conch")
OURS = "conch_auth.userauth.SSHUserAuthClient"
BROKEN = "tests.broken_client.BrokenClient"
PLAIN = ""

_CLIENT = "CONCH_SUITE_CLIENT"
_TIMEOUT = 300.0
_TEST_TIMEOUT = 30.0
_ROOT = Path(__file__).parent.parent

# Python imports a module of this name before anything else.
_SITE = """\
from tests.conch_suite import substitute

substitute()
"""


@dataclass(frozen=True)
class Outcome:
    """
    What came of a run.

    @ivar tests: what came of each test: C{"success"}, C{"skip"}, C{"todo"},
        C{"failure"} or C{"error"}.
    @ivar client: the class that the tests found in place.
    """

    tests: dict[str, str]
    client: str

    @property
    def failed(self) -> list[str]:
        """
        The tests that did not pass, sorted.
        """
        failed = ("failure", "error")
        return sorted(name for name, how in self.tests.items() if how in failed)

    @property
    def passed(self) -> set[str]:
        """
        The tests that passed.
        """
        return {name for name, how in self.tests.items() if how == "success"}

    def of(self, module: str) -> set[str]:
        """
        The tests of one of L{MODULES}.
        """
        return {name for name in self.tests if name.startswith(_full_name(module))}

    def __str__(self) -> str:
        counted = Counter(self.tests.values())
        told = ", ".join(f"{number} {how}" for how, number in sorted(counted.items()))
        return "\n".join([f"{self.client}: {told}", *map("  {}".format, self.failed)])


def run(client: str, modules: Sequence[str] = MODULES) -> Outcome:
    """
    Run the tests in a process of their own.

    @param client: the full name of a class, or L{PLAIN}.
    """
    with tempfile.TemporaryDirectory(prefix="conch-suite-") as name:
        directory = Path(name)
        (directory / "site").mkdir()
        (directory / "site/sitecustomize.py").write_text(_SITE)
        outcome = directory / "outcome.json"
        said = _spawn(client, modules, directory, outcome)
        if not outcome.exists():
            raise RuntimeError(f"Conch's tests did not run:\n{said}")
        return Outcome(**json.loads(outcome.read_text()))


def _spawn(
    client: str, modules: Sequence[str], directory: Path, outcome: Path
) -> str:
    """
    @return: what the process has written on its standard error.
    """
    path = [str(directory / "site"), str(_ROOT), os.environ.get("PYTHONPATH")]
    environment = {
        **os.environ,
        _CLIENT: client,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }
    command = "from tests.conch_suite import child; child()"
    return subprocess.run(
        [sys.executable, "-c", command, str(outcome), *modules],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=_TIMEOUT,
    ).stderr


def substitute() -> None:
    """
    Put the class that the environment names in the place of Conch's.
    """
    client = os.environ.get(_CLIENT)
    if client:
        from twisted.conch.ssh import userauth
        from twisted.python.reflect import namedAny

        userauth.SSHUserAuthClient = namedAny(client)  # type: ignore[misc]


def child() -> None:
    """
    Run tests in this process.  The command line names the file into which the
    L{Outcome} is written as JSON, and the modules.
    """
    _take_a_terminal()
    from twisted.conch.ssh import userauth
    from twisted.python.reflect import qual
    from twisted.trial import util
    from twisted.trial.reporter import Reporter
    from twisted.trial.runner import TestLoader, TrialRunner

    util.DEFAULT_TIMEOUT_DURATION = _TEST_TIMEOUT
    outcome, *modules = sys.argv[1:]
    tests: dict[str, str] = {}

    class Recording(Reporter):
        def addSuccess(self, test: Any) -> None:
            # A test that failed in its cleanup is reported again.
            tests.setdefault(test.id(), "success")

        def addSkip(self, test: Any, reason: Any) -> None:
            tests[test.id()] = "skip"

        def addExpectedFailure(self, test: Any, *args: Any) -> None:
            tests[test.id()] = "todo"

        addUnexpectedSuccess = addExpectedFailure

        def addFailure(self, test: Any, failure: Any) -> None:
            tests[test.id()] = "failure"

        def addError(self, test: Any, error: Any) -> None:
            tests[test.id()] = "error"

    with open(os.devnull, "w") as nowhere:
        runner = TrialRunner(Recording, stream=nowhere)
        runner.run(TestLoader().loadByNames([_full_name(name) for name in modules]))
    found = {"tests": tests, "client": qual(userauth.SSHUserAuthClient)}
    Path(outcome).write_text(json.dumps(found))


def _full_name(module: str) -> str:
    return f"twisted.conch.test.{module}"


def _take_a_terminal() -> None:
    """
    Have a terminal, which some of the tests want.  What is written to it is
    thrown away.
    """
    process, terminal = pty.fork()
    if process:
        with suppress(OSError):
            while os.read(terminal, 4096):
                pass
        os._exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


def regressions(ours: Outcome, plain: Outcome) -> list[str]:
    """
    The tests that pass with Conch's own class and not with another one.
    """
    return sorted(plain.passed - ours.passed)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.conch_suite")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--plain", dest="client", action="store_const", const=PLAIN)
    which.add_argument("--broken", dest="client", action="store_const", const=BROKEN)
    client = parser.parse_args(arguments).client
    if client == BROKEN:
        outcome = run(BROKEN, QUICK_TO_FAIL)
    else:
        outcome = run(OURS if client is None else client)
    print(outcome)
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())

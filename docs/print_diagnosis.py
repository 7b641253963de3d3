"""
Makes a login fail for each cause, and prints C{diagnosis.rst}::

    python docs/print_diagnosis.py > docs/diagnosis.rst

It takes what the tests take: root, OpenSSH's sshd and agent, AsyncSSH and MIT's
KDC.
"""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
from collections.abc import Mapping

from twisted.trial.reporter import TestResult

from conch_auth.diagnosis import CAUSES, Cause
from tests.causes import PROVOKERS, Provoke
from tests.test_causes import ProvokedTests, test_name

_INTRODUCTION = """\
Why a login fails
=================

An error of `conch_auth.endpoints.connect`, and the report of every login, say why
there is no login, as values:

.. code-block:: python

    from twisted.internet.task import react

    from conch_auth import connect
    from conch_auth.display import wrapped
    from conch_auth.errors import LoginError
    from conch_auth.loopback import LoopbackServer


    async def main(reactor):
        server = await LoopbackServer().listen(reactor)
        server.add_user("alice", password="wonderland")
        try:
            await connect(**server.options, username="alice", password="looking-glass")
        except LoginError as error:
            for diagnosis in error.diagnosis():
                print(f"[{diagnosis.cause}]")
                print(diagnosis.problem)
                print(wrapped(diagnosis.advice))


    react(main)

prints::

    [password-refused]
    The server refused the password.
    Check the password, and the user name alice. An account that may not log in
      looks the same from here.

Each is a `conch_auth.diagnosis.Diagnosis`, made of the facts in the report and of
nothing else. The first is the one that matters most, and its ``cause`` is that of the
error and of the report as well. What did no harm is not among them, and what was not
given is only where nothing was. ``conch-auth explain`` prints the same.

The causes are a closed list, `conch_auth.diagnosis.CAUSES`, which is all that is below:
for each, what it means, what to do, and a login that failed so. These are real: the
page is printed from a run against OpenSSH's sshd, ssh-agent and ssh-keysign, AsyncSSH's
server and MIT's KDC by ``docs/print_diagnosis.py``, and ``tests/test_causes.py`` makes
the same logins and fails where one of them says anything else. Fingerprints, times and
ports are made alike, and a long list of algorithms is cut.

"""


class Printing(ProvokedTests):
    """
    Keeps what is said, rather than holding it against the page.
    """

    said: dict[Cause, str] = {}

    def check(self, cause: Cause, said: str) -> None:
        self.said[cause] = said


def section(cause: Cause, provoke: Provoke, said: str) -> str:
    """
    The paragraph of one cause.
    """
    told = "\n".join(f"    {line}" for line in said.splitlines())
    return (
        f".. _{cause}:\n\n{cause}\n{'~' * len(cause)}\n\n"
        f"{inspect.getdoc(provoke)}\n\n::\n\n{told}\n"
    )


def page(said: Mapping[Cause, str]) -> str:
    """
    The page in reStructuredText.
    """
    parts = [_INTRODUCTION]
    for heading, provokers in PROVOKERS.items():
        parts.append(f"{heading}\n{'-' * len(heading)}\n\n")
        parts += [f"{section(c, p, said[c])}\n" for c, p in provokers.items()]
    return "".join(parts).rstrip("\n") + "\n"


def main() -> int:
    result = TestResult()  # type: ignore[no-untyped-call]
    for cause in CAUSES:
        Printing(test_name(cause)).run(result)
    for case, problem in [*result.failures, *result.errors, *result.skips]:
        print(f"{case}: {problem}", file=sys.stderr)
    if len(Printing.said) < len(CAUSES):
        return 1
    print(page(Printing.said), end="")
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        sys.exit(main())

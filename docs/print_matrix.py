"""
Logs in to every server by every method, and prints C{methods-matrix.rst}::

    python docs/print_matrix.py > docs/methods-matrix.rst

It takes what the tests take: root, OpenSSH's sshd, AsyncSSH and MIT's KDC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.trial.unittest import SynchronousTestCase

from tests.matrix import PEERS, Chains, Row

_INTRODUCTION = """\
The methods, and who was logged in to by them
=============================================

Each row is a login by ``conch_auth.connect`` that succeeded.  The page is printed
from a run by ``docs/print_matrix.py``; ``tests/test_matrix.py`` makes the same
logins and fails where one of them differs.  A round trip is a message that the
client waits for an answer to; the first asks for the list of methods.

Not in the table, because the server has no such thing: sshd never asks for a new
password in the method ``password`` (PAM does in ``keyboard-interactive``), and
Conch's own server has the methods ``publickey`` and ``password`` only.
``gssapi-keyex`` takes a key exchange of its own, which Conch's transport has not;
a report says so where a server lists it.

"""
_CHAINS = """
Logins of several steps
-----------------------

These are all chains of two and of three different methods, and two keys one after
the other, as sshd's ``AuthenticationMethods`` wants them.

"""
_HEADINGS = Row("method", "server", "what it accepted", "round trips")
_CHAIN_HEADINGS = _HEADINGS._replace(what="AuthenticationMethods")


def entry(row: Row) -> str:
    """
    One row of a table.
    """
    first, *others = row
    return "\n".join([f"   * - {first}", *(f"     - {cell}" for cell in others), ""])


def _table(headings: Row, rows: Sequence[Row]) -> str:
    head = ".. list-table::\n   :header-rows: 1\n\n"
    return head + "".join(map(entry, [headings, *rows]))


def page(methods: Sequence[Row], chains: Sequence[Row]) -> str:
    """
    The page in reStructuredText.
    """
    # By method; the servers of each stay in their order.
    order = list(dict.fromkeys(row.what for row in methods))
    by_method = sorted(methods, key=lambda row: order.index(row.what))
    return (
        _INTRODUCTION
        + _table(_HEADINGS, by_method)
        + _CHAINS
        + _table(_CHAIN_HEADINGS, chains)
    )


async def _print(reactor: Any) -> None:
    case = SynchronousTestCase()
    methods = [row for kind in PEERS for row in await kind(reactor).rows(case)]
    chains = await Chains(reactor).rows(case)
    print(page(methods, chains), end="")


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(_print(reactor)))

"""
The page C{docs/benchmarks.rst}, from what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.benchmarks import tables
from tests.benchmarks.aims import aims
from tests.benchmarks.parts import growth, layer, logins, memory, round_trips, start
from tests.benchmarks.results import Results

_HEAD = """\
What a login costs
==================

The same logins by this package, by Twisted Conch, AsyncSSH and Paramiko, and by
OpenSSH's ``ssh`` where a process can be compared with a library. This page and its
pictures are written by one command, as root, with the extras ``test`` and ``bench``::

    python -m tests.benchmarks --docs

The numbers are in ``docs/benchmarks.json``, round by round. They are those of one
machine; what can be taken elsewhere are the ratios and the counts.

``connect`` is `conch_auth.endpoints.connect`; ``drop-in`` is
`conch_auth.userauth.SSHUserAuthClient` in place of Conch's class, on Conch's transport,
with all else as in the client called ``Conch``.

"""
_METHOD = """\
How it is measured
------------------

Each client has a process of its own, which is told what to do. They take turns: every
client, and then every client again, so that what else the machine does meets all of
them. A ratio is taken within a round; what is printed is the median of these, and in
brackets between what half of them lie. Processor time is that of the client's process,
the system's on its behalf included; servers run elsewhere. Warnings and errors are
logged, and nothing below them, as Python's ``logging`` has it where nothing else was
said.

All have keys of Ed25519 that were loaded before, and agree with the server on
``curve25519-sha256``, a host key of Ed25519, ``aes256-ctr``, ``hmac-sha2-512`` and no
compression. All check the host key against the one that is known, and close the
connection. Each is used as its documentation says: a subclass of Conch's
``SSHUserAuthClient`` on its ``SSHClientTransport``; ``asyncssh.connect`` with options
made once; ``paramiko.Transport``, on which ``SSHClient`` rests, with a thread for each
login at a time; ``ssh -N``, a new process each time, whose cost has its start in it.

What differs: Conch and ``connect`` prefer these algorithms by themselves, and offer
what else they have; the others are told to offer nothing else. ``connect`` keeps a
report of the login, asks its server and its owner with time limits, and alone remembers
which key worked. AsyncSSH sends an IGNORE before every packet. Paramiko never asks
whether a key would do: it signs with each.

"""
_TRIPS = """\
Round trips
-----------

Counted on the wire, after NEWKEYS, by a network between client and sshd that adds the
same time each way: the client sends, and bytes come back that can be an answer.
``tests/benchmarks/network.py`` says how. The right one of ten keys is the sixth, which
is as far as sshd lets a client try.

"""
_TIME = """\
Time until logged in
--------------------

Milliseconds from the call to the end of the login, with so many added each way. sshd
starts a process for each connection, and takes some milliseconds for each request,
whatever it answers: that is what there is without a network. The TCP handshake is not
delayed. The numbers of ``connect`` are its own; the others are ratios to it.

"""
_LAYER = """\
The service alone
-----------------

Processor time of the ``ssh-userauth`` service for one login by key, with a transport
that only keeps what it is given: no socket, no cipher. ``ordinary`` and ``eager`` are
`conch_auth.userauth.SSHUserAuthClient`, ``eager`` without questions beforehand;
``signature`` is the bare signature by ``cryptography``, which each of the others has in
it.

"""
_LOGINS = """\
Whole logins
------------

Connecting, key exchange, login by one key, closing. More than 1 in the first column
means that ``connect`` makes so many times as many logins in a second of processor time.

"""
_MEMORY = """\
Memory
------

By how much a process grows for each connection that is kept, and for each login that
waits for a person's password.

"""
_GROWTH = """\
Growth
------

Milliseconds of processor time a login for ``connect``, and how many times that for the
others: with more keys, of which the last is right; with more rounds of
keyboard-interactive; with more banners; with more logins at a time. Paramiko, which has
two threads for each, is left out beyond {most} at a time.

"""
_START = """\
Start
-----

A new process that imports what a client uses, and does nothing with it.

"""


def _picture(name: str, words: str) -> str:
    return f".. image:: benchmarks/{name}.svg\n   :alt: {words}\n\n"


def _aims(results: Results) -> Iterator[str]:
    told = list(aims(results))
    reached = sum(aim.reached for aim in told)
    yield "What was aimed at\n-----------------\n\n"
    yield f"Of {len(told)} aims, {reached} were reached.\n\n"
    yield tables.table(
        ("aim", "wanted", "measured", "reached"),
        (
            (aim.what, aim.wanted, aim.measured, "yes" if aim.reached else "**no**")
            for aim in told
        ),
    )


def _about(results: Results) -> Iterator[str]:
    yield "The machine\n-----------\n\n"
    yield "Each part can have a run of its own; the date is that of the last.\n\n"
    yield tables.table(("", ""), results.about.items())


def _trips(results: Results) -> Iterator[str]:
    found = results.of(round_trips.PART, unit=round_trips.TRIPS)
    yield _TRIPS
    yield tables.by_case([e for e in found if e.size == found[0].size], "login")
    yield _picture("round-trips", "Round trips after NEWKEYS of each client")
    yield _TIME
    for what in dict.fromkeys(each.what for each in found):
        times = results.of(round_trips.PART, what, round_trips.TIME)
        yield f"{what.capitalize()}:\n\n"
        yield tables.by_size(times, "ms each way", "connect")
    yield _picture("time", "Time until logged in, by what the network adds")


def _layer(results: Results) -> Iterator[str]:
    yield _LAYER
    for comparison in results.of(layer.PART):
        yield tables.table(
            ("course", "to Conch's", layer.UNIT), tables.ratios(comparison, "Conch")
        )
    yield _picture("layer", "Processor time of the service alone")


def _logins(results: Results) -> Iterator[str]:
    yield _LOGINS
    for comparison in results.of(logins.PART):
        yield f"{comparison.what}, {comparison.unit}:\n\n"
        yield tables.table(
            ("client", "to connect's", comparison.unit),
            tables.ratios(comparison, "connect"),
        )
    yield _picture("logins", "Processor time of whole logins")


def _memory(results: Results) -> Iterator[str]:
    yield _MEMORY
    for comparison in results.of(memory.PART):
        yield f"{comparison.what.capitalize()}:\n\n"
        yield tables.table(
            ("client", "to Conch's", memory.UNIT), tables.ratios(comparison, "Conch")
        )
    yield _picture("memory", "Memory of each connection")


def _growth(results: Results) -> Iterator[str]:
    yield _GROWTH.format(most=growth.MOST_THREADED)
    for what in dict.fromkeys(each.what for each in results.of(growth.PART)):
        yield tables.by_size(results.of(growth.PART, what), what, "connect")
    yield _picture("growth", "Processor time by keys, rounds, banners and logins")


def _start(results: Results) -> Iterator[str]:
    yield _START
    for comparison in results.of(start.PART):
        yield tables.table(
            ("process", "to connect's", comparison.unit),
            tables.ratios(comparison, "connect"),
        )


_SECTIONS: dict[str, Callable[[Results], Iterator[str]]] = {
    round_trips.PART: _trips,
    layer.PART: _layer,
    logins.PART: _logins,
    memory.PART: _memory,
    growth.PART: _growth,
    start.PART: _start,
}


def page(results: Results) -> str:
    """
    The page in reStructuredText, with a section for each part that was measured.
    """
    told = [_HEAD, *_aims(results), _METHOD]
    for part, section in _SECTIONS.items():
        if results.of(part):
            told += section(results)
    told += _about(results)
    return "".join(told).rstrip() + "\n"

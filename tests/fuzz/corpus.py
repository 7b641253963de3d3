"""
The inputs that are kept of each target: one text file a target, one input a
line, its name and then its bytes as Python writes them.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import coverage

ROOT = Path(__file__).with_name("corpus")
#: What a long run finds is kept where it is no longer than this.
MOST_KEPT_BYTES = 512


def read(target: str) -> dict[str, bytes]:
    """
    The inputs of a target, by name.
    """
    found: dict[str, bytes] = {}
    path = ROOT / f"{target}.txt"
    for line in path.read_text("ascii").splitlines() if path.exists() else ():
        if line and not line.startswith("#"):
            name, _, written = line.partition(" ")
            assert name not in found, f"{target} has two inputs named {name}"
            found[name] = ast.literal_eval(written)
    return found


def line(name: str, data: bytes) -> str:
    return f"{name} {data!a}\n"


def add(target: str, inputs: Iterable[bytes]) -> int:
    """
    Append inputs under names made of what they hold.

    @return: how many were new.
    """
    known = set(read(target).values())
    new = [data for data in inputs if data not in known]
    with open(ROOT / f"{target}.txt", "a", encoding="ascii") as file:
        for data in new:
            name = hashlib.sha256(data).hexdigest()[:12]
            file.write(line(f"found-{name}", data))
    return len(new)


def worth_keeping(
    function: Callable[[bytes], None], kept: Iterable[bytes], found: Iterable[bytes]
) -> list[bytes]:
    """
    Those of C{found}, the shortest first, that reach a branch of the package
    which neither C{kept} nor those before reach.
    """
    measured = coverage.Coverage(data_file=None, branch=True, source=["conch_auth"])
    # Those that are imported before are measured all the same.
    measured.set_option("run:disable_warnings", ["module-not-measured"])
    worth: list[bytes] = []
    with measured.collect():
        for data in kept:
            function(data)
    reached = _branches(measured)
    for data in sorted(found, key=len):
        if len(data) > MOST_KEPT_BYTES:
            break
        with measured.collect():
            function(data)
        now = _branches(measured)
        if now > reached:
            worth.append(data)
        reached = now
    return worth


def _branches(measured: coverage.Coverage) -> int:
    data = measured.get_data()
    return sum(len(data.arcs(file) or ()) for file in data.measured_files())

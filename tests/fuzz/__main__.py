"""
Runs the targets under atheris, each in a process of its own, from the corpus.

    python -m tests.fuzz [--seconds N] [--keep] [--jobs N] [TARGET ...]

The exit status is 1 where a target has failed; the input is then printed as a
line for its corpus.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import atheris

# It names each module that it instruments.
with (
    contextlib.redirect_stderr(io.StringIO()),
    atheris.instrument_imports(include=["conch_auth"]),
):
    from tests.fuzz.targets import TARGETS

from tests.fuzz import corpus

#: An input that takes longer, in seconds, or more memory, in MiB, is a finding.
_TIMEOUT, _MEMORY = 20, 1024
_MOST_BYTES = 4096
_STATUS = re.compile(rb"cov: (\d+) ft: (\d+)")
_EXECUTED = re.compile(rb"stat::number_of_executed_units: +(\d+)")


class Run(NamedTuple):
    """
    One target that runs or has run.

    @ivar place: a directory with what it was given, what it found and said.
    """

    target: str
    process: int
    place: Path

    @property
    def said(self) -> bytes:
        return (self.place / "said").read_bytes()

    @property
    def found(self) -> list[bytes]:
        """
        The inputs that led further than the corpus.
        """
        return [path.read_bytes() for path in (self.place / "found").iterdir()]

    @property
    def failed(self) -> list[bytes]:
        """
        The inputs that broke a promise.
        """
        return [path.read_bytes() for path in self.place.glob("failed-*")]


def start(target: str, seconds: int, place: Path) -> Run:
    """
    Run a target in a child process.
    """
    for directory in ("given", "found"):
        (place / directory).mkdir(parents=True)
    for name, data in corpus.read(target).items():
        (place / "given" / name).write_bytes(data)
    process = os.fork()
    if process == 0:
        try:
            _fuzz(TARGETS[target], seconds, place)
        finally:
            # What the parent has yet to do at its end is not the child's.
            os._exit(1)
    return Run(target, process, place)


def _fuzz(function: Callable[[bytes], None], seconds: int, place: Path) -> None:
    said = os.open(place / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    atheris.Setup(
        [
            "fuzz",
            str(place / "found"),
            str(place / "given"),
            f"-max_total_time={seconds}",
            f"-timeout={_TIMEOUT}",
            f"-rss_limit_mb={_MEMORY}",
            f"-max_len={_MOST_BYTES}",
            f"-artifact_prefix={place}/failed-",
            "-print_final_stats=1",
        ],
        lambda data: _noting_failure(function, data, place),
    )
    atheris.Fuzz()


def _noting_failure(
    function: Callable[[bytes], None], data: bytes, place: Path
) -> None:
    try:
        function(data)
    except BaseException:
        (place / "failed-here").write_bytes(data)
        raise


def finish(run: Run, keep: bool) -> bool:
    """
    Wait for a run and say what came of it.

    @return: whether the target held.
    """
    _, status = os.waitpid(run.process, 0)
    executed = _EXECUTED.findall(run.said) or [b"?"]
    covered, features = (_STATUS.findall(run.said) or [(b"?", b"?")])[-1]
    print(
        f"{run.target}: {executed[-1].decode()} inputs, "
        f"{covered.decode()} places and {features.decode()} features reached, "
        f"{len(run.found)} inputs new",
        flush=True,
    )
    if status:
        said = run.said.decode("utf-8", "replace").splitlines()
        print(*[line for line in said if not line.startswith("#")], sep="\n")
    for data in run.failed:
        print(f"tests/fuzz/corpus/{run.target}.txt has no such line yet:")
        sys.stdout.write(corpus.line("NAME", data))
    if keep and not status:
        known = corpus.read(run.target).values()
        worth = corpus.worth_keeping(TARGETS[run.target], known, run.found)
        print(f"{run.target}: {corpus.add(run.target, worth)} inputs kept")
    return status == 0


def main() -> int:
    """
    @return: the exit status.
    """
    parser = argparse.ArgumentParser("python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=3, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument(
        "--keep", action="store_true", help="add what leads further to the corpus"
    )
    parser.add_argument("target", nargs="*", help=", ".join(TARGETS))
    options = parser.parse_args()
    left = list(options.target or TARGETS)
    held, running = True, []
    with tempfile.TemporaryDirectory() as place:
        while left or running:
            while left and len(running) < options.jobs:
                target = left.pop(0)
                running.append(start(target, options.seconds, Path(place, target)))
            held &= finish(running.pop(0), options.keep)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Takes guards out of the code, one at a time, and says which no test misses.

In the source tree::

    python -m tests.mutation > survivors          # every file of FILES, an hour
    python -m tests.mutation _states agent        # these only
    python -m tests.mutation --again survivors --seconds 60

A guard is a condition, an operand of one, a comparison, a C{raise}, a C{return}
or a call that stands by itself, an C{except}, or what makes foreign text fit to be
shown.  Each mutant is run by the tests that pass through its line until one fails:
those of the test files that are most about its module first, the quick ones before
the slow ones, and as many as take C{--seconds} without a mutation.  Tests that need
a server, an agent or a program of this machine's have no part in it.

C{docs/mutation.rst} says of each survivor why it may survive.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import importlib
import importlib.util
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

from tests.mutants import Mutant, mutants

ROOT = Path(__file__).parent.parent
PACKAGE = "conch_auth"
#: The files whose guards are tried.
FILES = (
    *("userauth", "_packets", "_login", "_conversation", "_asking", "_proof"),
    *("_states", "_deadlines"),
    *("_message", "messages", "_gss_messages", "_wire", "display"),
    *("methods._base", "methods.publickey", "methods.password"),
    *("methods.keyboard_interactive", "methods.gssapi", "methods.hostbased"),
    *("transport", "_ending", "_orderly", "_kex", "_extensions", "_question"),
    *("knownhosts", "_knownhosts_lines", "_knownhosts_file", "_verdicts"),
    *("_policies", "agent", "_agent_connection", "_agent_exchange"),
    "_agent_messages",
)
#: Tests that are quick and need nothing but this process.
_SLOW = (
    *("tests.peers", "cli_process", "page_case", "random_logins", "benchmarks"),
    *("atheris", "tests.load", "tests.fuzz", "conch_suite", "diagram", "gc.collect"),
)


def path_of(module: str) -> Path:
    return ROOT / PACKAGE / f"{module.replace('.', '/')}.py"


def mutated(module: str, number: int) -> tuple[Mutant, ast.AST]:
    """
    One mutant of a module, and its tree.
    """
    tree = ast.parse(path_of(module).read_text("utf-8"))
    for index, mutant in enumerate(mutants(tree)):
        if index == number:
            mutant.apply()
            return mutant, ast.fix_missing_locations(tree)
    raise IndexError(number)


class _Loader(SourceFileLoader):
    """
    Loads a module from a tree.
    """

    def __init__(self, name: str, path: str, tree: ast.AST) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> Any:
        return compile(self._tree, self.path, "exec")  # type: ignore[arg-type]


class _Finder:
    """
    Finds the one module that is mutated.
    """

    def __init__(self, name: str, path: str, tree: ast.AST) -> None:
        self._name, self._path, self._tree = name, path, tree

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        loader = _Loader(name, self._path, self._tree)
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


# The tests of each line.


def quick_modules() -> list[str]:
    found = []
    for file in sorted((ROOT / "tests").glob("test_*.py")):
        if not any(word in file.read_text("utf-8") for word in _SLOW):
            found.append(f"tests.{file.stem}")
    return found


def _cases(suite: Any) -> Iterator[Any]:
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from _cases(part)
        else:
            yield part


def write_map(file: Path) -> None:
    """
    Run every quick test once, and write which lines each one passes through, and
    how long it takes.  A test that fails is left out.
    """
    import coverage

    measured = coverage.Coverage(
        data_file=None, config_file=False, source=[str(ROOT / PACKAGE)]
    )
    measured.start()
    seconds: dict[str, float] = {}
    for module in quick_modules():
        for case in _cases(unittest.defaultTestLoader.loadTestsFromName(module)):
            measured.switch_context(case.id())
            began = time.monotonic()
            result = unittest.TestResult()
            case.run(result)
            if result.wasSuccessful() and not result.skipped:
                seconds[case.id()] = time.monotonic() - began
    measured.stop()
    data = measured.get_data()
    lines = {module: data.contexts_by_lineno(str(path_of(module))) for module in FILES}
    loaded = [name for name in sys.modules if _may_be_shared(name)]
    file.write_text(json.dumps({"s": seconds, "lines": lines, "loaded": loaded}))


def _may_be_shared(name: str) -> bool:
    ours = name.split(".")[0] in (PACKAGE, "tests", "__main__", "coverage")
    return not ours and name != "twisted.internet.reactor"


def _file(test: str) -> str:
    return ".".join(test.split(".")[:2])


class Map:
    """
    What L{write_map} has written.

    @ivar budget: the seconds of tests, as they took unmutated, that a mutant is
        run by at most.
    """

    def __init__(self, file: Path, budget: float) -> None:
        self.budget = budget
        held = json.loads(file.read_text())
        self._seconds: dict[str, float] = held["s"]
        self._lines: dict[str, dict[str, list[str]]] = held["lines"]
        self.loaded: list[str] = held["loaded"]

    def tests(self, module: str, line: int) -> list[str]:
        """
        The tests of a line, the quickest first; of one that runs only when the
        module is imported, those of the whole module.
        """
        lines = self._lines[module]
        of_line = lines.get(str(line), [])
        found = {test for test in of_line if test in self._seconds}
        if not found:
            of_module = (test for tests in lines.values() for test in tests)
            found = {test for test in of_module if test in self._seconds}
        mostly = self._mostly(module)
        return self._within_budget(
            sorted(
                found, key=lambda test: (_file(test) not in mostly, self._seconds[test])
            )
        )

    @functools.cache  # noqa: B019 - there is one map
    def _mostly(self, module: str) -> set[str]:
        """
        The test files that have most to do with a module.
        """
        tests = {test for of_line in self._lines[module].values() for test in of_line}
        files = Counter(_file(test) for test in tests)
        return {file for file, _ in files.most_common(4)}

    def _within_budget(self, tests: list[str]) -> list[str]:
        taken, spent = [], 0.0
        for test in tests:
            spent += self._seconds[test]
            if spent > self.budget and taken:
                break
            taken.append(test)
        return taken


# One mutant.


def _functions(code: types.CodeType) -> Iterator[types.CodeType]:
    """
    The functions and methods of a module, not those within them.
    """
    for held in code.co_consts:
        if isinstance(held, types.CodeType):
            # A class body has none of the flags that a function has.
            if held.co_flags & inspect.CO_NEWLOCALS:
                yield held
            else:
                yield from _functions(held)


def _changed(module: str, tree: ast.AST) -> list[tuple[types.CodeType, types.CodeType]]:
    """
    Each function that a mutant changes, as it is and as it is to be; none where
    it changes what runs when the module is imported.
    """
    path = path_of(module)
    was = compile(path.read_text("utf-8"), str(path), "exec")
    is_now = compile(tree, str(path), "exec")  # type: ignore[arg-type]
    pairs = zip(_functions(was), _functions(is_now), strict=True)
    return [(old, new) for old, new in pairs if old != new]


@functools.cache
def _live() -> list[types.FunctionType]:
    """
    The functions of the package that have been made.
    """
    of_package = str(ROOT / PACKAGE)
    return [
        held
        for held in gc.get_objects()
        if isinstance(held, types.FunctionType)
        and held.__code__.co_filename.startswith(of_package)
    ]


def _patch(changed: list[tuple[types.CodeType, types.CodeType]]) -> None:
    for old, new in changed:
        found = [function for function in _live() if function.__code__ == old]
        assert found, old
        for function in found:
            function.__code__ = new


def run(module: str, tree: ast.AST, tests: list[str]) -> None:
    """
    In a process of its own, run tests with a mutant; the exit status says whether
    all of them passed.
    """
    status = 1
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        os.chdir(tempfile.mkdtemp(prefix="mutant-", dir=os.environ["MUTATION_PLACE"]))
        name = f"{PACKAGE}.{module}"
        if name in sys.modules:
            _patch(_changed(module, tree))
        else:
            finder: Any = _Finder(name, str(path_of(module)), tree)
            sys.meta_path.insert(0, finder)
        status = 0 if all(map(_passes, tests)) else 1
    finally:
        os._exit(status)


def _passes(test: str) -> bool:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromName(test).run(result)
    return result.wasSuccessful()


def fails(module: str, tree: ast.AST, tests: list[str], limit: float) -> bool:
    """
    Whether one of the tests fails with a mutant, or does not come to its end.
    """
    child = os.fork()
    if child == 0:
        run(module, tree, tests)
    latest = time.monotonic() + limit
    while time.monotonic() < latest:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status != 0
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


class Warm:
    """
    A process that has imported every test, and the package with them, and makes a
    copy of itself for each mutant.  What runs when a module is imported cannot be
    changed there.
    """

    def __init__(self) -> None:
        asks, self._ask = os.pipe()
        self._answer, answers = os.pipe()
        if os.fork() == 0:
            os.close(self._ask)
            self._serve(os.fdopen(asks), answers)
        os.close(asks)
        os.close(answers)

    def fails(self, module: str, number: int, tests: list[str], limit: float) -> bool:
        asked = json.dumps([module, number, tests, limit])
        os.write(self._ask, f"{asked}\n".encode())
        return os.read(self._answer, 1) == b"1"

    def _serve(self, asks: Iterable[str], answers: int) -> None:
        try:
            for module in quick_modules():
                importlib.import_module(module)
            _live()
            gc.freeze()
            for line in asks:
                module, number, tests, limit = json.loads(line)
                _, tree = mutated(module, number)
                failed = fails(module, tree, tests, limit)
                os.write(answers, b"1" if failed else b"0")
        finally:
            os._exit(0)


class Trial:
    """
    A run over modules.

    @param only: the mutants to try, each a module and a change; all where it is
        empty.
    @param besides: tests that every mutant is run by, the map's apart.
    """

    def __init__(
        self, known: Map, only: set[tuple[str, str]], besides: list[str]
    ) -> None:
        self._known, self._only, self._besides = known, only, besides
        # A loaded machine takes longer than it did for the map.
        self._limit = 20 + 5 * known.budget
        self._warm = Warm()
        self.tried = self.survived = 0

    def module(self, module: str) -> None:
        """
        Try the mutants of one module, and print those that survive.
        """
        began, before = time.monotonic(), (self.tried, self.survived)
        tree = ast.parse(path_of(module).read_text("utf-8"))
        for number, mutant in enumerate(mutants(tree)):
            if not self._only or (module, mutant.change) in self._only:
                self._mutant(module, number)
        tried, survived = self.tried - before[0], self.survived - before[1]
        took = time.monotonic() - began
        if tried:
            print(f"{module}: {survived} of {tried} survive, {took:.0f} s", flush=True)

    def _mutant(self, module: str, number: int) -> None:
        self.tried += 1
        mutant, changed = mutated(module, number)
        tests = self._besides + self._known.tests(module, mutant.line)
        if not tests or not self._fails(module, number, changed, tests):
            self.survived += 1
            print(f"  {module}:{mutant.line}: {mutant.change}", flush=True)

    def _fails(self, module: str, number: int, tree: ast.AST, tests: list[str]) -> bool:
        if _changed(module, tree):
            return self._warm.fails(module, number, tests, self._limit)
        return fails(module, tree, tests, self._limit)


def printed(file: Path) -> set[tuple[str, str]]:
    """
    The survivors that a run has printed, by their modules and changes: lines may
    have moved since.
    """
    found = re.findall(r"^  ([\w.]+):\d+: (.*)$", file.read_text(), re.MULTILINE)
    return {(module, change) for module, change in found}


def _share(modules: Iterable[str]) -> None:
    """
    Import what every mutant needs once, but for the reactor and what wants it.
    """
    sys.modules["twisted.internet.reactor"] = None  # type: ignore[assignment]
    for name in modules:
        with suppress(ImportError):
            importlib.import_module(name)
    del sys.modules["twisted.internet.reactor"]


def _run(given: argparse.Namespace, file: Path) -> None:
    if not file.exists():
        # In a process of its own, for a reactor must not be shared.
        mapping = [sys.executable, "-m", "tests.mutation", "--write-map"]
        subprocess.run([*mapping, "--map", str(file)], check=True, cwd=ROOT)
    known = Map(file, given.seconds)
    _share(known.loaded)
    only = printed(given.again) if given.again else set()
    as_it_is = ast.parse(path_of("names").read_text("utf-8"))
    if fails("names", as_it_is, given.besides, 600.0):
        sys.exit("the tests that were named do not pass")
    trial = Trial(known, only, given.besides)
    for module in given.modules:
        trial.module(module)
    print(f"{trial.survived} of {trial.tried} mutants survive")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("modules", nargs="*", default=FILES)
    parser.add_argument("--map", type=Path, help="where the lines of tests are kept")
    parser.add_argument("--seconds", type=float, default=5.0, help="of tests a mutant")
    parser.add_argument("--again", type=Path, help="only what this output has printed")
    parser.add_argument("--besides", nargs="*", default=[], help="tests for every one")
    parser.add_argument("--write-map", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mutation-") as place:
        os.environ["MUTATION_PLACE"] = place
        file = given.map or Path(place) / "map"
        if given.write_map:
            os.chdir(place)
            write_map(file)
        else:
            _run(given, file)


if __name__ == "__main__":
    main()

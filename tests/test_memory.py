# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth.memory}: what is learnt, and the file that it is kept in.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import SkipTest

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import conch_auth
from conch_auth import _memory_file, memory
from conch_auth.memory import MAX_REFUSED, Memory, Recollection, default_path
from conch_auth.report import Attempt, AuthReport, KeyIdentity


def print_of(name: str) -> str:
    """
    The fingerprint of the key that is called C{name}.
    """
    return "SHA256:" + name.rjust(43, "A")


def shown(outcome: Any, name: str, method: str = "publickey") -> Attempt:
    key = KeyIdentity("ssh-ed25519", print_of(name))
    return Attempt(method, outcome, key=key)


def report(*attempts: Attempt) -> AuthReport:
    """
    The report of a login with these attempts.
    """
    succeeded = any(attempt.outcome == "accepted" for attempt in attempts)
    none = Attempt("none", "refused")
    return AuthReport("alice", "ssh-connection", None, succeeded, (none, *attempts))


ACCEPTED = report(shown("accepted", "a"))


class LearntTests(SynchronousTestCase):
    """
    What is remembered after a login.
    """

    def after(self, *attempts: Attempt, **before: Any) -> Recollection:
        return Recollection(**before).after(report(*attempts))

    def test_accepted(self) -> None:
        """
        The key and the methods that were accepted are remembered.
        """
        learnt = self.after(shown("accepted", "a"))
        self.assertEqual(learnt, Recollection(("publickey",), print_of("a")))

    def test_several_factors(self) -> None:
        """
        Of several factors every method is remembered, and the first key.
        """
        learnt = self.after(
            shown("partial", "a"),
            Attempt("password", "partial"),
            shown("accepted", "b"),
        )
        self.assertEqual(learnt.methods, ("publickey", "password", "publickey"))
        self.assertEqual(learnt.key, print_of("a"))

    def test_half_a_login(self) -> None:
        """
        A key that was accepted as one factor is remembered although the login
        failed.
        """
        learnt = self.after(
            shown("partial", "a"), Attempt("password", "refused"), methods=("password",)
        )
        self.assertEqual(learnt.key, print_of("a"))
        self.assertEqual(learnt.methods, ("password",))

    def test_refused(self) -> None:
        """
        Refused keys are remembered behind those that were refused before.
        """
        learnt = self.after(shown("refused", "b"), refused=(print_of("a"),))
        self.assertEqual(learnt.refused, (print_of("a"), print_of("b")))

    def test_refused_again(self) -> None:
        """
        One that is refused again goes to the end.
        """
        before = (print_of("a"), print_of("b"))
        learnt = self.after(shown("refused", "a"), refused=before)
        self.assertEqual(learnt.refused, before[::-1])

    def test_accepted_after_all(self) -> None:
        """
        A key that was refused once and is accepted now is refused no more.
        """
        learnt = self.after(shown("accepted", "a"), refused=(print_of("a"),))
        self.assertEqual(learnt, Recollection(("publickey",), print_of("a")))

    def test_accepted_no_more(self) -> None:
        """
        A key that is refused now is not the one that works.
        """
        learnt = self.after(shown("refused", "a"), key=print_of("a"))
        self.assertEqual(learnt, Recollection(refused=(print_of("a"),)))

    def test_other_means(self) -> None:
        """
        A login by password does not make the key forgotten that it did not
        show.
        """
        learnt = self.after(Attempt("password", "accepted"), key=print_of("a"))
        self.assertEqual(learnt, Recollection(("password",), print_of("a")))

    def test_not_shown(self) -> None:
        """
        Nothing is learnt of a key that was left out, or that gave no signature.
        """
        learnt = self.after(shown("skipped", "a"), shown("failed", "b"))
        self.assertEqual(learnt, Recollection())

    def test_keys_of_the_host(self) -> None:
        """
        Nothing is learnt of the keys of this host, which are not the user's.
        """
        learnt = self.after(
            shown("refused", "a", "hostbased"), shown("accepted", "b", "hostbased")
        )
        self.assertEqual(learnt, Recollection(("hostbased",)))

    def test_strange_method(self) -> None:
        """
        A method by no name of a method is left out: it would make the line
        unreadable.
        """
        learnt = self.after(
            Attempt("my method", "partial"),
            Attempt("my,method", "partial"),
            Attempt("-", "partial"),
            Attempt("méthode", "partial"),
            Attempt("password", "accepted"),
        )
        self.assertEqual(learnt.methods, ("password",))

    def test_very_many_factors(self) -> None:
        """
        Of more methods than a line may have, the first are kept.
        """
        many = [Attempt("password", "partial")] * 100
        self.assertEqual(len(self.after(*many, shown("accepted", "a")).methods), 64)

    def test_bound(self) -> None:
        """
        Of very many refused keys the last are kept.
        """
        many = [shown("refused", str(number)) for number in range(MAX_REFUSED + 1)]
        learnt = self.after(*many)
        self.assertEqual(len(learnt.refused), MAX_REFUSED)
        self.assertEqual(learnt.refused[0], print_of("1"))


class MemoryCase(SynchronousTestCase):
    """
    A memory in a directory of its own.

    @ivar told: the warnings.
    """

    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir(mode=0o700)
        self.path = self.place / "memory"
        self.told: list[str] = []

    def memory(self) -> Memory:
        return Memory(self.path, warn=self.told.append)

    def learn(self, told: AuthReport = ACCEPTED, host: str = "host") -> None:
        self.memory().learn("alice", host, 22, told)

    def recall(self, host: str = "host") -> Recollection:
        return self.memory().recall("alice", host, 22)

    def assert_told(self, *words: str) -> None:
        """
        Each warning names the file, and they have these words.
        """
        self.assertEqual(len(self.told), len(words), self.told)
        for warning, word in zip(self.told, words, strict=True):
            self.assertIn(str(self.path), warning)
            self.assertIn(word, warning)

    def lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines()[1:]


class FileTests(MemoryCase):
    """
    The file as it should be.
    """

    def test_nothing(self) -> None:
        """
        Where there is no file, nothing is remembered, nothing is said, and no
        file is made by looking.
        """
        self.assertEqual(self.recall(), Recollection())
        self.assertEqual(self.told, [])
        self.assertEqual(list(self.place.iterdir()), [])

    def test_kept(self) -> None:
        """
        What was learnt is there for another program.
        """
        self.learn(report(shown("refused", "b"), shown("accepted", "a")))
        found = self.recall()
        self.assertEqual(found.key, print_of("a"))
        self.assertEqual(found.refused, (print_of("b"),))
        self.assertEqual(found.methods, ("publickey",))
        self.assertEqual(self.told, [])

    def test_of_whom(self) -> None:
        """
        It is of one user on one host and port; the case of the host's name does
        not count, nor a dot at its end.
        """
        self.learn()
        memory = self.memory()
        for user, host, port, same in (
            ("alice", "HOST.", 22, True),
            ("Alice", "host", 22, False),
            ("alice", "host", 2222, False),
            ("alice", "host2", 22, False),
            ("alicehost", "", 22, False),
            ("", "alicehost", 22, False),
        ):
            found = memory.recall(user, host, port)
            self.assertIs(found != Recollection(), same, (user, host, port))

    def test_no_names(self) -> None:
        """
        Neither the user nor the host stands in the file, and two lines of the
        same host have nothing in common that could tell.
        """
        for user in ("alice", "bob"):
            self.memory().learn(user, "host.example.org", 22, ACCEPTED)
        data = self.path.read_bytes()
        for name in (b"alice", b"bob", b"host", b"example"):
            self.assertNotIn(name, data)
        first, second = (line.split()[:2] for line in self.lines())
        self.assertEqual(set(first) & set(second), set())

    def test_salt(self) -> None:
        """
        The same name is hashed differently in another file.
        """
        self.learn()
        (first,) = self.lines()
        self.path.unlink()
        self.learn()
        (second,) = self.lines()
        self.assertNotEqual(first.split()[:2], second.split()[:2])

    def test_mode(self) -> None:
        """
        Nobody else may read it, whatever the umask; nor its lock, nor the
        directory that is made for it.
        """
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.path = self.place / "new" / "memory"
        self.learn()
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in (self.path, Path(f"{self.path}.lock"), self.path.parent)
        }
        self.assertEqual(modes, {"memory": 0o600, "memory.lock": 0o600, "new": 0o700})

    def test_readable_by_others(self) -> None:
        """
        One that others may read is used, and is theirs to read no more once it
        is written.
        """
        self.learn()
        self.path.chmod(0o644)
        self.assertEqual(self.recall().key, print_of("a"))
        self.learn(report(shown("accepted", "b")))
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_one_line_each(self) -> None:
        """
        A user on a host has one line, and the one that was learnt of last
        stands last.
        """
        for host in ("one", "two", "one"):
            self.learn(report(shown("refused", host)), host)
        self.learn(report(shown("accepted", "x")), "one")
        self.assertEqual(len(self.lines()), 2)
        self.assertIn(print_of("x").encode(), self.lines()[-1])

    def test_nothing_new(self) -> None:
        """
        What is known already is not written again on the same day, and is the
        next day: its age counts when the file is full.
        """
        now = [1_000_000.0]
        self.patch(time, "time", lambda: now[0])
        self.learn()
        before = self.path.stat().st_ino, self.lines()
        self.learn()
        self.assertEqual((self.path.stat().st_ino, self.lines()), before)
        now[0] += 86400
        self.learn()
        self.assertNotEqual(self.lines(), before[1])

    def test_nothing_learnt(self) -> None:
        """
        A login that showed nothing makes no file.
        """
        self.learn(AuthReport("alice", "ssh-connection"))
        self.learn(report())
        self.assertFalse(self.path.exists())

    def test_bounded(self) -> None:
        """
        The file does not grow without end: the oldest are forgotten.
        """
        self.patch(_memory_file, "MAX_BYTES", 1000)
        for number in range(20):
            self.learn(host=f"host{number}")
        self.assertLessEqual(self.path.stat().st_size, 1000)
        self.assertEqual(self.recall("host0"), Recollection())
        self.assertEqual(self.recall("host19").key, print_of("a"))
        self.assertEqual(self.told, [])

    def test_default_path(self) -> None:
        """
        The command's own file is beside known_hosts; without a home directory
        there is none.
        """
        self.patch(os, "environ", {**os.environ, "HOME": str(self.place)})
        self.assertEqual(default_path(), f"{self.place}/.ssh/conch_auth_memory")
        os.environ["HOME"] = "/nonexistent"
        self.assertIsNone(default_path())

    def test_home(self) -> None:
        """
        C{~} is the home directory.
        """
        self.patch(os, "environ", {**os.environ, "HOME": str(self.place)})
        self.assertEqual(Memory("~/memory").path, str(self.path))

    def test_logged(self) -> None:
        """
        Where nobody is named to be told, a warning goes to the log.
        """
        logged: list[Any] = []
        self.patch(memory._log, "warn", lambda *a, **known: logged.append(known))
        self.path.write_text("something else\n")
        Memory(self.path).recall("alice", "host", 22)
        self.assertIn(str(self.path), logged[0]["problem"])


class UntrustedTests(MemoryCase):
    """
    A file that is not to be used.
    """

    def assert_left_alone(self, *words: str) -> None:
        """
        It is not used, not changed, and a warning says why, once for reading
        and once for writing.
        """
        before = self.path.lstat(), self.path.read_bytes()
        memory = self.memory()
        for _ in range(2):
            self.assertEqual(memory.recall("alice", "host", 22), Recollection())
            memory.learn("alice", "host", 22, ACCEPTED)
        after = self.path.lstat(), self.path.read_bytes()
        self.assertEqual(after[0].st_ino, before[0].st_ino)
        self.assertEqual(after[1], before[1])
        self.assert_told(*words * 2)

    def test_foreign(self) -> None:
        """
        A file that is none of ours, such as a key that was named by mistake, is
        not written over; nor is one of a later version.
        """
        for content in (b"-----BEGIN", b"# conch_auth memory 2\n", b"\n", b"\0"):
            self.told = []
            self.path.write_bytes(content)
            self.assert_left_alone("it is no memory of this version")

    def test_empty(self) -> None:
        """
        An empty file is taken for a new one.
        """
        self.path.touch()
        self.learn()
        self.assertEqual(self.recall().key, print_of("a"))

    def test_symbolic_link(self) -> None:
        """
        A symbolic link is not followed.
        """
        self.learn()
        target = self.path.rename(self.place / "elsewhere")
        self.path.symlink_to(target.absolute())
        self.assert_left_alone("it is a symbolic link")

    def test_link_for_lock(self) -> None:
        """
        Nor is one in the place of the lock.
        """
        victim = self.place / "victim"
        Path(f"{self.path}.lock").symlink_to(victim.absolute())
        self.learn()
        self.assertFalse(victim.exists())
        self.assertEqual(len(self.told), 1)

    def test_link_for_new_file(self) -> None:
        """
        Nor one in the place of the file that is being written.
        """
        victim = self.place / "victim"
        victim.write_text("mine")
        Path(f"{self.path}.new").symlink_to(victim.absolute())
        self.learn()
        self.assertEqual(victim.read_text(), "mine")
        self.assertEqual(self.recall().key, print_of("a"))

    def test_writable_by_others(self) -> None:
        """
        A file that others may write to could be theirs.
        """
        self.learn()
        for mode in (0o620, 0o602):
            self.told = []
            self.path.chmod(mode)
            self.assert_left_alone("others may write to it; run: chmod 600")

    def test_of_another_user(self) -> None:
        """
        Another user's file is not used.
        """
        self.learn()
        self.patch(os, "geteuid", lambda: os.getuid() + 1)
        self.assert_left_alone("it belongs to another user")

    def test_no_file(self) -> None:
        """
        A directory, and a pipe that nobody writes to, are no file; nothing
        waits for them.
        """
        for make in (os.mkdir, os.mkfifo):
            self.told = []
            make(self.path)
            self.assertEqual(self.recall(), Recollection())
            self.learn()
            self.assertEqual(len(self.told), 2)
            shutil.rmtree(self.path) if self.path.is_dir() else self.path.unlink()

    def test_too_large(self) -> None:
        """
        A file that is larger than any of ours is not read.
        """
        self.learn()
        self.patch(_memory_file, "MAX_BYTES", 100)
        self.assert_left_alone("it is larger than 100 bytes")

    def test_no_such_path(self) -> None:
        """
        A path that cannot be is no reason to stop.
        """
        for path in ("a\0b", f"{self.place}/missing/further/memory"):
            told: list[str] = []
            memory = Memory(path, warn=told.append)
            self.assertEqual(memory.recall("alice", "host", 22), Recollection())
            memory.learn("alice", "host", 22, ACCEPTED)
            self.assertTrue(told)

    def test_shown_safely(self) -> None:
        """
        A path with control characters does not reach the terminal as it is.
        """
        told: list[str] = []
        Memory("a\x1b\0", warn=told.append).recall("alice", "host", 22)
        self.assertNotIn("\x1b", told[0])
        self.assertNotIn("\x1b", repr(Memory("a\x1b")))


class CorruptTests(MemoryCase):
    """
    Lines that cannot be read.
    """

    def content(self, *lines: bytes) -> None:
        self.path.write_bytes(_memory_file.HEADER + b"".join(lines))
        self.path.chmod(0o600)

    def test_ignored(self) -> None:
        """
        They are ignored with a warning, others are used, and the next writing
        leaves them out.
        """
        self.learn()
        (good,) = self.lines()
        self.content(b"nonsense\n", good + b"\n", b"\xff\n")
        self.assertEqual(self.recall().key, print_of("a"))
        self.assert_told("2 lines of it cannot be read and are ignored")
        self.learn(host="other")
        self.assertEqual(len(self.lines()), 2)

    def test_every_field(self) -> None:
        """
        A line of which any field is not as it should be is not used.
        """
        self.learn(report(shown("refused", "b"), shown("accepted", "a")))
        (line,) = self.lines()
        fields = line.split(b" ")
        self.assertEqual(len(fields), 6)
        for place, wrong in (
            (0, b"AAAA"),
            (0, b"!"),
            (1, fields[0]),
            (2, b"-1"),
            (2, b"1e3"),
            (2, b"9" * 13),
            (2, "٣".encode()),
            (3, b""),
            (3, b"publickey,"),
            (3, b"public_key"),
            (3, b"-,-"),
            (4, b"SHA256:short"),
            (4, fields[4] + b"," + fields[4]),
            (5, fields[5] + b","),
            (5, b",".join([fields[5]] * (MAX_REFUSED + 1))),
            (5, fields[5] + b" more"),
        ):
            changed = [*fields[:place], wrong, *fields[place + 1 :]]
            self.content(b" ".join(changed) + b"\n")
            self.assertEqual(self.recall(), Recollection(), (place, wrong))

    @given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
    def test_any_bytes(self, noise: bytes, at: int, insert: bool) -> None:
        """
        Whatever stands in it, it is read without an error, and learning from
        the next login works.
        """
        self.content()
        self.learn(report(shown("refused", "b"), shown("accepted", "a")))
        good = b"".join(line + b"\n" for line in self.lines())
        after = at if insert else at + len(noise)
        self.content(good[:at], noise, good[after:])
        self.recall()
        self.learn(report(shown("accepted", "c")))
        self.assertEqual(self.recall().key, print_of("c"))

    @given(
        st.lists(st.sampled_from(["publickey", "password", "x@y.z"]), max_size=5),
        st.sampled_from(["", print_of("a")]),
        st.lists(st.integers(0, 999).map(str).map(print_of), max_size=9, unique=True),
        st.integers(0, 10**12 - 1),
    )
    def test_round_trip(
        self, methods: list[str], key: str, refused: list[str], seconds: int
    ) -> None:
        """
        What is written is what is read.
        """
        kept = Recollection(tuple(methods), key, tuple(refused), seconds)
        record = memory._Record(b"s" * 16, b"d" * 32, kept)
        self.assertEqual(memory._Record.parse(record.line()[:-1]), record)


class WritingTests(MemoryCase):
    """
    A file that is being written.
    """

    def assert_unharmed(self) -> None:
        """
        What was there before is still there, and nothing is left over.
        """
        self.assertEqual(self.recall().key, print_of("a"))
        self.assertEqual(
            sorted(path.name for path in self.place.iterdir()),
            ["memory", "memory.lock"],
        )

    def fails(self, *_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def test_any_step_fails(self) -> None:
        """
        Whichever step fails, the old file stays whole.
        """
        self.learn()
        for step in ("fsync", "rename"):
            self.told = []
            patched = self.patch(os, step, self.fails)
            self.learn(report(shown("accepted", "b")))
            patched.restore()
            self.assert_told("No space left on device")
            self.assert_unharmed()

    def test_full_disk(self) -> None:
        """
        On a disk that is full nothing is lost, and the login goes on.
        """
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            raise SkipTest("a small disk takes root")
        disk = self.place / "disk"
        disk.mkdir()
        script = (
            f'mount -t tmpfs -o size=16k,mode=700 none "{disk}" && '
            f'"{sys.executable}" -c "$1" "{disk}"'
        )
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", _FILL],
            env=_environment(),
            capture_output=True,
            text=True,
        )
        if "mount" in done.stderr:
            raise SkipTest(done.stderr)
        self.assertEqual((done.stdout, done.stderr), (_FILLED, ""))

    def test_left_behind(self) -> None:
        """
        What a program left behind that was killed while it wrote is no
        obstacle.
        """
        Path(f"{self.path}.new").write_text("half a li")
        self.learn()
        self.assert_unharmed()

    def test_locked(self) -> None:
        """
        A program that keeps the lock for ever keeps nobody from logging in:
        what was learnt is not written then.
        """
        self.learn()
        self.patch(_memory_file, "_LOCK_TRIES", 2)
        with open(f"{self.path}.lock", "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.learn(report(shown("accepted", "b")))
        self.assert_told("another program keeps it locked")
        self.assert_unharmed()

    def test_no_locks(self) -> None:
        """
        Where the file system has no locks, it is written all the same.
        """

        def flock(*_: Any) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        self.patch(fcntl, "flock", flock)
        self.learn()
        self.assert_unharmed()

    def test_two_programs(self) -> None:
        """
        Programs that write at the same time lose nothing of each other's.
        """
        programs = [
            subprocess.Popen(
                [sys.executable, "-c", _WRITE, str(self.path), name],
                env=_environment(),
            )
            for name in "ab"
        ]
        self.assertEqual([program.wait() for program in programs], [0, 0])
        hosts = [f"{name}{number}" for name in "ab" for number in range(20)]
        found = [self.recall(host).key for host in hosts]
        self.assertEqual(found, [print_of("a")] * len(hosts))
        self.assert_unharmed_by(len(hosts))

    def assert_unharmed_by(self, lines: int) -> None:
        self.assertEqual(len(self.lines()), lines)
        self.assertEqual(self.told, [])


_WRITE = """
import sys
from conch_auth.memory import Memory
from tests.test_memory import ACCEPTED

told = []
for number in range(20):
    Memory(sys.argv[1], warn=told.append).learn(
        "alice", f"{sys.argv[2]}{number}", 22, ACCEPTED
    )
sys.exit(len(told))
"""

_FILL = """
import os, sys
from conch_auth.memory import Memory
from tests.test_memory import ACCEPTED, report, shown

os.chdir(sys.argv[1])
memory = Memory("memory", warn=lambda problem: print(problem))
memory.learn("alice", "host", 22, ACCEPTED)
try:
    with open("filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
except OSError:
    pass
memory.learn("alice", "host", 22, report(shown("accepted", "b")))
print(memory.recall("alice", "host", 22).key)
print(sorted(os.listdir()))
"""

_FILLED = f"""\
the memory memory: it cannot be written (No space left on device)
{print_of("a")}
['filler', 'memory', 'memory.lock']
"""


def _environment() -> dict[str, str]:
    place = os.path.dirname(os.path.dirname(conch_auth.__file__))
    return {**os.environ, "PYTHONPATH": place, "PYTHONWARNINGS": "ignore"}

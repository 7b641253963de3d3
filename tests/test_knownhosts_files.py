"""
Tests for L{conch_auth.knownhosts}: files, and what C{ssh-keygen} says of them.
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import resource
import shutil
import stat
import subprocess
import sys
from unittest import SkipTest

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _knownhosts_file, knownhosts
from conch_auth._knownhosts_lines import MAX_PATTERN_BYTES, lookup_name
from conch_auth._wire import string
from conch_auth.knownhosts import (
    KnownHosts,
    VerdictKind,
    default_paths,
)
from tests.known_hosts_lines import (
    K_RSA,
    OTHER,
    TRUSTED,
    UNKNOWN,
    K,
    kind,
    written,
)


class OpenSSHTests(SynchronousTestCase):
    """
    What C{ssh-keygen} says of the same files.
    """

    def setUp(self) -> None:
        if shutil.which("ssh-keygen") is None:
            raise SkipTest("ssh-keygen is not installed")
        self.path = self.mktemp()

    def keygen(self, *arguments: str) -> str:
        return subprocess.run(
            ["ssh-keygen", *arguments, "-f", self.path],
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    def write(self, lines: list[bytes]) -> None:
        with open(self.path, "wb") as file:
            file.write(b"\n".join(lines) + b"\n")

    def lines_found(self, host: str, port: int) -> list[int]:
        told = self.keygen("-F", lookup_name(host, port).decode())
        return [int(n) for n in re.findall(r"found: line (\d+)", told)]

    def lines_deciding(self, host: str, port: int) -> list[int]:
        entries = KnownHosts.from_files(self.path)._held("", lookup_name(host, port))
        return [entry.number for entry in entries]

    def test_matching(self) -> None:
        """
        The same lines are for the same hosts.
        """
        chosen = random.Random(4251)
        pieces = ["a", "b", "ab", ".", "*", "?", "!", ",", "[", "]:", "2222", "A", "B"]
        fields = [
            "".join(chosen.choices(pieces, k=chosen.randint(1, 8))) for _ in range(800)
        ]
        self.write([f"{field} ".encode() + written(K) for field in fields])
        for host in ("a", "b", "ab", "a.b", "ba", "aa.bb"):
            for port in (22, 2222):
                found = self.lines_found(host, port)
                self.assertTrue(found)
                self.assertEqual(self.lines_deciding(host, port), found)

    def test_hashed_by_openssh(self) -> None:
        """
        What C{ssh-keygen -H} hashed is found.
        """
        self.write([b"h,Host.Example,[h]:2222,fe80::1%eth0 " + written(K)])
        self.keygen("-H")
        hosts = KnownHosts.from_files(self.path)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read().count(b"|1|"), 4)
        for host, port in (
            ("h", 22),
            ("host.example", 22),
            ("h", 2222),
            ("fe80::1%eth0", 22),
        ):
            self.assertIs(kind(hosts, host, port), TRUSTED)
        self.assertIs(kind(hosts, "g"), UNKNOWN)

    def test_added_by_us(self) -> None:
        """
        What is added here is found by C{ssh-keygen -F}, hashed or not.
        """
        hosts = KnownHosts()
        hosts.add("Plain", 22, K, path=self.path)
        hosts.add("Plain", 2222, K, path=self.path)
        hosts.add("Hashed", 22, K, path=self.path, hashed=True)
        hosts.add("Hashed", 2222, K, path=self.path, hashed=True)
        for line, (host, port) in enumerate(
            [("plain", 22), ("plain", 2222), ("hashed", 22), ("hashed", 2222)], 1
        ):
            self.assertEqual(self.lines_found(host, port), [line])

    def test_fingerprint(self) -> None:
        """
        A line's key has the fingerprint that C{ssh-keygen -l} prints.
        """
        self.write([b"h " + written(K)])
        line = KnownHosts.from_files(self.path).verdict("h", 22, None, K).lines[0]
        self.assertIn(line.key.fingerprint, self.keygen("-l", "-F", "h"))


class FilesTests(SynchronousTestCase):
    def write(self, data: bytes) -> str:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(data)
        return path

    def test_several(self) -> None:
        """
        The files count together, and each line is told by its own file; what
        one revokes another cannot trust.
        """
        first = self.write(b"h " + written(K) + b"\n")
        second = self.write(b"\ng " + written(K) + b"\n@revoked i " + written(K))
        third = self.write(b"i " + written(K))
        hosts = KnownHosts.from_files([first, second, third])
        line = hosts.verdict("g", 22, None, K).lines[0]
        self.assertEqual((line.file, line.number), (second, 2))
        self.assertIs(kind(hosts, "h"), TRUSTED)
        self.assertIs(kind(hosts, "i"), VerdictKind.REVOKED)

    def test_one(self) -> None:
        """
        One path needs no list.
        """
        self.assertIs(
            kind(KnownHosts.from_files(self.write(b"h " + written(K)))), TRUSTED
        )

    def test_missing(self) -> None:
        """
        A file that is not there is empty, which is no problem.
        """
        there = self.write(b"")
        hosts = KnownHosts.from_files([self.mktemp(), os.path.join(there, "below")])
        self.assertEqual(hosts.problems, ())
        self.assertIs(kind(hosts), UNKNOWN)

    def test_unreadable(self) -> None:
        """
        A file that cannot be read is empty, and a problem of the whole file;
        the others count.
        """
        directory = self.mktemp()
        os.mkdir(directory)
        good = self.write(b"h " + written(K))
        hosts = KnownHosts.from_files([directory, "nul\0byte", good])
        self.assertEqual(
            [(p.file, p.number) for p in hosts.problems],
            [(directory, 0), ("nul\0byte", 0)],
        )
        self.assertIn("Is a directory", str(hosts.problems[0]))
        self.assertIs(kind(hosts), TRUSTED)

    def test_too_large(self) -> None:
        """
        A file above the limit is a problem, and is not read in part.
        """
        path = self.write(b"h " + written(K) + b"\n")
        self.patch(_knownhosts_file, "MAX_FILE_BYTES", os.path.getsize(path))
        self.assertIs(kind(KnownHosts.from_files(path)), TRUSTED)
        with open(path, "ab") as file:
            file.write(b"\n")
        hosts = KnownHosts.from_files(path)
        self.assertIs(kind(hosts), UNKNOWN)
        self.assertIn("larger than", str(hosts.problems[0]))
        self.assertRaises(OSError, hosts.add, "g", 22, K, path=path)

    def test_default_paths(self) -> None:
        """
        The default files are ssh's, the user's below C{$HOME} first.
        """
        self.patch(os, "environ", {**os.environ, "HOME": "/home/someone"})
        self.assertEqual(
            default_paths(),
            (
                "/home/someone/.ssh/known_hosts",
                "/home/someone/.ssh/known_hosts2",
                "/etc/ssh/ssh_known_hosts",
                "/etc/ssh/ssh_known_hosts2",
            ),
        )


class AddTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = self.mktemp()
        self.path = os.path.join(self.directory, "known_hosts")

    def content(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read()

    def write(self, data: bytes) -> None:
        os.makedirs(self.directory, exist_ok=True)
        with open(self.path, "wb") as file:
            file.write(data)

    def mode(self, path: str) -> int:
        return stat.S_IMODE(os.stat(path).st_mode)

    def test_line(self) -> None:
        """
        A host is added in lower case, with its port where that is not 22.
        """
        hosts = KnownHosts()
        self.assertTrue(hosts.add("Host.X", 22, K, path=self.path))
        self.assertTrue(hosts.add("Host.X", 2222, K_RSA, path=self.path))
        self.assertEqual(
            self.content(),
            b"host.x " + written(K) + b"\n[host.x]:2222 " + written(K_RSA) + b"\n",
        )

    def test_known_at_once(self) -> None:
        """
        What was added is trusted by the object it was added to, with the file
        and the line that a new reading gives.
        """
        for before, hashed in ((b"", False), (b"# one\n# two", False), (b"\n", True)):
            self.write(before)
            hosts = KnownHosts()
            hosts.add("h", 2222, K, path=self.path, hashed=hashed)
            verdict = hosts.verdict("h", 2222, None, K)
            self.assertIs(verdict.kind, TRUSTED)
            anew = KnownHosts.from_files(self.path)
            self.assertEqual(anew.verdict("h", 2222, None, K), verdict)

    def test_hashed(self) -> None:
        """
        A hashed name does not show, and has a salt of its own.
        """
        hosts = KnownHosts()
        hosts.add("secret", 22, K, path=self.path, hashed=True)
        hosts.add("secret", 22, OTHER, path=self.path, hashed=True)
        self.assertNotIn(b"secret", self.content())
        first, second = self.content().splitlines()
        self.assertNotEqual(first.split(b"|")[2], second.split(b"|")[2])

    def test_no_duplicate(self) -> None:
        """
        A line that says the same is not written again, whoever wrote it and in
        whatever form; the object knows it from then on.
        """
        for line in (b"h ", b"g,H ", b"*,!g "):
            self.write(line + written(K) + b" comment\n")
            before = self.content()
            hosts = KnownHosts()
            self.assertFalse(hosts.add("h", 22, K, path=self.path))
            self.assertFalse(hosts.add("h", 22, K, path=self.path, hashed=True))
            self.assertEqual(self.content(), before)
            self.assertEqual(len(hosts.verdict("h", 22, None, K).lines), 1)

    def test_other_lines_say_something_else(self) -> None:
        """
        A line with a marker, for another port, or with another key does not say
        the same.
        """
        for line in (b"@cert-authority h K", b"[h]:2222 K", b"h OTHER"):
            self.write(line.replace(b"K", written(K)).replace(b"OTHER", written(OTHER)))
            self.assertTrue(KnownHosts().add("h", 22, K, path=self.path))

    def test_revoked_stays_revoked(self) -> None:
        """
        Adding a key does not lift its revocation.
        """
        self.write(b"@revoked h " + written(K) + b"\n")
        hosts = KnownHosts.from_files(self.path)
        hosts.add("h", 22, K, path=self.path)
        self.assertIs(kind(hosts), VerdictKind.REVOKED)

    def test_last_line_is_ended(self) -> None:
        """
        Where the last line lacks its line feed, it gets one.
        """
        self.write(b"g " + written(OTHER))
        KnownHosts().add("h", 22, K, path=self.path)
        self.assertEqual(
            self.content(), b"g " + written(OTHER) + b"\nh " + written(K) + b"\n"
        )

    def test_modes(self) -> None:
        """
        A missing file is made for its owner only, and so is its directory; what
        is there keeps its mode.
        """
        KnownHosts().add("h", 22, K, path=self.path)
        self.assertEqual(
            (self.mode(self.directory), self.mode(self.path)), (0o700, 0o600)
        )
        os.chmod(self.directory, 0o755)
        os.chmod(self.path, 0o644)
        KnownHosts().add("g", 22, K, path=self.path)
        self.assertEqual(
            (self.mode(self.directory), self.mode(self.path)), (0o755, 0o644)
        )

    def test_home(self) -> None:
        """
        C{~} is the home directory.
        """
        os.mkdir(self.directory)
        self.patch(
            os, "environ", {**os.environ, "HOME": os.path.abspath(self.directory)}
        )
        KnownHosts().add("h", 22, K, path="~/known_hosts")
        self.assertIs(kind(KnownHosts.from_files(["~/known_hosts"])), TRUSTED)
        self.assertIn(b"h ", self.content())

    def test_symbolic_link(self) -> None:
        """
        A symbolic link stays one; its file grows.
        """
        self.write(b"")
        link = self.mktemp()
        os.symlink(os.path.abspath(self.path), link)
        KnownHosts().add("h", 22, K, path=link)
        self.assertTrue(os.path.islink(link))
        self.assertIn(b"h ", self.content())

    def test_unwritable_names(self) -> None:
        """
        A name that would read as something else in the file is refused, and
        nothing is written.
        """
        names = ["", "*", "a b", "a,b", "a\nb", "!a", "@revoked", "#a", "|1|", "[a]:1"]
        for name in [*names, "a\tb", "a\0", "a?", "x" * (MAX_PATTERN_BYTES + 1)]:
            self.assertRaises(ValueError, KnownHosts().add, name, 22, K, path=self.path)
        self.assertFalse(os.path.exists(self.path))

    def test_unwritable_keys(self) -> None:
        """
        What is not a plain public key is refused.
        """
        certificate = string(b"ssh-ed25519-cert-v01@openssh.com") + string(b"")
        for blob in (b"", K[:-1], K + b"\0", certificate):
            self.assertRaises(
                ValueError, KnownHosts().add, "h", 22, blob, path=self.path
            )

    def test_full_disk(self) -> None:
        """
        An append that fails part of the way is told, and leaves the file as it
        was.
        """
        self.write(b"g " + written(OTHER) + b"\n")
        before = self.content()
        hosts = KnownHosts.from_files(self.path)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
        try:
            self.assertRaises(OSError, hosts.add, "h", 22, K, path=self.path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertEqual(self.content(), before)
        self.assertIs(kind(hosts), UNKNOWN)

    def test_torn_line_keeps_what_follows(self) -> None:
        """
        Part of a line that somebody wrote after is not cut off: it is a problem
        at most, and what stands before and after it counts.
        """

        def torn(descriptor: int, data: bytes) -> int:
            put = write(descriptor, data[:20])
            write(descriptor, b"\nlater " + written(K) + b"\n")
            return put

        self.write(b"g " + written(K) + b"\n")
        write = os.write
        self.patch(os, "write", torn)
        self.assertRaises(OSError, KnownHosts().add, "h", 22, K, path=self.path)
        hosts = KnownHosts.from_files(self.path)
        self.assertEqual(
            [kind(hosts, host) for host in "gh"] + [kind(hosts, "later")],
            [TRUSTED, UNKNOWN, TRUSTED],
        )
        self.assertEqual(len(hosts.problems), 1)

    def test_no_part_of_a_line_is_trusted(self) -> None:
        """
        A line that is cut short trusts no key at all.
        """
        line = b"h " + written(K)
        for length in range(len(line)):
            hosts = KnownHosts.from_bytes(line[:length])
            self.assertEqual(hosts.key_types("h"), ())

    def test_file_is_replaced(self) -> None:
        """
        A file that another program renames into place while the lock is waited
        for gets the line.
        """
        self.write(b"old " + written(K) + b"\n")
        lock = _knownhosts_file._lock

        def replacing(descriptor: int) -> None:
            self.patch(_knownhosts_file, "_lock", lock)
            with open(self.path + ".new", "wb") as file:
                file.write(b"new " + written(K) + b"\n")
            os.rename(self.path + ".new", self.path)
            lock(descriptor)

        self.patch(_knownhosts_file, "_lock", replacing)
        KnownHosts().add("h", 22, K, path=self.path)
        hosts = KnownHosts.from_files(self.path)
        self.assertEqual(
            [kind(hosts, name) for name in ("old", "new", "h")],
            [UNKNOWN, TRUSTED, TRUSTED],
        )

    def test_file_is_replaced_for_ever(self) -> None:
        """
        A file that is replaced each time is given up, with nothing left open.
        """
        os.mkdir(self.directory)
        self.patch(_knownhosts_file, "_lock", lambda _: os.unlink(self.path))
        open_before = len(os.listdir("/proc/self/fd"))
        self.assertRaises(OSError, KnownHosts().add, "h", 22, K, path=self.path)
        self.assertEqual(len(os.listdir("/proc/self/fd")), open_before)

    def test_file_is_locked(self) -> None:
        """
        Nobody else can lock the file between its reading and the append.
        """
        append = _knownhosts_file.append

        def locked_elsewhere(descriptor: int, line: bytes, path: str) -> None:
            with open(path, "rb") as other:
                self.assertRaises(
                    BlockingIOError, fcntl.flock, other, fcntl.LOCK_SH | fcntl.LOCK_NB
                )
            append(descriptor, line, path)

        self.patch(knownhosts, "append", locked_elsewhere)
        self.assertTrue(KnownHosts().add("h", 22, K, path=self.path))

    def test_writer_without_lock(self) -> None:
        """
        A line that a program without a lock appends meanwhile is not lost.
        """
        read_locked = _knownhosts_file.read_locked

        def read_early(descriptor: int, path: str) -> bytes:
            data = read_locked(descriptor, path)
            with open(path, "ab") as file:
                file.write(b"g " + written(OTHER) + b"\n")
            return data

        self.patch(knownhosts, "read_locked", read_early)
        KnownHosts().add("h", 22, K, path=self.path)
        self.assertEqual(
            self.content(), b"g " + written(OTHER) + b"\nh " + written(K) + b"\n"
        )

    def test_processes_at_once(self) -> None:
        """
        Lines that processes add at once are all there, each once.
        """
        os.mkdir(self.directory)
        program = (
            "import sys; from conch_auth.knownhosts import KnownHosts\n"
            "hosts = KnownHosts(); key = bytes.fromhex(sys.argv[2])\n"
            "for n in range(40): hosts.add(f'h{n}', 22, key, path=sys.argv[1])\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        running = [
            subprocess.Popen(
                [sys.executable, "-c", program, self.path, blob.hex()],
                env=environment,
            )
            for blob in (K, OTHER, K)
        ]
        self.assertEqual([process.wait() for process in running], [0, 0, 0])
        wanted = [
            b"h%d %b" % (n, written(blob)) for n in range(40) for blob in (K, OTHER)
        ]
        self.assertEqual(sorted(self.content().splitlines()), sorted(wanted))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=300), st.booleans())
    def test_every_earlier_byte_stays(self, before: bytes, hashed: bool) -> None:
        """
        Whatever a file holds, adding to it keeps that byte for byte, and the
        added host is known afterwards.
        """
        self.write(before)
        KnownHosts().add("added.host", 22, K, path=self.path, hashed=hashed)
        self.assertTrue(self.content().startswith(before))
        self.assertIs(kind(KnownHosts.from_files(self.path), "added.host"), TRUSTED)

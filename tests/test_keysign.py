"""
Tests for L{conch_auth._keysign}: what is asked of C{ssh-keysign}, and what is
made of its answers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import SSHCertificateType
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import _keysign, _ssh_program
from conch_auth._keysign import (
    KeysignSigner,
    find_keysign,
    keysign_keys,
    request,
    signature_in,
)
from conch_auth._wire import string, uint32
from conch_auth.errors import KeyUnusable, MalformedMessage
from conch_auth.interfaces import ISigner
from tests.host_certificates import certificate
from tests.support import new_key
from tests.transport_pair import RSA

KEY = new_key()
CERTIFIED = b"ssh-ed25519-cert-v01@openssh.com"


class FormTests(SynchronousTestCase):
    """
    The request and the reply in bytes.
    """

    def test_request(self) -> None:
        """
        A request is a version, the number of the connection and the data, in
        one string.
        """
        inner = b"\x02" + uint32(3) + string(b"data")
        self.assertEqual(request(b"data"), string(inner))

    @given(st.binary(max_size=50))
    def test_reply(self, signature: bytes) -> None:
        """
        A reply is a version and the signature, in one string.
        """
        reply = string(b"\x02" + string(signature))
        self.assertEqual(signature_in(reply), signature)
        for length in range(len(reply)):
            self.assertRaises(MalformedMessage, signature_in, reply[:length])
        self.assertRaises(MalformedMessage, signature_in, reply + b"x")

    @given(st.binary(max_size=50))
    def test_any_bytes(self, data: bytes) -> None:
        """
        Whatever is written is a signature or malformed.
        """
        with contextlib.suppress(MalformedMessage):
            signature_in(data)

    def test_wrong_reply(self) -> None:
        """
        Another version, or more than a signature, is told.
        """
        for inner, problem in (
            (b"\x01" + string(b"s"), "version is 1, not 2"),
            (b"\x02" + string(b"s") + b"x", "1 bytes too many"),
            (b"", "1 bytes are missing"),
        ):
            error = self.assertRaises(MalformedMessage, signature_in, string(inner))
            self.assertIn(problem, str(error))


class FindTests(SynchronousTestCase):
    """
    Where the program is.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.program = self.directory / "ssh-keysign"
        self.program.write_text("")
        self.patch(_keysign, "DIRECTORIES", ("/nowhere", str(self.directory)))

    def test_found(self) -> None:
        """
        It is the one that was named, or the first in the usual directories.
        """
        self.program.chmod(0o755)
        for given_path in (True, str(self.program), self.program):
            self.assertEqual(find_keysign(given_path), str(self.program))

    def test_not_found(self) -> None:
        """
        One that is not there, or cannot be run, is an error that says where it
        was looked for.
        """
        self.patch(os, "access", lambda path, mode: False)
        for given_path, named in (
            (True, "'/nowhere/ssh-keysign' or '"),
            (str(self.program), str(self.program)),
            (self.directory, str(self.directory)),
            ("/nowhere", "/nowhere"),
            ("", "''"),
        ):
            error = self.assertRaises(ValueError, find_keysign, given_path)
            self.assertIn(named, str(error))
            self.assertIn("client_host_keysign", str(error))


class PublicKeyTests(SynchronousTestCase):
    """
    Which host keys it is asked to sign with.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.patch(_keysign, "_HOST_KEYS", str(self.directory))
        self.problems: list[KeyUnusable] = []

    def write(self, name: str, line: bytes) -> str:
        path = self.directory / name
        path.write_bytes(line)
        return str(path)

    def keys(self, given_keys: Any = ()) -> list[ISigner]:
        return list(
            keysign_keys(given_keys, "/program", None, None, self.problems.append)
        )

    def test_forms(self) -> None:
        """
        A public key may be a path, bytes, or a Conch key, whose private half is
        not wanted.
        """
        line = KEY.public().toString("openssh")
        path = self.write("key.pub", b"# comment\n\n" + line)
        for given_key in (path, Path(path), FilePath(path), line, KEY, KEY.public()):
            (signer,) = self.keys(given_key)
            self.assertTrue(ISigner.providedBy(signer))
            self.assertEqual(signer.blob(), KEY.blob())
            self.assertEqual(signer.algorithms, (b"ssh-ed25519",))
        self.assertEqual(self.problems, [])

    def test_several(self) -> None:
        """
        Several come in the order given; an RSA key has each of its algorithms.
        """
        first, second = self.keys([RSA, KEY])
        self.assertEqual(
            first.algorithms, (b"rsa-sha2-512", b"rsa-sha2-256", b"ssh-rsa")
        )
        self.assertEqual(second.blob(), KEY.blob())

    def test_default(self) -> None:
        """
        Nothing given stands for the keys of this host, certificates first.
        """
        self.assertEqual(self.keys(), [])
        ed25519 = KEY.public().toString("openssh")
        self.write("ssh_host_rsa_key.pub", RSA.public().toString("openssh"))
        self.write("ssh_host_ed25519_key.pub", ed25519)
        self.write(
            "ssh_host_ed25519_key-cert.pub", certificate(KEY)
        )
        for nothing in ((), None):
            self.assertEqual(
                [signer.sshType() for signer in self.keys(nothing)],
                [CERTIFIED, b"ssh-ed25519", b"ssh-rsa"],
            )

    def test_certificate(self) -> None:
        """
        A certificate is shown by its own name; the signature is one of the
        plain key.
        """
        (signer,) = self.keys(certificate(RSA))
        self.assertEqual(
            signer.algorithms[0], b"rsa-sha2-512-cert-v01@openssh.com"
        )

    def test_unusable(self) -> None:
        """
        One that is of no use is left out, and the reason says which; the next
        one is there.
        """
        expired = certificate(KEY, before=1)
        path = self.write("private", KEY.toString("openssh", subtype="v1"))
        for given_key, problem in (
            ("/nowhere/key.pub", "/nowhere/key.pub: it cannot be read"),
            (path, "private: it is not a public key"),
            (b"junk", "given host key: it is not a public key"),
            (7, "given host key: it is not a public key"),
            (expired, "given host key: the certificate expired"),
            (certificate(KEY, SSHCertificateType.USER), "is a user's, not a host's"),
            (b"%s AAAA" % CERTIFIED, "it is not a public key"),
        ):
            (signer,) = self.keys([given_key, RSA])
            self.assertEqual(signer.blob(), RSA.blob())
            self.assertIn(problem, str(self.problems.pop()))
        self.assertEqual(self.problems, [])


_PROGRAM = """\
#!{python}
import os, socket, sys, time
given = sys.stdin.buffer.read()
open({directory!r} + "/given", "wb").write(given)
open({directory!r} + "/pid", "w").write(str(os.getpid()))
out, said = sys.stdout.buffer, sys.stderr
{steps}
"""


class Below:
    """
    What a transport stands on.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def getHandle(self) -> Any:
        return self._handle


class Transport:
    def __init__(self, handle: Any = None) -> None:
        self.transport = Below(handle)


class ProgramTests(TestCase):
    """
    A program that does as the test says.
    """

    timeout = 30

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.program = self.directory / "ssh-keysign"

    def signer(self, steps: str, handle: Any = None, clock: Any = reactor) -> Any:
        self.program.write_text(
            _PROGRAM.format(
                python=sys.executable, directory=str(self.directory), steps=steps
            )
        )
        self.program.chmod(0o755)
        return KeysignSigner(
            KEY.blob(), "x", str(self.program), Transport(handle), clock
        )

    async def problem(self, steps: str) -> str:
        signing = self.signer(steps).sign(b"data", b"ssh-ed25519")
        error = await self.assertFailure(signing, KeyUnusable)
        self.assertEqual(error.path, str(self.program))
        return str(error.words)

    def written(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    async def test_signature(self) -> None:
        """
        The program is given the request, and its signature is the answer; what
        it says besides does not matter where it ends well.
        """
        reply = string(b"\x02" + string(b"signature"))
        signer = self.signer(f"out.write({reply!r}); said.write('debug')")
        self.assertEqual(await signer.sign(b"data", b"any"), b"signature")
        self.assertEqual(self.written("given"), request(b"data"))

    async def test_connection(self) -> None:
        """
        The program has the socket of the connection, under the number that the
        request names, and nothing else of ours.
        """
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        connected = socket.create_connection(listening.getsockname())
        self.addCleanup(connected.close)
        steps = (
            "name = socket.socket(fileno=3).getsockname()\n"
            f"open({str(self.directory)!r} + '/name', 'w').write(repr(name))\n"
            f"files = os.listdir('/proc/self/fd')\n"
            f"open({str(self.directory)!r} + '/files', 'w').write(str(len(files)))\n"
            f"out.write({string(bytes([2]) + string(b's'))!r})"
        )
        await self.signer(steps, connected).sign(b"", b"")
        self.assertEqual(
            self.written("name").decode(), repr(connected.getsockname())
        )
        # The three usual ones, the socket that lists, and the open directory
        # or file.
        self.assertLessEqual(int(self.written("files")), 6)
        self.assertEqual(connected.getpeername(), listening.getsockname())

    async def test_no_socket(self) -> None:
        """
        Where a connection has no socket of the internet, there is a file in its
        place, which is no socket.
        """
        pair = socket.socketpair()
        for end in pair:
            self.addCleanup(end.close)
        steps = (
            "import stat\n"
            "assert stat.S_ISCHR(os.fstat(3).st_mode)\n"
            f"out.write({string(bytes([2]) + string(b's'))!r})"
        )
        opened = []
        for handle in (None, pair[0]):
            self.assertEqual(await self.signer(steps, handle).sign(b"", b""), b"s")
            opened.append(len(os.listdir("/proc/self/fd")))
        self.assertEqual(opened[0], opened[1], "a file was left open")

    async def test_refused(self) -> None:
        """
        A program that ends badly is told, with what it said, made fit to be
        shown, and what to do.
        """
        steps = "said.write('not a valid\\x1b request\\n'); sys.exit(255)"
        problem = await self.problem(steps)
        self.assertIn("it ended with status 255", problem)
        self.assertIn("it said: not a valid\\x1b request", problem)
        self.assertIn("EnableSSHKeysign", problem)
        self.assertIn("signal 9", await self.problem("os.kill(os.getpid(), 9)"))

    async def test_malformed(self) -> None:
        """
        So is one that writes no signature.
        """
        for written in (b"", b"junk", string(b"\x01" + string(b"s"))):
            problem = await self.problem(f"out.write({written!r})")
            self.assertIn("malformed reply of ssh-keysign", problem)

    async def test_too_much(self) -> None:
        """
        One that writes for ever is killed.
        """
        self.patch(_ssh_program, "MAX_OUTPUT", 1000)
        problem = await self.problem("while True: out.write(b'x' * 100)")
        self.assertIn("it wrote more than 1000 bytes", problem)

    async def test_too_long(self) -> None:
        """
        One that does not end is killed in time.
        """
        self.patch(_keysign, "TIMEOUT", 0.5)
        problem = await self.problem("time.sleep(60)")
        self.assertIn("it did not end within 0.5 s", problem)

    async def test_cancelled(self) -> None:
        """
        One that nobody waits for any more is killed.
        """
        signing = self.signer("time.sleep(60)").sign(b"", b"")
        while not (self.directory / "pid").exists() or not self.written("pid"):
            await deferLater(reactor, 0.01)
        signing.addErrback(lambda _: None)
        signing.cancel()
        pid = int(self.written("pid"))
        while _runs(pid):
            await deferLater(reactor, 0.01)

    def test_cannot_be_run(self) -> None:
        """
        A program that the system does not run is told as well.
        """

        class Poor(Clock):
            def spawnProcess(self, *args: Any, **kwargs: Any) -> None:
                raise OSError(11, "no more processes")

        signer = self.signer("", clock=Poor())
        error = self.assertRaises(KeyUnusable, signer.sign, b"", b"")
        self.assertIn("it could not be run", error.problem)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

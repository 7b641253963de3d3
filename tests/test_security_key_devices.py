# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth.security_keys}: security keys that are plugged in, as a
device in software.
"""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import SSHClient
from conch_auth._wire import Reader, string, uint32
from conch_auth.errors import KeyUnusable
from conch_auth.interfaces import ISigner
from conch_auth.security_keys import SecurityKey, SecurityKeySigner
from tests.peers import missing
from tests.peers.agent_login import AgentLoginCase, public_line
from tests.peers.login import tried
from tests.peers.ssh_agent import DUMMY_SECURITY_KEY

try:
    from fido2.ctap import CtapError

    from tests.fido2_device import ERROR, SoftwareKey
except ImportError:
    SoftwareKey = None  # type: ignore[assignment, misc]

KIND = b"sk-ssh-ed25519@openssh.com"
PRIVATE = ed25519.Ed25519PrivateKey.generate()
HANDLE = PRIVATE.private_bytes_raw()
PUBLIC = PRIVATE.public_key().public_bytes_raw()
BLOB = string(KIND) + string(PUBLIC) + string(b"ssh:")


def file_of(
    blob: bytes = BLOB,
    *,
    kind: bytes = KIND,
    flags: int = 1,
    cipher: bytes = b"none",
    checks: tuple[int, int] = (1, 1),
    keys: int = 1,
) -> bytes:
    """
    The content of a private file.
    """
    secret = (
        uint32(checks[0])
        + uint32(checks[1])
        + string(kind)
        + string(PUBLIC)
        + string(b"ssh:")
        + bytes((flags,))
        + string(HANDLE)
        + string(b"")
        + string(b"comment")
    )
    data = (
        b"openssh-key-v1\0"
        + string(cipher)
        + string(b"none")
        + string(b"")
        + uint32(keys)
        + string(blob)
        + string(secret)
    )
    return (
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
        + base64.encodebytes(data)
        + b"-----END OPENSSH PRIVATE KEY-----\n"
    )


class FileTests(SynchronousTestCase):
    """
    What a file says.
    """

    def test_fields(self) -> None:
        """
        The public key, the application, the flags and the handle.
        """
        key = SecurityKey.parse(file_of(flags=5), "FILE")
        self.assertEqual(key, SecurityKey(BLOB, "ssh:", 5, HANDLE))

    def test_unusable(self) -> None:
        """
        What cannot be used is an error that names the file and says why.
        """
        for content, problem in (
            (b"", "not a private key file"),
            (file_of(cipher=b"aes256-ctr"), "ssh-add"),
            (file_of(keys=2), "exactly one key"),
            (file_of(checks=(1, 2)), "damaged"),
            (file_of(BLOB[:-1] + b"x"), "damaged"),
            (file_of(kind=b"ssh-ed25519"), "not the key of a security key"),
        ):
            with self.assertRaises(KeyUnusable) as raised:
                SecurityKey.parse(content, "FILE")
            self.assertIn(problem, str(raised.exception))
            self.assertTrue(str(raised.exception).startswith("FILE: "))

    @given(st.data())
    def test_damaged(self, data: Any) -> None:
        """
        Of whatever else is in a file, nothing but L{KeyUnusable} comes.
        """
        whole = file_of()
        cut = data.draw(st.integers(0, len(whole)))
        put = data.draw(st.binary(max_size=8) | st.just(b""))
        content = whole[:cut] + put + whole[cut + len(put) + 1 :]
        try:
            SecurityKey.parse(content, "FILE")
        except KeyUnusable:
            return

    def test_file_that_is_not_there(self) -> None:
        """
        A file that cannot be read is an error that names it.
        """
        with self.assertRaises(KeyUnusable) as raised:
            SecurityKeySigner.load("/nowhere/id")
        self.assertIn("/nowhere/id: it cannot be read", str(raised.exception))

    def test_signer(self) -> None:
        """
        It is a signer like any other.
        """
        key = SecurityKeySigner(SecurityKey.parse(file_of(), "FILE"), "FILE")
        self.assertTrue(ISigner.providedBy(key))
        self.assertEqual((key.sshType(), key.blob()), (KIND, BLOB))
        self.assertEqual(key.algorithms, (KIND,))
        self.assertNotIn(HANDLE.hex(), repr(key))


class DeviceTests(TestCase):
    """
    A device in software.
    """

    timeout = 30

    def setUp(self) -> None:
        if SoftwareKey is None:
            missing("the fido2 library is not installed")

    def signer(self, *devices: Any, flags: int = 1, **options: Any) -> Any:
        key = SecurityKey.parse(file_of(flags=flags), "FILE")
        return SecurityKeySigner(
            key, "FILE", devices=lambda: iter(devices), **options
        )

    async def assert_unusable(self, key: Any, problem: str) -> None:
        error: Any = await self.assertFailure(key.sign(b"data", KIND), KeyUnusable)
        self.assertIn(problem, str(error))
        self.assertIn("FILE", str(error))

    async def test_signature(self) -> None:
        """
        The signature is over the application, the flags, the counter and the
        data, and brings the two along; the device is closed.
        """
        device = SoftwareKey(HANDLE)
        signature = await self.signer(device).sign(b"data", KIND)
        reader = Reader(signature, "signature")
        self.assertEqual(reader.string(), KIND)
        made = reader.string()
        # The search for the key was the one before.
        self.assertEqual(reader.rest(), b"\1" + uint32(8))
        PRIVATE.public_key().verify(made, signed_data(b"data", b"\1" + uint32(8)))
        self.assertEqual((device.touches, device.closed), (1, 1))

    async def test_no_touch(self) -> None:
        """
        A key that was made to do without a touch is not touched.
        """
        device = SoftwareKey(HANDLE)
        signature = await self.signer(device, flags=0).sign(b"data", KIND)
        self.assertEqual(signature[-5:-4], b"\0")
        self.assertEqual(device.touches, 0)

    async def test_finds_the_device(self) -> None:
        """
        Only the device that has the key is to be touched; where there is none,
        that is said.
        """
        other, device = SoftwareKey(b"another"), SoftwareKey(HANDLE)
        await self.signer(other, device).sign(b"data", KIND)
        self.assertEqual((other.touches, other.closed, device.touches), (0, 1, 1))
        await self.assert_unusable(self.signer(other), "plug it in")
        await self.assert_unusable(self.signer(), "plug it in")

    async def test_pin(self) -> None:
        """
        A key that wants a PIN is given it; the signature says that it was.
        """
        device = SoftwareKey(HANDLE, pin="1234")
        key = self.signer(device, flags=5, ask_pin=lambda: "1234")
        signature = await key.sign(b"data", KIND)
        self.assertEqual(signature[-5:-4], b"\5")

    async def test_no_pin(self) -> None:
        """
        Without a PIN, with a wrong one or with none set, there is no signature;
        the error does not tell it.
        """
        device = SoftwareKey(HANDLE, pin="1234")
        wrong = self.signer(device, flags=5, ask_pin=lambda: "SECRET")
        error: Any = await self.assertFailure(wrong.sign(b"data", KIND), KeyUnusable)
        self.assertIn("the PIN is wrong", str(error))
        self.assertNotIn("SECRET", str(error))
        await self.assert_unusable(self.signer(device, flags=5), "wants a PIN")
        nobody = self.signer(device, flags=5, ask_pin=lambda: None)
        await self.assert_unusable(nobody, "wants a PIN")
        self.assertEqual(device.touches, 0)

    async def test_not_touched(self) -> None:
        """
        That nobody touched it, or that it was declined, is said in words.
        """
        for code, problem in (
            (ERROR.USER_ACTION_TIMEOUT, "nobody touched it"),
            (ERROR.OPERATION_DENIED, "declined"),
            (ERROR.INVALID_LENGTH, "INVALID_LENGTH"),
        ):
            device = SoftwareKey(HANDLE)

            def refuse(event: Any, code: Any = code) -> None:
                raise CtapError(code)

            device.touched = refuse
            await self.assert_unusable(self.signer(device), problem)
            self.assertEqual(device.closed, 1)

    async def test_cancelled(self) -> None:
        """
        Who cancels it takes the question back from the device.
        """
        device = SoftwareKey(HANDLE)
        waiting: Deferred[None] = Deferred()
        over = threading.Event()
        taken_back: list[bool] = []

        def wait(event: Any) -> None:
            from twisted.internet import reactor

            in_reactor: Any = reactor
            in_reactor.callFromThread(waiting.callback, None)
            taken_back.append(event.wait(5))
            over.set()
            raise CtapError(ERROR.KEEPALIVE_CANCEL)

        device.touched = wait
        signed = self.signer(device).sign(b"data", KIND)
        await waiting
        signed.cancel()
        await self.assertFailure(signed, CancelledError)
        over.wait(20)
        self.assertEqual(taken_back, [True])

    async def test_extensions(self) -> None:
        """
        A device that signs more than it was asked to gives no signature that
        SSH has a place for.
        """
        device = SoftwareKey(HANDLE)
        device.extensions = b"\xa0"
        await self.assert_unusable(self.signer(device), "the device failed")

    async def test_without_the_library(self) -> None:
        """
        Without the library, the error says how to have it.
        """
        name = "fido2.ctap"
        self.addCleanup(sys.modules.__setitem__, name, sys.modules[name])
        sys.modules[name] = None  # type: ignore[assignment]
        await self.assert_unusable(self.signer(), "conch_auth[fido2]")


def signed_data(data: bytes, flags_and_counter: bytes) -> bytes:
    """
    What a signature is over (PROTOCOL.u2f, "SSH U2F Signatures").
    """
    return sha256(b"ssh:").digest() + flags_and_counter + sha256(data).digest()


class OpenSSHTests(AgentLoginCase):
    """
    OpenSSH's sshd, and the files that its ssh-keygen makes.
    """

    def setUp(self) -> None:
        if SoftwareKey is None:
            missing("the fido2 library is not installed")
        if not DUMMY_SECURITY_KEY.exists():
            missing("the security key of OpenSSH's tests is not installed")
        super().setUp()

    def plugged_in(self, file: Path, **options: Any) -> SecurityKeySigner:
        """
        The key of a file, in a device that is plugged in.
        """
        handle = SecurityKey.parse(file.read_bytes(), "FILE").handle

        def devices() -> Iterator[Any]:
            yield SoftwareKey(handle, pin="1234")

        return SecurityKeySigner.load(file, devices=devices, **options)

    async def test_logs_in(self) -> None:
        """
        A key of either kind logs in where a touch is required, and the person
        is told to touch it.
        """
        touched: list[Any] = []

        class Touching(SSHClient):
            def touch_requested(self, key: Any) -> None:
                touched.append(key)

        for kind in ("ed25519-sk", "ecdsa-sk"):
            file = self.new_key(kind, "-w", DUMMY_SECURITY_KEY)
            server = self.sshd(
                "PubkeyAuthOptions touch-required\n", public_line(file)
            )
            key = self.plugged_in(file)
            report = await self.connect(
                server, Touching, client_keys=[key], agent_path=None
            )
            self.assertEqual(tried(report), [("publickey", "accepted")])
            self.assertEqual(touched.pop(), key)

    async def test_pin(self) -> None:
        """
        So does one with a PIN where that is required.
        """
        file = self.new_key(
            "ecdsa-sk", "-w", DUMMY_SECURITY_KEY, "-O", "verify-required"
        )
        server = self.sshd("PubkeyAuthOptions verify-required\n", public_line(file))
        key = self.plugged_in(file, ask_pin=lambda: "1234")
        report = await self.connect(server, client_keys=[key], agent_path=None)
        self.assertEqual(tried(report), [("publickey", "accepted")])

"""
Security keys (FIDO2) that are plugged in to this machine, without an agent.

>>> key = SecurityKeySigner.load("/home/alice/.ssh/id_ed25519_sk")
>>> connection = await connect("host", client_keys=[key])

They take the C{fido2} library, which C{pip install conch_auth[fido2]} installs.
Whoever logs in is told to touch the key by C{touchRequested} or
C{touch_requested}, as with a key in an agent.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from twisted.conch.ssh.common import MP
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from conch_auth import _keyfiles
from conch_auth._awaiting import as_deferred
from conch_auth._signers import Signer
from conch_auth._wire import Reader, string, uint32
from conch_auth.display import printable
from conch_auth.errors import KeyUnusable, MalformedMessage
from conch_auth.interfaces import ISigner

__all__ = ["SecurityKey", "SecurityKeySigner"]

#: What a key asks for at each signature (PROTOCOL.u2f, "SSH_SK_...").
TOUCH_REQUIRED = 0x01
PIN_REQUIRED = 0x04

_ED25519 = b"sk-ssh-ed25519@openssh.com"
_ECDSA = b"sk-ecdsa-sha2-nistp256@openssh.com"
_MAGIC = b"openssh-key-v1\0"
_ARMOUR = re.compile(
    rb"-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]*)"
    rb"-----END OPENSSH PRIVATE KEY-----"
)


class SecurityKey(NamedTuple):
    """
    What a file says of a security key; the private key is in the device.

    @ivar blob: the public key.
    @ivar application: whom the device made it for, such as C{ssh:}.
    @ivar flags: L{TOUCH_REQUIRED} and L{PIN_REQUIRED}.
    @ivar handle: by which the device finds the private key.
    """

    blob: bytes
    application: str
    flags: int
    handle: bytes

    @classmethod
    def parse(cls, content: bytes, path: str) -> SecurityKey:
        """
        @param content: a private key file as ssh-keygen writes it
            (PROTOCOL.key, with the fields of PROTOCOL.u2f).
        @param path: its name, for errors.
        @raise KeyUnusable: where it is none, or needs a passphrase.
        """
        armour = _ARMOUR.search(content)
        if armour is None:
            problem = "it is not a private key file of OpenSSH's"
            raise KeyUnusable(path, problem, "key-not-private")
        try:
            return _parsed(binascii.a2b_base64(armour[1]), path)
        except (ValueError, MalformedMessage):
            problem = "the file of the security key is damaged"
            raise KeyUnusable(path, problem, "key-damaged") from None


def _parsed(data: bytes, path: str) -> SecurityKey:
    reader = Reader(data, "key")
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise reader.malformed("no key")
    encrypted = reader.string() != b"none"
    reader.string(), reader.string()
    if reader.uint32() != 1:
        raise KeyUnusable(path, "it does not hold exactly one key")
    blob, secret = reader.string(), reader.string()
    reader.end()
    if encrypted:
        raise KeyUnusable(
            path,
            "it is encrypted",
            "key-needs-agent",
            "use it through ssh-agent (ssh-add FILE), or take the passphrase off "
            "(ssh-keygen -p -f FILE)",
        )
    return _from_secret(blob, Reader(secret, "key"), path)


def _from_secret(blob: bytes, reader: Reader, path: str) -> SecurityKey:
    if reader.uint32() != reader.uint32():
        raise reader.malformed("two numbers that are not the same")
    kind = reader.string()
    if kind not in (_ED25519, _ECDSA):
        raise KeyUnusable(path, "it is not the key of a security key")
    public = [string(kind)] + [
        string(reader.string()) for _ in range(3 if kind == _ECDSA else 2)
    ]
    if b"".join(public) != blob:
        raise reader.malformed("two public keys that are not the same")
    application = Reader(public[-1], "key").string().decode("utf-8")
    (flags,) = reader.take(1)
    return SecurityKey(blob, application, flags, reader.string())


@implementer(ISigner)
class SecurityKeySigner(Signer):
    """
    Signs with a security key that is plugged in.

    @param key: what its file says.
    @param source: where that came from, for errors and the report.
    @param ask_pin: returns or awaits the PIN, as text, of a key that wants one
        at each signature; C{None} where there is nobody to ask.
    @param devices: returns the devices to look for it in, as C{CtapDevice}s of
        the C{fido2} library; C{None} for those on USB.
    @param reactor: the one whose threads wait for the device; C{None} for the
        reactor that is installed.
    """

    def __init__(
        self,
        key: SecurityKey,
        source: str,
        *,
        ask_pin: Callable[[], Any] | None = None,
        devices: Callable[[], Iterable[Any]] | None = None,
        reactor: Any = None,
    ) -> None:
        super().__init__(key.blob, source)
        self._key = key
        self._ask_pin = ask_pin
        self._devices = devices
        self._reactor = reactor

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> SecurityKeySigner:
        """
        @param path: the private file that ssh-keygen made, without a passphrase.
        @param options: as of the class.
        @raise KeyUnusable: where it cannot be used.
        """
        shown = printable(str(path))
        content, _ = _keyfiles.read(_keyfiles.expanded(str(path)))
        return cls(SecurityKey.parse(content, shown), shown, **options)

    def sign(self, data: bytes, algorithm: bytes) -> Deferred[bytes]:
        """
        The signature, with the flags and the counter of the device
        (PROTOCOL.u2f); or L{KeyUnusable}.  Cancelling it takes the question
        back from the device.
        """
        return Deferred.fromCoroutine(self._sign(data))

    async def _sign(self, data: bytes) -> bytes:
        pin = await self._pin() if self._key.flags & PIN_REQUIRED else None
        cancelled = Event()
        answer: Deferred[_Assertion] = Deferred(lambda _: cancelled.set())

        def answered(made: Any) -> None:
            if not answer.called:
                answer.callback(made)

        threads = self._threads()
        deferToThreadPool(
            threads,
            threads.getThreadPool(),
            self._assertion,
            hashlib.sha256(data).digest(),
            pin,
            cancelled,
        ).addBoth(answered)
        made = await answer
        return (
            string(self.sshType())
            + string(self._encoded(made.signature))
            + bytes((made.flags,))
            + uint32(made.counter)
        )

    def _encoded(self, signature: bytes) -> bytes:
        if self.sshType() == _ED25519:
            return signature
        return b"".join(map(MP, decode_dss_signature(signature)))

    def _threads(self) -> Any:
        if self._reactor is not None:
            return self._reactor
        from twisted.internet import reactor

        return reactor

    async def _pin(self) -> str:
        pin = None if self._ask_pin is None else await as_deferred(self._ask_pin)
        if not isinstance(pin, str) or not pin:
            raise KeyUnusable(
                self.source, "it wants a PIN and none was given", "security-key-refused"
            )
        return pin

    # In a thread.

    def _assertion(
        self, digest: bytes, pin: str | None, cancelled: Event
    ) -> _Assertion:
        try:
            from fido2.ctap import CtapError
            from fido2.ctap2 import Ctap2
        except ImportError:
            raise KeyUnusable(
                self.source,
                "a security key takes the fido2 library, or ssh-agent",
                "key-needs-agent",
                "run: pip install conch_auth[fido2], or: ssh-add FILE",
            ) from None
        try:
            for device in self._plugged_in():
                with device:
                    ctap = Ctap2(device)
                    if self._is_in(ctap):
                        return self._asserted(ctap, digest, pin, cancelled)
        except CtapError as error:
            said = _in_words(error.code.name)
            raise KeyUnusable(self.source, said, "security-key-refused") from None
        except (OSError, ValueError) as error:
            said = printable(str(error), limit=200)
            problem = f"the device failed: {said}"
            raise KeyUnusable(self.source, problem, "security-key-refused") from None
        raise KeyUnusable(
            self.source,
            "no device that is plugged in has this key",
            "security-key-absent",
            "plug it in",
        )

    def _plugged_in(self) -> Iterable[Any]:
        if self._devices is not None:
            return self._devices()
        from fido2.hid import CAPABILITY, CtapHidDevice

        found: Iterable[Any] = CtapHidDevice.list_devices()
        return (device for device in found if device.capabilities & CAPABILITY.CBOR)

    def _is_in(self, ctap: Any) -> bool:
        """
        Whether a device has the key, which it says without a touch.
        """
        from fido2.ctap import CtapError

        try:
            self._ask(ctap, b"\0" * 32, {"up": False})
        except CtapError as error:
            # One that wants a PIN first may have it.
            return error.code.name in ("PUAT_REQUIRED", "UP_REQUIRED")
        return True

    def _asserted(
        self, ctap: Any, digest: bytes, pin: str | None, cancelled: Event
    ) -> _Assertion:
        # A touch is what a device wants where it is not told otherwise.
        options = {} if self._key.flags & TOUCH_REQUIRED else {"up": False}
        permission: dict[str, Any] = {}
        if pin is not None:
            permission = self._by_pin(ctap, digest, pin)
        made = self._ask(ctap, digest, options or None, event=cancelled, **permission)
        # Extensions would be signed as well, and SSH has no place for them.
        if len(made.auth_data) != 37:
            raise ValueError("it has signed more than it was asked to")
        return _Assertion(
            made.signature, int(made.auth_data.flags), made.auth_data.counter
        )

    def _by_pin(self, ctap: Any, digest: bytes, pin: str) -> dict[str, Any]:
        from fido2.ctap2 import ClientPin

        client = ClientPin(ctap)
        token = client.get_pin_token(
            pin, ClientPin.PERMISSION.GET_ASSERTION, self._key.application
        )
        return {
            "pin_uv_param": client.protocol.authenticate(token, digest),
            "pin_uv_protocol": client.protocol.VERSION,
        }

    def _ask(
        self, ctap: Any, digest: bytes, options: dict[str, bool] | None, **more: Any
    ) -> Any:
        return ctap.get_assertion(
            self._key.application,
            digest,
            [{"type": "public-key", "id": self._key.handle}],
            options=options,
            **more,
        )


class _Assertion(NamedTuple):
    """
    What a device has signed with.
    """

    signature: bytes
    flags: int
    counter: int


_WORDS = {
    "PIN_INVALID": "the PIN is wrong",
    "PIN_NOT_SET": "it wants a PIN, and its device has none set",
    "PIN_BLOCKED": "its device is blocked after too many wrong PINs",
    "PIN_AUTH_BLOCKED": "too many wrong PINs; take its device out and plug it in again",
    "ACTION_TIMEOUT": "nobody touched it in time",
    "USER_ACTION_TIMEOUT": "nobody touched it in time",
    "OPERATION_DENIED": "the signature was declined at its device",
}


def _in_words(code: str) -> str:
    return _WORDS.get(code, f"its device refused ({code})")

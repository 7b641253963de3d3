# mypy: disallow-untyped-calls = False
# (The fido2 library is annotated in part.)
"""
A security key in software, to be used through the C{fido2} library.

It finds the private key in the handle, as the security key of OpenSSH's own
tests does; so it can use the files that ssh-keygen makes with that.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fido2 import cbor
from fido2.ctap import CtapDevice, CtapError
from fido2.ctap2.pin import PinProtocolV2
from fido2.hid import CAPABILITY

GET_ASSERTION, GET_INFO, CLIENT_PIN = 2, 4, 6
KEY_AGREEMENT, PIN_TOKEN = 2, 5
ERROR = CtapError.ERR


class SoftwareKey(CtapDevice):  # type: ignore[misc]
    """
    @param handles: of the keys that it has made.
    @param pin: its PIN; C{None} for none.
    @ivar touched: what it does when it wants a touch: nothing, or raise a
        C{CtapError}; called with the event by which it may be cancelled.
    @ivar touches: how often it wanted one.
    @ivar closed: how often it was closed.
    """

    capabilities = CAPABILITY.CBOR

    def __init__(self, *handles: bytes, pin: str | None = None) -> None:
        self._handles = handles
        self._pin = pin
        self._agreement = ec.generate_private_key(ec.SECP256R1())
        self._token = b"t" * 32
        self._counter = 6
        self.extensions = b""
        self.touches = 0
        self.closed = 0
        self.touched: Callable[[Any], object] = lambda cancelled: None

    def close(self) -> None:
        self.closed += 1

    @classmethod
    def list_devices(cls) -> Iterator[CtapDevice]:
        return iter(())

    def call(
        self, cmd: int, data: bytes = b"", event: Any = None, on_keepalive: Any = None
    ) -> bytes:
        command, parameters = data[0], cbor.decode(data[1:]) if data[1:] else {}
        try:
            answer = self._answer(command, parameters, event)
        except CtapError as error:
            return bytes((int(error.code),))
        return b"\0" + bytes(cbor.encode(answer))

    def _answer(self, command: int, asked: Any, event: Event | None) -> Any:
        if command == GET_INFO:
            options = {"clientPin": self._pin is not None}
            return {1: ["FIDO_2_0"], 3: bytes(16), 4: options, 6: [2]}
        if command == CLIENT_PIN:
            return self._client_pin(asked)
        return self._assertion(asked, event)

    def _client_pin(self, asked: Any) -> Any:
        if asked[2] == KEY_AGREEMENT:
            numbers = self._agreement.public_key().public_numbers()
            x, y = (n.to_bytes(32, "big") for n in (numbers.x, numbers.y))
            return {1: {1: 2, 3: -25, -1: 1, -2: x, -3: y}}
        if self._pin is None:
            raise CtapError(ERROR.PIN_NOT_SET)
        secret = self._shared(asked[3])
        expected = hashlib.sha256(self._pin.encode()).digest()[:16]
        if PinProtocolV2().decrypt(secret, asked[6]) != expected:
            raise CtapError(ERROR.PIN_INVALID)
        return {2: PinProtocolV2().encrypt(secret, self._token)}

    def _shared(self, public: Any) -> Any:
        x, y = (int.from_bytes(public[n], "big") for n in (-2, -3))
        peer = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        return PinProtocolV2().kdf(self._agreement.exchange(ec.ECDH(), peer))

    def _assertion(self, asked: Any, event: Event | None) -> Any:
        application, digest, (allowed,) = asked[1], asked[2], asked[3]
        if allowed["id"] not in self._handles:
            raise CtapError(ERROR.NO_CREDENTIALS)
        flags = 0
        if asked.get(5, {}).get("up", True):
            self.touches += 1
            self.touched(event)
            flags |= 1
        if 6 in asked:
            if asked[6] != hmac.digest(self._token, digest, "sha256"):
                raise CtapError(ERROR.PIN_AUTH_INVALID)
            flags |= 4
        self._counter += 1
        data = (
            hashlib.sha256(application.encode()).digest()
            + struct.pack(">BL", flags, self._counter)
            + self.extensions
        )
        return {1: allowed, 2: data, 3: _signature(allowed["id"], data + digest)}


def _signature(handle: bytes, data: bytes) -> bytes:
    if handle.startswith(b"-----"):
        private: Any = load_pem_private_key(handle, None)
        signature: bytes = private.sign(data, ec.ECDSA(hashes.SHA256()))
        return signature
    return ed25519.Ed25519PrivateKey.from_private_bytes(handle[:32]).sign(data)

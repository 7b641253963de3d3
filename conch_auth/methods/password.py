"""
The C{password} method (RFC 4252, section 8).
"""

from __future__ import annotations

from typing import Any

from conch_auth import names
from conch_auth.errors import LimitReached, TransportNotSecure, UnusableAnswer
from conch_auth.messages import PasswordChangeRequest, PasswordRequest
from conch_auth.methods._base import Method


class Password(Method):
    """
    Sends a password, and a new one where the server asks for it.
    """

    name = names.PASSWORD
    # Kept only while a change is under way: the server may refuse a new
    # password and ask for another.
    _old: Any = None
    _changes = 0

    async def _start(self) -> bool:
        self._old, self._changes = None, 0
        if not self.service.transportIsSecure():
            insecure = TransportNotSecure()
            self.has_nothing(str(insecure), insecure.cause)
            return False
        if self.exhausted(self.service.maxPasswordAttempts):
            return False
        password = await self.ask("person", "getPassword")
        if password is None:
            self.has_nothing("no password was given", "no-password")
            return False
        self.count_try()
        self.service._cbPassword(password)
        return True

    def send(self, password: Any) -> None:
        """
        Ask to log in with a password.
        """
        request = PasswordRequest(as_bytes("getPassword", password))
        self.request(request)

    def replied(self, payload: bytes) -> None:
        """
        PASSWD_CHANGEREQ: the password has expired.
        """
        request = self._incoming(PasswordChangeRequest, payload)
        if request is None:
            return
        if self._changes:
            self.service.tell("passwordChangeFailed")
        self._go_on(self._change(request))

    async def _change(self, request: PasswordChangeRequest) -> None:
        limit = self.service.maxPasswordAttempts
        if self._changes >= limit:
            raise LimitReached("new passwords", "maxPasswordAttempts", limit)
        self._changes += 1
        try:
            sent = await self._new_password(request)
        finally:
            self.service._oldPass = None
        if not sent:
            self.declined(
                "the password has expired, and was not changed", "password-not-changed"
            )

    async def _new_password(self, request: PasswordChangeRequest) -> bool:
        """
        Ask for the passwords and send them; C{False} where there are none.
        """
        if self._old is None:
            self._old = await self._prompted(b"Old Password: ")
        if self._old is None:
            return False
        self.service._setOldPass(self._old)
        new = await self._prompted(request.prompt)
        if new is None:
            return False
        self.service._setNewPass(new)
        return True

    async def _prompted(self, prompt: bytes) -> Any:
        """
        Ask for a password with a prompt, which not every getPassword takes.
        """
        try:
            return await self.ask("person", "getPassword", prompt)
        except TypeError:
            raise UnusableAnswer(
                "getPassword", "takes no prompt, so that the password cannot be changed"
            ) from None

    def send_change(self, old: Any, new: Any) -> None:
        """
        Ask to log in with an old password and to replace it by a new one.
        """
        request = PasswordRequest(
            as_bytes("getPassword", old), as_bytes("getPassword", new)
        )
        self.request(request)


def as_bytes(question: str, secret: Any) -> bytes:
    """
    A secret as it is sent: text in UTF-8 (RFC 4252, section 8; RFC 4256,
    section 3.4), and not normalized.  That RFC asks SASLprep of whoever stores
    passwords and compares them; most servers compare the bytes that come, so a
    client that changed them would lock its user out.

    @raise UnusableAnswer: where it is neither text nor bytes; the error does
        not hold the secret.
    """
    if isinstance(secret, bytes):
        return secret
    if not isinstance(secret, str):
        raise UnusableAnswer(
            question, f"gave {type(secret).__name__}, neither str nor bytes"
        )
    encoded = secret.encode("utf-8", "replace")
    if encoded.decode("utf-8") != secret:
        raise UnusableAnswer(question, "gave text that UTF-8 cannot express")
    return encoded

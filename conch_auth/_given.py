"""
What C{connect} was given to log in with, and what its client can answer besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from conch_auth import names
from conch_auth._awaiting import as_deferred
from conch_auth._credentials import Wallet
from conch_auth._host_credentials import HostWallet
from conch_auth.callbacks import SSHClient, is_overridden
from conch_auth.display import text

KEY_CALLBACK = "public_key_auth_requested"
_QUESTION_CALLBACKS = ("kbdint_auth_requested", "kbdint_challenge_received")
_TICKETS = (names.GSSAPI_KEYEX, names.GSSAPI_WITH_MIC)


@dataclass
class Credentials:
    """
    What C{connect} was given to log in with.

    @ivar wallet: the keys.
    @ivar host: what this host vouches with; C{None} where it does not.
    @ivar password: text, bytes, or what returns or awaits it.  It is used once.
    @ivar preferred_auth: the methods to use, and no others, in this order.
    @ivar order_given: whether the order is one that somebody asked for.
    @ivar ticket_asked_for: whether somebody has asked for a ticket to be used.
    @ivar host_judged: whether the host key was judged at all.
    """

    username: str
    wallet: Wallet
    host: HostWallet | None = None
    password: Any = field(default=None, repr=False)
    preferred_auth: Sequence[bytes] = (
        names.PUBLICKEY,
        names.KEYBOARD_INTERACTIVE,
        names.PASSWORD,
    )

    order_given: bool = False
    ticket_asked_for: bool = False
    host_judged: bool = True

    @property
    def first_method(self) -> bytes | None:
        """
        The method that the login begins with.
        """
        order = self._order(*self._unasked())
        return order[0] if order else None

    def password_is_sure(self, client: SSHClient) -> bool:
        """
        Whether, without a key, the password is what this login is meant to go
        by: it was given, it comes first, and it goes to a host that somebody has
        vouched for.
        """
        if not isinstance(self.password, str | bytes) or not self.host_judged:
            return False
        passed = [names.PUBLICKEY, *self._unasked()]
        if not self.order_given and not self._questions_expected(client):
            passed.append(names.KEYBOARD_INTERACTIVE)
        return self._order(*passed)[:1] == [names.PASSWORD]

    def _unasked(self) -> Sequence[bytes]:
        """
        What nobody has asked for holds nothing up: a ticket that may be there.
        """
        return () if self.order_given or self.ticket_asked_for else _TICKETS

    def _order(self, *passed_over: bytes) -> list[bytes]:
        return [name for name in self.preferred_auth if name not in passed_over]

    def _questions_expected(self, client: SSHClient) -> bool:
        """
        Whether the client is there to answer questions, or the password has
        answered one the last time.
        """
        by_client = map(is_overridden, (client,) * 2, _QUESTION_CALLBACKS)
        remembered = self.wallet.recollection.methods
        return any(by_client) or text(names.KEYBOARD_INTERACTIVE) in remembered

    async def take_password(self) -> Any:
        """
        The password, which is gone afterwards.
        """
        password, self.password = self.password, None
        if callable(password):
            password = password()
        return await as_deferred(lambda: password)

    def close(self) -> None:
        """
        Keep no secret.
        """
        self.password = None
        self.wallet.close()
        if self.host is not None:
            self.host.close()


def kept_for(
    client: SSHClient, has_password: bool, methods: Sequence[bytes]
) -> list[str]:
    """
    What needs a try of its own when the keys that were found are used up.

    @param has_password: whether C{connect} was given one.
    @param methods: the methods that come after the keys, in order.
    """
    answered = {
        method
        for method, callback in _ANSWERS.items()
        if method in methods and is_overridden(client, callback)
    }
    if has_password:
        # It is sent once: as an answer only where it cannot be sent as itself.
        by = names.PASSWORD if names.PASSWORD in methods else names.KEYBOARD_INTERACTIVE
        answered |= {by}.intersection(methods)
    own = [KEY_CALLBACK] if is_overridden(client, KEY_CALLBACK) else []
    return own + [text(method) for method in methods if method in answered]


_ANSWERS = {
    names.PASSWORD: "password_auth_requested",
    names.KEYBOARD_INTERACTIVE: "kbdint_auth_requested",
}

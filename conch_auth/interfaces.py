"""
What the parts of the package ask of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import Attribute, Interface


class IHostKeyPolicy(Interface):
    """
    Decides whether a host key is the host's own.
    """

    def order_algorithms(supported: Sequence[bytes]) -> Sequence[bytes]:
        """
        The host key algorithms to ask the server for, most wanted first.

        @param supported: every algorithm that can be verified, in the default
            order.
        @return: some or all of them; those of keys that are known go first.
        """

    def accept(offer: Any) -> Any:
        """
        Whether to trust a host.  It is asked only after the server has proved
        that it holds the key.

        @param offer: the L{conch_auth.certificates.HostKeyOffer}.
        @return: C{True} to go on, or a Deferred or coroutine of it.  Everything
            else refuses; an error that is a
            L{conch_auth.errors.HostKeyNotVerifiable} is what the login ends
            with.
        """


class IOfferedKey(Interface):
    """
    A public key that C{getPublicKey} may return: Conch's C{Key} is one.
    """

    source = Attribute("Where the key came from, in words, for the report.")

    def sshType() -> bytes:
        """
        The key's type, as in the first field of L{blob}.
        """

    def blob() -> bytes:
        """
        The public key as it is sent (RFC 4253, section 6.6).
        """

"""
The methods, and the one table of them.
"""

from __future__ import annotations

from conch_auth.methods._base import Method
from conch_auth.methods.gssapi import GSSAPIKeyEx, GSSAPIWithMIC
from conch_auth.methods.hostbased import HostBased
from conch_auth.methods.keyboard_interactive import KeyboardInteractive
from conch_auth.methods.password import Password
from conch_auth.methods.publickey import PublicKey

__all__ = [
    "METHODS",
    "GSSAPIKeyEx",
    "GSSAPIWithMIC",
    "HostBased",
    "KeyboardInteractive",
    "Method",
    "Password",
    "PublicKey",
]

#: Every method, by its name on the wire.
METHODS: dict[bytes, type[Method]] = {
    method.name: method
    for method in (
        PublicKey,
        Password,
        KeyboardInteractive,
        HostBased,
        GSSAPIWithMIC,
        GSSAPIKeyEx,
    )
}

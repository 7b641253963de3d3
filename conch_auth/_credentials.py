"""
The keys that C{connect} offers, in their order.
"""

from __future__ import annotations

from typing import Any

from conch_auth._options import Options
from conch_auth.keys import Keys, default_identities
from conch_auth.keys import load_keys as load


def load_keys(options: Options) -> Keys:
    """
    The keys of the options, or the user's own.
    """
    if options.client_keys is None:
        return Keys()
    if options.client_keys == ():
        return default_identities(
            passphrase=options.passphrase, certificates=options.client_certs
        )
    return load_given(options, options.client_keys)


def load_given(options: Options, given: Any) -> Keys:
    """
    The keys that a client gave.
    """
    return load(given, passphrase=options.passphrase, certificates=options.client_certs)

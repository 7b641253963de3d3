"""
What a request proves.
"""

from __future__ import annotations

from conch_auth._captions import identity_of
from conch_auth._gss_messages import GSSRequest
from conch_auth._message import MethodRequest
from conch_auth.messages import (
    KeyboardInteractiveRequest,
    KeyRequest,
    NoneRequest,
    OtherRequest,
    PasswordRequest,
    is_described,
)


def proof_in(request: MethodRequest) -> str | None:
    """
    What C{request} proves by itself, in words.  A keyboard-interactive request
    proves nothing before an answer is given, nor does one for GSSAPI before its
    exchange has come to an end.
    """
    method = request.listed_as.decode("ascii", "replace")
    if isinstance(request, NoneRequest | KeyboardInteractiveRequest | GSSRequest):
        return None
    if isinstance(request, OtherRequest) and is_described(request.method):
        # It is not what its method says, so no server can have accepted it.
        return None
    if isinstance(request, KeyRequest):
        # A host's signature is over this session, the user and the account: it
        # is proof of a key, as a user's is.  (AsyncSSH takes a hostbased
        # success for a trivial one.)
        if request.signature is None:
            return None
        return f"{method} with {identity_of(request)}"
    if isinstance(request, PasswordRequest) and request.new_password is not None:
        return f"{method}, which was changed"
    return method

"""
SSH client authentication for Twisted (RFC 4252, 4256, 4462).
"""

from conch_auth.errors import AuthenticationFailed, HostKeyNotVerifiable, ProtocolError
from conch_auth.report import Attempt, AuthReport
from conch_auth.userauth import SSHUserAuthClient

__all__ = [
    "Attempt",
    "AuthReport",
    "AuthenticationFailed",
    "HostKeyNotVerifiable",
    "ProtocolError",
    "SSHUserAuthClient",
]

"""
SSH client authentication for Twisted (RFC 4252, 4256, 4462).

L{SSHUserAuthClient} takes the place of Conch's class of that name.
L{connect} opens a connection, checks the host and logs in, asking an
L{SSHClient} whatever its options do not say.  Either way the course of the
login is an L{AuthReport}.
"""

from conch_auth.callbacks import SSHClient
from conch_auth.endpoints import connect, create_connection
from conch_auth.errors import AuthenticationFailed, HostKeyNotVerifiable, ProtocolError
from conch_auth.report import Attempt, AuthReport
from conch_auth.transport import SSHClientTransport
from conch_auth.userauth import SSHUserAuthClient

__all__ = [
    "Attempt",
    "AuthReport",
    "AuthenticationFailed",
    "HostKeyNotVerifiable",
    "ProtocolError",
    "SSHClient",
    "SSHClientTransport",
    "SSHUserAuthClient",
    "connect",
    "create_connection",
]

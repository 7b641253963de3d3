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

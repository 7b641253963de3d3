"""
SSH client authentication for Twisted (RFC 4252, 4256, 4462).

L{SSHUserAuthClient<conch_auth.userauth.SSHUserAuthClient>} takes the place of
Conch's class of that name.  L{connect<conch_auth.endpoints.connect>} opens a
connection, checks the host and logs in, asking an
L{SSHClient<conch_auth.callbacks.SSHClient>} whatever its options do not say.
Either way the course of the login is an
L{AuthReport<conch_auth.report.AuthReport>}.

Each name is imported when it is first used, so that the command C{conch-auth}
answers at once; C{__init__.pyi} tells type checkers what they are.
"""

from importlib import import_module

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

_HOMES = {
    "Attempt": "report",
    "AuthReport": "report",
    "AuthenticationFailed": "errors",
    "HostKeyNotVerifiable": "errors",
    "ProtocolError": "errors",
    "SSHClient": "callbacks",
    "SSHClientTransport": "transport",
    "SSHUserAuthClient": "userauth",
    "connect": "endpoints",
    "create_connection": "endpoints",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

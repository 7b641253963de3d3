"""
How C{conch-auth} ends.
"""

from __future__ import annotations

from enum import IntEnum

#: What a shell adds to a signal's number where a command was ended by it.
SIGNALLED = 128


class Status(IntEnum):
    """
    The exit status of a login.
    """

    LOGGED_IN = 0
    NOT_AUTHENTICATED = 1
    #: Of the command or of its configuration; nothing was sent to the server.
    USAGE = 2
    HOST_KEY_NOT_VERIFIED = 3
    NOT_CONNECTED = 4

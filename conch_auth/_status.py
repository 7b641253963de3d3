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


_WORDS = {
    Status.LOGGED_IN: "logged in",
    Status.NOT_AUTHENTICATED: "authentication failed",
    Status.USAGE: "wrong usage or configuration",
    Status.HOST_KEY_NOT_VERIFIED: "host key not verified",
    Status.NOT_CONNECTED: "not connected or protocol broken",
}


def described(*statuses: Status, done: str = "") -> str:
    """
    What a subcommand's help says of its exit status.

    @param statuses: those that it may end with.
    @param done: what the first of them means, where it is no login.
    """
    words = {**_WORDS, **({statuses[0]: done} if done else {})}
    told = ", ".join(f"{status:d} {words[status]}" for status in statuses)
    return f"Exit status: {told}."

"""
AsyncSSH's client callbacks.

L{SSHClient} has the methods, the arguments and the defaults of
C{asyncssh.SSHClient}; a subclass written for that one works when its base class
is changed.
"""

from __future__ import annotations

from typing import Any


class SSHClient:
    """
    What a client is asked, and told, while it connects and logs in.

    Each callback may be a plain function, return a Deferred, or be a coroutine.
    A coroutine that still runs when its answer is no longer wanted, because the
    server went on or hung up, is cancelled: C{CancelledError} is raised in it,
    and it may clean up before it raises that again.

    A callback that is asked something and raises ends that attempt, with the
    exception in the report, and what is left follows.
    """

    def connection_made(self, conn: Any) -> Any:
        """
        The connection was opened; nothing is known of the server yet.  It is
        waited for, as long as connecting may take; what it raises ends the
        connection.

        @param conn: the L{SSHClientConnection<conch_auth.endpoints>}.
        """

    def connection_lost(self, exc: Exception | None) -> Any:
        """
        The connection is gone.

        @param exc: why, or C{None} where it was closed on purpose.
        """

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> Any:
        """
        The server sent a debug message (RFC 4253, section 11.3).

        @param msg: the text as it came: show it only through
            L{conch_auth.display.printable}.
        """

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: Any
    ) -> Any:
        """
        Whether C{key} is the host's.  It is asked for a key that known_hosts
        says nothing of, after the server has proved that it holds it.

        @param key: a Conch C{Key}.
        @return: C{True} to go on; everything else refuses.
        """
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: Any) -> Any:
        """
        Whether C{key} may certify the host.  It is asked for the authority of a
        certificate that is valid otherwise.

        @param key: a Conch C{Key}.
        @return: C{True} to go on; everything else refuses.
        """
        return False

    def auth_banner_received(self, msg: str, lang: str) -> Any:
        """
        The server has something to be shown to the user (RFC 4252, section
        5.4).

        @param msg: the text as it came: show it only through
            L{conch_auth.display.printable}.
        """

    def begin_auth(self, username: str) -> Any:
        """
        The login begins.
        """

    def auth_completed(self) -> Any:
        """
        The login is complete, and the connection ready for use.  It is waited
        for, 600 s at most; what it raises ends the connection.
        """

    def public_key_auth_requested(self) -> Any:
        """
        The next private key to try, or several, or C{None} when there is no
        more.  It is asked when the keys given to C{connect} are used up.

        @return: anything that C{client_keys} takes.
        """
        return None

    def touch_requested(self, key: Any) -> Any:
        """
        A security key is about to sign, and waits for a touch now, unless it
        was made to do without.  (AsyncSSH has no such callback.)

        @param key: an L{ISigner<conch_auth.interfaces.ISigner>}.
        """

    def password_auth_requested(self) -> Any:
        """
        The next password to try, or C{None} for none.  It is asked when the
        password given to C{connect} was used.
        """
        return None

    def password_change_requested(self, prompt: str, lang: str) -> Any:
        """
        The password has expired.

        @return: the old password and the new one, or C{NotImplemented}.
        """
        return NotImplemented

    def password_changed(self) -> Any:
        """
        The server has taken the new password.
        """

    def password_change_failed(self) -> Any:
        """
        The server has not taken the new password.
        """

    def kbdint_auth_requested(self) -> Any:
        """
        The submethods to ask for in keyboard-interactive (RFC 4256, section
        3.1), separated by commas; an empty string leaves them to the server;
        C{None} leaves the method out.  C{NotImplemented} answers one question
        for the password with the one given to C{connect}, if there is one that
        was not used yet.
        """
        return NotImplemented

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: list[Any]
    ) -> Any:
        """
        The server asks questions.

        @param prompts: each a prompt, and whether the answer may be seen, as a
            pair that knows more: a L{Prompt<conch_auth.prompts.Prompt>}; none
            where the server only shows the instructions.  The texts are the
            server's: show them only through L{conch_auth.display.printable}, or
            as C{str(prompt)}.
        @return: an answer for each prompt, or C{None} to try another method.
        """
        return None


def is_overridden(client: SSHClient, callback: str) -> bool:
    """
    Whether a client has a callback of its own, from its class or set on itself.
    """
    own = getattr(client, callback)
    return getattr(own, "__func__", own) is not getattr(SSHClient, callback)

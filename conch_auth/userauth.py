"""
The C{ssh-userauth} service of a client.

L{SSHUserAuthClient} takes the place of Conch's class of that name: what a
subclass may override, call or read there works here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from twisted.conch.ssh.service import SSHService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from conch_auth import errors, messages, names
from conch_auth._ahead import Beginning
from conch_auth._saslprep import saslprep
from conch_auth.interfaces import IUserAuthService
from conch_auth.messages import Message
from conch_auth.methods import (
    METHODS,
    GSSAPIKeyEx,
    GSSAPIWithMIC,
    HostBased,
    KeyboardInteractive,
    Method,
    Password,
    PublicKey,
)
from conch_auth.names import (
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_INFO_RESPONSE,
    MSG_USERAUTH_PASSWD_CHANGEREQ,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
)

__all__ = [
    "MSG_USERAUTH_BANNER",
    "MSG_USERAUTH_FAILURE",
    "MSG_USERAUTH_INFO_REQUEST",
    "MSG_USERAUTH_INFO_RESPONSE",
    "MSG_USERAUTH_PASSWD_CHANGEREQ",
    "MSG_USERAUTH_PK_OK",
    "MSG_USERAUTH_REQUEST",
    "MSG_USERAUTH_SUCCESS",
    "SSHUserAuthClient",
]

_M = TypeVar("_M", bound=Message)
_T = TypeVar("_T", bound=Method)


@implementer(IUserAuthService)
class SSHUserAuthClient(Beginning):
    """
    Logs a user in, by whatever its owner can offer and the server accepts.

    What a subclass may answer, be told and set is in L{Questions}.

    @cvar methods: the class of each method, by its name on the wire.

    @ivar user: the user name, bytes.
    @ivar instance: the service to start once the login is complete.
    @ivar authenticatedWith: the methods that were accepted as a factor.
    @ivar triedPublicKeys: every public key that was looked at.
    @ivar lastPublicKey: the last of them.
    @ivar lastAuth: the method that was last asked for.
    """

    name = b"ssh-userauth"
    methods: Mapping[bytes, type[Method]] = METHODS
    _oldPass: Any = None
    _newPass: Any = None
    _remaining: Iterator[bytes] = iter(())

    _log = Logger()

    def __new__(cls, *args: Any, **kwargs: Any) -> SSHUserAuthClient:
        # A subclass need not call our __init__ or serviceStarted.
        self = super().__new__(cls)
        self.authenticatedWith = []
        self.triedPublicKeys = []
        return self

    def __init__(self, user: bytes | str, instance: SSHService) -> None:
        # Conch's own command line passes text.
        self.user = user_name(user) if isinstance(user, str) else user
        self.instance = instance

    # What the server's messages lead to.

    def ssh_USERAUTH_SUCCESS(self, packet: bytes) -> None:
        """
        The login is complete: start the service that was to follow.
        """
        conversation = self._conversation
        if conversation.ended:
            return
        conversation.finish(True)
        try:
            self.transport.setService(self.instance)
        finally:
            conversation.settle(self.report)

    def ssh_USERAUTH_FAILURE(self, packet: bytes) -> Any:
        """
        The server does not accept the request, or wants another factor: try
        the methods that it lists.

        @return: C{None}, or a Deferred that fires when a request was sent or
            no method is left.
        """
        try:
            self.incoming(messages.Failure, packet)
        except errors.ProtocolError:
            return self._ebAuth(Failure())
        return self._cbUserauthFailure(None, self._methodsToTry())

    def ssh_USERAUTH_PK_OK(self, packet: bytes) -> Any:
        """
        Number 60 has a meaning of its own in each method (RFC 4250, section
        4.1.1): C{ssh_USERAUTH_PK_OK_} and the name of the last one is called.
        """
        suffix = self.lastAuth.replace(b"-", b"_").decode("ascii", "replace")
        meant = getattr(self, f"ssh_USERAUTH_PK_OK_{suffix}", None)
        if meant is not None:
            return meant(packet)
        if self.lastAuth in self.methods:
            return self._named(self.lastAuth).replied(packet)
        return self._ebAuth(None)

    def ssh_USERAUTH_PK_OK_publickey(self, packet: bytes) -> None:
        """
        PK_OK: sign with the key that was offered.
        """
        self._method(PublicKey).replied(packet)

    def ssh_USERAUTH_PK_OK_password(self, packet: bytes) -> None:
        """
        PASSWD_CHANGEREQ: ask for the old password and a new one.
        """
        self._method(Password).replied(packet)

    def ssh_USERAUTH_PK_OK_keyboard_interactive(self, packet: bytes) -> None:
        """
        INFO_REQUEST: ask the server's questions.
        """
        self._method(KeyboardInteractive).replied(packet)

    def ssh_USERAUTH_PK_OK_gssapi_with_mic(self, packet: bytes) -> None:
        """
        GSSAPI_RESPONSE: begin the exchange by the mechanism that it names.
        """
        self._method(GSSAPIWithMIC).replied(packet)

    def ssh_USERAUTH_GSSAPI_TOKEN(self, packet: bytes) -> None:
        """
        A token: take the next step.
        """
        self._method(GSSAPIWithMIC).token_received(packet)

    def ssh_USERAUTH_GSSAPI_ERROR(self, packet: bytes) -> None:
        """
        What failed on the server; it is about to refuse.
        """
        self._method(GSSAPIWithMIC).status_received(packet)

    def ssh_USERAUTH_GSSAPI_ERRTOK(self, packet: bytes) -> None:
        """
        The same, in the mechanism's own form.
        """
        self._method(GSSAPIWithMIC).error_token_received(packet)

    # Which method is next.

    def _methodsToTry(self) -> Iterator[bytes]:
        """
        The methods that the server listed, in the order to try them.

        One that was accepted already is not asked for again, but for
        publickey: another key may be wanted as another factor.  It comes last
        then, after what is unused.
        """
        order = self.preferredOrder
        listed = self._conversation.server_methods or ()
        unused = [name for name in listed if name not in self.authenticatedWith]
        unused.sort(
            key=lambda name: order.index(name) if name in order else len(order)
        )
        if names.PUBLICKEY in listed and names.PUBLICKEY not in unused:
            unused.append(names.PUBLICKEY)
        return iter(unused)

    def _cbUserauthFailure(self, result: Any, iterator: Iterator[bytes]) -> Any:
        """
        Try the next method, unless the last one has sent a request.

        @param result: what L{tryAuth} gave for the last one.
        """
        self._remaining = iterator
        while not result and not self._conversation.ended:
            method = next(iterator, None)
            if method is None:
                self._noneLeft()
                return None
            tried = maybeDeferred(self.tryAuth, method)
            tried.addErrback(self._tryFailed, method)
            if not tried.called or tried.paused:
                return tried.addCallback(self._cbUserauthFailure, iterator)
            result = tried.result
        return None

    def _noneLeft(self) -> None:
        if self.eager and self._conversation.server_methods is None:
            # What could go ahead has gone, and the server was never asked.
            self.askForAuth(names.NONE, b"")
        else:
            self.methodsExhausted()

    def _tryFailed(self, failure: Failure, method: bytes) -> bool:
        self._conversation.could_not_start(method, failure, _switch_of(method))
        return False

    def tryAuth(self, kind: bytes) -> Any:
        """
        Try one method: C{auth_} and its name, with underscores for dashes, or
        else what L{methods} has by that name.  C{None} by the first name
        switches it off.

        @return: a true value where a request was sent or may still be, or a
            Deferred of it.
        """
        switch = _switch_of(kind)
        if not hasattr(self, switch) and kind in self.methods:
            return self._named(kind).start()
        start = getattr(self, switch, None)
        return start() if start is not None else None

    def tryNextMethod(self) -> None:
        """
        Go on with the methods that come after the one that was tried last.
        """
        self._conversation.run(self._cbUserauthFailure, None, self._remaining)

    def methodsExhausted(self) -> None:
        """
        Every method that the server lists was tried.  It ends the connection
        with DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE; a subclass may have
        something left to do.
        """
        self._end(errors.AuthenticationFailed, "no method is left to try")

    def _ebAuth(self, ignored: Any, *args: Any) -> None:
        """
        The attempt that runs has failed on this side: go on with what the
        server last listed, or ask it for its list.
        """
        conversation = self._conversation
        conversation.attempt_failed(ignored)
        if conversation.failures > self.maxAttempts:
            reached = errors.LimitReached("failures", "maxAttempts", self.maxAttempts)
            self._end(errors.TooManyAttempts, str(reached))
        else:
            conversation.run(self._resume)

    def _resume(self) -> None:
        if self._conversation.ended:
            return
        if self._conversation.server_methods is None:
            self.askForAuth(names.NONE, b"")
        else:
            self._cbUserauthFailure(None, self._methodsToTry())

    # The methods.

    def _method(self, kind: type[_T]) -> _T:
        """
        The method object of this login, which lives as long as the login.
        """
        method = self._named(kind.name)
        assert isinstance(method, kind)
        return method

    def _named(self, name: bytes) -> Method:
        held: dict[bytes, Method] = self._conversation.methods
        if name not in held:
            held[name] = self.methods[name](self, self._conversation)
        return held[name]

    def auth_publickey(self) -> Deferred[bool]:
        """
        Offer the next key.  Fires with C{False} when there is none.
        """
        return self._method(PublicKey).start()

    def auth_password(self) -> Any:
        """
        Send a password.  C{False} when there is none.
        """
        return self._method(Password).start()

    def auth_keyboard_interactive(self) -> Any:
        """
        Ask for the server's questions.
        """
        return self._method(KeyboardInteractive).start()

    def auth_hostbased(self) -> Any:
        """
        Have this host vouch for its user.  C{False} when no key is left.
        """
        return self._method(HostBased).start()

    def auth_gssapi_with_mic(self) -> Any:
        """
        Log in with a context of GSSAPI, such as a Kerberos ticket gives.
        C{False} when there is none.
        """
        return self._method(GSSAPIWithMIC).start()

    def auth_gssapi_keyex(self) -> Any:
        """
        It takes a key exchange of its own, so the report says why it is left
        out.
        """
        return self._method(GSSAPIKeyEx).start()

    # The steps between a question and what is sent.

    def _cbGetPublicKey(self, publicKey: Any) -> Any:
        return self._method(PublicKey).offer(publicKey)

    def _cbSignedData(self, signedData: bytes) -> None:
        self._method(PublicKey).signed(signedData)

    def _cbPassword(self, password: Any) -> None:
        self._method(Password).send(password)

    def _setOldPass(self, op: Any) -> None:
        self._oldPass = op

    def _setNewPass(self, np: Any) -> None:
        old, self._oldPass = self._oldPass, None
        self._method(Password).send_change(old, np)

    def _cbGenericAnswers(self, responses: Iterable[Any]) -> None:
        self._method(KeyboardInteractive).respond(responses)


def user_name(given: str) -> bytes:
    """
    A user's name as it is sent (RFC 4252, section 5): in the form of SASLprep,
    as AsyncSSH sends it.  A name that has no such form goes as it is, for the
    server to refuse.
    """
    with suppress(ValueError):
        given = saslprep(given)
    return given.encode("utf-8", "surrogateescape")


def _switch_of(method: bytes) -> str:
    """
    The name of what starts C{method}.
    """
    return "auth_" + method.replace(b"-", b"_").decode("ascii", "replace")

"""
What comes in from the server, and what goes out to it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.conch.ssh.service import SSHService
from twisted.logger import Logger
from twisted.python.failure import Failure

from conch_auth import _transports, algorithms, errors, messages, names, signing
from conch_auth._gss_messages import GSSRequest, GSSResponse, GSSToken
from conch_auth._login import Login
from conch_auth._message import Continuation
from conch_auth._states import after_reply
from conch_auth._wire import string
from conch_auth.display import text
from conch_auth.messages import Message
from conch_auth.names import (
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
)
from conch_auth.report import Banner

_M = TypeVar("_M", bound=Message)


class Packets(Login):
    """
    The part of L{SSHUserAuthClient<conch_auth.userauth.SSHUserAuthClient>} that
    has one door and one exit: nothing that is not legal comes in, nothing that
    must stay here goes out, and the report hears of both.
    """

    protocolMessages = {
        MSG_USERAUTH_REQUEST: "MSG_USERAUTH_REQUEST",
        MSG_USERAUTH_FAILURE: "MSG_USERAUTH_FAILURE",
        MSG_USERAUTH_SUCCESS: "MSG_USERAUTH_SUCCESS",
        MSG_USERAUTH_BANNER: "MSG_USERAUTH_BANNER",
        MSG_USERAUTH_PK_OK: "MSG_USERAUTH_PK_OK",
        names.MSG_USERAUTH_GSSAPI_TOKEN: "MSG_USERAUTH_GSSAPI_TOKEN",
        names.MSG_USERAUTH_GSSAPI_ERROR: "MSG_USERAUTH_GSSAPI_ERROR",
        names.MSG_USERAUTH_GSSAPI_ERRTOK: "MSG_USERAUTH_GSSAPI_ERRTOK",
    }

    lastAuth: bytes = b""
    authenticatedWith: list[bytes]
    _bannerBytes = 0

    _log = Logger()

    def _ebAuth(self, ignored: Any, *args: Any) -> None:
        """
        The attempt that runs has failed on this side.
        """
        raise NotImplementedError

    # The door: what the server sends comes in here.

    def requestUnimplemented(self, sequence: int) -> None:
        """
        The server does not know a message of ours (RFC 4253, section 11.4).
        The one whose reply is awaited is then as good as refused.
        """
        conversation = self._conversation
        if not conversation.awaits_reply:
            return
        if conversation.server_methods is None:
            self._end(errors.ProtocolError("the server knows no authentication"))
            return
        self.packetReceived(
            MSG_USERAUTH_FAILURE,
            messages.Failure(conversation.server_methods, False).build(),
        )

    def packetReceived(self, messageNum: int, packet: bytes) -> Any:
        """
        Let in what is legal in the state that the login is in, and pass it to
        its C{ssh_} method.  What is not legal ends the login with a
        L{ProtocolError<conch_auth.errors.ProtocolError>}; a number that no
        server has cause to send is answered with UNIMPLEMENTED.
        """
        conversation = self._conversation
        if conversation.ended:
            return None
        try:
            message = self._admit(messageNum, packet)
        except errors.ProtocolError as error:
            self._end(error)
            return None
        if message is None:
            self.transport.sendUnimplemented()
            return None
        if isinstance(message, messages.Success) and not self._isProved():
            self._end(
                errors.TrivialAuthenticationRefused,
                "the server reported success without having seen any proof of "
                "who logs in (allowTrivialAuth accepts that)",
            )
            return None
        conversation.admitted = packet, message
        self._note(message)
        try:
            return SSHService.packetReceived(self, messageNum, packet)
        finally:
            self._passedBy(message)
            conversation.admitted = None

    def _passedBy(self, message: Message) -> None:
        """
        An override that never asked what is in it answers by itself.
        """
        conversation = self._conversation
        if conversation.admitted is None or conversation.admitted[1] is not message:
            return
        if isinstance(message, messages.InfoRequest):
            conversation.answered_unseen(bool(message.prompts))
        elif isinstance(message, GSSResponse | GSSToken):
            conversation.answered_unseen(True)

    def _admit(self, number: int, packet: bytes) -> Message | None:
        """
        The message, if it is legal now; C{None} where the number is unknown.
        """
        conversation = self._conversation
        if number >= names.FIRST_CONNECTION_MESSAGE:
            raise errors.UnexpectedMessage(
                f"message {number}", "before the login was complete"
            )
        kind = messages.from_server(number, conversation.asked_for)
        if kind is None:
            return None
        after_reply(conversation.state, kind)
        return self._parse(kind, packet)

    def _parse(self, kind: type[_M], packet: bytes) -> _M:
        message = kind.parse(packet)
        asked = self._conversation.request
        if isinstance(message, GSSResponse) and not (
            isinstance(asked, GSSRequest) and message.mechanism in asked.mechanisms
        ):
            raise errors.ProtocolError(
                "the server chose a GSSAPI mechanism that it was not offered"
            )
        if isinstance(message, messages.PublicKeyOk) and not (
            isinstance(asked, messages.PublicKeyRequest)
            and algorithms.confirms(message, asked)
        ):
            raise errors.ProtocolError(
                "the server sent USERAUTH_PK_OK for a key or an algorithm that "
                "it was not asked about"
            )
        return message

    def incoming(self, message: type[_M], payload: bytes) -> _M:
        """
        The message in C{payload}: the one that the door has let in or, where a
        test or a subclass calls an C{ssh_} method itself, what it handed in.

        @raise conch_auth.errors.ProtocolError: where it is no such message.
        """
        admitted = self._conversation.admitted
        if admitted is not None and admitted[0] is payload:
            let_in = admitted[1]
            if isinstance(let_in, message):
                self._conversation.admitted = None
                return let_in
        parsed = self._parse(message, payload)
        self._note(parsed)
        return parsed

    def _note(self, message: Message) -> None:
        """
        A message has come: what it says about the request is so from now on.
        """
        conversation = self._conversation
        changed = conversation.password_changed
        conversation.received(message)
        if isinstance(message, messages.Failure) and message.partial:
            self.authenticatedWith.append(self.lastAuth)
        if changed and isinstance(message, messages.Failure | messages.Success):
            if isinstance(message, messages.Success) or message.partial:
                self.tell("passwordChanged")
            else:
                self.tell("passwordChangeFailed")

    def _isProved(self) -> bool:
        conversation = self._conversation
        return bool(
            self.allowTrivialAuth or conversation.proof or conversation.proved
        )

    def ssh_USERAUTH_BANNER(self, packet: bytes) -> None:
        """
        The server has something to be shown (RFC 4252, section 5.4).
        """
        try:
            message = self.incoming(messages.Banner, packet)
        except errors.ProtocolError:
            return
        recorder = self._conversation.recorder
        size = self._bannerBytes + len(message.message) + len(message.language)
        if recorder.banners_kept >= self.maxBanners or size > self.maxBannerBytes:
            return
        self._bannerBytes = size
        banner = Banner(text(message.message), text(message.language))
        recorder.banner(banner)
        self.tell("bannerReceived", banner, banner.language)

    # The exit: what is sent goes out here.

    def askForAuth(self, kind: bytes, extraData: bytes) -> None:
        """
        Send a USERAUTH_REQUEST (RFC 4252, section 5).

        @param kind: the method.
        @param extraData: what follows its name.
        """
        self.lastAuth = names.LISTED_AS.get(kind, kind)
        self._renew()
        self._conversation.run(self._sendRequest, kind, extraData)

    def _sendRequest(self, kind: bytes, extraData: bytes) -> None:
        conversation = self._conversation
        if conversation.ended:
            return
        if conversation.requests >= self.maxAttempts:
            reached = errors.LimitReached("requests", "maxAttempts", self.maxAttempts)
            self._end(errors.TooManyAttempts, str(reached))
            return
        try:
            request = self._requestIn(kind, extraData)
            self._checkRequest(request)
        except errors.MalformedMessage:
            request = messages.OtherRequest(kind)
        except (errors.UnusableAnswer, errors.TransportNotSecure):
            self._ebAuth(Failure())
            return
        self._begin()
        conversation.sending(request)
        head = string(self.user) + string(self.instance.name) + string(kind)
        secret = isinstance(request, messages.PasswordRequest)
        self._send(MSG_USERAUTH_REQUEST, head + extraData, secret)

    def _requestIn(self, kind: bytes, extraData: bytes) -> messages.MethodRequest:
        """
        What is sent, as a value: it may be a subclass's own.
        """
        built, self._conversation.built = self._conversation.built, None
        if built is not None and built[0] is extraData and built[1].method == kind:
            return built[1]
        return messages.method_request(kind, extraData)

    def _checkRequest(self, request: messages.MethodRequest) -> None:
        """
        Hold back what must never be sent, whoever wants to send it.
        """
        if isinstance(request, messages.PasswordRequest):
            self._checkSecrecy()
        elif isinstance(request, messages.KeyRequest):
            signing.check_signature(request)

    def _checkSecrecy(self) -> None:
        if not self.transportIsSecure():
            raise errors.TransportNotSecure()

    def sendUserAuth(self, *carrying_on: Continuation) -> None:
        """
        Send messages that carry on the outstanding request.

        @raise conch_auth.errors.TransportNotSecure: where one of them proves who
            logs in and the transport does not protect it.
        """
        if any(message.proves for message in carrying_on):
            self._checkSecrecy()
        self._conversation.run(self._sendMessages, carrying_on)

    def _sendMessages(self, carrying_on: tuple[Continuation, ...]) -> None:
        conversation = self._conversation
        if conversation.ended:
            return
        conversation.responding(carrying_on)
        then = conversation.state
        for message in carrying_on:
            # A server in this process may have answered the one before.
            if conversation.state is then:
                secret = isinstance(message, messages.InfoResponse) and message.answers
                self._send(message.number, message.build(), bool(secret))

    def _send(self, number: int, payload: bytes, secret: bool) -> None:
        if secret and self.hideLengths:
            _transports.hide_length(self.transport, 1 + len(payload))
        self.transport.sendPacket(number, payload)

    def transportIsSecure(self) -> bool:
        """
        Whether a secret may be sent (RFC 4252, section 8).
        """
        return _transports.protects(self.transport)

    def serverSignatureAlgorithms(self) -> tuple[bytes, ...]:
        """
        The server's C{server-sig-algs} (RFC 8308, section 3.1), if it sent
        them and they were protected; empty otherwise.
        """
        return _transports.server_signature_algorithms(self.transport)

    def hostKeyToBind(self) -> bytes | None:
        """
        The host key that signatures of user's keys are to name (OpenSSH's
        PROTOCOL, section 3.1); C{None} where they name none.
        """
        if not self.hostBoundSignatures:
            return None
        return _transports.host_key_to_bind(self.transport)

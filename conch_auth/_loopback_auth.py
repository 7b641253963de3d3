"""
Who may log in to a loopback server, and the service that asks for proof.

The service is Conch's own L{SSHUserAuthServer}, with a portal and a checker as
in any Conch server.  Added to it is what Conch leaves to its users: several
factors, keyboard-interactive, a password that must be changed, banners, and
methods that differ from user to user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from twisted.conch.error import (
    IgnoreAuthentication,
    NotEnoughAuthentication,
    ValidPublicKey,
)
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials, ISSHPrivateKey, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from conch_auth import names
from conch_auth._wire import Reader
from conch_auth.errors import MalformedMessage
from conch_auth.messages import (
    Banner,
    InfoRequest,
    InfoResponse,
    Message,
    PasswordChangeRequest,
    PasswordRequest,
    Prompt,
    PublicKeyRequest,
    UserAuthRequest,
)

#: What a user who does not exist is asked for, so that nothing tells the two
#: kinds of user apart.
STRANGERS_METHODS = (names.PUBLICKEY, names.PASSWORD, names.KEYBOARD_INTERACTIVE)

Factors = tuple[tuple[bytes, ...], ...]


class Round(NamedTuple):
    """
    One round of keyboard-interactive: what is asked and what must be answered.
    """

    request: InfoRequest
    answers: tuple[bytes, ...]


def rounds_of(
    prompts: Sequence[Sequence[tuple[str, bool]]],
    answers: Sequence[Sequence[str]],
    instruction: str,
) -> tuple[Round, ...]:
    """
    @raise ValueError: where there are not as many answers as prompts.
    """
    if [len(asked) for asked in prompts] != [len(given) for given in answers]:
        raise ValueError("there must be one answer to each prompt of each round")
    return tuple(
        Round(
            InfoRequest(
                b"",
                b"" if number else instruction.encode(),
                b"",
                tuple(Prompt(text.encode(), echo) for text, echo in asked),
            ),
            tuple(answer.encode() for answer in given),
        )
        for number, (asked, given) in enumerate(zip(prompts, answers, strict=True))
    )


@dataclass
class Account:
    """
    One user of a loopback server.

    @ivar password: the password; C{None} where none does.
    @ivar keys: the blobs of the public keys.
    @ivar rounds: the rounds of keyboard-interactive.
    @ivar factors: the alternatives, each the methods to be passed in order.
    @ivar banner: what is sent before the first answer.
    @ivar change_prompt: the prompt that asks for a new password, or C{None}
        while the password is good.
    """

    name: bytes
    password: bytes | None = field(default=None, repr=False)
    keys: frozenset[bytes] = frozenset()
    rounds: tuple[Round, ...] = field(default=(), repr=False)
    factors: Factors = ()
    banner: str = ""
    change_prompt: str | None = None

    def methods(self) -> Iterable[bytes]:
        """
        The methods for which this user has anything to show.
        """
        if self.keys:
            yield names.PUBLICKEY
        if self.password is not None:
            yield names.PASSWORD
        if self.rounds:
            yield names.KEYBOARD_INTERACTIVE

    def has_password(self, password: bytes) -> bool:
        return self.password == password

    def change_password(self, new: bytes) -> bool:
        """
        Take a new password, unless it is empty or the old one.
        """
        if not new or self.has_password(new):
            return False
        self.password, self.change_prompt = new, None
        return True


class IAdmitted(ICredentials, Interface):
    """
    A user whose proof the service has already seen.
    """


@implementer(IAdmitted)
class Admitted:
    def __init__(self, user: bytes) -> None:
        self.username = user


@implementer(ICredentialsChecker)
class AccountChecker:
    """
    Checks keys and passwords against the accounts.

    @param accounts: the accounts by their names.
    @param algorithms: the signature algorithms that are accepted.
    """

    credentialInterfaces = (ISSHPrivateKey, IUsernamePassword, IAdmitted)

    def __init__(
        self, accounts: dict[bytes, Account], algorithms: Sequence[bytes]
    ) -> None:
        self._accounts = accounts
        self._algorithms = algorithms

    def requestAvatarId(self, credentials: Any) -> Any:
        account = self._accounts.get(credentials.username)
        if account is None:
            raise UnauthorizedLogin("no such user")
        if ISSHPrivateKey.providedBy(credentials):
            self._check_key(account, credentials)
        elif not IAdmitted.providedBy(credentials) and not account.has_password(
            credentials.password
        ):
            raise UnauthorizedLogin("wrong password")
        return account.name

    def _check_key(self, account: Account, credentials: Any) -> None:
        if credentials.algName not in self._algorithms:
            raise UnauthorizedLogin("signature algorithm not accepted")
        if credentials.blob not in account.keys:
            raise UnauthorizedLogin("not a key of this user")
        if credentials.signature is None:
            raise ValidPublicKey()
        if not _is_signed(credentials):
            raise UnauthorizedLogin("the signature does not hold")


def _is_signed(credentials: Any) -> bool:
    try:
        made_with = Reader(credentials.signature, "signature").string()
        key = Key.fromString(credentials.blob)
    except (MalformedMessage, BadKeyError):
        return False
    return made_with == credentials.algName and bool(
        key.verify(credentials.signature, credentials.sigData)
    )


class LoopbackUserAuthServer(SSHUserAuthServer):
    """
    The C{ssh-userauth} service of a loopback server, for one connection.

    It reads C{accounts}, C{requests}, C{clock}, C{max_tries} and
    C{password_delay} from the transport's factory.
    """

    transport: Any

    def serviceStarted(self) -> None:
        factory = self.transport.factory
        self.clock = factory.clock
        self.attemptsBeforeDisconnect = factory.max_tries
        self.passwordDelay = factory.password_delay
        self._delayed: IDelayedCall | None = None
        self._interrogation: _Interrogation | None = None
        self._begin(None)
        SSHUserAuthServer.serviceStarted(self)

    def serviceStopped(self) -> None:
        SSHUserAuthServer.serviceStopped(self)
        if self._delayed is not None and self._delayed.active():
            self._delayed.cancel()

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> Any:
        try:
            message = UserAuthRequest.parse(packet)
        except MalformedMessage as error:
            self._broken(str(error))
            return None
        self.transport.factory.requests.append(_memorable(message))
        # A new request gives up the questions that are open (RFC 4256, 3.1).
        self._interrogation = None
        if (message.user, message.service) != (self.user, self.nextService):
            self._begin(self.transport.factory.accounts.get(message.user))
        self._offer()
        return super().ssh_USERAUTH_REQUEST(packet)

    def tryAuth(self, kind: bytes, user: bytes, data: bytes) -> Any:
        if kind == names.NONE and self._is_next(names.NONE):
            return self._admit()
        return super().tryAuth(kind, user, data)

    def auth_publickey(self, packet: bytes) -> Any:
        request = PublicKeyRequest.read(Reader(packet, "publickey"))
        if request.blob in self._used_keys:
            return fail(UnauthorizedLogin("this key has already served"))
        passed = super().auth_publickey(packet)
        return passed.addCallback(self._used, request.blob)

    def _used(self, result: Any, blob: bytes) -> Any:
        self._used_keys.add(blob)
        return result

    def auth_password(self, packet: bytes) -> Any:
        request = PasswordRequest.read(Reader(packet, "password"))
        if request.new_password is None:
            passed: Deferred[Any] = SSHUserAuthServer.auth_password(self, packet)
            return passed.addCallback(self._unless_expired)
        account = self._account
        if account is None or not account.has_password(request.password):
            wrong = UnauthorizedLogin("wrong password")
            return fail(wrong).addErrback(self._ebPassword)
        if account.change_password(request.new_password):
            return self._admit()
        return self._ask_new_password(account.change_prompt or "New password: ")

    def _unless_expired(self, result: Any) -> Any:
        assert self._account is not None
        if self._account.change_prompt is None:
            return result
        return self._ask_new_password(self._account.change_prompt)

    def _ask_new_password(self, prompt: str) -> Any:
        self._send(PasswordChangeRequest(prompt.encode(), b""))
        return fail(IgnoreAuthentication())

    def _ebPassword(self, f: Failure) -> Any:
        if not self.passwordDelay:
            return f
        refused: Deferred[Any] = Deferred()
        self._delayed = self.clock.callLater(self.passwordDelay, refused.errback, f)
        return refused

    def auth_keyboard_interactive(self, packet: bytes) -> Any:
        if self._account is None or not self._account.rounds:
            return fail(UnauthorizedLogin("there is nothing to ask"))
        self._interrogation = _Interrogation(self._account.rounds, self._send)
        return self._interrogation.begin().addCallback(lambda _: self._admit())

    def ssh_USERAUTH_INFO_RESPONSE(self, packet: bytes) -> None:
        try:
            message = InfoResponse.parse(packet)
        except MalformedMessage as error:
            return self._broken(str(error))
        if self._interrogation is None:
            return self._broken("nothing was asked")
        if self._interrogation.answered(message.answers):
            self._interrogation = None
        return None

    def _begin(self, account: Account | None) -> None:
        self._account = account
        self._factors = (
            tuple((method,) for method in STRANGERS_METHODS)
            if account is None
            else account.factors
        )
        self._used_keys: set[bytes] = set()
        self._banner = account.banner if account is not None else ""

    def _offer(self) -> None:
        if self._banner:
            self._send(Banner(self._banner.encode(), b""))
            self._banner = ""
        self.supportedAuthentications = self._next_methods()

    def _is_next(self, method: bytes) -> bool:
        return any(factors[:1] == (method,) for factors in self._factors)

    def _next_methods(self) -> list[bytes]:
        # RFC 4252, section 5.2: "none" is never listed.
        heads = dict.fromkeys(factors[0] for factors in self._factors if factors)
        return [method for method in heads if method != names.NONE]

    def _cbFinishedAuth(self, result: Any) -> None:
        passed = self.method
        self.authenticatedWith.append(passed)
        self._factors = tuple(
            factors[1:] if factors[:1] == (passed,) else factors
            for factors in self._factors
        )
        if () not in self._factors:
            self.supportedAuthentications = self._next_methods()
            raise NotEnoughAuthentication()
        super()._cbFinishedAuth(result)

    def _admit(self) -> Any:
        return self.portal.login(Admitted(self.user or b""), None, IConchUser)

    def _send(self, message: Message) -> None:
        self.transport.sendPacket(message.number, message.build())

    def _broken(self, problem: str) -> None:
        self.transport.sendDisconnect(names.DISCONNECT_PROTOCOL_ERROR, problem.encode())


class _Interrogation:
    """
    The rounds of one keyboard-interactive exchange (RFC 4256, section 3).
    """

    def __init__(
        self, rounds: Sequence[Round], send: Callable[[Message], None]
    ) -> None:
        self._rounds = list(rounds)
        self._send = send
        self._done: Deferred[None] = Deferred()

    def begin(self) -> Deferred[None]:
        self._send(self._rounds[0].request)
        return self._done

    def answered(self, answers: tuple[bytes, ...]) -> bool:
        """
        @return: whether that was the end.
        """
        asked = self._rounds.pop(0)
        if answers != asked.answers:
            self._done.errback(UnauthorizedLogin("wrong answer"))
        elif self._rounds:
            self._send(self._rounds[0].request)
            return False
        else:
            self._done.callback(None)
        return True


def _memorable(message: UserAuthRequest) -> UserAuthRequest:
    return UserAuthRequest(
        message.user, message.service, message.request.without_secrets()
    )

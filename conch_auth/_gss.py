"""
The C{gssapi} library, with every call that may wait in a thread.

The library is an extra and is imported when it is first wanted: a ticket may be
in a service that answers slowly, and a step may ask a KDC over the network.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from zope.interface import implementer

from conch_auth.display import printable
from conch_auth.errors import GSSAPIError, GSSAPIUnavailable
from conch_auth.interfaces import IGSSContext

_NO_LIBRARY = 'the gssapi library is not installed: pip install "conch_auth[gssapi]"'


def initiate(
    host: str, reactor: Any, *, delegate: bool = False
) -> Deferred[IGSSContext]:
    """
    A context that logs in with whatever credential this process has.

    @param host: the server's name; with an C{@} in it, the whole name of its
        service, such as C{"host@server.example.org"}.
    @param reactor: the one whose threads are to wait.
    @param delegate: whether the server may act in the user's name.
    @return: fires with the context, or errbacks with L{GSSAPIUnavailable}.
    """
    acquired = deferToThreadPool(reactor, reactor.getThreadPool(), _credentials)
    return acquired.addCallback(LibraryContext, host, reactor, delegate)


def _credentials() -> Any:
    try:
        import gssapi
    except (ImportError, OSError) as error:
        raise GSSAPIUnavailable(_NO_LIBRARY, "gssapi-not-installed") from error
    try:
        credentials = gssapi.Credentials(usage="initiate")
        lifetime = credentials.lifetime
    except gssapi.exceptions.ExpiredCredentialsError as error:
        raise _expired() from error
    except gssapi.exceptions.GSSError as error:
        raise GSSAPIUnavailable(
            f"no Kerberos ticket: run kinit ({printable(_in_words(error), limit=200)})"
        ) from error
    if lifetime == 0:
        raise _expired()
    return credentials


def _expired() -> GSSAPIUnavailable:
    return GSSAPIUnavailable(
        "the Kerberos ticket has expired: run kinit", "ticket-expired"
    )


@implementer(IGSSContext)
class LibraryContext:
    """
    A context of the library's.

    It demands that the server proves itself as well: RFC 4462, section 3.4,
    does without, but every client asks for it, and a MIC then goes to nobody
    but the server that was named.
    """

    complete = False
    has_integrity = False

    def __init__(
        self, credentials: Any, host: str, reactor: Any, delegate: bool
    ) -> None:
        self._credentials = credentials
        self._host = host
        self._reactor = reactor
        self._delegate = delegate
        self._context: Any = None
        self.source = f"the ticket of {credentials.name}"
        self.mechanisms = tuple(
            sorted(mechanism.dotted_form for mechanism in credentials.mechs)
        )

    def step(self, mechanism: str, token: bytes | None) -> Deferred[bytes | None]:
        return deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), self._step, mechanism, token
        )

    def _step(self, mechanism: str, token: bytes | None) -> bytes | None:
        import gssapi

        try:
            if self._context is None:
                self._context = self._new_context(mechanism)
            answer: bytes | None = self._context.step(token)
            if self._context.complete:
                self._finish()
        except gssapi.exceptions.GSSError as error:
            raise _translated(error) from None
        return answer

    def _new_context(self, mechanism: str) -> Any:
        import gssapi

        name = self._host if "@" in self._host else f"host@{self._host}"
        wanted = gssapi.RequirementFlag
        flags = wanted.mutual_authentication | wanted.integrity
        if self._delegate:
            flags |= wanted.delegate_to_peer
        context = gssapi.SecurityContext(
            name=gssapi.Name(name, gssapi.NameType.hostbased_service),
            creds=self._credentials,
            mech=gssapi.OID.from_int_seq(mechanism),
            flags=flags,
            usage="initiate",
        )
        # An error token would otherwise come back as if it were a good one.
        context.__DEFER_STEP_ERRORS__ = False
        return context

    def _finish(self) -> None:
        import gssapi

        flags = self._context.actual_flags
        if gssapi.RequirementFlag.mutual_authentication not in flags:
            raise GSSAPIError("the server did not prove that it is the server")
        self.has_integrity = gssapi.RequirementFlag.integrity in flags
        self.complete = True

    def sign(self, data: bytes) -> bytes:
        # Cryptography only: there is nothing to wait for.
        import gssapi

        try:
            mic: bytes = self._context.get_signature(data)
        except gssapi.exceptions.GSSError as error:
            raise _translated(error) from None
        return mic

    def explain(self, token: bytes) -> str:
        # The mechanism only reads the token; no error of it goes anywhere.
        import gssapi

        try:
            self._context.step(token)
        except gssapi.exceptions.GSSError as error:
            return _in_words(error)
        return ""


def _translated(error: Any) -> GSSAPIError:
    return GSSAPIError(_in_words(error), error.maj_code, error.min_code, error.token)


def _in_words(error: Any) -> str:
    """
    The mechanism's own words, which say more than the major status does.
    """
    for code, is_major in ((error.min_code, False), (error.maj_code, True)):
        words = "; ".join(error.get_all_statuses(code, is_major))
        if words and words != "Success":
            return words
    return f"status {error.maj_code:#x}"

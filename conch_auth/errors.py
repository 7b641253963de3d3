"""
Every error of the package.

Whose fault it is, is in the type.  The server declined:
L{AuthenticationFailed}.  The server broke the protocol: L{ProtocolError}.  The
host was not proved: L{HostKeyNotVerifiable}.  The connection went away:
L{ConnectionLost}.  An override or callback returned what cannot be used:
L{UnusableAnswer}.  An ssh-agent did not do what it was asked to: L{AgentError}.

A L{LoginError} carries the report of the login that it ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.conch import error as conch_error
from twisted.internet import error as internet_error
from twisted.internet.defer import CancelledError
from twisted.python.filepath import FilePath

from conch_auth._causes import Cause
from conch_auth.diagnosis import Diagnosis, diagnose_error
from conch_auth.display import printable, text
from conch_auth.report import AuthReport


class LoginError(Exception):
    """
    A login ended without success.

    @ivar report: what happened until then; C{None} where the login had not
        begun.
    @ivar cause: why it ended, as one of L{conch_auth.diagnosis.CAUSES}.
    """

    cause: Cause
    report: AuthReport | None = None

    @property
    def told(self) -> str:
        """
        What happened, in words without advice.
        """
        return str(self)

    def diagnosis(self) -> tuple[Diagnosis, ...]:
        """
        Why there is no login and what to do, the most important first.
        """
        known = () if self.report is None else self.report.diagnosis()
        if any(each.cause == self.cause for each in known):
            return known
        # It is the connection that failed, while a login ran or before one did.
        return (
            diagnose_error(
                self.cause,
                self.told,
                host=getattr(self, "host", ""),
                advice=getattr(self, "advice", ""),
            ),
        )


class AuthenticationFailed(LoginError):
    """
    The server did not accept any credential that was tried.
    """

    cause: Cause = "no-method-left"
    report: AuthReport

    def __init__(self, report: AuthReport) -> None:
        super().__init__(report)
        self.report = report
        self.cause = report.cause or self.cause

    def __str__(self) -> str:
        return str(self.report)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.report.ending!r})"


class TooManyAttempts(AuthenticationFailed):
    """
    A limit on requests, passwords or rounds was reached.
    """

    cause: Cause = "limit-reached"


class LoginTimeout(AuthenticationFailed):
    """
    The login took longer than one of its limits allows.
    """

    cause: Cause = "login-timeout"


class ServerTimeout(LoginTimeout):
    """
    The server did not answer a request in time.
    """

    cause: Cause = "server-timeout"


class TrivialAuthenticationRefused(AuthenticationFailed):
    """
    The server said that the login succeeded without having seen any proof of
    who logs in.
    """

    cause: Cause = "trivial-success"


class AuthenticationCancelled(AuthenticationFailed, CancelledError):
    """
    The login was cancelled on this side.
    """

    cause: Cause = "login-cancelled"


class ConnectionLost(LoginError, internet_error.ConnectionLost):
    """
    The connection was lost before the login was complete.

    @ivar report: what happened until then.
    """

    cause: Cause = "connection-lost"

    def __init__(self, report: AuthReport | None = None) -> None:
        super().__init__()
        self.report = report
        if report is not None and report.cause:
            self.cause = report.cause

    def __str__(self) -> str:
        if self.report is None:
            return "the connection was lost before the login began"
        return str(self.report)


class ServerDisconnected(ConnectionLost):
    """
    The server ended the connection and said why (RFC 4253, section 11.1).

    @ivar code: the reason code, one of Conch's C{DISCONNECT_} numbers.
    @ivar description: the server's text, as it came.
    """

    cause: Cause = "server-disconnected"

    def __init__(
        self, code: int, description: str, report: AuthReport | None = None
    ) -> None:
        super().__init__(report)
        self.code = code
        self.description = description

    def __str__(self) -> str:
        said = printable(self.description, limit=400) or "no reason"
        told = f"the server disconnected (code {self.code}): {said}"
        return told if self.report is None else str(self.report)


#: What sshd says in the place of its version to whom it will not hear: for its
#: MaxStartups, and for its PerSourcePenalties.
TURNED_AWAY = ("Exceeded MaxStartups", "Not allowed at this time")


class NotSSH(ConnectionLost):
    """
    The server did not name an SSH version (RFC 4253, section 4.2): it speaks
    another protocol, or turned the connection away before it began.

    @ivar said: what it sent instead, as it came.
    """

    cause: Cause = "not-ssh"

    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said
        if not said or said.startswith(TURNED_AWAY):
            self.cause = "turned-away"

    @property
    def told(self) -> str:
        # Of a web page there are many lines, and the first tells what it is.
        first = self.said.strip().partition("\n")[0]
        said = printable(first.rstrip("\r"), limit=400)
        told = f"it said: {said}" if said else "it said nothing"
        return f"the server did not begin to speak SSH; {told}"

    def __str__(self) -> str:
        return _with_advice(self)


class ProtocolError(LoginError):
    """
    The server sent what the protocol forbids.

    @ivar problem: what was wrong, in a sentence.
    """

    cause: Cause = "protocol-broken"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class MalformedMessage(ProtocolError):
    """
    A message was too short, too long, or said what cannot be.

    @ivar message: the name of the message.
    """

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(f"malformed {message}: {problem}")
        self.message = message


class UnexpectedMessage(ProtocolError):
    """
    A message came in a state in which it is not legal.

    @ivar message: the name of the message.
    @ivar state: the state, in words.
    """

    def __init__(self, message: str, state: str) -> None:
        super().__init__(f"the server sent {message} {state}")
        self.message = message
        self.state = state


class NoCommonAlgorithm(ProtocolError):
    """
    The two sides share no algorithm of a kind, so no connection can be made
    (RFC 4253, section 7.1).

    @ivar kind: what the algorithms are for, in words.
    @ivar offered: the names that the server offered.
    @ivar supported: the names that this side offered.
    """

    cause: Cause = "no-common-algorithm"

    def __init__(
        self, kind: str, offered: Sequence[bytes], supported: Sequence[bytes]
    ) -> None:
        super().__init__(
            f"no common {kind}: the server offers {_names(offered)}, "
            f"this side {_names(supported)}"
        )
        self.kind = kind
        self.offered = tuple(offered)
        self.supported = tuple(supported)

    @property
    def told(self) -> str:
        return self.problem

    def __str__(self) -> str:
        return _with_advice(self)


def _names(algorithms: Sequence[bytes]) -> str:
    return printable(text(b", ".join(algorithms)), limit=400) or "none"


class ConfigUnreadable(LoginError):
    """
    OpenSSH's client could not be asked what its configuration says of a host.

    @ivar tried: the command line that was run, or was to be run.
    @ivar problem: what went wrong, in a sentence.
    @ivar said: what the program wrote to its standard error, as it came.
    @ivar advice: what to do next, in a sentence.
    """

    cause: Cause = "config-unreadable"
    advice = "Run the command by hand, and correct the configuration"

    def __init__(
        self, tried: str, problem: str, said: str = "", advice: str | None = None
    ) -> None:
        super().__init__(tried, problem)
        self.tried = tried
        self.problem = problem
        self.said = said
        if advice is not None:
            self.advice = advice

    @property
    def told(self) -> str:
        words = "; ".join(line for line in self.said.splitlines() if line)
        said = f"; it said: {printable(words, limit=400)}" if words else ""
        return (
            f"the ssh configuration could not be read with {printable(self.tried)}: "
            f"{printable(self.problem)}{said}"
        )

    def __str__(self) -> str:
        return f"{self.told}. {self.advice}"


class UnusableAnswer(Exception):
    """
    An override or a callback gave an answer that cannot be used.

    @ivar question: its name.
    @ivar problem: what is wrong with the answer; never the answer itself.
    @ivar cause: one of L{conch_auth.diagnosis.CAUSES}, here and below.
    """

    cause: Cause = "answer-unusable"

    def __init__(
        self, question: str, problem: str, cause: Cause | None = None
    ) -> None:
        super().__init__(question, problem)
        self.question = question
        self.problem = problem
        self.cause = cause or self.cause

    def __str__(self) -> str:
        return f"{self.question} {self.problem}"


class NoAnswer(UnusableAnswer):
    """
    An override or a callback did not answer in time.
    """

    cause: Cause = "person-timeout"

    @classmethod
    def after(cls, question: str, seconds: float) -> NoAnswer:
        """
        @param seconds: the time that it had.
        """
        return cls(question, f"did not answer in {seconds:g} s")


class LimitReached(Exception):
    """
    A bound that keeps a login from going on for ever was reached.

    @ivar what: what there was too much of.
    @ivar attribute: the attribute of the service that holds the bound.
    @ivar limit: its value.
    """

    cause: Cause = "limit-reached"

    def __init__(self, what: str, attribute: str, limit: int) -> None:
        super().__init__(what, attribute, limit)
        self.what = what
        self.attribute = attribute
        self.limit = limit

    def __str__(self) -> str:
        return f"too many {self.what} ({self.attribute} is {self.limit})"


class TransportNotSecure(Exception):
    """
    The transport is not encrypted and integrity-protected, so no secret is
    sent over it (RFC 4252, section 8).
    """

    cause: Cause = "transport-not-secure"

    def __str__(self) -> str:
        return "the transport does not protect what is sent"


class GSSAPIUnavailable(Exception):
    """
    There is nothing here to log in with by GSSAPI.

    @ivar problem: why, and what to do, in a sentence.
    """

    cause: Cause = "ticket-missing"

    def __init__(self, problem: str, cause: Cause | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.cause = cause or self.cause

    def __str__(self) -> str:
        return self.problem


class GSSAPIError(Exception):
    """
    A GSSAPI context could not be established.

    @ivar problem: what went wrong, in words; they may be the server's.
    @ivar major: the major status code (RFC 2743, section 1.2.1.1); 0 where it is
        not known.
    @ivar minor: the minor status code, which the mechanism defines.
    @ivar token: what the peer is to be told, or C{None}.  It is not shown.
    """

    cause: Cause = "gssapi-failed"

    def __init__(
        self, problem: str, major: int = 0, minor: int = 0, token: bytes | None = None
    ) -> None:
        super().__init__(problem, major, minor)
        self.problem = problem
        self.major = major
        self.minor = minor
        self.token = token

    def __str__(self) -> str:
        return f"GSSAPI failed: {printable(self.problem, limit=400)}"


class ConnectFailed(LoginError, internet_error.ConnectError):
    """
    No connection to the server could be made.

    @ivar host: the server.
    @ivar port: its port.
    @ivar problem: why not, in words.
    """

    cause: Cause = "connect-failed"

    def __init__(
        self, host: str, port: int, problem: str, cause: Cause | None = None
    ) -> None:
        Exception.__init__(self, host, port, problem)
        self.host = host
        self.port = port
        self.problem = problem
        self.cause = cause or self.cause

    @property
    def told(self) -> str:
        return (
            f"could not connect to {printable(self.host)}, port {self.port}: "
            f"{printable(self.problem).rstrip('.')}"
        )

    def __str__(self) -> str:
        return _with_advice(self)


class ConnectTimeout(ConnectFailed, internet_error.TimeoutError):
    """
    The connection was not made, and made secure, in time.
    """

    cause: Cause = "connect-timeout"


class HostKeyNotVerifiable(LoginError):
    """
    The server's host key was not proved to be the host's.

    @ivar host: the name under which the host was looked up.
    @ivar port: its port.
    @ivar key_type: the type of the key it showed.
    @ivar fingerprint: that key's SHA256 fingerprint.
    @ivar lines: the known_hosts lines that decided, each a file and a line
        number from 1.
    @ivar problem: what is wrong, in a sentence.
    """

    cause: Cause = "host-key-rejected"
    problem = "the host key was not accepted"
    advice = (
        "Compare the fingerprint with one from the host's owner, and accept that one "
        "only."
    )

    def __init__(
        self,
        host: str,
        port: int,
        key_type: str,
        fingerprint: str,
        lines: Sequence[tuple[str, int]] = (),
        problem: str | None = None,
    ) -> None:
        Exception.__init__(self, host, port, key_type, fingerprint)
        self.host = host
        self.port = port
        self.key_type = key_type
        self.fingerprint = fingerprint
        self.lines = tuple(lines)
        if problem is not None:
            self.problem = problem

    @property
    def told(self) -> str:
        where = self.host if self.port == 22 else f"[{self.host}]:{self.port}"
        told = (
            f"{printable(where)}: {self.problem} "
            f"({printable(self.key_type)} {self.fingerprint})"
        )
        if self.lines:
            places = ", ".join(f"{file}:{number}" for file, number in self.lines)
            told += f", decided by {printable(places)}"
        return told

    def __str__(self) -> str:
        return f"{self.told}. {self.advice}"


class HostKeyUnknown(HostKeyNotVerifiable, conch_error.UserRejectedKey):
    """
    No known_hosts line speaks of this host.
    """

    cause: Cause = "host-key-unknown"
    problem = "the host key is unknown"
    advice = (
        "Compare the fingerprint with one from the host's owner, then add the key "
        "to known_hosts."
    )


class HostKeyChanged(HostKeyNotVerifiable, conch_error.HostKeyChanged):
    """
    The host is known under another key: someone may be listening in, or the
    host was set up anew.
    """

    cause: Cause = "host-key-changed"
    problem = "the host key is not the one that is known"
    advice = (
        "Do not log in before the host's owner has confirmed the new fingerprint; "
        "then replace the line."
    )

    @property
    def path(self) -> FilePath[str] | None:
        """
        The first file that decided, under the name that Conch's error has.
        """
        return FilePath(self.lines[0][0]) if self.lines else None

    @property
    def lineno(self) -> int | None:
        """
        The line in L{path}, under the name that Conch's error has.
        """
        return self.lines[0][1] if self.lines else None


class HostKeyRevoked(HostKeyNotVerifiable, conch_error.UserRejectedKey):
    """
    The host key, or the authority that certified it, is marked as revoked.
    """

    cause: Cause = "host-key-revoked"
    problem = "the host key is revoked"
    advice = "Do not log in: whoever holds this key is not to be trusted."


class HostKeyRejected(HostKeyNotVerifiable, conch_error.UserRejectedKey):
    """
    The application, or the person who was asked, did not accept the host key.
    """


class HostCertificateInvalid(HostKeyNotVerifiable, conch_error.UserRejectedKey):
    """
    The host showed a certificate that does not hold.
    """

    cause: Cause = "host-certificate-invalid"
    problem = "the host certificate is not valid"
    advice = (
        "The host's owner has to have a certificate issued that holds for this name "
        "and this time; ssh-keygen -L -f FILE shows what one says."
    )


def _with_advice(error: LoginError) -> str:
    """
    What happened and what to do, where no login had begun.
    """
    diagnosis = error.diagnosis()[0]
    return f"{error.told}. {diagnosis.advice}"


class KeyUnusable(Exception):
    """
    A private key or a certificate cannot be used.

    @ivar path: its file; C{"given key"} or C{"given certificate"} where it came
        from none.
    @ivar problem: what is wrong, in a sentence; never what the file holds.
    @ivar advice: what to do; may be empty.
    """

    cause: Cause = "key-unusable"

    def __init__(
        self, path: str, problem: str, cause: Cause | None = None, advice: str = ""
    ) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem
        self.cause = cause or self.cause
        self.advice = advice

    @property
    def told(self) -> str:
        """
        What is wrong with which file, without advice.
        """
        return f"{printable(self.path)}: {self.problem}"

    @property
    def words(self) -> str:
        """
        What is wrong and what to do, of a file that is named already.
        """
        return f"{self.problem}; {self.advice}" if self.advice else self.problem

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.words}"


class PassphraseWrong(KeyUnusable):
    """
    A private key could not be decrypted with the passphrase that was given.
    """

    cause: Cause = "passphrase-wrong"


class AgentError(conch_error.ConchError):
    """
    An ssh-agent did not do what it was asked to.

    @ivar tried: what it was asked to do, in words.
    @ivar said: what came of it, in words fit to be shown.
    """

    cause: Cause = "agent-broken"
    advice = ""

    def __init__(self, tried: str, said: str) -> None:
        super().__init__(tried, said)  # type: ignore[no-untyped-call]
        self.tried = tried
        self.said = said

    @property
    def told(self) -> str:
        """
        What happened, in a sentence without advice.
        """
        return f"the agent did not {self.tried}: {self.said}"

    def __str__(self) -> str:
        return f"{self.told}. {self.advice}".rstrip()


class AgentUnavailable(AgentError):
    """
    There is no agent, or there is no connection to it.
    """

    cause: Cause = "agent-unavailable"
    advice = "Check that an agent runs and that SSH_AUTH_SOCK names its socket."


class AgentLost(AgentUnavailable):
    """
    The agent closed the connection before it had answered.
    """

    cause: Cause = "agent-lost"


class AgentRefused(AgentError):
    """
    The agent answered that it will not, or cannot.
    """

    cause: Cause = "agent-refused"
    advice = (
        "It may be locked, may not hold the key any more or not know such a request, "
        "or somebody declined to confirm: see with ssh-add -L what it holds."
    )


class AgentProtocolError(AgentError):
    """
    The agent sent what its protocol forbids; the connection to it was closed.
    """

    cause: Cause = "agent-broken"
    advice = "Check that SSH_AUTH_SOCK names the socket of an agent, or restart it."


class AgentTimeout(AgentError):
    """
    The agent did not answer in time.
    """

    cause: Cause = "agent-timeout"
    advice = "It may wait for a person to confirm, touch or unlock something."

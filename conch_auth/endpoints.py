"""
The door for an application that wants one call: L{connect}.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet import error as internet_error
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
)
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from conch_auth import names
from conch_auth._causes import Cause
from conch_auth._client_auth import ClientUserAuth
from conch_auth._connection import ClientTransport, Creator, SSHClientConnection
from conch_auth._credentials import Wallet
from conch_auth._deadlines import Deadlines
from conch_auth._frames import drop_frames
from conch_auth._given import Credentials
from conch_auth._host_credentials import HostWallet
from conch_auth._keysign import find_keysign
from conch_auth._options import (
    DEFAULT_PORT,
    Options,
    auth_tries,
    check,
    completed,
    host_name,
    memory_in,
    method_names,
    seconds,
    wrong_type,
)
from conch_auth._policies import is_judging
from conch_auth._trust import check_known_hosts, policy_for
from conch_auth.callbacks import SSHClient
from conch_auth.errors import ConnectFailed, ConnectionLost, ConnectTimeout, LoginError
from conch_auth.memory import Memory
from conch_auth.plan import order_methods
from conch_auth.report import AuthReport, Party
from conch_auth.ssh_config import SSHConfig, resolve

__all__ = ["SSHClientConnection", "connect", "create_connection"]

#: AsyncSSH's: two minutes to log in, as sshd gives.
LOGIN_TIMEOUT = 120.0
#: Long enough for a slow name server and a server far away.
CONNECT_TIMEOUT = 60.0


def connect(
    host: str,
    port: int | None = None,
    *,
    client_factory: Callable[[], SSHClient] = SSHClient,
    username: str | None = None,
    password: Any = None,
    client_keys: Any = (),
    client_certs: Any = (),
    passphrase: Any = None,
    agent_path: Any = (),
    known_hosts: Any = (),
    preferred_auth: str | Sequence[str] | None = None,
    host_key_alias: str | None = None,
    client_host_keysign: bool | str | os.PathLike[str] = False,
    client_host_keys: Any = (),
    client_host_certs: Any = (),
    client_host: str | None = None,
    client_username: str | None = None,
    login_timeout: float | str | None = LOGIN_TIMEOUT,
    connect_timeout: float | str | None = CONNECT_TIMEOUT,
    gss_host: str | tuple[()] | None = (),
    gss_auth: bool = True,
    gss_delegate_creds: bool | None = None,
    kbdint_auth: bool = True,
    password_auth: bool = True,
    public_key_auth: bool = True,
    host_based_auth: bool = True,
    disable_trivial_auth: bool = True,
    max_auth_tries: int | None = names.MAX_AUTH_TRIES,
    memory: str | os.PathLike[str] | Memory | None = None,
    eager: bool = True,
    config: Any = None,
    reactor: Any = None,
    endpoint: IStreamClientEndpoint | None = None,
) -> Deferred[SSHClientConnection]:
    """
    Connect to a host, check that it is the host, and log in.

    The options have AsyncSSH's names and meanings.

    @param host: its name or address.
    @param port: 22, where neither this nor C{config} says another.
    @param client_factory: makes the L{SSHClient} that is asked what the options
        do not say.
    @param username: C{None} for the name of the user who runs this.
    @param password: text, or what returns or awaits it when it is needed.  It
        is used once.
    @param client_keys: private keys: paths, bytes of a file, Conch's C{Key}s,
        keys of C{cryptography}, or pairs of one and its certificate; one or a
        list.  C{()} for the keys in C{~/.ssh}, C{None} for none.
    @param client_certs: certificates, for the keys that they certify.
    @param passphrase: opens encrypted keys: text, or what is called with the
        file's name and returns or awaits it.
    @param agent_path: the agent's socket; C{()} for SSH_AUTH_SOCK, C{None} for
        no agent.
    @param known_hosts: which host keys to trust: paths, the bytes of a
        known_hosts file, a L{KnownHosts<conch_auth.knownhosts.KnownHosts>}, or
        an L{IHostKeyPolicy<conch_auth.interfaces.IHostKeyPolicy>} such as
        L{PinnedKey<conch_auth.knownhosts.PinnedKey>}; C{()} for OpenSSH's own
        files.  What they say nothing of, the client is asked about.  C{None}
        leaves everything to the client; nothing is ever trusted without a word.
    @param preferred_auth: the methods to use, and no others, in this order.
    @param host_key_alias: the name to look the host key up by.
    @param client_host_keysign: have OpenSSH's C{ssh-keysign} sign with this host's
        keys, which only root can read: its path, or C{True} to find it.
    @param client_host_keys: this host's private keys, in the forms of
        C{client_keys}, by which it vouches for its user (hostbased); with
        C{client_host_keysign} their public halves, and C{()} for those in
        C{/etc/ssh}.
    @param client_host_certs: certificates, for the host keys that they certify.
    @param client_host: this host's name, as the server knows it; C{None} for
        the name of the address that the connection comes from.
    @param client_username: the user's name on this host; C{None} for the name
        of the user who runs this.
    @param login_timeout: seconds for the login, without those that a person
        takes; also as C{"1m30s"}; C{None} or 0 for no limit.
    @param connect_timeout: seconds for the connection and the key exchange,
        likewise.
    @param gss_host: the server's name in its Kerberos principal; C{()} for
        C{host}, C{None} to use no Kerberos ticket.  It takes the extra
        C{gssapi}.
    @param gss_auth: whether to use gssapi-with-mic.
    @param gss_delegate_creds: forward the ticket to the server, which can then
        act in the user's name; C{None} for what C{config} says, or else no.
    @param kbdint_auth: whether to use keyboard-interactive.
    @param password_auth: whether to use passwords.
    @param public_key_auth: whether to use keys.
    @param host_based_auth: whether to have this host vouch for its user.
    @param disable_trivial_auth: refuse a login for which nothing was proved.
    @param max_auth_tries: how many refused requests the server is taken to
        allow, as sshd's C{MaxAuthTries} has it.  Keys beyond it are left out,
        and tries are kept for the methods that come after the keys
        (L{conch_auth.plan} says which); C{None} offers every key.
    @param memory: the path of a file in which to remember what worked and what
        was refused, so that the right key goes first the next time; or a
        L{Memory<conch_auth.memory.Memory>}.  C{None} remembers nothing.
    @param eager: begin the login with a key, or with the password, that is sure
        to be wanted, before the server has said what it takes: one round trip
        is all that it costs then.  C{docs/eager.rst} says when that is.
    @param config: have what is not given here resolved by OpenSSH's own
        C{ssh -G}: C{()} for the user's and the system's configuration, or the
        path of a file; or an L{SSHConfig<conch_auth.ssh_config.SSHConfig>} that
        was resolved before.  C{None} asks nobody.
    @param reactor: C{None} for the reactor that is installed.
    @param endpoint: what to connect by, instead of TCP to C{host} and C{port},
        which then still say whose host key it is.
    @return: fires with the L{SSHClientConnection}, or errbacks with a
        L{LoginError<conch_auth.errors.LoginError>}: C{ConnectFailed},
        C{HostKeyNotVerifiable}, C{AuthenticationFailed}, C{ProtocolError} or
        C{ConnectionLost}.  Cancelling it closes the connection.
    @raise ValueError: an option has a value that cannot be used.
    @raise TypeError: an option is of a type that cannot be used.
    """
    if reactor is None:
        from twisted.internet import reactor
    options = Options(
        host=host_name(host),
        port=port,
        client_factory=client_factory,
        username=username,
        password=password,
        client_keys=client_keys,
        client_certs=client_certs,
        passphrase=passphrase,
        agent_path=agent_path,
        known_hosts=known_hosts,
        preferred_auth=method_names(preferred_auth),
        disabled_auth=frozenset(
            method
            for method, on in {
                names.PUBLICKEY: public_key_auth,
                names.PASSWORD: password_auth,
                names.KEYBOARD_INTERACTIVE: kbdint_auth,
                names.GSSAPI_WITH_MIC: gss_auth,
                names.GSSAPI_KEYEX: gss_auth,
                names.HOSTBASED: host_based_auth,
            }.items()
            if not on
        ),
        host_key_alias=host_key_alias,
        client_host_keysign=find_keysign(client_host_keysign)
        if client_host_keysign
        else None,
        client_host_keys=client_host_keys,
        client_host_certs=client_host_certs,
        client_host=client_host,
        client_username=client_username,
        login_timeout=seconds("login_timeout", login_timeout),
        connect_timeout=seconds("connect_timeout", connect_timeout),
        allow_trivial_auth=not disable_trivial_auth,
        gss_host=gss_host,
        gss_delegate_creds=gss_delegate_creds,
        max_auth_tries=auth_tries(max_auth_tries),
        memory=memory_in(memory),
        eager=eager,
        config=config,
    )
    check(options)
    check_known_hosts(known_hosts)
    if endpoint is not None and not IStreamClientEndpoint.providedBy(endpoint):
        raise wrong_type("endpoint", endpoint)
    if config is None or isinstance(config, SSHConfig):
        options = replace(completed(options, config), config=None)
    return _Opening(options, endpoint, reactor).run()


def create_connection(
    client_factory: Callable[[], SSHClient],
    host: str,
    port: int | None = None,
    **options: Any,
) -> Deferred[tuple[SSHClientConnection, SSHClient]]:
    """
    L{connect}, which fires with the connection and its client.
    """
    connected = connect(host, port, client_factory=client_factory, **options)
    return connected.addCallback(lambda made: (made, made.client))


class _Opening:
    """
    The steps of one L{connect}.
    """

    def __init__(
        self, options: Options, endpoint: IStreamClientEndpoint | None, reactor: Any
    ) -> None:
        self._options = options
        self._endpoint = endpoint
        self._reactor = reactor
        self._late = False
        self._given_up = False
        self._connection = SSHClientConnection(options.client_factory())
        self._deadlines = Deadlines(
            lambda: IReactorTime(reactor),
            _no_limit,
            options.connect_timeout,
            self._expired,
        )

    def run(self) -> Deferred[SSHClientConnection]:
        self._steps = Deferred.fromCoroutine(self._open())
        return self._steps.addErrback(_drop_frames)

    def _expired(self, party: Party | None) -> None:
        self._late = True
        self._steps.cancel()

    async def _open(self) -> SSHClientConnection:
        self._deadlines.wait("server")
        try:
            await self._configure()
            await self._connect()
            await self._log_in()
        except BaseException as error:
            reason = self._reason_for(error)
            self._leave(reason)
            if reason is error:
                raise
            raise reason from error
        finally:
            self._deadlines.stop()
            self._options = self._options.without_secrets()
        return self._connection

    async def _configure(self) -> None:
        options = self._options
        if options.config is not None:
            resolved = await resolve(
                options.host,
                config=options.config,
                user=options.username,
                port=options.port,
                reactor=self._reactor,
            )
            self._options = options = completed(options, resolved)
        self._connection.host, self._connection.port = options.host, options.port

    def _reason_for(self, error: BaseException) -> BaseException:
        """
        Why there is no connection.  What the transport knows says more than
        that somebody waited in vain.
        """
        options, connection = self._options, self._connection
        if self._late:
            limit = f"{options.connect_timeout:g} s"
            late = f"{_unfinished(connection.transport)} in {limit}"
            return ConnectTimeout(options.host, options.port or DEFAULT_PORT, late)
        known = None if connection.transport is None else connection.transport.failure
        if type(error) is ConnectionLost and isinstance(known, LoginError):
            known.report = known.report or error.report
            if type(known) is ConnectionLost:
                known.cause = error.cause
            return known
        return error

    def _leave(self, reason: BaseException) -> None:
        """
        Leave nothing open.  Where the server was told already, that is still
        to reach it.
        """
        connection = self._connection
        connection.error = reason
        if connection.transport is not None and connection.transport.failure is None:
            connection.abort()

    async def _connect(self) -> None:
        options = self._options
        assert options.port is not None
        self._policy = policy_for(
            options.known_hosts,
            self._connection.client,
            options.known_as,
            options.port,
        )
        endpoint = self._endpoint
        if endpoint is None:
            endpoint = _endpoint_to(self._reactor, options.host, options.port)
        try:
            await self._join(endpoint)
        except CancelledError:
            raise
        except Exception as error:
            problem, cause = _reason(error)
            raise ConnectFailed(options.host, options.port, problem, cause) from error
        transport = self._connection.transport
        assert transport is not None
        await self._connection.ask("connection_made", self._connection)
        await transport.whenSecure()

    def _join(self, endpoint: IStreamClientEndpoint) -> Deferred[Any]:
        """
        Connect.  Endpoints differ in what they make of a cancellation; here it
        is one, and what they connect all the same is closed.
        """
        joining: Deferred[Any] = endpoint.connect(Factory.forProtocol(self._transport))
        waiting: Deferred[Any] = Deferred(lambda _: self._give_up(joining))
        joining.addBoth(self._joined, waiting)
        return waiting

    def _give_up(self, joining: Deferred[Any]) -> None:
        self._given_up = True
        joining.cancel()

    def _joined(self, result: Any, waiting: Deferred[Any]) -> None:
        if not self._given_up:
            waiting.callback(result)
        elif not isinstance(result, Failure):
            self._connection.abort()

    def _transport(self) -> ClientTransport:
        options, connection = self._options, self._connection
        transport = connection.transport = ClientTransport()
        transport.owner = connection
        assert options.username is not None
        transport.creator = Creator(options.username.encode(), options.host.encode())
        transport.thinking = self._thinking
        transport.clock = self._reactor
        transport.hostname, transport.port = options.known_as
        transport.hostKeyPolicy = self._policy
        return transport

    def _thinking(self, asked: bool) -> None:
        self._deadlines.wait("person" if asked else "server")

    async def _log_in(self) -> None:
        connection = self._connection
        transport = connection.transport
        assert transport is not None
        auth = connection.auth = self._service()
        authenticated = auth.whenAuthenticated()
        transport.requestService(auth)
        try:
            await authenticated
        finally:
            self._remember(auth.report)
        await connection.ask("auth_completed")

    def _remember(self, report: AuthReport) -> None:
        options = self._options
        if options.memory is not None:
            port = options.port or DEFAULT_PORT
            options.memory.learn(options.username or "", options.host, port, report)

    def _service(self) -> ClientUserAuth:
        options = self._options
        wallet = Wallet(
            replace(options, password=None),
            self._reactor,
            lambda *question: auth.askPerson(*question),
        )
        methods = options.methods
        if options.preferred_auth is None:
            methods = order_methods(methods, wallet.recollection)
        auth = ClientUserAuth(
            self._connection.connection,
            self._connection.client,
            Credentials(
                username=options.username or "",
                wallet=wallet,
                password=options.password,
                preferred_auth=methods,
                order_given=options.preferred_auth is not None,
                ticket_asked_for=options.gss_asked_for,
                host_judged=is_judging(self._policy),
                host=HostWallet(options, self._reactor)
                if options.has_host_keys
                else None,
            ),
        )
        auth.clock = IReactorTime(self._reactor)
        auth.eager = options.eager
        auth.maxPasswordAttempts = options.max_password_attempts
        auth.loginTimeout = options.login_timeout
        auth.allowTrivialAuth = options.allow_trivial_auth
        auth.gssHost = options.gss_name
        auth.gssDelegateCreds = bool(options.gss_delegate_creds)
        auth.begun = self._deadlines.stop
        auth.clientUser = options.client_username
        return auth


def _endpoint_to(reactor: Any, host: str, port: int) -> IStreamClientEndpoint:
    """
    An address needs no resolver, and so no thread.
    """
    if isIPAddress(host):
        return TCP4ClientEndpoint(reactor, host, port)
    if isIPv6Address(host):
        return TCP6ClientEndpoint(reactor, host, port)
    return HostnameEndpoint(reactor, host, port)


def _no_limit(party: Party) -> None:
    """
    Each party may take what is left of the whole.
    """


def _drop_frames(failure: Failure) -> Failure:
    """
    What ends a login tells why by itself; what else may go wrong needs its
    traceback.
    """
    if failure.check(LoginError, CancelledError):
        drop_frames(failure)
    return failure


def _unfinished(transport: ClientTransport | None) -> str:
    if transport is None:
        return "it did not answer"
    if not transport.gotVersion:
        return "something answers there, but it did not begin to speak SSH"
    return "the keys were not exchanged"


def _reason(error: Exception) -> tuple[str, Cause]:
    if isinstance(error, internet_error.DNSLookupError):
        return "no address is known for this name", "no-such-host"
    if isinstance(error, internet_error.ConnectionRefusedError):
        return "the connection was refused", "connection-refused"
    if isinstance(error, internet_error.TimeoutError):
        return "it did not answer", "connect-timeout"
    unreachable = getattr(error, "osError", None) in _UNREACHABLE
    return str(error) or type(error).__name__, (
        "host-unreachable" if unreachable else "connect-failed"
    )


_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)

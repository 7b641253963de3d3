# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
No login is begun.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import NoRouteError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from conch_auth.errors import LoginError
from conch_auth.loopback import generate_key
from tests.causes import Stage
from tests.causes import provokes as _provokes
from tests.host_certificates import AUTHORITY, certificate

provokes = partial(_provokes, "Before the login")


@provokes("config-unreadable")
async def bad_configuration(stage: Stage) -> LoginError:
    """
    With ``config=``, and on the command line, OpenSSH's own ``ssh -G`` is asked
    what is configured.  It could not be run, or ended with an error; what it said
    is shown.  Run the same command by hand, and correct the line that it names.
    """
    path = stage.write("config", b"Host *\n  IdentitysOnly yes\n")
    return await stage.fails(stage.at(22), config=path)


@provokes("no-such-host")
async def no_such_host(stage: Stage) -> LoginError:
    """
    The name has no address.  It may be misspelt, be known on another network only
    (a VPN), or be a name of ``~/.ssh/config``, which is asked with ``config=()``.
    """
    return await stage.fails({"host": "no-such-host.invalid", "username": "alice"})


@provokes("connection-refused")
async def nobody_listens(stage: Stage) -> LoginError:
    """
    The host is there and says that nothing listens on the port.  Either the port is
    another one, or its SSH server does not run.
    """
    return await stage.fails(stage.at(_free_port()))


@provokes("host-unreachable")
async def unreachable(stage: Stage) -> LoginError:
    """
    This machine, or a router on the way, knows no way to the address.  The network
    is down, a VPN is not up, or the address is wrong.  (The system's answer is
    played here: it takes a network to be cut off from.)
    """
    return await stage.fails(stage.at(22), endpoint=_NoRoute())


@provokes("connect-timeout")
async def silence(stage: Stage) -> LoginError:
    """
    Nothing came back in time: a firewall drops what it does not let through, the
    host is off, or, as here, something takes the connection and says nothing.
    ``connect_timeout`` is the time for the connection and the key exchange.
    """
    port = _listen(stage, Protocol)
    return await stage.fails(stage.at(port), connect_timeout=0.5)


@provokes("connect-failed")
async def no_tunnel(stage: Stage) -> LoginError:
    """
    The connection could not be made for another reason, which the system or the
    ``endpoint`` names: a proxy that is not there, a tunnel that is down.
    """
    # (Of a longer path than a socket can have, Twisted's reactor makes no error.)
    endpoint = UNIXClientEndpoint(stage.reactor, "/nonexistent/tunnel")
    return await stage.fails(stage.at(22), endpoint=endpoint)


@provokes("not-ssh")
async def web_server(stage: Stage) -> LoginError:
    """
    Something answers, and does not name an SSH version (RFC 4253, section 4.2).
    Its first line mostly tells what it is; the port is that of another service.
    """
    return await stage.fails(stage.at(_listen(stage, _WebServer)))


@provokes("turned-away")
async def too_many_startups(stage: Stage) -> LoginError:
    """
    An SSH server closes the connection before it says who it is.  OpenSSH's does so
    with too many logins that are not complete (``MaxStartups``) and, from 9.8 on,
    to an address from which too much went wrong (``PerSourcePenalties``); a server
    behind tcpd or a full inetd says nothing at all.
    """
    place = stage.sshd("MaxStartups 1\n")
    idle = socket.create_connection(("127.0.0.1", place["port"]))
    stage.case.addCleanup(idle.close)
    idle.recv(1)
    return await stage.fails(place)


@provokes("no-common-algorithm")
async def old_server(stage: Stage) -> LoginError:
    """
    The two sides share no algorithm of a kind.  Mostly the server is an old one,
    and has only what rests on SHA-1, CBC or other things that are no longer safe;
    bring it up to date.  A subclass of ``SSHClientTransport`` can name what is
    left out on purpose, such as ``supportedPublicKeys`` with ``ssh-rsa`` at the end.
    """
    return await stage.fails(stage.sshd("KexAlgorithms diffie-hellman-group14-sha1\n"))


@provokes("host-key-unknown")
async def unknown_host(stage: Stage) -> LoginError:
    """
    No line of ``known_hosts`` speaks of this host.  Whoever stands between could
    show any key, so the fingerprint has to come from the host's owner; then add the
    key to ``known_hosts``, or give ``PinnedKey("SHA256:...")``.
    """
    return await stage.fails(await stage.loopback(password="x"), known_hosts=b"")


@provokes("host-key-changed")
async def changed_host(stage: Stage) -> LoginError:
    """
    ``known_hosts`` has another key for the host.  The host was set up anew, or
    somebody stands between and listens; only the host's owner can tell.  Nothing
    was sent to it.
    """
    place = await stage.loopback(password="x")
    known = stage.write("known_hosts", _line(place, generate_key()))
    return await stage.fails(place, known_hosts=known)


@provokes("host-key-revoked")
async def revoked_host(stage: Stage) -> LoginError:
    """
    A ``@revoked`` line says that this key must not be trusted any more: somebody
    else may hold it.  The host needs a new one.
    """
    key = generate_key()
    place = await stage.loopback([key], password="x")
    known = stage.write("known_hosts", b"@revoked " + _line(place, key))
    return await stage.fails(place, known_hosts=known)


@provokes("host-key-rejected")
async def nobody_trusts(stage: Stage) -> LoginError:
    """
    Whoever was asked did not say yes: ``validate_host_public_key``, a policy, or
    the person at the terminal.  Only ``True`` is a yes; with ``known_hosts=None``
    and no callback there is nobody to say it, as here.
    """
    return await stage.fails(await stage.loopback(password="x"), known_hosts=None)


@provokes("host-certificate-invalid")
async def expired_host_certificate(stage: Stage) -> LoginError:
    """
    The host showed a certificate that has expired, is not for this name, or is not
    properly signed.  There is no falling back to the plain key: whoever stands
    between could show a bad certificate on purpose.
    """
    machine = stage.machine()
    public: Any = machine.host_keys[0]
    line = certificate(public, host=b"127.0.0.1", before=1577836800)
    path = machine.write("expired-cert.pub", line + b"\n")
    authority = Key(AUTHORITY).public().toString("openssh")
    return await stage.fails(
        stage.sshd(f"HostCertificate {path}\n"),
        known_hosts=b"@cert-authority * " + authority + b"\n",
    )


def _line(place: dict[str, Any], key: Key) -> bytes:
    """
    A line of known_hosts.
    """
    public: bytes = key.public().toString("openssh")
    return f"[127.0.0.1]:{place['port']} ".encode() + public + b"\n"


def _free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        return port


def _listen(stage: Stage, protocol: type[Protocol]) -> int:
    factory = Factory.forProtocol(protocol)
    factory.noisy = False
    listening = stage.reactor.listenTCP(0, factory, interface="127.0.0.1")
    stage.case.addCleanup(listening.stopListening)
    port: int = listening.getHost().port
    return port


class _WebServer(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")
        self.transport.loseConnection()


@implementer(IStreamClientEndpoint)
class _NoRoute:
    def connect(self, factory: Any) -> Deferred[Any]:
        return fail(NoRouteError(101, "Network is unreachable"))

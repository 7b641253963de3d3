"""
What an ssh-agent may be told to hold the use of a key to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from conch_auth._wire import boolean, string, uint32

# draft-ietf-sshm-ssh-agent, on key constraints.
_LIFETIME = b"\x01"
_CONFIRM = b"\x02"
_EXTENSION = b"\xff"

RESTRICT_DESTINATION = b"restrict-destination-v00@openssh.com"


class Hop(NamedTuple):
    """
    A host in a L{Destination}.

    @ivar host: its name, as it would be looked up in known_hosts.
    @ivar keys: its public key blobs.
    @ivar authorities: those of authorities that certify its keys.
    """

    host: str
    keys: Sequence[bytes] = ()
    authorities: Sequence[bytes] = ()


class Destination(NamedTuple):
    """
    A host that a key may be used for (C{ssh-add -h}).

    @ivar to: the host to log in to.
    @ivar user: the user to log in as; empty for any.  It may be a pattern.
    @ivar via: the host whose forwarded agent may be asked for it; C{None} where
        the agent's own machine is where the login starts.
    """

    to: Hop
    user: str = ""
    via: Hop | None = None


class Constraints(NamedTuple):
    """
    What an agent is to hold the use of a key to.

    @ivar lifetime: seconds after which it forgets the key; C{None} for never.
    @ivar confirm: ask a person before every signature.
    @ivar destinations: the only hosts to use it for; C{None} for any.
    """

    lifetime: int | None = None
    confirm: bool = False
    destinations: Sequence[Destination] | None = None

    def build(self) -> bytes:
        """
        @raise ValueError: where the protocol cannot say it, or would say that
            there is no constraint.
        """
        built = b""
        if self.lifetime is not None:
            # OpenSSH reads 0 as no limit.
            if not 0 < self.lifetime < 2**32:
                raise ValueError("a lifetime is 1 to 4294967295 seconds")
            built += _LIFETIME + uint32(self.lifetime)
        if self.confirm:
            built += _CONFIRM
        if self.destinations is not None:
            if not self.destinations:
                raise ValueError("no destination is none that a key can be used for")
            hops = b"".join(map(_destination, self.destinations))
            built += _EXTENSION + string(RESTRICT_DESTINATION) + string(hops)
        return built


# PROTOCOL.agent, section 2, which leaves out what ssh-add sends as well: each
# host and each constraint is a string, and both end in an empty one.
def _destination(destination: Destination) -> bytes:
    to, via = destination.to, destination.via
    if not to.host or not (to.keys or to.authorities):
        raise ValueError("a destination is a host name and at least one of its keys")
    if via is not None and not (via.host and (via.keys or via.authorities)):
        raise ValueError("the host in between needs a name and one of its keys")
    start = _hop("", Hop("") if via is None else via)
    return string(start + _hop(destination.user, to) + string(b""))


def _hop(user: str, hop: Hop) -> bytes:
    keys = [(blob, False) for blob in hop.keys]
    keys += [(blob, True) for blob in hop.authorities]
    return string(
        string(user.encode())
        + string(hop.host.encode())
        + string(b"")
        + b"".join(string(blob) + boolean(is_ca) for blob, is_ca in keys)
    )

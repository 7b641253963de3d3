"""
Servers that follow a script: for tests of a client, against any server there
could be.

A script lists what the server answers to each message of the client::

    peer = ScriptedTransport([
        failure("publickey", "password"),
        [banner("hello"), pk_ok],
        success(),
    ])
    login = peer.log_in(MyClient(b"alice", SSHConnection()))

or is a function from the client's message to the answer.  An answer is one of
the words below; a list of answers, which leave in one flight; a function from
the client's message to an answer; or C{None} for silence.

L{ScriptedTransport} speaks to a client directly, without any connection.
L{ScriptedServer} is at the other end of one, in memory or on 127.0.0.1, with
Conch's server transport and a real key exchange, and can break it anywhere.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.conch.ssh.transport import MSG_EXT_INFO

from conch_auth._loopback_wire import Breakage, Fault
from conch_auth._script import (
    Answer,
    Do,
    Packet,
    Received,
    Script,
    Stage,
    actions_of,
    play,
)
from conch_auth._scripted_server import ScriptedServer
from conch_auth._scripted_transport import ScriptedTransport
from conch_auth._wire import string, uint32
from conch_auth.messages import (
    Banner,
    Failure,
    InfoRequest,
    PasswordChangeRequest,
    Prompt,
    PublicKeyOk,
    Success,
    UserAuthRequest,
)

__all__ = [
    "Answer",
    "Fault",
    "Packet",
    "Received",
    "Script",
    "ScriptedServer",
    "ScriptedTransport",
    "banner",
    "change_request",
    "close",
    "cut",
    "disconnect",
    "ext_info",
    "failure",
    "info_request",
    "later",
    "pk_ok",
    "raw",
    "rekey",
    "reset",
    "split",
    "stall",
    "success",
    "unimplemented",
]


def failure(*methods: str | bytes, partial: bool = False) -> Failure:
    """
    USERAUTH_FAILURE (RFC 4252, section 5.1).

    @param methods: the methods that can continue.
    @param partial: whether the request was accepted as one of several factors.
    """
    return Failure(tuple(map(_bytes, methods)), partial)


def success() -> Success:
    """
    USERAUTH_SUCCESS (RFC 4252, section 5.1).  A L{ScriptedServer} runs the
    connection protocol from here on, with a few commands.
    """
    return Success()


def banner(message: str | bytes, language: str | bytes = b"") -> Banner:
    """
    USERAUTH_BANNER (RFC 4252, section 5.4).
    """
    return Banner(_bytes(message), _bytes(language))


def pk_ok(received: Received) -> PublicKeyOk:
    """
    USERAUTH_PK_OK (RFC 4252, section 7) for the key that the client offers.  In
    a script it stands without parentheses.

    @raise TypeError: where the client offers none.
    """
    asked = received.request if isinstance(received, UserAuthRequest) else None
    algorithm, blob = getattr(asked, "algorithm", None), getattr(asked, "blob", None)
    if algorithm is None or blob is None:
        raise TypeError(f"{received!r} offers no key")
    return PublicKeyOk(algorithm, blob)


def info_request(
    *prompts: str | bytes | tuple[str | bytes, bool],
    name: str | bytes = b"",
    instruction: str | bytes = b"",
) -> InfoRequest:
    """
    USERAUTH_INFO_REQUEST (RFC 4256, section 3.2).

    @param prompts: each a text, or C{(text, echo)}.
    """
    asked = [p if isinstance(p, tuple) else (p, False) for p in prompts]
    return InfoRequest(
        _bytes(name),
        _bytes(instruction),
        b"",
        tuple(Prompt(_bytes(prompt), echo) for prompt, echo in asked),
    )


def change_request(prompt: str | bytes) -> PasswordChangeRequest:
    """
    USERAUTH_PASSWD_CHANGEREQ (RFC 4252, section 8).
    """
    return PasswordChangeRequest(_bytes(prompt), b"")


def ext_info(extensions: dict[bytes, bytes]) -> Packet:
    """
    EXT_INFO (RFC 8308, section 2.3).
    """
    pairs = [string(name) + string(value) for name, value in extensions.items()]
    return Packet(MSG_EXT_INFO, uint32(len(pairs)) + b"".join(pairs))


def disconnect(code: int, description: str | bytes = b"") -> Do:
    """
    DISCONNECT (RFC 4253, section 11.1), and the end of the connection.
    """
    return Do(lambda stage: stage.disconnect(code, _bytes(description)))


def unimplemented() -> Do:
    """
    UNIMPLEMENTED (RFC 4253, section 11.4) for what the client has sent last.
    """
    return Do(lambda stage: stage.unimplemented())


def close() -> Do:
    """
    The server closes the connection in order, without a word.
    """
    return Do(lambda stage: stage.end("close"))


def reset() -> Do:
    """
    The connection is reset.
    """
    return Do(lambda stage: stage.end("reset"))


def stall() -> Do:
    """
    The server says nothing more, whatever its script has, and the connection
    stays open.
    """
    return Do(lambda stage: stage.end("stall"))


def later(seconds: float, *answers: Answer) -> Answer:
    """
    Answer when C{seconds} have passed, unless the connection is gone then.
    """
    return _as_one(answers, lambda stage, go: stage.later(seconds, go))


def rekey() -> Do:
    """
    The server begins a key exchange.  What the script has after it waits for the
    end of that, but for a L{Packet}, which does not.
    """
    return Do(lambda stage: stage.rekey())


def raw(data: bytes) -> Do:
    """
    Bytes that are no packet, neither encrypted nor framed.
    """
    return Do(lambda stage: stage.raw(data))


def split(size: int, *answers: Answer) -> Answer:
    """
    What C{answers} send arrives in pieces of C{size} bytes, each by itself.
    """
    return _as_one(answers, lambda stage, go: stage.split(size, go))


def cut(size: int, answer: Answer, how: Breakage = "close") -> Answer:
    """
    Of what C{answer} sends, the first C{size} bytes arrive, and the connection
    breaks.
    """
    return _as_one(answer, lambda stage, go: stage.cut(size, how, go))


def _as_one(
    answer: Answer, do: Callable[[Stage, Callable[[], None]], None]
) -> Callable[[Received], Do]:
    def on(received: Received) -> Do:
        parts = list(actions_of(answer, received))
        return Do(lambda stage: do(stage, lambda: play(stage, parts)))

    return on


def _bytes(given: str | bytes) -> bytes:
    return given.encode() if isinstance(given, str) else given

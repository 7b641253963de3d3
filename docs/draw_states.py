"""
Draws C{states.svg} from the table in C{conch_auth/_states.py}, by graphviz::

    python docs/draw_states.py > docs/states.svg

What C{dot} was given is in the picture as a comment, so that a test can tell
whether it is the table's without drawing it again.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from conch_auth._gss_messages import GSSErrorToken, GSSMic, GSSRequest, GSSToken
from conch_auth._states import TABLE, State, after_message, after_request
from conch_auth.messages import (
    Banner,
    Failure,
    HostBasedRequest,
    InfoResponse,
    KeyboardInteractiveRequest,
    Message,
    MethodRequest,
    NoneRequest,
    PasswordRequest,
    PublicKeyRequest,
    Success,
)

_REQUESTS: tuple[tuple[State, str, MethodRequest], ...] = (
    (State.CHOOSING, "none", NoneRequest()),
    (State.CHOOSING, "publickey", PublicKeyRequest(b"", b"")),
    (State.SIGNING, "signed publickey", PublicKeyRequest(b"", b"", b"")),
    (State.CHOOSING, "hostbased", HostBasedRequest(b"", b"", b"", b"", b"")),
    (State.CHOOSING, "password", PasswordRequest(b"")),
    (State.CHANGING, "password, changed", PasswordRequest(b"", b"")),
    (State.CHOOSING, "keyboard-interactive", KeyboardInteractiveRequest()),
    (State.CHOOSING, "gssapi-with-mic", GSSRequest(())),
)
_CARRYING_ON: tuple[tuple[State, str, Message], ...] = (
    (State.ANSWERING, "INFO_RESPONSE", InfoResponse(())),
    (State.STEPPING, "GSSAPI_TOKEN", GSSToken(b"")),
    (State.STEPPING, "GSSAPI_MIC", GSSMic(b"")),
    (State.STEPPING, "GSSAPI_ERRTOK", GSSErrorToken(b"")),
)
#: What may have gone ahead of SERVICE_ACCEPT, which is the transport's.
_AHEAD = (State.NONE_SENT, State.SIGNATURE_SENT, State.PASSWORD_SENT)
_HEAD = """\
digraph states {
  rankdir=LR
  bgcolor=transparent
  nodesep=0.3
  ranksep=0.35
  node [shape=box style=rounded fontname="sans-serif" fontsize=18 margin="0.1,0.05"]
  edge [fontname="sans-serif" fontsize=15 arrowsize=0.8 penwidth=1.4]
"""
#: The way back to CHOOSING from nearly everywhere would cover the rest.
_AGAIN = "AGAIN"
#: Readable on white and on black.
_FAILURE, _SUCCESS = "#d0504f", "#2f9e5f"


def _edges() -> Iterator[str]:
    for state, said, request in _REQUESTS:
        yield _sent(state, after_request(request), said)
    for following in _AHEAD:
        yield f'{State.NOT_ACCEPTED.name} -> {following.name} [label="SERVICE_ACCEPT"]'
    for state, said, message in _CARRYING_ON:
        yield _sent(state, after_message(message), said)
    for state, replies in TABLE.items():
        for reply, following in replies.items():
            if reply is not Banner:
                yield _received(state, following, reply)


def _sent(state: State, following: State, said: str) -> str:
    return f'{state.name} -> {following.name} [style=dashed label="{said}"]'


def _received(state: State, following: State, reply: type[Message]) -> str:
    if reply is Failure:
        assert following is State.CHOOSING, following
        return f'{state.name} -> {_AGAIN} [color="{_FAILURE}"]'
    if reply is Success:
        look = f'color="{_SUCCESS}"'
    else:
        look = f'label="{reply.title.removeprefix("USERAUTH_")}"'
    return f"{state.name} -> {following.name} [{look}]"


def source() -> str:
    """
    The graph, in graphviz's language.
    """
    # ENDED is where every state leads that gets what it does not name.
    nodes = [state.name for state in State if state is not State.ENDED]
    again = f'{_AGAIN} [label="{State.CHOOSING.name}"]'
    ends = f"{{ rank=sink {State.SUCCEEDED.name} {_AGAIN} }}"
    lines = [*nodes, again, ends, *dict.fromkeys(_edges())]
    return _HEAD + "".join(f"  {line}\n" for line in lines) + "}\n"


def picture() -> str:
    """
    The picture, in the colours of the page that it is put into.
    """
    drawn = subprocess.run(
        ["dot", "-Tsvg"],  # noqa: S607 - wherever it is
        input=source(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    svg = drawn[drawn.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (width|height)="\d+pt"', "", svg, count=2)
    svg = svg.replace("<svg", '<svg role="img" aria-label="The states of a login"', 1)
    svg = svg.replace('="black"', '="currentColor"')
    svg = re.sub(r"<text (?!.*fill=)", '<text fill="currentColor" ', svg)
    return f"<!--\n{source()}-->\n{svg}"


if __name__ == "__main__":
    print(picture(), end="")

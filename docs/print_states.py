"""
Prints C{states.rst} from the table in C{conch_auth/_states.py}::

    python docs/print_states.py > docs/states.rst
"""

from __future__ import annotations

from conch_auth._states import TABLE, State
from conch_auth.messages import Message

_INTRODUCTION = """\
The states of a login
=====================

Every message of the server is legal in some states only.  This table is the
whole rule, printed from ``conch_auth/_states.py`` by ``docs/print_states.py``.  A
message that a state does not name ends the login: the server is sent DISCONNECT
with PROTOCOL_ERROR, and the application gets a ``ProtocolError`` that names the
message and the state.  A message number that no server has cause to send is
answered with UNIMPLEMENTED, and nothing changes.

USERAUTH_SUCCESS must be proved as well: a signature, a password, an answer or the
end of a GSSAPI exchange must have been sent, or accepted as an earlier factor,
unless ``allowTrivialAuth`` is set.  USERAUTH_PK_OK must name the key and the
algorithm that were asked about, USERAUTH_GSSAPI_RESPONSE a mechanism that was
offered.  Messages from 60 on are read as those of the method that was asked for.

Dashed is what the client sends, in full what the server says: in green
USERAUTH_SUCCESS, in red USERAUTH_FAILURE, which leads back to the state on the
left.  USERAUTH_BANNER changes no state, and is left out, as is the state ENDED.

.. raw:: html
   :file: states.svg

"""
_HEADINGS = ("state", "what it means", "message", "next state")


def _rows() -> list[tuple[str, str, str, str]]:
    rows = []
    for state in State:
        told = state.name, f"The server speaks {state.value}."
        for message, following in TABLE[state].items() or [(None, state)]:
            rows.append((*told, _title(message), following.name))
            told = "", ""
    return rows


def _title(message: type[Message] | None) -> str:
    return "none" if message is None else message.title


def page() -> str:
    """
    The page in reStructuredText.
    """
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 20 30 30 20", ""]
    for row in [_HEADINGS, *_rows()]:
        first, *others = row
        lines.append(f"   * - {first}".rstrip())
        lines += [f"     - {cell}".rstrip() for cell in others]
    return _INTRODUCTION + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")

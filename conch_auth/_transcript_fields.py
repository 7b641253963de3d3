"""
The fields of a message as words on a line, and back.

What is secret, or differs from one connection to the next, is a name between
angle brackets: C{<secret>}, C{<signature ssh-ed25519>}, C{<key 1 ssh-ed25519>}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from twisted.conch.ssh.transport import MSG_DISCONNECT, MSG_EXT_INFO

from conch_auth import names
from conch_auth._wire import Reader, boolean, string, uint32
from conch_auth.certificates import key_type
from conch_auth.errors import MalformedMessage

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|<([^<>]*)>|([^\s"<>]+)')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")


class Layout(NamedTuple):
    """
    What a message holds, field by field.

    @ivar title: the message's name.
    @ivar fields: the kinds of its fields, each a method of L{Words}.
    @ivar if_true: those that follow where the first boolean is true.
    @ivar repeated: those that follow a count, as often as it says.
    """

    title: str
    fields: tuple[str, ...] = ()
    if_true: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()


_REQUESTS = {
    names.NONE: Layout(""),
    names.PASSWORD: Layout("", ("boolean", "secret"), ("secret",)),
    names.PUBLICKEY: Layout("", ("boolean", "string", "key"), ("signature",)),
    names.PUBLICKEY_HOSTBOUND: Layout(
        "", ("boolean", "string", "key", "host_key"), ("signature",)
    ),
    names.KEYBOARD_INTERACTIVE: Layout("", ("string", "string")),
    names.HOSTBASED: Layout("", ("string", "key", "string", "string", "signature")),
    names.GSSAPI_WITH_MIC: Layout("", repeated=("string",)),
}
_MESSAGES = {
    MSG_DISCONNECT: Layout("DISCONNECT", ("uint32", "string", "string")),
    MSG_EXT_INFO: Layout("EXT_INFO", repeated=("string", "string")),
    51: Layout("USERAUTH_FAILURE", ("string", "boolean")),
    52: Layout("USERAUTH_SUCCESS"),
    53: Layout("USERAUTH_BANNER", ("string", "string")),
}
_OF_METHOD = {
    (names.PUBLICKEY, 60): Layout("USERAUTH_PK_OK", ("string", "key")),
    (names.PASSWORD, 60): Layout("USERAUTH_PASSWD_CHANGEREQ", ("string", "string")),
    (names.KEYBOARD_INTERACTIVE, 60): Layout(
        "USERAUTH_INFO_REQUEST", ("string",) * 3, repeated=("string", "boolean")
    ),
    (names.KEYBOARD_INTERACTIVE, 61): Layout(
        "USERAUTH_INFO_RESPONSE", repeated=("secret",)
    ),
    (names.GSSAPI_WITH_MIC, 60): Layout("USERAUTH_GSSAPI_RESPONSE", ("string",)),
    (names.GSSAPI_WITH_MIC, 61): Layout("USERAUTH_GSSAPI_TOKEN", ("token",)),
    (names.GSSAPI_WITH_MIC, 63): Layout("USERAUTH_GSSAPI_EXCHANGE_COMPLETE"),
    (names.GSSAPI_WITH_MIC, 64): Layout(
        "USERAUTH_GSSAPI_ERROR", ("uint32", "uint32", "string", "string")
    ),
    (names.GSSAPI_WITH_MIC, 65): Layout("USERAUTH_GSSAPI_ERRTOK", ("token",)),
    (names.GSSAPI_WITH_MIC, 66): Layout("USERAUTH_GSSAPI_MIC", ("token",)),
}


class Words:
    """
    Writes messages as lines.  Keys have the numbers in which they came.
    """

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._asked = b""

    def line(self, number: int, payload: bytes) -> str:
        """
        A message as one line.  One that is not what its number says is given
        byte by byte.
        """
        reader = Reader(payload, "message")
        try:
            title, *words = self._message(number, reader)
            reader.end()
        except MalformedMessage:
            title, words = "malformed", [f"hex:{payload.hex()}"]
        return " ".join([str(number), title, *words])

    def _message(self, number: int, reader: Reader) -> Iterator[str]:
        if number == names.MSG_USERAUTH_REQUEST:
            yield "USERAUTH_REQUEST"
            yield from (self.string(reader), self.string(reader))
            method = reader.string()
            yield quoted(method)
            self._asked = names.LISTED_AS.get(method, method)
            layout = _REQUESTS.get(method)
        else:
            layout = _OF_METHOD.get((self._asked, number)) or _MESSAGES.get(number)
            yield layout.title if layout else "message"
        if layout is None:
            yield f"hex:{reader.rest().hex()}"
        else:
            yield from self._fields(layout, reader)

    def _fields(self, layout: Layout, reader: Reader) -> Iterator[str]:
        words = [self._field(kind, reader) for kind in layout.fields]
        yield from words
        if "true" in words[:1]:
            yield from (self._field(kind, reader) for kind in layout.if_true)
        if layout.repeated:
            count = reader.uint32()
            yield str(count)
            for _ in range(count):
                yield from (self._field(kind, reader) for kind in layout.repeated)

    def _field(self, kind: str, reader: Reader) -> str:
        write: Callable[[Reader], str] = getattr(self, kind)
        return write(reader)

    def string(self, reader: Reader) -> str:
        return quoted(reader.string())

    def boolean(self, reader: Reader) -> str:
        return "true" if reader.boolean() else "false"

    def uint32(self, reader: Reader) -> str:
        return str(reader.uint32())

    def secret(self, reader: Reader) -> str:
        return "<secret>" if reader.string() else quoted(b"")

    def token(self, reader: Reader) -> str:
        reader.string()
        return "<token>"

    def host_key(self, reader: Reader) -> str:
        reader.string()
        return "<host key>"

    def signature(self, reader: Reader) -> str:
        return f"<signature {_shown(key_type(reader.string()))}>"

    def key(self, reader: Reader) -> str:
        blob = reader.string()
        if blob not in self._keys:
            self._keys.append(blob)
        return f"<key {self._keys.index(blob) + 1} {_shown(key_type(blob))}>"


def payload_of(words: str) -> bytes:
    """
    What a line says, as bytes.  A name between angle brackets becomes a string:
    of a key, one that L{stand_in} gives as well.

    @raise ValueError: where a word is none.
    """
    return b"".join(_bytes_of(found) for found in _WORD.finditer(words))


def _bytes_of(word: re.Match[str]) -> bytes:
    text, name, bare = word.groups()
    if text is not None:
        return string(_unquoted(text))
    if name is not None:
        return string(stand_in(name))
    if bare.startswith("hex:"):
        return bytes.fromhex(bare.removeprefix("hex:"))
    if bare in ("true", "false"):
        return boolean(bare == "true")
    return uint32(int(bare))


def stand_in(name: str) -> bytes:
    """
    Bytes in place of those that a transcript does not have.

    @param name: what stands between the angle brackets.
    """
    kind, *rest = name.split(" ")
    # A key and a signature begin with the name of their type.
    head = string(rest[-1].encode("ascii")) if rest and kind != "host" else b""
    return head + string(name.encode("ascii"))


def keys_in(lines: Sequence[str]) -> list[str]:
    """
    The keys that lines name, each once.
    """
    found = (name for line in lines for name in re.findall(r"<(key [^<>]*)>", line))
    return list(dict.fromkeys(found))


def quoted(data: bytes) -> str:
    return f'"{"".join(map(_escaped, data))}"'


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    if byte == 0x0A:
        return "\\n"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"


def _unquoted(text: str) -> bytes:
    def meant(found: re.Match[str]) -> str:
        escape = found[1]
        if escape.startswith("x") and len(escape) == 3:
            return chr(int(escape[1:], 16))
        return "\n" if escape == "n" else escape

    return _ESCAPE.sub(meant, text).encode("latin-1")


def _shown(name: bytes) -> str:
    shown = name.decode("ascii", "replace")
    return shown if re.fullmatch(r"[!-;=?-~]+", shown) else "?"

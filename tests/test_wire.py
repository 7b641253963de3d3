"""
Tests for L{conch_auth._wire}.
"""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._wire import Reader, boolean, name_list, string, uint32
from conch_auth.errors import MalformedMessage

NAMES = st.lists(st.binary(min_size=1).filter(lambda name: b"," not in name))


def reader(data: bytes) -> Reader:
    return Reader(data, "MESSAGE")


class ReadingTests(SynchronousTestCase):
    @given(st.binary())
    def test_string(self, data: bytes) -> None:
        """
        A string is its length in four bytes and its bytes, and reads back.
        """
        self.assertEqual(string(data), struct.pack(">L", len(data)) + data)
        self.assertEqual(reader(string(data)).string(), data)

    @given(st.integers(0, 2**32 - 1))
    def test_uint32(self, number: int) -> None:
        """
        A uint32 is four bytes, the highest first, and reads back.
        """
        self.assertEqual(uint32(number), number.to_bytes(4, "big"))
        self.assertEqual(reader(uint32(number)).uint32(), number)

    @given(st.integers(0, 255))
    def test_boolean(self, value: int) -> None:
        """
        Every byte but 0 is true.
        """
        self.assertIs(reader(bytes((value,))).boolean(), value != 0)

    def test_booleans_are_written_as_0_and_1(self) -> None:
        """
        Nothing but 0 and 1 is sent (RFC 4251, section 5).
        """
        self.assertEqual(boolean(False) + boolean(True), b"\x00\x01")

    @given(NAMES)
    def test_name_list(self, names: list[bytes]) -> None:
        """
        A list of names reads back, the empty one included.
        """
        self.assertEqual(reader(name_list(names)).name_list(), tuple(names))

    def test_no_names(self) -> None:
        """
        A list of no names has none, not an empty one.
        """
        self.assertEqual(reader(string(b"")).name_list(), ())

    def test_odd_names_are_kept(self) -> None:
        """
        What names mean is not decided here: empty, repeated and foreign ones
        come through.
        """
        listed = string(b",a,,a,\xff")
        self.assertEqual(reader(listed).name_list(), (b"", b"a", b"", b"a", b"\xff"))

    def test_rest(self) -> None:
        """
        The rest is what was not read yet, and nothing follows it.
        """
        fields = reader(uint32(1) + b"rest")
        fields.uint32()
        self.assertEqual(fields.rest(), b"rest")
        self.assertEqual(fields.remaining, 0)
        fields.end()


class MalformedTests(SynchronousTestCase):
    def malformed(self, data: bytes, field: str) -> str:
        error = self.assertRaises(MalformedMessage, getattr(reader(data), field))
        self.assertEqual(error.message, "MESSAGE")
        return str(error)

    def test_too_short(self) -> None:
        """
        Where the bytes do not reach, the error names the message and says how
        many are missing.
        """
        self.assertEqual(
            self.malformed(b"\0\0\0\x05ab", "string"),
            "malformed MESSAGE: 3 bytes are missing",
        )
        self.assertEqual(
            self.malformed(b"\0", "uint32"), "malformed MESSAGE: 3 bytes are missing"
        )
        self.assertEqual(
            self.malformed(b"", "boolean"), "malformed MESSAGE: 1 bytes are missing"
        )

    @given(st.binary())
    def test_every_prefix(self, data: bytes) -> None:
        """
        No prefix of a string is a string.
        """
        whole = string(data)
        for length in range(len(whole)):
            self.malformed(whole[:length], "string")
            self.malformed(whole[:length], "name_list")

    def test_absurd_length(self) -> None:
        """
        A length that goes far beyond the bytes is an error, and no memory is
        taken for it.
        """
        self.malformed(b"\xff\xff\xff\xffdata", "string")
        self.malformed(b"\x80\x00\x00\x00", "name_list")

    def test_something_follows(self) -> None:
        """
        Bytes after the last field are an error.
        """
        fields = reader(b"\0\0")
        fields.boolean()
        error = self.assertRaises(MalformedMessage, fields.end)
        self.assertEqual(str(error), "malformed MESSAGE: 1 bytes too many")

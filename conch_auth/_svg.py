"""
The few shapes of SVG 1.1 that a diagram needs, and how much room text takes.

There are no fonts at hand to measure with: widths are those of a wide face, so
that text fits in any that the reader has.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, takewhile
from typing import NamedTuple
from xml.etree import ElementTree

from conch_auth.display import printable

#: Widths of DejaVu Sans Bold, in parts of the size, rounded up; of other
#: characters, of which most are lower case.
_WIDTHS = {
    character: width
    for width, characters in (
        (0.40, "ijlI|,.:;'/\\ -"),
        (0.52, "frt!()[]`\"*"),
        (0.78, "ABCEFJKLPRSTVXYZ?$"),
        (0.87, "DGHNOQU&+=<>#~^"),
        (1.10, "mwMW@%"),
    )
    for character in characters
}
_OTHER, _FULL = 0.72, 1.05
#: A face of usual weight is narrower.
_USUAL_WEIGHT = 0.92
_ELLIPSIS = "…"

#: The most characters that any text keeps.
TEXT_LIMIT = 2000


class Drawing:
    """
    A drawing that grows; its size is given at the end.

    @param style: its style sheet.
    @param title: what it shows, for who cannot see it.
    """

    def __init__(self, style: str, title: str) -> None:
        self._root = ElementTree.Element(
            "svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"}
        )
        self._put("title").text = _plain(title)
        self._put("style").text = style
        self._paper = self._put("rect", x=0, y=0, rx=8, kind="paper")

    def _put(
        self, tag: str, *, kind: str = "", **attributes: object
    ) -> ElementTree.Element:
        plain = {name: _number(value) for name, value in attributes.items()}
        if kind:
            plain["class"] = kind
        return ElementTree.SubElement(self._root, tag, plain)

    def text(
        self, x: float, y: float, words: str, kind: str, anchor: str = "start"
    ) -> None:
        """
        One line.

        @param y: of its base line.
        @param kind: its class in the style sheet.
        @param anchor: C{"start"}, C{"middle"} or C{"end"}: what of it is at C{x}.
        """
        placed = self._put("text", x=x, y=y, kind=kind)
        if anchor != "start":
            placed.set("text-anchor", anchor)
        placed.text = _plain(words)

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, rx: float = 0
    ) -> None:
        rounded = {"rx": rx} if rx else {}
        self._put("rect", x=x, y=y, width=width, height=height, kind=kind, **rounded)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self._put("line", x1=x1, y1=y1, x2=x2, y2=y2, kind=kind)

    def shape(self, points: list[tuple[float, float]], kind: str) -> None:
        """
        A polygon.
        """
        corners = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        self._put("polygon", points=corners, kind=kind)

    def finished(self, width: float, height: float) -> str:
        """
        @return: the document, of this size in pixels.
        """
        for name, value in ("width", width), ("height", height):
            self._root.set(name, _number(value))
            self._paper.set(name, _number(value))
        self._root.set("viewBox", f"0 0 {_number(width)} {_number(height)}")
        ElementTree.indent(self._root, "")
        return ElementTree.tostring(self._root, encoding="unicode") + "\n"


def _number(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def _plain(words: str) -> str:
    return printable(words, limit=TEXT_LIMIT)


class Font(NamedTuple):
    """
    @ivar size: in pixels.
    """

    size: float
    bold: bool = False

    def width_of(self, words: str) -> float:
        """
        The width of C{words}, at the most.
        """
        return self._scale * sum(map(_width, words))

    @property
    def _scale(self) -> float:
        return self.size * (1 if self.bold else _USUAL_WEIGHT)

    def fitted(self, words: str, room: float) -> str:
        """
        C{words} as far as they fit into C{room}; what is cut off is marked.
        """
        words = _plain(words)
        if self.width_of(words) <= room:
            return words
        kept = self._fitting(words, room - self.width_of(_ELLIPSIS))
        return words[:kept].rstrip() + _ELLIPSIS

    def _fitting(self, words: str, room: float) -> int:
        """
        How many characters fit.
        """
        ends = accumulate(self._scale * _width(character) for character in words)
        return sum(1 for _ in takewhile(lambda end: end <= room, ends))

    def wrapped(self, words: str, room: float, most: int) -> list[str]:
        """
        C{words} in lines that fit into C{room}, and in C{most} lines.
        """
        lines = list(self._lines(_plain(words), room))
        if len(lines) <= most:
            return lines
        rest = " ".join(lines[most - 1 :])
        return [*lines[: most - 1], self.fitted(rest, room)]

    def _lines(self, words: str, room: float) -> Iterator[str]:
        line = ""
        for word in words.split(" "):
            longer = f"{line} {word}" if line else word
            if self.width_of(longer) <= room:
                line = longer
                continue
            if line:
                yield line
            while self.width_of(word) > room:
                at = max(self._fitting(word, room), 1)
                yield word[:at]
                word = word[at:]
            line = word
        if line:
            yield line


def _width(character: str) -> float:
    if character.isascii():
        return _WIDTHS.get(character, _OTHER)
    # Of what is beyond ASCII the widest is as wide as high.
    return _FULL

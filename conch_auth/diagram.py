"""
The conversation of a login as a picture: a sequence diagram over time.

It is an SVG document that stands by itself, without fonts, scripts or anything
to be fetched.  It is made of the report alone, so that the same report makes
the same picture, and fits a page; of a conversation that is too long for it the
midst is left out, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from conch_auth._diagram_lanes import Lanes, height_of, height_of_all
from conch_auth._diagram_style import FONTS, STYLE
from conch_auth._story import Story, story_of
from conch_auth._svg import Drawing
from conch_auth._timeline import Band, Fold, bands, folded
from conch_auth.report import AuthReport

__all__ = ["svg"]

WIDTH = 900.0
#: The proportion of a page of A4.
HEIGHT = 1270.0

_MARGIN = 24.0
_LABELS = 100.0
_MOST_FACTS, _MOST_DIAGNOSES, _MOST_LINES = 10, 4, 3
#: How many messages of one attempt are shown, as the room allows.
_MESSAGES = (16, 12, 8, 6, 4)
_NOTE = "Time runs downwards; the axis is broken where somebody was waited for long."
_NOT_SHOWN = " What there is no room for is left out."


def svg(report: AuthReport) -> str:
    """
    Draw a login.

    @return: an SVG document, 900 pixels wide, that fits a page.
    """
    return drawn(story_of(report))


def drawn(story: Story) -> str:
    """
    Draw a story.
    """
    return _Diagram(story).drawn()


class _Paragraph(NamedTuple):
    """
    Lines of one kind.
    """

    kind: str
    lines: list[str]
    after: float

    @property
    def leading(self) -> float:
        return FONTS[self.kind.split()[0]].size + 5

    @property
    def height(self) -> float:
        return len(self.lines) * self.leading + self.after


class _Diagram:
    """
    A drawing, from its top to its bottom.
    """

    def __init__(self, story: Story) -> None:
        self._story = story
        self._canvas = Drawing(STYLE, f"Login of {story.who}: {story.verdict}")
        self._y = _MARGIN

    def drawn(self) -> str:
        story = self._story
        self._header()
        ending = list(_advice(story))
        if story.steps or story.attempts:
            below = sum(paragraph.height for paragraph in ending) + 70
            self._conversation(HEIGHT - self._y - below)
        self._ending(ending)
        return self._canvas.finished(WIDTH, self._y + _MARGIN)

    def _header(self) -> None:
        story = self._story
        room = WIDTH - 2 * _MARGIN
        self._y += 14
        self._canvas.text(
            _MARGIN, self._y, FONTS["title"].fitted(story.who, room), "title"
        )
        self._y += 8
        kind = "accepted" if story.succeeded else "refused"
        self._write(_MARGIN, _paragraph(f"verdict {kind}-ink", story.verdict, room, 8))
        for label, told in story.facts[:_MOST_FACTS]:
            self._canvas.text(_MARGIN, self._y + 15, label, "label")
            told_at = _MARGIN + _LABELS
            self._write(told_at, _paragraph("fact", told, room - _LABELS, 0, 2))
        self._y += 14

    def _write(self, x: float, paragraph: _Paragraph) -> None:
        for line in paragraph.lines:
            self._y += paragraph.leading
            self._canvas.text(x, self._y - 2, line, paragraph.kind)
        self._y += paragraph.after

    def _conversation(self, room: float) -> None:
        story = self._story
        actors = {each for step in story.steps for each in (step.sender, step.receiver)}
        lanes = Lanes(self._canvas, actors, self._y, WIDTH - _MARGIN)
        shown, whole = _shown(story, room - height_of_all(()))
        self._y = lanes.draw(shown)
        note = _NOTE if whole else f"{_NOTE}{_NOT_SHOWN}"
        if story.steps_left_out:
            note += f" {story.steps_left_out} later messages were not kept."
        self._y += 14
        self._canvas.text(_MARGIN, self._y, note, "label")
        self._y += 14

    def _ending(self, paragraphs: Sequence[_Paragraph]) -> None:
        if not paragraphs:
            return
        top = self._y
        height = sum(paragraph.height for paragraph in paragraphs) + 14
        kind = "accepted" if self._story.succeeded else "refused"
        self._canvas.box(_MARGIN, top, WIDTH - 2 * _MARGIN, height, f"band {kind}", 4)
        self._canvas.box(_MARGIN, top, 4, height, f"edge {kind}")
        self._y += 8
        for paragraph in paragraphs:
            self._write(_MARGIN + 18, paragraph)
        self._y = top + height


def _shown(story: Story, room: float) -> tuple[list[Band | Fold], bool]:
    """
    As much of the conversation as there is room for, and whether that is all.
    """
    found: list[Band] = []
    for most in (len(story.steps), *_MESSAGES):
        found = bands(story.attempts, story.steps, story.elapsed, most)
        if sum(map(height_of, found)) <= room:
            return list(found), most == len(story.steps)
    return folded(found, height_of, room), False


def _advice(story: Story) -> list[_Paragraph]:
    """
    What is wrong and what to do.
    """
    room = WIDTH - 2 * _MARGIN - 36
    told = []
    for diagnosis in story.diagnoses[:_MOST_DIAGNOSES]:
        told.append(_paragraph("problem", diagnosis.problem, room, 0))
        told.append(_paragraph("fact", diagnosis.advice, room, 6))
    more = len(story.diagnoses) - _MOST_DIAGNOSES
    if more > 0:
        told.append(_paragraph("fold", f"… and {more} more", room, 0))
    return told


def _paragraph(
    kind: str, words: str, room: float, after: float, most: int = _MOST_LINES
) -> _Paragraph:
    font = FONTS[kind.split()[0]]
    return _Paragraph(kind, font.wrapped(words, room, most), after)

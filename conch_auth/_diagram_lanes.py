"""
The conversation in a diagram: a lane for each who took part, the messages
between them, downwards as time goes, and a band for each attempt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from conch_auth._diagram_style import FONTS
from conch_auth._story import outcome_of
from conch_auth._svg import Drawing
from conch_auth._timeline import FOLD_HEIGHT, Band, Fold, Message
from conch_auth.report import Actor, Attempt

#: Where the times end, and their axis.
_TIMES_END, _AXIS = 92.0, 100.0
#: The middle of each lane, for each company.
_LANES: dict[tuple[Actor, ...], tuple[float, ...]] = {
    ("client", "server"): (240, 770),
    ("agent", "client", "server"): (180, 420, 810),
    ("person", "client", "server"): (180, 420, 810),
    ("person", "agent", "client", "server"): (156, 306, 480, 820),
}
_ORDER: tuple[Actor, ...] = ("person", "agent", "client", "server")
_HEAD = 26.0

#: A wait is told from here on, in seconds; from there on the axis is broken.
_TOLD, _BROKEN = 0.1, 1.0


class Lanes:
    """
    Draws a conversation.

    @param canvas: on what.
    @param actors: who took part.
    @param top: where to begin.
    @param right: where the bands end.
    """

    def __init__(
        self, canvas: Drawing, actors: set[Actor], top: float, right: float
    ) -> None:
        present = tuple(a for a in _ORDER if a in actors | {"client", "server"})
        self._x = dict(zip(present, _LANES[present], strict=True))
        self._canvas = canvas
        self._top, self._right = top, right
        self._y = top
        self._time = ""

    def draw(self, shown: Sequence[Band | Fold]) -> float:
        """
        @return: where it ends.
        """
        bottom = self._top + height_of_all(shown)
        for actor, x in self._x.items():
            self._canvas.line(x, self._top + _HEAD, x, bottom, "life")
            self._canvas.box(x - 44, self._top, 88, _HEAD, f"head {actor}", 5)
            self._canvas.text(x, self._top + 17, actor, "actor", "middle")
        self._canvas.line(_AXIS, self._top + _HEAD, _AXIS, bottom, "axis")
        self._canvas.text(_TIMES_END, self._top + 17, "seconds", "label", "end")
        self._y += _HEAD + 8
        for band in shown:
            if isinstance(band, Fold):
                self._fold(band)
            else:
                self._band(band)
        return bottom

    def _fold(self, fold: Fold) -> None:
        middle = (self._x["client"] + self._x["server"]) / 2
        room = 2 * (self._right - middle)
        words = FONTS["fold"].fitted(f"… {fold.words} …", room)
        self._canvas.text(middle, self._y + 17, words, "fold", "middle")
        self._y += height_of(fold)

    def _band(self, band: Band) -> None:
        below = self._y + height_of(band)
        if band.attempt is not None:
            self._head(band.number, band.attempt, below)
        for row in band.rows:
            if isinstance(row, Fold):
                self._fold(row)
            else:
                self._message(row)
        self._y = below

    def _head(self, number: int, attempt: Attempt, below: float) -> None:
        left, height = _AXIS + 6, below - self._y - 6
        kind, outcome = outcome_of(attempt)
        self._canvas.box(left, self._y, self._right - left, height, f"band {kind}", 4)
        self._canvas.box(left, self._y, 4, height, f"edge {kind}")
        end, y = self._right - 10, self._y + 17
        self._canvas.text(end, y, outcome, f"outcome {kind}-ink", "end")
        end -= FONTS["outcome"].width_of(outcome) + 16
        x = left + 14
        name = FONTS["name"].fitted(f"{number}. {attempt.method}", 260)
        self._canvas.text(x, y, name, "name")
        x += FONTS["name"].width_of(name) + 6
        credential = FONTS["detail"].fitted(_credential(attempt), end - x)
        self._canvas.text(x, y, credential, "detail")
        self._y += 24
        if attempt.reason:
            room = self._right - left - 28
            reason = FONTS["fact"].fitted(attempt.reason, room)
            self._canvas.text(left + 14, self._y + 9, reason, "fact")
            self._y += 17

    def _message(self, message: Message) -> None:
        step = message.step
        y = self._y + 20
        self._tick(y, f"{step.at:.3f}")
        self._wait(message, y)
        start, end = self._x[step.sender], self._x[step.receiver]
        if step.sender == step.receiver:
            self._canvas.box(start - 4, y - 4, 8, 8, "note")
            side, anchor = _beside(step.sender)
            self._words(message, start + side, y + 4, anchor, 340)
        else:
            self._arrow(start, end, y)
            room = abs(end - start) - 28
            self._words(message, (start + end) / 2, y - 6, "middle", room)
        self._y += height_of(message)

    def _words(
        self, message: Message, x: float, y: float, anchor: str, room: float
    ) -> None:
        name, detail = message.step.name, message.step.detail
        self._canvas.text(x, y, FONTS["name"].fitted(name, room), "name on", anchor)
        if detail:
            detail = FONTS["detail"].fitted(detail, room)
            self._canvas.text(x, y + 20, detail, "detail on", anchor)

    def _arrow(self, start: float, end: float, y: float) -> None:
        ahead = math.copysign(1, end - start)
        self._canvas.line(start + 4 * ahead, y, end - 10 * ahead, y, "arrow")
        tip, back = end - 4 * ahead, end - 13 * ahead
        self._canvas.shape([(tip, y), (back, y - 4.5), (back, y + 4.5)], "tip")

    def _tick(self, y: float, time: str) -> None:
        self._canvas.line(_AXIS - 4, y, _AXIS + 4, y, "tick")
        if time != self._time:
            self._canvas.text(_TIMES_END, y + 4, time, "time", "end")
        self._time = time

    def _wait(self, message: Message, y: float) -> None:
        """
        The bar on the lane of whoever is waited for, and its seconds.
        """
        actor = message.awaited
        if actor is None:
            return
        room = height_of(message)
        x = self._x[actor]
        if actor != "client":
            self._canvas.box(x - 4, y, 8, room, f"wait {actor}", 2)
        if message.gap < _TOLD:
            return
        middle = y + room - _stretch(message.gap) / 2 - 4
        if message.gap >= _BROKEN:
            self._break(_AXIS, middle)
        words = f"{message.gap:.1f} s"
        words = f"{words} of its own" if actor == "client" else f"waited {words}"
        side, anchor = _beside(actor)
        self._canvas.text(x + side, middle + 4, words, f"waited on {actor}-ink", anchor)

    def _break(self, x: float, y: float) -> None:
        """
        Here the axis is broken.
        """
        self._canvas.box(x - 3, y - 3, 6, 6, "gap")
        for shift in -3, 3:
            self._canvas.line(x - 6, y + shift + 3, x + 6, y + shift - 3, "tick")


def _beside(actor: Actor) -> tuple[float, str]:
    """
    On which side of a lane there is room for words: how far from it they are,
    and their anchor.
    """
    return (-12, "end") if actor == "server" else (12, "start")


def _credential(attempt: Attempt) -> str:
    parts = []
    if attempt.key is not None:
        parts.append(str(attempt.key))
    if attempt.algorithm and (
        attempt.key is None or attempt.algorithm != attempt.key.type
    ):
        parts.append(f"as {attempt.algorithm}")
    if attempt.source:
        parts.append(f"from {attempt.source}")
    return ", ".join(parts)


def height_of_all(shown: Sequence[Band | Fold]) -> float:
    """
    The height of a conversation.
    """
    return _HEAD + 8 + sum(map(height_of, shown)) + 8


def height_of(shown: Band | Fold | Message) -> float:
    """
    The height of a part of it.
    """
    if isinstance(shown, Fold):
        return FOLD_HEIGHT
    if isinstance(shown, Message):
        detail = 14 if shown.step.detail else 0
        return 28 + detail + _stretch(shown.gap)
    head = 0 if shown.attempt is None else 24 + (17 if shown.attempt.reason else 0) + 6
    return head + sum(map(height_of, shown.rows))


def _stretch(gap: float) -> float:
    """
    How much further down the next message is after C{gap} seconds: as the
    logarithm of it.
    """
    return 0 if gap < _TOLD else min(16 + 7 * math.log2(gap / _TOLD), 60)

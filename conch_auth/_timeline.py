"""
The messages of a login in the order of time, gathered by the attempt that they
belong to, and folded where there are too many for a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from conch_auth._story import OUTCOMES
from conch_auth.report import Actor, Attempt, Step

#: The height of a L{Fold}, in pixels.
FOLD_HEIGHT = 28.0

class Message(NamedTuple):
    """
    @ivar step: what was sent.
    @ivar gap: the seconds until the next message, or until the end.
    @ivar awaited: who is waited for meanwhile; C{None} for nobody.
    """

    step: Step
    gap: float
    awaited: Actor | None


class Fold(NamedTuple):
    """
    What is not shown, in words.
    """

    words: str


@dataclass(frozen=True)
class Band:
    """
    An attempt with its messages; or messages that belong to none.

    @ivar number: the attempt's number, from 1; 0 for none.
    """

    number: int = 0
    attempt: Attempt | None = None
    rows: tuple[Message | Fold, ...] = ()


def bands(
    attempts: Sequence[Attempt], steps: Sequence[Step], elapsed: float, most: int
) -> list[Band]:
    """
    @param elapsed: the seconds from the beginning to the end.
    @param most: how many messages of an attempt are shown: the first and the
        last.
    """
    found: list[Band] = []
    told = 0
    for index, messages in _gathered(_messages(steps, elapsed)):
        if index is None:
            found.append(Band(rows=_shortened(messages, most)))
            continue
        # Those before it had nothing to send.
        found += [Band(n + 1, attempts[n]) for n in range(told, index)]
        told = max(told, index + 1)
        found.append(Band(index + 1, attempts[index], _shortened(messages, most)))
    found += [Band(n + 1, attempts[n]) for n in range(told, len(attempts))]
    return found


def _messages(steps: Sequence[Step], elapsed: float) -> Iterator[Message]:
    for number, step in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else None
        end = elapsed if following is None else following.at
        awaited = _awaited(step, following)
        gap = 0.0 if awaited is None else max(end - step.at, 0.0)
        yield Message(step, gap, awaited)


def _awaited(step: Step, following: Step | None) -> Actor | None:
    if following is None and "DISCONNECT" in step.name:
        return None
    if step.receiver != "client" or following is None:
        return step.receiver
    return following.sender


def _gathered(
    messages: Iterable[Message],
) -> Iterator[tuple[int | None, list[Message]]]:
    """
    Runs of messages of one attempt; a banner in the midst of one is part of it.
    """
    run: list[Message] = []
    aside: list[Message] = []
    current: int | None = None
    for message in messages:
        index = message.step.attempt
        if index is None:
            aside.append(message)
        elif index == current:
            run += [*aside, message]
            aside = []
        else:
            yield from _ended(current, run, aside)
            current, run, aside = index, [message], []
    yield from _ended(current, run, aside)


def _ended(
    index: int | None, run: list[Message], aside: list[Message]
) -> Iterator[tuple[int | None, list[Message]]]:
    if run:
        yield index, run
    if aside:
        yield None, aside


def _shortened(messages: Sequence[Message], most: int) -> tuple[Message | Fold, ...]:
    if len(messages) <= most + 1:
        return tuple(messages)
    kept = most // 2
    left_out = messages[kept:-kept]
    seconds = sum(message.gap for message in left_out)
    took = f", {seconds:.1f} s" if seconds >= 0.05 else ""
    fold = Fold(f"{len(left_out)} more messages{took}")
    return (*messages[:kept], fold, *messages[-kept:])


def folded(
    found: Sequence[Band], height_of: Callable[[Band | Fold], float], room: float
) -> list[Band | Fold]:
    """
    As much as there is room for: where it is short, attempts without their
    messages, and of a great many the first and the last.

    @param height_of: the height of a band.
    """
    if not found or sum(map(height_of, found)) <= room:
        return list(found)
    bare = [_without_messages(band) for band in found]
    # How it ended is told in full, if that can be.
    last = max(height_of(found[-1]) - height_of(bare[-1]), 0.0)
    first, after = _ends([height_of(band) for band in bare], room - last)
    shown: list[Band | Fold] = [*bare[:first], *bare[after:]]
    hidden = found[first:after]
    left = room - sum(map(height_of, shown))
    if hidden:
        fold = Fold(_left_out(hidden))
        shown.insert(first, fold)
        left -= height_of(fold)
    full = [*found[:first], *([None] if hidden else []), *found[after:]]
    for at in _by_weight(len(shown)):
        band = full[at]
        more = 0.0 if band is None else height_of(band) - height_of(shown[at])
        if band is not None and more <= left:
            shown[at] = band
            left -= more
    return shown


def _without_messages(band: Band) -> Band:
    if band.attempt is not None:
        return Band(band.number, band.attempt)
    return Band(rows=(Fold("more messages"),))


def _ends(heights: Sequence[float], room: float) -> tuple[int, int]:
    """
    How many of the first fit into C{room} beside the last, and where these
    begin; each end has about a half.
    """
    first, after = 0, len(heights)
    if sum(heights) <= room:
        return first, first
    room -= FOLD_HEIGHT
    while first < after:
        from_end = len(heights) - after <= first
        at = after - 1 if from_end else first
        if heights[at] > room:
            break
        room -= heights[at]
        first, after = (first, after - 1) if from_end else (first + 1, after)
    return first, after


def _by_weight(count: int) -> list[int]:
    """
    The end says more than the beginning, and the beginning than the midst.
    """
    order = list(range(count))
    return sorted(order, key=lambda at: (at not in (0, count - 1), -at))


def _left_out(hidden: Sequence[Band]) -> str:
    attempts = [band.attempt for band in hidden if band.attempt is not None]
    if not attempts:
        return "more messages"
    outcomes = [OUTCOMES[attempt.outcome] for attempt in attempts]
    counted = ", ".join(
        f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes)
    )
    more = "1 more attempt" if len(attempts) == 1 else f"{len(attempts)} more attempts"
    return f"{more}: {counted}"

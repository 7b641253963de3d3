"""
A story in plain text, for a file, a pipe or a plain terminal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from conch_auth._story import Story, course_of, outcome_of
from conch_auth.report import Attempt

#: The width of a terminal, of old.
_WIDTH = 80


def plain(story: Story) -> str:
    """
    @return: lines of at most 80 characters, but for words that are longer.
    """
    return "\n".join(_lines(story)) + "\n"


def _lines(story: Story) -> Iterator[str]:
    yield from _hanging(f"{story.who}: {story.verdict}", "", "  ")
    if story.facts:
        yield ""
        yield from _labelled(story.facts, "  ")
    for number, attempt in enumerate(story.attempts, 1):
        yield ""
        yield from _attempt(number, attempt)
    if story.diagnoses:
        yield ""
        yield "What to do:" if not story.succeeded else "To be noted:"
    for diagnosis in story.diagnoses:
        yield from _hanging(diagnosis.problem, "  - ", "    ")
        if diagnosis.advice:
            yield from _hanging(diagnosis.advice, "    ", "    ")


def _attempt(number: int, attempt: Attempt) -> Iterator[str]:
    _, outcome = outcome_of(attempt)
    yield f"{number:>3}. {attempt.method}: {outcome}"
    yield from _labelled(course_of(attempt), "     ")


def _labelled(rows: Iterable[tuple[str, str]], indent: str) -> Iterator[str]:
    rows = list(rows)
    width = max((len(label) for label, _ in rows), default=0) + 2
    for label, told in rows:
        first = f"{indent}{label:{width}}"
        yield from _hanging(told, first, " " * len(first))


def _hanging(words: str, first: str, later: str) -> list[str]:
    return textwrap.wrap(
        words,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )

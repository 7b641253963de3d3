"""
A story as a table with colours, for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conch_auth._story import Story, course_of, outcome_of
from conch_auth.report import Attempt, Outcome

#: Beyond it a table is not easier to read.
_WIDEST = 110
_STYLES: dict[Outcome, str] = {
    "accepted": "green",
    "partial": "cyan",
    "refused": "red",
    "skipped": "dim",
    "failed": "yellow",
}


def rendered(story: Story, console: Console) -> str:
    """
    @param console: where it is to be shown.
    @return: what to write there.
    """
    with console.capture() as written:
        console.print(_parts(story), width=min(console.width, _WIDEST))
    return written.get()


def _parts(story: Story) -> Group:
    style = "green" if story.succeeded else "red"
    parts: list[RenderableType] = [
        Text.assemble((story.who, "bold"), ": ", (story.verdict, f"bold {style}")),
    ]
    if story.facts:
        parts += ["", Padding(_labelled(story.facts), (0, 0, 0, 2))]
    if story.attempts:
        parts += ["", _attempts(story.attempts)]
    if story.diagnoses:
        parts += ["", _advice(story)]
    return Group(*parts)


def _attempts(attempts: Iterable[Attempt]) -> Table:
    table = Table(box=box.HORIZONTALS, show_lines=True, expand=True, pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("attempt", ratio=1)
    table.add_column("outcome", width=13)
    for number, attempt in enumerate(attempts, 1):
        kind, outcome = outcome_of(attempt)
        course = Group(Text(attempt.method, "bold"), _labelled(course_of(attempt)))
        table.add_row(str(number), course, Text(outcome, _STYLES[kind]))
    return table


def _labelled(rows: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, told in rows:
        grid.add_row(label, Text(told))
    return grid


def _advice(story: Story) -> Group:
    parts: list[RenderableType] = [
        Text("To be noted:" if story.succeeded else "What to do:", "bold")
    ]
    for diagnosis in story.diagnoses:
        told = Text.assemble((diagnosis.problem, "bold"), f"\n{diagnosis.advice}")
        grid = Table.grid(padding=(0, 1))
        grid.add_row("  -", told)
        parts.append(grid)
    return Group(*parts)

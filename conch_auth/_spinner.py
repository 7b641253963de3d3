"""
A line on the terminal that moves, by C{rich}.
"""

from __future__ import annotations

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text


class _Console(Console):
    def show_cursor(self, show: bool = True) -> bool:
        """
        The cursor stays: a program that is suspended or killed while it is
        hidden would leave a terminal without one.
        """
        return False


class SpinnerLine:
    """
    A line below what is written, which can be taken away at any time.

    @param console: where, as C{rich} knows it.
    """

    def __init__(self, console: Console) -> None:
        self._console = _Console(file=console.file, force_terminal=True)
        self._spinner = Spinner("dots")
        self._live: Live | None = None

    def show(self, words: str) -> None:
        """
        Show the line, or let it move on.
        """
        self._spinner.update(text=Text(words, no_wrap=True, overflow="ellipsis"))
        if self._live is None:
            # Another thread would write into the midst of a question.
            self._live = Live(
                self._spinner,
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.refresh()

    def hide(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

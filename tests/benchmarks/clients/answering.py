"""
The answers of a client with callbacks, AsyncSSH's or ours.
"""

from __future__ import annotations

from typing import Any


class Answering:
    """
    Answers every question of keyboard-interactive in the same way.

    @ivar answer: what to answer; C{None} to leave the method out.
    """

    answer: str | None = None

    def kbdint_auth_requested(self) -> Any:
        return NotImplemented if self.answer is None else ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Any
    ) -> Any:
        return [self.answer for _ in prompts]

"""
The methods, as callbacks of AsyncSSH's have their questions put.
"""

from __future__ import annotations

from typing import Any

from conch_auth.display import text
from conch_auth.errors import UnusableAnswer
from conch_auth.messages import InfoRequest, PasswordChangeRequest
from conch_auth.methods import KeyboardInteractive, Password


class CallbackPassword(Password):
    """
    Asks for both passwords of a change at once.
    """

    async def _new_password(self, request: PasswordChangeRequest) -> bool:
        changed = await self.ask(
            "person",
            "getPasswordChange",
            text(request.prompt),
            text(request.language),
        )
        if changed is NotImplemented or changed is None:
            return False
        try:
            old, new = changed
        except (TypeError, ValueError):
            raise UnusableAnswer(
                "password_change_requested", "gave no pair of passwords"
            ) from None
        self.service._setOldPass(old)
        self.service._setNewPass(new)
        return True


class CallbackKeyboardInteractive(KeyboardInteractive):
    """
    Shows the client every round, those without a prompt included.
    """

    async def _answers(self, request: InfoRequest) -> Any:
        asked = self._challenge(request)
        answers = await self.ask("person", "getChallengeAnswers", asked)
        if answers is not None and len(answers) != len(request.prompts):
            raise UnusableAnswer(
                "kbdint_challenge_received",
                f"gave {len(answers)} answers to {len(request.prompts)} prompts",
            )
        return answers

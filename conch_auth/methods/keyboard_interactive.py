"""
The C{keyboard-interactive} method (RFC 4256).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from conch_auth import _transports, names
from conch_auth.display import printable, text
from conch_auth.errors import LimitReached, UnusableAnswer
from conch_auth.messages import InfoRequest, InfoResponse, KeyboardInteractiveRequest
from conch_auth.methods._base import Method
from conch_auth.methods.password import as_bytes
from conch_auth.prompts import PROMPT_LIMIT, Challenge


class KeyboardInteractive(Method):
    """
    Passes the server's questions to the owner, round after round.
    """

    name = names.KEYBOARD_INTERACTIVE
    _rounds: int | None = None

    async def _start(self) -> bool:
        if self._rounds == 0 and self._tries_in == self.conversation.stage:
            # The server lists the method and never asks anything.
            self.give_up()
        if self.exhausted(self.service.maxInteractiveAttempts):
            return False
        submethods = await self.ask("person", "getSubmethods")
        if submethods is None:
            self.has_nothing("it is not wanted here", "no-answers")
            return False
        self.count_try()
        self._rounds = 0
        request = KeyboardInteractiveRequest(
            submethods=as_bytes("getSubmethods", submethods)
        )
        self.request(request)
        return True

    def replied(self, payload: bytes) -> None:
        """
        INFO_REQUEST: a round of questions.
        """
        request = self._incoming(InfoRequest, payload)
        if request is not None:
            self._rounds = (self._rounds or 0) + 1
            self._go_on(self._answer(request))

    async def _answer(self, request: InfoRequest) -> None:
        self._check_bounds(request)
        answers = await self._answers(request)
        if answers is None:
            prompts = b"; ".join(prompt.prompt for prompt in request.prompts)
            asked = printable(text(prompts), limit=PROMPT_LIMIT).strip()
            self.declined(
                f"the questions were not answered ({asked})",
                "questions-unanswered",
            )
        else:
            self.service._cbGenericAnswers(answers)
            self.conversation.answered_unseen(bool(request.prompts))

    async def _answers(self, request: InfoRequest) -> Any:
        if not request.prompts:
            self.service.tell("informationReceived", request.name, request.instruction)
            return ()
        return await self.ask(
            "person",
            "getGenericAnswers",
            request.name,
            request.instruction,
            self._challenge(request).prompts(),
        )

    def _challenge(self, request: InfoRequest) -> Challenge:
        return Challenge(
            request.name,
            request.instruction,
            request.language,
            request.prompts,
            self._rounds or 1,
            text(self.service.user),
            _transports.host_name(self.service.transport),
        )

    def _check_bounds(self, request: InfoRequest) -> None:
        rounds, prompts = self.service.maxRounds, self.service.maxPrompts
        if self._rounds is not None and self._rounds > rounds:
            raise LimitReached("rounds of questions", "maxRounds", rounds)
        if len(request.prompts) > prompts:
            raise LimitReached("questions at once", "maxPrompts", prompts)

    def respond(self, answers: Iterable[Any]) -> None:
        """
        Send the answers to a round (RFC 4256, section 3.4).
        """
        if isinstance(answers, str | bytes):
            raise UnusableAnswer("getGenericAnswers", "gave one text, not a list")
        limit = self.service.maxPrompts
        sent = tuple(
            as_bytes("getGenericAnswers", answer)
            for answer in islice(answers, limit + 1)
        )
        if len(sent) > limit:
            raise LimitReached("answers", "maxPrompts", limit)
        self.service.sendUserAuth(InfoResponse(sent))

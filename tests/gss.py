"""
A GSSAPI context without a mechanism: it says what a test has laid out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from zope.interface import implementer

from conch_auth.interfaces import IGSSContext

KRB5 = "1.2.840.113554.1.2.2"
#: RFC 4121, section 4.1, in DER.
KRB5_DER = bytes.fromhex("06092a864886f712010202")
#: Another mechanism, of Globus.
GSI = "1.3.6.1.4.1.3536.1.1"
GSI_DER = bytes.fromhex("06092b060104019b500101")


class Last(bytes):
    """
    A token that completes the context.
    """


#: A last step without a token.
LAST = Last()


@implementer(IGSSContext)
class ScriptedContext:
    """
    Answers each step with the next of what the test has laid out: a token, a
    Deferred, or an exception, which is raised.

    @ivar steps: the mechanism and the token of each step.
    @ivar signed: what MICs were made of.
    """

    complete = False

    def __init__(
        self,
        answers: Iterable[Any] = (LAST,),
        mechanisms: Sequence[str] = (KRB5,),
        *,
        has_integrity: bool = True,
        mic: Any = b"mic",
        source: str = "a script",
        explanation: Any = "",
    ) -> None:
        self._answers = iter(answers)
        self.mechanisms = mechanisms
        self.has_integrity = has_integrity
        self.source = source
        self._mic = mic
        self._explanation = explanation
        self.steps: list[tuple[str, bytes | None]] = []
        self.signed: list[bytes] = []
        self.explained: list[bytes] = []

    def step(self, mechanism: str, token: bytes | None) -> Any:
        self.steps.append((mechanism, token))
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        self.complete = isinstance(answer, Last)
        return answer

    def sign(self, data: bytes) -> Any:
        self.signed.append(data)
        if isinstance(self._mic, Exception):
            raise self._mic
        return self._mic

    def explain(self, token: bytes) -> str:
        self.explained.append(token)
        if isinstance(self._explanation, Exception):
            raise self._explanation
        return str(self._explanation)

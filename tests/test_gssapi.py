"""
Tests for L{conch_auth.methods.gssapi}: every message and error of RFC 4462,
section 3, with a context that is a script.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure as TwistedFailure
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import _gss
from conch_auth._gss_messages import (
    GSSErrorToken,
    GSSExchangeComplete,
    GSSMic,
    GSSRequest,
    GSSResponse,
    GSSStatus,
    GSSToken,
)
from conch_auth._message import Message
from conch_auth._options import Options, completed
from conch_auth._wire import Reader
from conch_auth.errors import (
    AuthenticationFailed,
    ConnectionLost,
    GSSAPIError,
    GSSAPIUnavailable,
    MalformedMessage,
    ProtocolError,
    TrivialAuthenticationRefused,
    UnexpectedMessage,
)
from conch_auth.interfaces import IGSSContext
from conch_auth.messages import (
    InfoRequest,
    MethodReply,
    NoneRequest,
    PasswordRequest,
    from_server,
)
from conch_auth.report import Attempt, AuthReport
from conch_auth.ssh_config import SSHConfig
from tests import support
from tests.gss import GSI, GSI_DER, KRB5, KRB5_DER, LAST, Last, ScriptedContext
from tests.support import (
    SUCCESS,
    Cancellable,
    LoginTestCase,
    Sent,
    failure,
    new_key,
    partial,
)

GSSAPI = b"gssapi-with-mic"


class Client(support.Client):
    """
    A client that wants this method first.
    """

    preferredOrder = [GSSAPI, *support.Client.preferredOrder]


class GSSAPITestCase(LoginTestCase):
    """
    Has such a client.
    """

    client_class = Client


CHOSEN = GSSResponse(KRB5_DER)
#: RFC 4462, section 3.5, for the names that L{Client} has.
MIC_DATA = (
    b"\x00\x00\x00\x04test"
    b"\x32"
    b"\x00\x00\x00\x05alice"
    b"\x00\x00\x00\x05nancy"
    b"\x00\x00\x00\x0fgssapi-with-mic"
)
SPNEGO = "1.3.6.1.5.5.2"
SECRET = b"\xde\xad-a-token-\xbe\xef"


class MessageTests(SynchronousTestCase):
    def test_bytes(self) -> None:
        """
        Each message has its number and its fields, in their order.
        """
        for message, number, payload in (
            (CHOSEN, 60, b"\0\0\0\x0b" + KRB5_DER),
            (GSSToken(b"ab"), 61, b"\0\0\0\x02ab"),
            (GSSExchangeComplete(), 63, b""),
            (
                GSSStatus(1, 2, b"bad", b"en"),
                64,
                b"\0\0\0\x01\0\0\0\x02\0\0\0\x03bad\0\0\0\x02en",
            ),
            (GSSErrorToken(b"ab"), 65, b"\0\0\0\x02ab"),
            (GSSMic(b"ab"), 66, b"\0\0\0\x02ab"),
        ):
            self.assertEqual((message.number, message.build()), (number, payload))
            self.assertEqual(type(message).parse(payload), message)

    def test_request(self) -> None:
        """
        The request counts its mechanisms, each an object identifier in DER.
        """
        request = GSSRequest((KRB5_DER, GSI_DER))
        self.assertEqual(
            request.build(),
            b"\0\0\0\x02\0\0\0\x0b" + KRB5_DER + b"\0\0\0\x0b" + GSI_DER,
        )
        self.assertEqual(GSSRequest.read(Reader(request.build(), "x")), request)

    def test_dubious_request(self) -> None:
        """
        A count for which there is no room is not counted to.
        """
        for payload in (b"\xff\xff\xff\xff", b"\0\0\0\x02\0\0\0\0", b"\0\0"):
            reader = Reader(payload, "x")
            self.assertRaises(MalformedMessage, GSSRequest.read, reader)

    @given(st.binary())
    def test_any_bytes(self, payload: bytes) -> None:
        """
        Whatever comes is a message or malformed, and a message is what it was
        made from.
        """
        for kind in (GSSResponse, GSSToken, GSSStatus, GSSErrorToken, GSSMic):
            try:
                message = kind.parse(payload)
            except MalformedMessage:
                continue
            self.assertEqual(message.build(), payload)

    def test_number_belongs_to_the_method(self) -> None:
        """
        Numbers from 60 on mean what the outstanding method says, never more.
        """
        expected: dict[int, type[Message] | None] = {
            60: GSSResponse,
            61: GSSToken,
            62: None,
            63: None,
            64: GSSStatus,
            65: GSSErrorToken,
            66: None,
        }
        found = {number: from_server(number, GSSAPI) for number in expected}
        self.assertEqual(found, expected)
        self.assertIs(from_server(60, b"keyboard-interactive"), InfoRequest)
        self.assertIs(from_server(60, b"other"), MethodReply)
        for number in range(61, 67):
            for method in (b"keyboard-interactive", b"publickey", b"other", None):
                self.assertIsNone(from_server(number, method))

    def test_no_token_is_shown(self) -> None:
        """
        No token and no MIC is in the repr of a message or an error.
        """
        for shown in (
            GSSToken(SECRET),
            GSSErrorToken(SECRET),
            GSSMic(SECRET),
            GSSAPIError("it failed", 1, 2, SECRET),
        ):
            self.assertNotIn("a-token", repr(shown) + str(shown))


class GSSAPICase(GSSAPITestCase):
    """
    A login to a server that lists gssapi-with-mic.
    """

    def begin(self, *contexts: Any, listed: Any = (GSSAPI,), **attributes: Any) -> Any:
        """
        @param contexts: what C{getGSSAPIContext} gives, in turn; then C{None}.
        """
        left = iter(contexts)
        self.questions = 0

        def next_context() -> Any:
            self.questions += 1
            context = next(left, None)
            if isinstance(context, Exception):
                raise context
            return context

        client = self.login(getGSSAPIContext=next_context, **attributes)
        client.receive(failure(*listed))
        return client

    def exchange(self, client: Client) -> list[Sent]:
        """
        What was sent after the opening request.
        """
        first, *rest = client.transport.sent
        self.assertEqual(first, NoneRequest())
        return rest

    def attempt(self, report: AuthReport) -> Attempt:
        (found,) = [a for a in report.attempts if a.method == "gssapi-with-mic"]
        return found


class ExchangeTests(GSSAPICase):
    def test_login(self) -> None:
        """
        The request names the mechanisms; tokens go to and fro until the context
        is complete; a MIC ends it.
        """
        context = ScriptedContext((b"first", LAST), source="alice's script")
        client = self.begin(context)
        client.receive(CHOSEN)
        client.receive(GSSToken(b"answer"))
        self.assertEqual(
            self.exchange(client),
            [GSSRequest((KRB5_DER,)), GSSToken(b"first"), GSSMic(b"mic")],
        )
        self.assertEqual(context.steps, [(KRB5, None), (KRB5, b"answer")])
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        self.assertEqual(report.proof, "gssapi-with-mic")
        self.assertEqual(self.attempt(report).source, "alice's script")
        self.assertEqual(report.round_trips, 4)

    def test_context_of_the_test(self) -> None:
        """
        The script has what the interface asks for.
        """
        self.assertTrue(IGSSContext.providedBy(ScriptedContext()))

    def test_mic(self) -> None:
        """
        The MIC is over the session identifier and the head of the request.
        """
        context = ScriptedContext()
        self.begin(context).receive(CHOSEN)
        self.assertEqual(context.signed, [MIC_DATA])

    def test_last_token(self) -> None:
        """
        A token that completes the context goes out, and the MIC right after it.
        """
        client = self.begin(ScriptedContext((Last(b"last"),)))
        client.receive(CHOSEN)
        self.assertEqual(
            self.exchange(client)[1:], [GSSToken(b"last"), GSSMic(b"mic")]
        )
        client.receive(SUCCESS)
        self.assertEqual(self.assert_succeeded(client).round_trips, 3)

    def test_no_integrity(self) -> None:
        """
        A context that makes no MIC ends with EXCHANGE_COMPLETE, which proves
        who logs in (RFC 4462, section 3.6).
        """
        context = ScriptedContext((b"first", LAST), has_integrity=False)
        client = self.begin(context)
        client.receive(CHOSEN)
        client.receive(GSSToken(b"answer"))
        self.assertEqual(self.exchange(client)[-1], GSSExchangeComplete())
        self.assertEqual(context.signed, [])
        client.receive(SUCCESS)
        self.assertEqual(self.assert_succeeded(client).proof, "gssapi-with-mic")

    def test_answers_may_come_late(self) -> None:
        """
        The context, a step and the MIC may each be a Deferred.
        """
        asked, stepped, signed = Deferred[Any](), Deferred[Any](), Deferred[Any]()
        context = ScriptedContext((stepped, LAST), mic=signed)
        client = self.begin(asked)
        self.assertEqual(self.exchange(client), [])
        asked.callback(context)
        client.receive(CHOSEN)
        stepped.callback(b"first")
        client.receive(GSSToken(b"answer"))
        self.assertEqual(self.exchange(client)[-1], GSSToken(b"first"))
        signed.callback(b"late mic")
        self.assertEqual(self.exchange(client)[-1], GSSMic(b"late mic"))

    def test_server_in_this_process(self) -> None:
        """
        A server may reply within the very call that sends to it.
        """
        answers = {
            NoneRequest: failure(GSSAPI),
            GSSRequest: CHOSEN,
            GSSToken: GSSToken(b"answer"),
            GSSMic: SUCCESS,
        }
        client = Client(
            getGSSAPIContext=lambda: ScriptedContext((b"first", b"second", LAST))
        )
        client.transport.replies = lambda sent: [answers[type(sent)]]
        self.start(client)
        self.assert_succeeded(client)
        self.assertEqual(
            self.exchange(client)[1:],
            [GSSToken(b"first"), GSSToken(b"second"), GSSMic(b"mic")],
        )

    def test_refused_within_the_call(self) -> None:
        """
        Where such a server refuses the last token, no MIC follows it.
        """
        context = ScriptedContext((Last(b"last"),))
        client = Client(getGSSAPIContext=lambda: context, passwords=[b"pw"])
        client.transport.replies = lambda sent: {
            NoneRequest: [failure(GSSAPI, b"password")],
            GSSRequest: [CHOSEN],
            GSSToken: [failure(GSSAPI, b"password")],
            PasswordRequest: [SUCCESS],
        }[type(sent)]
        self.start(client)
        self.assert_succeeded(client)
        self.assertEqual(
            [type(sent) for sent in self.exchange(client)],
            [GSSRequest, GSSToken, PasswordRequest],
        )

    def test_key_as_second_factor(self) -> None:
        """
        A ticket may be the first of two factors; it is not shown again.
        """
        key = new_key()
        client = self.begin(ScriptedContext(), keys=[key])
        client.receive(CHOSEN)
        client.receive(partial(GSSAPI, b"publickey"))
        self.confirm(client)
        client.receive(SUCCESS)
        report = self.assert_succeeded(client)
        proof = report.proof or ""
        self.assertTrue(proof.startswith("gssapi-with-mic, then publickey with"))
        self.assertEqual(self.questions, 1)

    def test_trivial(self) -> None:
        """
        A success before the exchange has come to its end proves nothing.
        """
        for messages in ((), (CHOSEN,), (CHOSEN, GSSToken(b"answer"))):
            client = self.begin(ScriptedContext((b"first", b"second")))
            for message in messages:
                client.receive(message)
            client.receive(SUCCESS)
            self.assert_failed(client, TrivialAuthenticationRefused)


class MechanismTests(GSSAPICase):
    def test_several(self) -> None:
        """
        All mechanisms of the context are offered, in its order, and the one
        that the server chose is used.
        """
        context = ScriptedContext(mechanisms=(GSI, KRB5))
        client = self.begin(context)
        self.assertEqual(self.exchange(client), [GSSRequest((GSI_DER, KRB5_DER))])
        client.receive(CHOSEN)
        self.assertEqual(context.steps, [(KRB5, None)])

    def test_spnego(self) -> None:
        """
        SPNEGO is never offered (RFC 4462, section 7.3); with nothing else, the
        method is left out.
        """
        client = self.begin(ScriptedContext(mechanisms=(SPNEGO, KRB5)))
        self.assertEqual(self.exchange(client), [GSSRequest((KRB5_DER,))])
        client = self.begin(ScriptedContext(mechanisms=(SPNEGO,)))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(self.attempt(report).outcome, "skipped")
        self.assertEqual(self.exchange(client), [])

    def test_mismatch(self) -> None:
        """
        A mechanism that was not offered is a protocol error; nothing of the
        context is used for it.
        """
        for mechanism in (GSI_DER, b"", KRB5_DER[2:], KRB5_DER + b"\0"):
            context = ScriptedContext()
            client = self.begin(context)
            client.receive(GSSResponse(mechanism))
            self.assert_failed(client, ProtocolError, code=2)
            self.assertIn("mechanism that it was not offered", str(self.error))
            self.assertEqual(context.steps, [])

    def test_the_others(self) -> None:
        """
        Where the chosen mechanism came to nothing, on either side, the others
        are offered in a new context, once.
        """
        for ending in ("refused", "failed"):
            problem = GSSAPIError("no ticket") if ending == "failed" else LAST
            first = ScriptedContext((problem,), (KRB5, GSI))
            second = ScriptedContext(mechanisms=(KRB5, GSI))
            client = self.begin(first, second)
            client.receive(CHOSEN)
            if ending == "refused":
                client.receive(failure(GSSAPI))
            self.assertEqual(client.transport.sent[-1], GSSRequest((GSI_DER,)))
            client.receive(GSSResponse(GSI_DER))
            self.assertEqual(second.steps, [(GSI, None)])
            client.receive(failure(GSSAPI))
            report = self.assert_failed(client, AuthenticationFailed)
            outcomes = [a.outcome for a in report.attempts[1:]]
            self.assertEqual(outcomes, [ending, "refused"])
            self.assertEqual(self.questions, 2)

    def test_none_is_known(self) -> None:
        """
        A server that knows none of the mechanisms refuses, and is not asked
        again.
        """
        client = self.begin(ScriptedContext(mechanisms=(KRB5, GSI)))
        client.receive(failure(GSSAPI))
        self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(self.questions, 1)

    def test_no_identifier(self) -> None:
        """
        What is no object identifier cannot be offered.
        """
        client = self.begin(ScriptedContext(mechanisms=("kerberos",)))
        report = self.assert_failed(client, AuthenticationFailed)
        attempt = self.attempt(report)
        self.assertEqual(
            (attempt.outcome, attempt.reason),
            (
                "failed",
                "getGSSAPIContext named a mechanism that is no object identifier",
            ),
        )


class NothingTests(GSSAPICase):
    """
    Reasons for which no request is sent.
    """

    def assert_skipped(self, client: Client) -> str:
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(self.exchange(client), [])
        attempt = self.attempt(report)
        self.assertEqual(attempt.outcome, "skipped")
        return attempt.reason

    def test_no_context(self) -> None:
        """
        Without a context, the next method follows.
        """
        reason = self.assert_skipped(self.begin(None))
        self.assertEqual(reason, "no GSSAPI context was given")

    def test_by_default(self) -> None:
        """
        No ticket is used by a service that does not know for which server.
        """
        client = self.login()
        client.receive(failure(GSSAPI))
        self.questions = 0
        self.assertEqual(self.assert_skipped(client), "no GSSAPI context was given")

    def test_unavailable(self) -> None:
        """
        What says why there is none is told, with what to do.
        """
        problem = GSSAPIUnavailable("no Kerberos ticket: run kinit")
        reason = self.assert_skipped(self.begin(problem))
        self.assertEqual(reason, "no Kerberos ticket: run kinit")

    def test_transport_not_secure(self) -> None:
        """
        No token goes over a transport that does not protect it.
        """
        client = Client(getGSSAPIContext=ScriptedContext)
        client.transport.isEncrypted = lambda direction: False
        self.start(client)
        client.receive(failure(GSSAPI))
        self.assertIn("does not protect", self.assert_skipped(client))

    def test_not_a_context(self) -> None:
        """
        What is no context ends the attempt.
        """
        client = self.begin(object())
        attempt = self.attempt(self.assert_failed(client, AuthenticationFailed))
        self.assertEqual(
            attempt.reason,
            "getGSSAPIContext gave object, which is not a GSSAPI context",
        )

    def test_keyex(self) -> None:
        """
        gssapi-keyex is told apart, with the reason, and only once.
        """
        client = self.begin(ScriptedContext(), listed=(b"gssapi-keyex", GSSAPI))
        client.receive(failure(b"gssapi-keyex", GSSAPI))
        report = self.assert_failed(client, AuthenticationFailed)
        (attempt,) = [a for a in report.attempts if a.method == "gssapi-keyex"]
        self.assertEqual(attempt.outcome, "skipped")
        self.assertIn("not supported by this transport", attempt.reason)

    def test_advice(self) -> None:
        """
        The report says what to do about a ticket.
        """
        report = self.assert_failed(self.begin(None), AuthenticationFailed)
        self.assertIn("kinit", " ".join(report.advice()))
        client = self.begin(ScriptedContext())
        client.receive(failure(GSSAPI))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertIn("keytab", " ".join(report.advice()))


class FailureTests(GSSAPICase):
    def fails(self, context: ScriptedContext, *messages: Message) -> Client:
        """
        An exchange that fails on this side; a password is what is left.
        """
        client = self.begin(
            context, listed=(GSSAPI, b"password"), passwords=[b"pw"]
        )
        for message in (CHOSEN, *messages):
            client.receive(message)
        return client

    def assert_password_follows(self, client: Client) -> Attempt:
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        client.receive(SUCCESS)
        return self.attempt(self.assert_succeeded(client))

    def test_first_step(self) -> None:
        """
        A step that fails ends the attempt; what is left follows at once, and
        the report says why.
        """
        problem = GSSAPIError("Server host/x not found in Kerberos database")
        client = self.fails(ScriptedContext((problem,)))
        self.assertEqual(
            [type(sent) for sent in self.exchange(client)],
            [GSSRequest, PasswordRequest],
        )
        attempt = self.assert_password_follows(client)
        self.assertEqual(
            (attempt.outcome, attempt.reason),
            (
                "failed",
                "GSSAPI failed: Server host/x not found in Kerberos database",
            ),
        )

    def test_error_token(self) -> None:
        """
        A step that fails with a token passes it on, and no reply is awaited.
        """
        problem = GSSAPIError("mutual authentication failed", 1, 2, b"sorry")
        client = self.fails(ScriptedContext((b"first", problem)), GSSToken(b"answer"))
        self.assertEqual(self.exchange(client)[2], GSSErrorToken(b"sorry"))
        self.assert_password_follows(client)

    def test_mic(self) -> None:
        """
        A MIC that cannot be made ends the attempt.
        """
        client = self.fails(ScriptedContext(mic=GSSAPIError("no key")))
        attempt = self.assert_password_follows(client)
        self.assertEqual(attempt.reason, "GSSAPI failed: no key")

    def test_no_progress(self) -> None:
        """
        A step that neither gives a token nor completes the context would wait
        for ever.
        """
        client = self.fails(ScriptedContext((None,)))
        attempt = self.assert_password_follows(client)
        self.assertIn("nothing more to say", attempt.reason)

    def test_not_bytes(self) -> None:
        """
        Tokens and MICs are bytes; what was given instead is not shown.
        """
        for context in (ScriptedContext(("a-token",)), ScriptedContext(mic="a-token")):
            attempt = self.assert_password_follows(self.fails(context))
            self.assertEqual(
                attempt.reason, "the GSSAPI context gave str, not bytes"
            )

    def test_other_errors(self) -> None:
        """
        Of a foreign error only the type is told.
        """
        attempt = self.assert_password_follows(
            self.fails(ScriptedContext((KeyError("a-token"),)))
        )
        self.assertEqual(attempt.reason, "the GSSAPI context raised KeyError")

    def test_too_many_tokens(self) -> None:
        """
        An exchange has C{maxRounds} steps at most.
        """
        context = ScriptedContext([b"more"] * 4)
        client = self.begin(context, maxRounds=3)
        client.receive(CHOSEN)
        for _ in range(3):
            client.receive(GSSToken(b"go on"))
        self.assertEqual(len(context.steps), 3)
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(
            self.attempt(report).reason, "too many GSSAPI tokens (maxRounds is 3)"
        )

    def test_too_long(self) -> None:
        """
        A token has C{maxTokenBytes} at most, in either direction.
        """
        for out, back, steps in ((b"1234", b"12345", 1), (b"12345", b"", 1)):
            context = ScriptedContext((out, LAST))
            client = self.begin(context, maxTokenBytes=4)
            client.receive(CHOSEN)
            if back:
                client.receive(GSSToken(back))
            self.assertEqual(len(context.steps), steps)
            report = self.assert_failed(client, AuthenticationFailed)
            self.assertIn("maxTokenBytes is 4", self.attempt(report).reason)

    def test_not_asked_again(self) -> None:
        """
        A ticket that failed or was refused is not shown again.
        """
        for answers in ((GSSAPIError("no"),), (LAST,)):
            client = self.begin(ScriptedContext(answers), ScriptedContext())
            client.receive(CHOSEN)
            if not self.ends:
                client.receive(failure(GSSAPI))
            self.assert_failed(client, AuthenticationFailed)
            self.assertEqual(self.questions, 1)


class ServerErrorTests(GSSAPICase):
    def setUp(self) -> None:
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self._observe)
        self.addCleanup(globalLogPublisher.removeObserver, self._observe)

    def _observe(self, event: LogEvent) -> None:
        if "complaint" in event:
            self.logged.append(f"{event['complaint']} ({event['form']})")

    def complained(self, *messages: Message, **script: Any) -> tuple[Any, Attempt]:
        """
        The server has something to say against the first token, then refuses.
        """
        context = ScriptedContext((b"first",), **script)
        client = self.begin(context, listed=(GSSAPI, b"password"), passwords=[b"pw"])
        client.receive(CHOSEN)
        for message in messages:
            client.receive(message)
            # Until it refuses, nothing else is tried.
            self.assertEqual(client.transport.sent[-1], GSSToken(b"first"))
        client.receive(failure(GSSAPI, b"password"))
        client.receive(SUCCESS)
        return context, self.attempt(self.assert_succeeded(client))

    def test_status(self) -> None:
        """
        ERROR is logged, and in the report; the client waits for the refusal.
        """
        status = GSSStatus(0xD0000, 100, b"Clock skew\x1b[2J too great", b"en")
        _, attempt = self.complained(status)
        self.assertEqual(attempt.outcome, "refused")
        said = "GSSAPI failed on the server: Clock skew\\x1b[2J too great"
        self.assertEqual(attempt.reason, said)
        self.assertEqual(self.logged, [f"{said} (major 0xd0000, minor 0x64)"])

    def test_status_without_words(self) -> None:
        """
        Where it has no words, the codes are told.
        """
        _, attempt = self.complained(GSSStatus(1, 2, b"", b""))
        self.assertEqual(
            attempt.reason, "GSSAPI failed on the server: major 0x1, minor 0x2"
        )

    def test_error_token(self) -> None:
        """
        The context says what an error token means.
        """
        context, attempt = self.complained(
            GSSErrorToken(b"sorry"), explanation="Clock skew too great"
        )
        self.assertEqual(context.explained, [b"sorry"])
        self.assertEqual(
            attempt.reason, "GSSAPI failed on the server: Clock skew too great"
        )

    def test_bounds(self) -> None:
        """
        An error token is explained up to the size of a token, and what the
        server says is told up to a length.
        """
        limit = Client.maxTokenBytes
        for size, asked in ((limit, 1), (limit + 1, 0)):
            context, _ = self.complained(
                GSSErrorToken(b"x" * size), explanation="Clock skew too great"
            )
            self.assertEqual(len(context.explained), asked)
        _, attempt = self.complained(GSSStatus(1, 2, b"x" * 1000, b""))
        head = "GSSAPI failed on the server: "
        self.assertEqual(len(attempt.reason), len(head) + 400)

    def test_unknown_error_token(self) -> None:
        """
        A token that means nothing, or that the context fails at, is told of.
        """
        for explanation, errors in (("", 0), (KeyError("a-token"), 1)):
            _, attempt = self.complained(
                GSSErrorToken(b"sorry"), explanation=explanation
            )
            self.assertEqual(
                attempt.reason, "GSSAPI failed on the server: it sent an error token"
            )
            self.assertEqual(len(self.flushLoggedErrors(KeyError)), errors)

    def test_both(self) -> None:
        """
        AsyncSSH sends both; what came first is in the report.
        """
        _, attempt = self.complained(
            GSSStatus(1, 2, b"Wrong principal", b""),
            GSSErrorToken(b"sorry"),
            explanation="something else",
        )
        self.assertEqual(
            attempt.reason, "GSSAPI failed on the server: Wrong principal"
        )
        self.assertEqual(len(self.logged), 2)

    def test_about_the_last_token(self) -> None:
        """
        The server may complain of the last token when the MIC is on its way.
        """
        client = self.begin(ScriptedContext((Last(b"last"),)))
        client.receive(CHOSEN)
        client.receive(GSSErrorToken(b"sorry"))
        client.receive(failure(GSSAPI))
        self.assert_failed(client, AuthenticationFailed)

    def test_success_after_error(self) -> None:
        """
        A server that reports an error can only refuse.
        """
        client = self.begin(ScriptedContext((b"first",)))
        client.receive(CHOSEN)
        client.receive(GSSStatus(1, 2, b"no", b""))
        client.receive(SUCCESS)
        self.assert_failed(client, UnexpectedMessage, code=2)

    def test_next_request(self) -> None:
        """
        What was said against one request is not told of another.
        """
        client = self.begin(
            ScriptedContext((b"first",)),
            listed=(GSSAPI, b"password"),
            passwords=[b"pw"],
        )
        client.receive(CHOSEN)
        client.receive(GSSStatus(1, 2, b"no", b""))
        client.receive(failure(GSSAPI, b"password"))
        client.receive(failure(b"gssapi-with-mic"))
        report = self.assert_failed(client, AuthenticationFailed)
        self.assertEqual(report.attempts[-1].reason, "")

    def test_no_refusal(self) -> None:
        """
        A server that does not go on to refuse is not waited for for ever.
        """
        client = self.begin(ScriptedContext((b"first",)), serverTimeout=7)
        client.receive(CHOSEN)
        client.receive(GSSStatus(1, 2, b"no", b""))
        client.clock.advance(6.5)
        self.assertEqual(self.ends, [])
        client.clock.advance(1)
        self.assert_failed(client, AuthenticationFailed)


class LateTests(GSSAPICase):
    def test_connection_lost(self) -> None:
        """
        A step that is under way when the connection is lost is cancelled, and
        what it still gives is dropped.
        """
        step = Deferred[Any]()
        client = self.begin(ScriptedContext((step,)))
        client.receive(CHOSEN)
        client.serviceStopped()
        self.assertIsInstance(self.error, ConnectionLost)
        self.assertTrue(step.called)
        sent = len(client.transport.packets)
        step.callback(b"late")
        self.assertEqual(len(client.transport.packets), sent)

    def test_timeout(self) -> None:
        """
        A step has C{signTimeout} seconds; then the next method follows.
        """
        step = Cancellable()
        client = self.begin(
            ScriptedContext((step,)),
            listed=(GSSAPI, b"password"),
            passwords=[b"pw"],
            signTimeout=5,
        )
        client.receive(CHOSEN)
        client.clock.advance(5)
        self.assertEqual(step.cancelled, 1)
        self.assertEqual(client.transport.sent[-1], PasswordRequest(b"pw"))
        client.receive(SUCCESS)
        attempt = self.attempt(self.assert_succeeded(client))
        self.assertEqual(
            attempt.reason, "the GSSAPI context did not answer in 5 seconds"
        )

    def test_token_too_early(self) -> None:
        """
        A second token while the first is worked on is a protocol error.
        """
        client = self.begin(ScriptedContext((Deferred(),)))
        client.receive(CHOSEN)
        client.receive(GSSToken(b"early"))
        self.assert_failed(client, UnexpectedMessage, code=2)


class OverrideTests(GSSAPICase):
    def test_own_methods(self) -> None:
        """
        A subclass may do the whole exchange past the exit, as with Conch's
        class it had to.
        """

        class Own(Client):
            def auth_gssapi_with_mic(self) -> bool:
                self.askForAuth(GSSAPI, GSSRequest((KRB5_DER,)).build())
                return True

            def ssh_USERAUTH_PK_OK_gssapi_with_mic(self, packet: bytes) -> None:
                self.transport.sendPacket(61, GSSToken(b"first").build())

            def ssh_USERAUTH_GSSAPI_TOKEN(self, packet: bytes) -> None:
                self.transport.sendPacket(66, GSSMic(b"own").build())

        client = Own()
        self.start(client)
        client.receive(failure(GSSAPI))
        client.receive(CHOSEN)
        client.receive(GSSToken(b"answer"))
        client.receive(SUCCESS)
        self.assert_succeeded(client)

    def test_own_request(self) -> None:
        """
        A request that an override made is carried on by nobody, so that what is
        left follows.
        """

        class Own(Client):
            def auth_gssapi_with_mic(self) -> bool:
                if self.lastAuth != GSSAPI:
                    self.askForAuth(GSSAPI, GSSRequest((KRB5_DER,)).build())
                    return True
                return False

        client = Own()
        self.start(client)
        client.receive(failure(GSSAPI))
        client.receive(CHOSEN)
        self.assert_failed(client, AuthenticationFailed)

    def test_cold(self) -> None:
        """
        A test or a subclass may hand in a message that nobody waits for: the
        login goes on.
        """
        for door, payload in (
            ("ssh_USERAUTH_PK_OK_gssapi_with_mic", CHOSEN.build()),
            ("ssh_USERAUTH_GSSAPI_TOKEN", GSSToken(b"token").build()),
            ("ssh_USERAUTH_GSSAPI_TOKEN", b"malformed"),
        ):
            client = self.login(passwords=[b"pw", b"another"])
            client.receive(failure(b"password"))
            getattr(client, door)(payload)
            self.assertEqual(self.ends, [])


class SecrecyTests(GSSAPICase):
    def test_nothing_is_shown(self) -> None:
        """
        No token and no MIC gets into the report, an error or the log.
        """
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        problem = GSSAPIError("it failed", token=SECRET)
        for answers in ((SECRET, Last(SECRET)), (SECRET, problem)):
            client = self.begin(ScriptedContext(answers, mic=SECRET))
            client.receive(CHOSEN)
            client.receive(GSSToken(SECRET))
            if not self.ends:
                client.receive(GSSErrorToken(SECRET))
                client.receive(failure(GSSAPI))
            report = self.assert_failed(client, AuthenticationFailed)
            shown = repr((report, report.as_dict(), str(self.error), self.ends))
            self.assertNotIn("a-token", shown + repr(events))


class InThisThread:
    """
    A reactor whose threads are this one.
    """

    def getThreadPool(self) -> InThisThread:
        return self

    def callInThreadWithCallback(
        self, done: Any, function: Any, *args: Any, **kwargs: Any
    ) -> None:
        try:
            result = function(*args, **kwargs)
        except Exception:
            done(False, TwistedFailure())
        else:
            done(True, result)

    def callFromThread(self, function: Any, *args: Any) -> None:
        function(*args)


class FakeError(Exception):
    """
    An error of the library's.
    """

    maj_code, min_code, token = 0xC0000, 0, None

    def get_all_statuses(self, code: int, is_major: bool) -> list[str]:
        return [] if is_major else ["Success"]


class FakeExpired(FakeError):
    """
    The credential has expired.
    """


class FakeLibrary:
    """
    What is used of the library, for what no realm does on demand.
    """

    exceptions = SimpleNamespace(
        GSSError=FakeError, ExpiredCredentialsError=FakeExpired
    )
    RequirementFlag = SimpleNamespace(mutual_authentication=2, integrity=32)
    NameType = SimpleNamespace(hostbased_service=1)
    OID = SimpleNamespace(from_int_seq=str)

    def __init__(self, *, lifetime: Any = 60, flags: tuple[int, ...] = ()) -> None:
        self._lifetime, self._flags = lifetime, flags

    def Name(self, *arguments: Any) -> str:
        return "name"

    def Credentials(self, usage: str) -> Any:
        if isinstance(self._lifetime, Exception):
            raise self._lifetime
        return SimpleNamespace(lifetime=self._lifetime, name="alice", mechs=[])

    def SecurityContext(self, **arguments: Any) -> Any:
        return SimpleNamespace(
            complete=True, actual_flags=self._flags, step=lambda token: None
        )


class LibraryTests(SynchronousTestCase):
    def initiate(self, library: FakeLibrary | None) -> Deferred[IGSSContext]:
        patched: Any = {"gssapi": library}
        stand_in = patch.dict(sys.modules, patched)
        stand_in.start()
        self.addCleanup(stand_in.stop)
        return _gss.initiate("host.example.org", InThisThread())

    def test_no_library(self) -> None:
        """
        Without the library, the error names the extra that brings it.
        """
        failed = self.failureResultOf(self.initiate(None), GSSAPIUnavailable)
        self.assertIn('pip install "conch_auth[gssapi]"', str(failed.value))

    def test_expired(self) -> None:
        """
        A ticket that has expired is told apart from none.
        """
        for lifetime, said in (
            (0, "the Kerberos ticket has expired: run kinit"),
            (FakeExpired(), "the Kerberos ticket has expired: run kinit"),
            (FakeError(), "no Kerberos ticket: run kinit (status 0xc0000)"),
        ):
            begun = self.initiate(FakeLibrary(lifetime=lifetime))
            failed = self.failureResultOf(begun, GSSAPIUnavailable)
            self.assertEqual(str(failed.value), said)

    def test_flags(self) -> None:
        """
        A context in which the server has not proved itself is never complete;
        whether there can be a MIC is for the mechanism to say.
        """
        for flags, complete, has_integrity in (
            ((2, 32), True, True),
            ((2,), True, False),
            ((32,), False, False),
        ):
            begun = self.initiate(FakeLibrary(flags=flags))
            context = self.successResultOf(begun)
            stepped = context.step(KRB5, b"token")
            if complete:
                self.assertIsNone(self.successResultOf(stepped))
            else:
                self.failureResultOf(stepped, GSSAPIError)
            self.assertEqual(
                (context.complete, context.has_integrity), (complete, has_integrity)
            )


class OptionTests(SynchronousTestCase):
    """
    What C{connect} makes of its options and of OpenSSH's configuration.
    """

    def options(self, config: SSHConfig | None = None, **given: Any) -> Options:
        required = dict.fromkeys(
            field.name for field in fields(Options) if field.default is MISSING
        )
        known: dict[str, Any] = {
            **required,
            "host": "short",
            "username": "alice",
            "disabled_auth": frozenset(),
            **given,
        }
        return completed(Options(**known), config)

    def test_host(self) -> None:
        """
        The principal is the host's, as it is after the configuration was read,
        unless another is given; C{None} switches GSSAPI off.
        """
        config = SSHConfig("long.example.org", 22, "alice")
        self.assertEqual(self.options().gss_name, "short")
        self.assertEqual(self.options(config).gss_name, "long.example.org")
        self.assertEqual(self.options(gss_host="other").gss_name, "other")
        self.assertIsNone(self.options(gss_host=None).gss_name)

    def test_order(self) -> None:
        """
        A ticket goes first, as with AsyncSSH, where it is wanted at all.
        """
        self.assertEqual(self.options().methods[:2], (b"gssapi-keyex", GSSAPI))
        self.assertNotIn(GSSAPI, self.options(gss_host=None).methods)
        only = self.options(preferred_auth=(b"password",))
        self.assertEqual(only.methods, (b"password",))

    def test_configuration(self) -> None:
        """
        GSSAPIAuthentication and GSSAPIDelegateCredentials are followed; what
        the caller says of delegation wins.
        """
        off = SSHConfig("host", 22, "alice")
        self.assertNotIn(GSSAPI, self.options(off).methods)
        on = replace(off, gssapi_authentication=True)
        self.assertIn(GSSAPI, self.options(on).methods)
        self.assertFalse(self.options(on).gss_delegate_creds)
        forwards = replace(on, gssapi_delegate_credentials=True)
        self.assertTrue(self.options(forwards).gss_delegate_creds)
        held = self.options(forwards, gss_delegate_creds=False)
        self.assertFalse(held.gss_delegate_creds)

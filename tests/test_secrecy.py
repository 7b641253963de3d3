"""
A secret is seen by nobody but the server.
"""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from conch_auth import errors
from conch_auth._wire import string
from conch_auth.messages import (
    NoneRequest,
    PasswordRequest,
)
from tests.planted import SecretLoggedError, Watch
from tests.support import (
    Client,
    LoginTestCase,
    expired,
    failure,
    questions,
)


class SecrecyTests(LoginTestCase):
    """
    A secret is seen by nobody but the server.
    """

    secret = "S3CRET"

    def logins(self) -> list[Client]:
        """
        Logins in which secrets were refused, were unusable, or came too late.
        """
        secret, data = self.secret, self.secret.encode()
        wrong = self.login(passwords=[data, secret, data])
        wrong.receive(failure(b"password"))
        wrong.receive(failure(b"password"))
        wrong.receive(failure(b"password"))
        wrong.receive(failure())
        unusable = self.login(
            passwords=[[secret]], answers=[[secret, 7], secret, {secret: 1, 2: 3}]
        )
        unusable.receive(failure(b"password", b"keyboard-interactive"))
        unusable.receive(questions(b"?", b"?"))
        unsendable = self.login(passwords=[secret + "\ud800"])
        unsendable.receive(failure(b"password"))
        changed = self.login(passwords=[data, data, data, ValueError(secret)])
        changed.receive(failure(b"password"))
        changed.receive(expired())
        changed.receive(expired())
        raised = self.login(
            [ValueError(secret)], [KeyError(secret)], [RuntimeError(secret)]
        )
        raised.receive(failure(b"publickey", b"password", b"keyboard-interactive"))
        raised.receive(questions(b"?"))
        answered = self.login(answers=[[secret, data]])
        answered.receive(failure(b"keyboard-interactive"))
        answered.receive(questions(b"?", b"?"))
        answered.packetReceived(60, b"malformed")
        late: Deferred[bytes] = Deferred()
        stopped = self.login(passwords=[late])
        stopped.receive(failure(b"password"))
        stopped.serviceStopped()
        late.callback(data)
        return [wrong, unusable, unsendable, changed, raised, answered, stopped]

    def test_nowhere(self) -> None:
        """
        No secret is in a report, an error, its traceback, or what is logged.
        """
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        try:
            clients = self.logins()
            gc.collect()
        finally:
            globalLogPublisher.removeObserver(events.append)
        for client in clients:
            ended: list[Any] = []
            client.whenAuthenticated().addErrback(ended.append)
            client.serviceStopped()
            (end,) = ended
            for said in (
                str(client.report),
                repr(client.report),
                str(client.report.as_dict()),
                str(end.value),
                repr(end.value),
                repr(end.value.args),
                end.getTraceback(detail="verbose"),
                repr(client),
            ):
                self.assertNotIn(self.secret, said)
        self.assertNotIn(self.secret, repr(events))
        self.assertNotIn(
            self.secret,
            "".join(str(event.get("log_failure")) for event in events),
        )

    def test_the_log_is_watched(self) -> None:
        """
        While tests run, a secret in a message, in what comes with it, or in a
        traceback fails the test in which it is logged.
        """
        watch = Watch()
        for event in (
            {"log_format": "{word}", "word": self.secret},
            {"log_format": "hidden", "word": [self.secret.encode()]},
            {"log_format": "x", "log_failure": Failure(ValueError(self.secret))},
            {"log_format": "nothing"},
        ):
            watch(event)
        self.assertEqual(len(self.flushLoggedErrors(SecretLoggedError)), 3)

    def test_not_remembered(self) -> None:
        """
        What was sent is not kept.
        """
        client = self.login(passwords=[b"pw", b"old", b"new"])
        client.receive(failure(b"password"))
        self.assertEqual(client._conversation.request, PasswordRequest(b""))
        client.receive(expired())
        self.assertEqual(client._conversation.request, PasswordRequest(b"", b""))
        self.assertIsNone(client._oldPass)

    def test_not_in_clear(self) -> None:
        """
        Over a transport that is not encrypted no password is asked for, and
        none is sent, whoever wants to.
        """
        client = self.login(passwords=[b"pw"])
        client.transport.isEncrypted = lambda direction: False
        client.receive(failure(b"password"))
        report = self.assert_failed(client, errors.AuthenticationFailed)
        self.assertEqual(client.asked, [])
        self.assertIn("does not protect", report.attempts[-1].reason)
        for step in (
            lambda client: client._cbPassword(b"pw"),
            lambda client: client.askForAuth(b"password", b"\0" + string(b"pw")),
            lambda client: (client._setOldPass(b"pw"), client._setNewPass(b"new")),
        ):
            client = self.login()
            client.transport.isEncrypted = lambda direction: False
            step(client)
            self.assertEqual(set(client.transport.sent), {NoneRequest()})

    def test_no_answers_in_clear(self) -> None:
        """
        Neither are answers to a server's questions; an exchange without any
        goes on.
        """
        client = self.login(answers=[["pw"]])
        client.transport.isEncrypted = lambda direction: False
        client.receive(failure(b"keyboard-interactive"))
        client.receive(questions())
        self.assertEqual(len(client.transport.packets), 3)
        client.receive(questions(b"?"))
        self.assertEqual(len(client.transport.packets), 3)
        self.assert_failed(client, errors.AuthenticationFailed)

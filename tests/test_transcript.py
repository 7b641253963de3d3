"""
Tests for L{conch_auth.transcript}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.connection import SSHConnection
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import SSHUserAuthClient
from conch_auth._gss_messages import GSSMic, GSSRequest, GSSResponse, GSSStatus
from conch_auth._transcript_fields import Words, payload_of, quoted
from conch_auth._wire import string
from conch_auth.errors import ConnectionLost, ServerDisconnected
from conch_auth.messages import (
    Banner,
    Failure,
    HostBasedRequest,
    HostBoundRequest,
    InfoRequest,
    InfoResponse,
    KeyboardInteractiveRequest,
    MethodRequest,
    NoneRequest,
    OtherRequest,
    PasswordChangeRequest,
    PasswordRequest,
    Prompt,
    PublicKeyOk,
    PublicKeyRequest,
    Success,
    UserAuthRequest,
)
from conch_auth.scripted import ScriptedServer, ScriptedTransport, failure, success
from conch_auth.transcript import Differs, Transcript, record

BLOB = string(b"ssh-ed25519") + string(b"a public key")
OTHER = string(b"ssh-rsa") + string(b"another")
SIGNATURE = string(b"ssh-ed25519") + string(b"made by it")
TEXTS = st.binary(max_size=20)


def request(asked: MethodRequest) -> tuple[int, bytes]:
    return 50, UserAuthRequest(b"alice", b"ssh-connection", asked).build()


class LineTests(SynchronousTestCase):
    """
    One message, one line.
    """

    def line(self, *messages: tuple[int, bytes]) -> str:
        """
        The line of the last of C{messages}.
        """
        words = Words()
        return [words.line(*message) for message in messages][-1]

    def test_requests(self) -> None:
        """
        Each request has its fields, in their order; what is secret has a name.
        """
        head = '50 USERAUTH_REQUEST "alice" "ssh-connection"'
        key = '"ssh-ed25519" <key 1 ssh-ed25519>'
        for asked, said in (
            (NoneRequest(), '"none"'),
            (PasswordRequest(b"hidden"), '"password" false <secret>'),
            (PasswordRequest(b""), '"password" false ""'),
            (PasswordRequest(b"a", b"b"), '"password" true <secret> <secret>'),
            (
                KeyboardInteractiveRequest(b"", b"pam"),
                '"keyboard-interactive" "" "pam"',
            ),
            (PublicKeyRequest(b"ssh-ed25519", BLOB), f'"publickey" false {key}'),
            (
                PublicKeyRequest(b"ssh-ed25519", BLOB, SIGNATURE),
                f'"publickey" true {key} <signature ssh-ed25519>',
            ),
            (
                HostBoundRequest(b"ssh-ed25519", BLOB, SIGNATURE, host_key=OTHER),
                '"publickey-hostbound-v00@openssh.com" true '
                f"{key} <host key> <signature ssh-ed25519>",
            ),
            (
                HostBasedRequest(b"ssh-ed25519", BLOB, b"host", b"root", SIGNATURE),
                f'"hostbased" {key} "host" "root" <signature ssh-ed25519>',
            ),
            (GSSRequest((b"\x06\x01a",)), '"gssapi-with-mic" 1 "\\x06\\x01a"'),
            (OtherRequest(b"other", b"\x01\x02"), '"other" hex:0102'),
        ):
            self.assertEqual(self.line(request(asked)), f"{head} {said}")

    def test_keys_by_number(self) -> None:
        """
        A key has the number in which it came, whoever names it.
        """
        first = request(PublicKeyRequest(b"ssh-ed25519", BLOB))
        second = request(PublicKeyRequest(b"rsa-sha2-512", OTHER))
        confirmed = 60, PublicKeyOk(b"rsa-sha2-512", OTHER).build()
        self.assertEqual(
            self.line(first, second, confirmed),
            '60 USERAUTH_PK_OK "rsa-sha2-512" <key 2 ssh-rsa>',
        )

    def test_numbers_of_methods(self) -> None:
        """
        What a number means depends on what was asked for.
        """
        questions = InfoRequest(b"n", b"i", b"", (Prompt(b"PIN: ", False),))
        for asked, message, said in (
            (
                KeyboardInteractiveRequest(),
                questions,
                '60 USERAUTH_INFO_REQUEST "n" "i" "" 1 "PIN: " false',
            ),
            (
                KeyboardInteractiveRequest(),
                InfoResponse((b"1234", b"")),
                '61 USERAUTH_INFO_RESPONSE 2 <secret> ""',
            ),
            (
                PasswordRequest(b"x"),
                PasswordChangeRequest(b"New: ", b""),
                '60 USERAUTH_PASSWD_CHANGEREQ "New: " ""',
            ),
            (GSSRequest(()), GSSResponse(b"oid"), '60 USERAUTH_GSSAPI_RESPONSE "oid"'),
            (GSSRequest(()), GSSMic(b"mic"), "66 USERAUTH_GSSAPI_MIC <token>"),
            (
                GSSRequest(()),
                GSSStatus(1, 2, b"no", b""),
                '64 USERAUTH_GSSAPI_ERROR 1 2 "no" ""',
            ),
        ):
            line = self.line(request(asked), (message.number, message.build()))
            self.assertEqual(line, said)

    def test_what_is_no_such_message(self) -> None:
        """
        What is malformed, and what is unknown, is there byte by byte.
        """
        self.assertEqual(self.line((51, b"\x00\x01")), "51 malformed hex:0001")
        self.assertEqual(self.line((52, b"\x00")), "52 malformed hex:00")
        self.assertEqual(self.line((79, b"\xff")), "79 message hex:ff")

    def test_text(self) -> None:
        """
        Bytes that a line cannot show are escaped.
        """
        shown = '"\\"\\\\ \\n\\x1b\\xc3\\xa9"'
        self.assertEqual(quoted(b'"\\ \n\x1b\xc3\xa9'), shown)

    @given(
        st.one_of(
            st.builds(
                Failure,
                st.lists(st.sampled_from([b"a", b"b"])).map(tuple),
                st.booleans(),
            ),
            st.builds(Banner, TEXTS, TEXTS),
            st.just(Success()),
        )
    )
    def test_there_and_back(self, message: Any) -> None:
        """
        A message of the server's that has no secret comes back as it was.
        """
        line = self.line((message.number, message.build()))
        words = " ".join(line.split(" ")[2:])
        self.assertEqual(payload_of(words), message.build())

    @given(TEXTS, TEXTS, st.lists(st.tuples(TEXTS, st.booleans()), max_size=3))
    def test_questions_there_and_back(self, name: Any, text: Any, asked: Any) -> None:
        """
        So do questions.
        """
        prompts = tuple(Prompt(*one) for one in asked)
        payload = InfoRequest(name, text, b"", prompts).build()
        line = self.line(request(KeyboardInteractiveRequest()), (60, payload))
        self.assertEqual(payload_of(" ".join(line.split(" ")[2:])), payload)

    @given(st.integers(50, 79), st.binary(max_size=60))
    def test_any_bytes(self, number: int, payload: bytes) -> None:
        """
        There is a line for every message there could be.
        """
        line = self.line((number, payload))
        self.assertTrue(line.isascii() and line.isprintable(), line)


class Client(SSHUserAuthClient):
    """
    Has a password.
    """

    def __init__(self, password: str = "wonderland") -> None:
        super().__init__(b"alice", SSHConnection())
        self._password = password

    def getPassword(self, prompt: bytes | None = None) -> str:
        return self._password


TEXT = """\
# SSH-2.0-Server
< 7 EXT_INFO 1 "server-sig-algs" "ssh-ed25519"
> 50 USERAUTH_REQUEST "alice" "ssh-connection" "none"
< 53 USERAUTH_BANNER "hello\\n" ""
< 51 USERAUTH_FAILURE "password" false
> 50 USERAUTH_REQUEST "alice" "ssh-connection" "password" false <secret>
< 52 USERAUTH_SUCCESS
"""


class TranscriptTests(SynchronousTestCase):
    def replay(self, text: str, client: Client) -> Any:
        transcript = Transcript.parse(text)
        return ScriptedTransport(
            transcript.script(), extensions=transcript.extensions
        ).log_in(client)

    def test_text(self) -> None:
        """
        What was read is written as it was.
        """
        self.assertEqual(str(Transcript.parse(TEXT)), TEXT)

    def test_replayed(self) -> None:
        """
        The server says what it said, if the client does; a secret may be
        another.
        """
        client = Client("another")
        report = self.successResultOf(self.replay(TEXT, client))
        self.assertEqual(report.banners, ("hello\n",))
        self.assertEqual(client.serverSignatureAlgorithms(), (b"ssh-ed25519",))

    def test_differs(self) -> None:
        """
        Where the client says something else, it is told what.
        """
        client = Client()
        client.preferredOrder = []
        client.getPassword = lambda prompt=None: ""  # type: ignore[method-assign]
        error = self.assertRaises(Differs, self.replay, TEXT, client)
        self.assertTrue(error.expected.endswith("<secret>"))
        self.assertTrue(error.got.endswith('"password" false ""'))

    def test_goes_on(self) -> None:
        """
        A client that says more than the transcript has differs, too.
        """
        text = TEXT.replace(
            "< 52 USERAUTH_SUCCESS\n", '< 51 USERAUTH_FAILURE "password" false\n'
        )
        error = self.assertRaises(Differs, self.replay, text, Client())
        self.assertEqual(error.expected, "")
        self.assertIn("nothing more", str(error))

    def test_ends(self) -> None:
        """
        The connection ends as it did: with a word, or without one.
        """
        begun = TEXT.partition("< 53")[0]
        login = self.replay(begun + '< 1 DISCONNECT 11 "bye" ""\n', Client())
        error = self.failureResultOf(login, ServerDisconnected).value
        self.assertIn("bye", str(error))
        login = self.replay(begun + "< closed\n", Client())
        self.failureResultOf(login, ConnectionLost)

    def test_recorded(self) -> None:
        """
        A recording of a connection is a transcript of it.
        """
        server = ScriptedServer(
            [failure("password"), success()], extensions={b"x@example.org": b"\x00"}
        )
        client = Client()
        client.instance.serviceStarted = lambda: None  # type: ignore[method-assign]
        recording: list[Any] = []
        join = server._join

        def joined(transport: Any) -> Any:
            recording.append(record(transport))
            return join(transport)

        server._join = joined  # type: ignore[method-assign]
        self.successResultOf(server.log_in(client))
        transcript = recording[0].transcript("a scripted server")
        self.assertEqual(
            str(transcript).splitlines(),
            [
                "# a scripted server",
                '< 7 EXT_INFO 1 "x@example.org" "\\x00"',
                '> 50 USERAUTH_REQUEST "alice" "ssh-connection" "none"',
                '< 51 USERAUTH_FAILURE "password" false',
                '> 50 USERAUTH_REQUEST "alice" "ssh-connection" "password" false '
                "<secret>",
                "< 52 USERAUTH_SUCCESS",
            ],
        )
        self.assertTrue(
            self.successResultOf(self.replay(str(transcript), Client())).succeeded
        )

    def test_recorded_end(self) -> None:
        """
        The end of a connection is a line, unless a DISCONNECT has said so.
        """
        for script, last in (
            ([failure()], '> 1 DISCONNECT 14 "no more authentication methods'),
            ([[]], "< closed"),
        ):
            server = ScriptedServer(script)
            transports: list[Any] = []
            join = server._join

            def joined(transport: Any, join: Any = join) -> Any:
                transports.append(record(transport))  # noqa: B023
                return join(transport)

            server._join = joined  # type: ignore[method-assign]
            login = server.log_in(Client())
            for link in list(server._links):
                link.lose()
            self.failureResultOf(login)
            self.assertTrue(transports[0].lines[-1].startswith(last))

    def test_farewell(self) -> None:
        """
        What the client said when it left.
        """
        line = '> 1 DISCONNECT 14 "no more" ""'
        self.assertEqual(Transcript([line]).farewell, (14, b"no more"))
        self.assertIsNone(Transcript(["< 52 USERAUTH_SUCCESS"]).farewell)

    def test_keys(self) -> None:
        """
        What stands for a key has its type, and each key is another.
        """
        line = "<key 1 ssh-ed25519> <key 2 ssh-ed25519> <key 1 ssh-ed25519>"
        first, second = Transcript([line]).keys
        self.assertNotEqual(first, second)
        for blob in (first, second):
            self.assertTrue(blob.startswith(string(b"ssh-ed25519")))

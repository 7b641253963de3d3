"""
Tests for L{conch_auth.messages}.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import names
from conch_auth._gss_messages import GSSRequest
from conch_auth._wire import boolean, string, uint32
from conch_auth.errors import MalformedMessage
from conch_auth.messages import (
    Banner,
    Failure,
    HostBasedRequest,
    HostBoundRequest,
    InfoRequest,
    InfoResponse,
    KeyboardInteractiveRequest,
    Message,
    MethodReply,
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
    from_server,
    method_request,
)

DATA = st.binary(max_size=40)
NAME = st.binary(min_size=1, max_size=20).filter(lambda name: b"," not in name)
KNOWN_METHODS = {
    names.NONE,
    names.PUBLICKEY,
    names.PASSWORD,
    names.KEYBOARD_INTERACTIVE,
    names.HOSTBASED,
}

REQUESTS: st.SearchStrategy[MethodRequest] = st.one_of(
    st.just(NoneRequest()),
    st.builds(PublicKeyRequest, DATA, DATA, st.none() | DATA),
    st.builds(PasswordRequest, DATA, st.none() | DATA),
    st.builds(KeyboardInteractiveRequest, DATA, DATA),
    st.builds(HostBasedRequest, DATA, DATA, DATA, DATA, DATA),
    st.builds(OtherRequest, NAME.filter(lambda name: name not in KNOWN_METHODS), DATA),
)
MESSAGES: dict[type[Message], st.SearchStrategy[Any]] = {
    UserAuthRequest: st.builds(UserAuthRequest, DATA, DATA, REQUESTS),
    Failure: st.builds(Failure, st.lists(NAME).map(tuple), st.booleans()),
    Success: st.just(Success()),
    Banner: st.builds(Banner, DATA, DATA),
    PublicKeyOk: st.builds(PublicKeyOk, DATA, DATA),
    PasswordChangeRequest: st.builds(PasswordChangeRequest, DATA, DATA),
    InfoRequest: st.builds(
        InfoRequest,
        DATA,
        DATA,
        DATA,
        st.lists(st.builds(Prompt, DATA, st.booleans()), max_size=5).map(tuple),
    ),
    InfoResponse: st.builds(InfoResponse, st.lists(DATA, max_size=5).map(tuple)),
    MethodReply: st.builds(MethodReply, DATA),
}
ANY_MESSAGE = st.one_of(*MESSAGES.values())
#: Those whose end is found by their fields.
DELIMITED = st.one_of(
    *(
        values
        for kind, values in MESSAGES.items()
        if kind not in (UserAuthRequest, MethodReply)
    )
)


class RoundTripTests(SynchronousTestCase):
    @given(ANY_MESSAGE)
    def test_round_trip(self, message: Message) -> None:
        """
        What is built parses to the same value.
        """
        self.assertEqual(type(message).parse(message.build()), message)

    @given(st.sampled_from(list(MESSAGES)), st.binary(max_size=200))
    def test_any_bytes(self, kind: type[Message], data: bytes) -> None:
        """
        Whatever the bytes are, they are one message or C{MalformedMessage}.
        """
        try:
            message = kind.parse(data)
        except MalformedMessage as error:
            self.assertEqual(error.message, kind.title)
        else:
            self.assertIsInstance(message, kind)

    @given(DELIMITED)
    def test_every_prefix(self, message: Message) -> None:
        """
        No part of a message is a message.
        """
        whole = message.build()
        for length in range(len(whole)):
            self.assertRaises(MalformedMessage, type(message).parse, whole[:length])

    @given(DELIMITED, st.binary(min_size=1, max_size=3))
    def test_trailing_bytes(self, message: Message, more: bytes) -> None:
        """
        A message with something after it is none.  The NUL after a banner,
        which servers built on cryptlib send, is the one exception.
        """
        data = message.build() + more
        if isinstance(message, Banner) and more == b"\x00":
            self.assertEqual(Banner.parse(data), message)
        else:
            self.assertRaises(MalformedMessage, type(message).parse, data)


class LayoutTests(SynchronousTestCase):
    """
    The bytes of each message, by its RFC.
    """

    def test_requests(self) -> None:
        """
        A request is the user, the service, the method, and what the method
        adds (RFC 4252, sections 5, 7 and 8; RFC 4256, section 3.1).
        """
        head = string(b"alice") + string(b"ssh-connection")
        for request, added in (
            (NoneRequest(), string(b"none")),
            (
                PublicKeyRequest(b"alg", b"blob"),
                string(b"publickey") + b"\x00" + string(b"alg") + string(b"blob"),
            ),
            (
                PublicKeyRequest(b"alg", b"blob", b"sig"),
                string(b"publickey")
                + b"\x01"
                + string(b"alg")
                + string(b"blob")
                + string(b"sig"),
            ),
            (
                PasswordRequest(b"secret"),
                string(b"password") + b"\x00" + string(b"secret"),
            ),
            (
                KeyboardInteractiveRequest(b"en", b"pam"),
                string(b"keyboard-interactive") + string(b"en") + string(b"pam"),
            ),
            (OtherRequest(b"x@y", b"data"), string(b"x@y") + b"data"),
        ):
            whole = UserAuthRequest(b"alice", b"ssh-connection", request)
            self.assertEqual(whole.build(), head + added)

    def test_nothing_follows_a_request(self) -> None:
        """
        What follows a request's last field makes it malformed; a method that is
        not described here may hold anything.
        """
        for method, data in (
            (b"none", b""),
            (b"password", boolean(False) + string(b"pw")),
            (b"keyboard-interactive", string(b"") + string(b"")),
            (b"publickey", boolean(False) + string(b"a") + string(b"b")),
            (b"hostbased", string(b"") * 5),
            (b"gssapi-with-mic", uint32(0)),
        ):
            self.assertEqual(method_request(method, data).build(), data)
            self.assertRaises(MalformedMessage, method_request, method, data + b"\0")
        other = method_request(b"other@example.org", b"anything")
        self.assertEqual(other, OtherRequest(b"other@example.org", b"anything"))

    def test_host_bound(self) -> None:
        """
        A request that names the host's key is a query or is signed, like any.
        """
        for signature in (None, b"", b"made"):
            request = HostBoundRequest(b"a", b"b", signature, host_key=b"h")
            read = method_request(request.method, request.build())
            self.assertEqual(read, request)

    def test_password_change_is_true(self) -> None:
        """
        A password change is marked by a byte that is not 0; each is understood.
        """
        for mark in (b"\x01", b"\xff"):
            self.assertEqual(
                method_request(b"password", mark + string(b"old") + string(b"new")),
                PasswordRequest(b"old", b"new"),
            )

    def test_empty_signature_is_a_signature(self) -> None:
        """
        A signed request stays one, even where the signature is empty.
        """
        signed = PublicKeyRequest(b"alg", b"blob", b"")
        self.assertEqual(method_request(b"publickey", signed.build()), signed)

    def test_failure(self) -> None:
        """
        USERAUTH_FAILURE is a list of names and a boolean.
        """
        self.assertEqual(
            Failure((b"publickey", b"password"), True).build(),
            string(b"publickey,password") + b"\x01",
        )
        self.assertEqual(Failure.parse(string(b"") + b"\x02"), Failure((), True))

    def test_info_request(self) -> None:
        """
        USERAUTH_INFO_REQUEST counts its prompts (RFC 4256, section 3.2).
        """
        self.assertEqual(
            InfoRequest(b"n", b"i", b"l", (Prompt(b"p", True),)).build(),
            string(b"n")
            + string(b"i")
            + string(b"l")
            + uint32(1)
            + string(b"p")
            + b"\x01",
        )

    def test_info_response(self) -> None:
        """
        USERAUTH_INFO_RESPONSE counts its answers (RFC 4256, section 3.4).
        """
        self.assertEqual(
            InfoResponse((b"a", b"")).build(), uint32(2) + string(b"a") + string(b"")
        )


class AbsurdCountTests(SynchronousTestCase):
    def test_counts_beyond_the_data(self) -> None:
        """
        A count that the bytes cannot hold is refused before anything is made
        in proportion to it.
        """
        texts = string(b"") * 3
        gssapi = string(b"alice") + string(b"s") + string(b"gssapi-with-mic")
        for kind, head in (
            (InfoRequest, texts),
            (InfoResponse, b""),
            (UserAuthRequest, gssapi),
        ):
            data = head + uint32(2**32 - 1) + b"\0" * 40
            tracemalloc.start()
            try:
                error = self.assertRaises(MalformedMessage, kind.parse, data)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            self.assertIn("no room for 4294967295", str(error))
            self.assertLess(peak, 2**20)

    def test_as_many_as_fit(self) -> None:
        """
        The smallest prompts and answers there can be are not taken for absurd.
        """
        prompts = (Prompt(b"", False),) * 3
        self.assertEqual(
            InfoRequest.parse(InfoRequest(b"", b"", b"", prompts).build()).prompts,
            prompts,
        )
        answers = (b"",) * 3
        self.assertEqual(
            InfoResponse.parse(InfoResponse(answers).build()).answers, answers
        )
        request = UserAuthRequest(b"alice", b"s", GSSRequest(answers))
        self.assertEqual(UserAuthRequest.parse(request.build()), request)


class SecretTests(SynchronousTestCase):
    """
    What must not be seen.
    """

    def test_repr(self) -> None:
        """
        No password, answer, signature or unknown payload is in a C{repr}.
        """
        for message in (
            PasswordRequest(b"SECRET"),
            PasswordRequest(b"SECRET", b"SECRET"),
            PublicKeyRequest(b"alg", b"blob", b"SECRET"),
            OtherRequest(b"x", b"SECRET"),
            InfoResponse((b"SECRET",)),
            MethodReply(b"SECRET"),
            UserAuthRequest(b"u", b"s", PasswordRequest(b"SECRET", b"SECRET")),
        ):
            self.assertNotIn("SECRET", repr(message) + str(message))

    def test_without_secrets(self) -> None:
        """
        What is remembered of a request has no secret, and is of the same kind.
        """
        for request, remembered in (
            (NoneRequest(), NoneRequest()),
            (PasswordRequest(b"SECRET"), PasswordRequest(b"")),
            (PasswordRequest(b"SECRET", b"NEW"), PasswordRequest(b"", b"")),
            (PublicKeyRequest(b"a", b"b"), PublicKeyRequest(b"a", b"b")),
            (PublicKeyRequest(b"a", b"b", b"S"), PublicKeyRequest(b"a", b"b", b"")),
            (OtherRequest(b"x", b"SECRET"), OtherRequest(b"x")),
            (KeyboardInteractiveRequest(), KeyboardInteractiveRequest()),
        ):
            self.assertEqual(request.without_secrets(), remembered)


class NumberTests(SynchronousTestCase):
    def test_60_is_the_methods_own(self) -> None:
        """
        Message 60 means what the method that was asked for says.
        """
        for method, kind in (
            (b"publickey", PublicKeyOk),
            (b"password", PasswordChangeRequest),
            (b"keyboard-interactive", InfoRequest),
            (b"none", MethodReply),
            (b"x@example.org", MethodReply),
            (None, MethodReply),
        ):
            self.assertIs(from_server(60, method), kind)

    def test_other_numbers(self) -> None:
        """
        51, 52 and 53 mean the same at all times, and other numbers nothing,
        those that only a client sends included.
        """
        known = {51: Failure, 52: Success, 53: Banner}
        for number in set(range(50, 128)) - {60}:
            for method in (None, b"none", b"publickey", b"password"):
                self.assertIs(from_server(number, method), known.get(number))

# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
The callbacks of one client class, as AsyncSSH's own client calls them and as
L{conch_auth.create_connection} does, on the same AsyncSSH server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import asyncssh
from twisted.trial.unittest import TestCase

from tests.asyncssh_clients import (
    Call,
    OurClient,
    TheirClient,
    asyncssh_trace,
    our_trace,
)
from tests.peers.asyncssh_server import (
    AsyncSSHServer,
    Boolean,
    Partial,
    PasswordChange,
    Rounds,
    Scripted,
    Server,
    String,
    UInt32,
)

KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")
DENIED = asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE
Step = Callable[[Scripted], object]


def private(key: asyncssh.SSHKey) -> bytes:
    return key.export_private_key("openssh")


def authorized(key: asyncssh.SSHKey) -> asyncssh.SSHAuthorizedKeys:
    return asyncssh.import_authorized_keys(key.export_public_key().decode())


def scripted(**steps: Step) -> type[Scripted]:
    """
    A server that does something at a moment of the login.
    """

    class Servant(Scripted):
        pass

    Servant.steps = steps
    return Servant


class OldServer(PasswordChange):
    """
    Takes a key, questions and passwords; the password C{old} has expired.
    """

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "Login", f"by {submethods}", "", [("Word: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return list(responses) == ["right"]


class OnePrompt(Server):
    """
    Asks questions, the same prompts whatever the answer.
    """

    prompts: Sequence[tuple[str, bool]] = (("Password: ", False),)

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", submethods, "", list(self.prompts)

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return list(responses) == ["right"]


class TraceCase(TestCase):
    """
    The same client, run twice.
    """

    def serve(self, factory: Callable[[], Any], **options: Any) -> AsyncSSHServer:
        host_key = options.pop("host_key", None)
        server = AsyncSSHServer(factory, **options)
        server.host_key = host_key or server.host_key
        server.start()
        self.addCleanup(server.stop)
        return server

    async def _traces(
        self, server: AsyncSSHServer, script: dict[str, Any], options: dict[str, Any]
    ) -> list[tuple[list[Call], object]]:
        return [
            await trace(partial(client, **script), server.port, **options)
            for trace, client in (
                (asyncssh_trace, TheirClient),
                (our_trace, OurClient),
            )
        ]

    async def assert_alike(
        self, server: AsyncSSHServer, *expected: str, **client: Any
    ) -> None:
        """
        Both call the same in the same order, with the same arguments, and end
        alike.

        @param expected: the names of the calls between C{begin_auth} and the
            end, in words.
        @param client: arguments of the script, or C{options} of the connection.
        """
        options = client.pop("options", {})
        theirs, ours = await self._traces(server, client, options)
        self.assertEqual(ours, theirs, _side_by_side(theirs, ours))
        called = [call[0] for call in ours[0]]
        self.assertEqual(called[0], "connection_made")
        self.assertEqual(called[-1], "connection_lost")
        self.assertEqual(called[3:-1], list(expected), _side_by_side(theirs, ours))

    async def assert_differ(
        self,
        server: AsyncSSHServer,
        theirs: Sequence[str],
        ours: Sequence[str],
        **client: Any,
    ) -> None:
        """
        Where we differ on purpose: the calls after C{begin_auth} of each.
        """
        options = client.pop("options", {})
        traces = await self._traces(server, client, options)
        told = _side_by_side(*traces)
        self.assertEqual(_called(traces[0][0]), list(theirs), told)
        self.assertEqual(_called(traces[1][0]), list(ours), told)


def _called(trace: list[Call]) -> list[str]:
    return [call[0] for call in trace[3:]]


def _side_by_side(theirs: Any, ours: Any) -> str:
    shown = []
    for name, (trace, end) in (("AsyncSSH", theirs), ("conch_auth", ours)):
        shown += [f"\n{name}, which ended with {end}:", *map(str, trace)]
    return "\n  ".join(shown)


class LoginTraces(TraceCase):
    """
    Keys, passwords and questions.
    """

    async def test_key(self) -> None:
        """
        A key that the callback gives is accepted.
        """
        server = self.serve(Server, authorized_client_keys=authorized(KEY))
        await self.assert_alike(
            server,
            "public_key_auth_requested",
            "auth_completed",
            keys=[private(KEY)],
        )

    async def test_given_key(self) -> None:
        """
        A key that was given is used before the callback is asked.
        """
        server = self.serve(Server, authorized_client_keys=authorized(KEY))
        await self.assert_alike(
            server, "auth_completed", options={"client_keys": [private(KEY)]}
        )

    async def test_given_key_refused(self) -> None:
        """
        Keys that were given come first, then the callback's.
        """
        server = self.serve(Server, authorized_client_keys=authorized(KEY))
        await self.assert_alike(
            server,
            "public_key_auth_requested",
            "auth_completed",
            keys=[private(KEY)],
            options={"client_keys": [private(OTHER_KEY)]},
        )

    async def test_everything_in_turn(self) -> None:
        """
        A bad key, bad passwords and an expired one: after each refusal all
        methods are gone through anew.
        """
        server = self.serve(OldServer, authorized_client_keys=authorized(KEY))
        again = ["public_key_auth_requested", "kbdint_auth_requested"]
        await self.assert_alike(
            server,
            "public_key_auth_requested",
            *again,
            "password_auth_requested",
            *again,
            "password_auth_requested",
            "password_change_requested",
            "password_change_failed",
            "password_change_requested",
            "password_changed",
            "auth_completed",
            keys=[private(OTHER_KEY)],
            passwords=["bad", "old"],
            changes=[("old", "short"), ("old", "new")],
        )

    async def test_password_given(self) -> None:
        """
        A password that was given is used before the callback is asked.
        """
        server = self.serve(PasswordChange)
        await self.assert_alike(
            server,
            "password_auth_requested",
            "auth_completed",
            passwords=["right"],
            options={"password": "wrong"},
        )

    async def test_everything_refused(self) -> None:
        """
        When nothing is left, the connection ends with what that is.
        """
        server = self.serve(OldServer, authorized_client_keys=authorized(KEY))
        await self.assert_alike(
            server,
            *("public_key_auth_requested", "kbdint_auth_requested"),
            *("password_auth_requested",),
            *("public_key_auth_requested", "kbdint_auth_requested"),
            *("password_auth_requested",),
            passwords=["bad"],
        )

    async def test_nothing_offered(self) -> None:
        """
        A server that lists no method gets no more than the first request.
        """
        await self.assert_alike(self.serve(Server))

    async def test_partial(self) -> None:
        """
        A key, and then a password.
        """

        class KeyThenPassword(Partial):
            def validate_public_key(self, username: str, key: Any) -> bool:
                return bool(key == KEY.convert_to_public())

        server = self.serve(KeyThenPassword)
        await self.assert_alike(
            server,
            "public_key_auth_requested",
            "password_auth_requested",
            "auth_completed",
            keys=[private(KEY)],
            passwords=["right"],
        )

    async def test_two_keys(self) -> None:
        """
        Two keys one after the other.
        """

        class TwoKeys(Partial):
            chain = ("publickey", "publickey")

        keys = asyncssh.import_authorized_keys(
            authorized_line(KEY) + authorized_line(OTHER_KEY)
        )
        server = self.serve(TwoKeys, authorized_client_keys=keys)
        await self.assert_alike(
            server,
            "public_key_auth_requested",
            "public_key_auth_requested",
            "auth_completed",
            keys=[private(KEY), private(OTHER_KEY)],
        )

    async def test_host_key_rejected(self) -> None:
        """
        The login does not begin on a host that the callback does not trust.
        """
        server = self.serve(PasswordChange)
        theirs, ours = await self._traces(server, {"trusted": False}, {})
        self.assertEqual(ours, theirs, _side_by_side(theirs, ours))
        self.assertEqual(
            [call[0] for call in ours[0]],
            ["connection_made", "validate_host_public_key", "connection_lost"],
        )
        self.assertEqual(ours[0][-1][1], asyncssh.DISC_HOST_KEY_NOT_VERIFIABLE)

    async def test_alias(self) -> None:
        """
        The callback is asked about the alias, and the port that was connected
        to.
        """
        server = self.serve(PasswordChange)
        await self.assert_alike(
            server,
            "password_auth_requested",
            "auth_completed",
            passwords=["right"],
            options={"host_key_alias": "db.example"},
        )

    async def test_authority(self) -> None:
        """
        For a certificate, the callback is asked about its authority.
        """
        authority = asyncssh.generate_private_key("ssh-ed25519")
        certificate = authority.generate_host_certificate(
            KEY, "host", principals=["127.0.0.1"]
        )
        server = self.serve(PasswordChange, host_key=(KEY, certificate))
        await self.assert_alike(
            server,
            "password_auth_requested",
            "auth_completed",
            passwords=["right"],
        )

    async def test_debug_and_banner(self) -> None:
        """
        What the server sends meanwhile is told as it comes, and changes
        nothing.
        """

        def begin(server: Scripted) -> None:
            server.conn.send_auth_banner("Be good\n", "en")
            server.conn.send_auth_banner("", "")
            server.conn.send_auth_banner("Grüße", "de")

        def password(server: Scripted) -> None:
            server.conn.send_debug("checking", "en", always_display=True)
            server.conn.send_debug("still", "", always_display=False)

        await self.assert_alike(
            self.serve(scripted(begin=begin, password=password)),
            *("auth_banner_received",) * 3,
            "kbdint_auth_requested",
            "password_auth_requested",
            *("debug_msg_received",) * 2,
            "kbdint_auth_requested",
            "password_auth_requested",
            *("debug_msg_received",) * 2,
            "auth_completed",
            passwords=["wrong", "right"],
        )


class PasswordChangeTraces(TraceCase):
    """
    A password that has expired.
    """

    async def test_changed(self) -> None:
        """
        C{password_changed} comes before C{auth_completed}.
        """
        await self.assert_alike(
            self.serve(PasswordChange),
            "password_auth_requested",
            "password_change_requested",
            "password_changed",
            "auth_completed",
            passwords=["old"],
            changes=[("old", "new")],
        )

    async def test_refused(self) -> None:
        """
        A refused change is told, and what is left follows.
        """
        await self.assert_alike(
            self.serve(PasswordChange),
            "password_auth_requested",
            "password_change_requested",
            "password_change_failed",
            "password_auth_requested",
            "auth_completed",
            passwords=["old", "right"],
            changes=[("old", "bad")],
        )

    async def test_not_implemented(self) -> None:
        """
        C{NotImplemented} goes on with the methods that come after.
        """
        await self.assert_alike(
            self.serve(OldServer),
            "kbdint_auth_requested",
            "password_auth_requested",
            "password_change_requested",
            passwords=["old", "right"],
            changes=[NotImplemented],
        )


class InteractiveTraces(TraceCase):
    """
    Keyboard-interactive.
    """

    async def test_rounds(self) -> None:
        """
        A text, two prompts at once, then one.
        """
        await self.assert_alike(
            self.serve(Rounds),
            "kbdint_auth_requested",
            *("kbdint_challenge_received",) * 3,
            "auth_completed",
            submethods=[""],
            answers=[[], ["a", "b"], ["123456"]],
        )

    async def test_submethods(self) -> None:
        """
        The submethods reach the server; a tuple of answers is one, too.
        """
        await self.assert_alike(
            self.serve(OldServer),
            "kbdint_auth_requested",
            "kbdint_challenge_received",
            "auth_completed",
            submethods=["pam,otp"],
            answers=[("right",)],
        )

    async def test_wrong(self) -> None:
        """
        After a wrong answer it is asked for again, until that is declined.
        """
        await self.assert_alike(
            self.serve(Rounds),
            "kbdint_auth_requested",
            *("kbdint_challenge_received",) * 2,
            "kbdint_auth_requested",
            submethods=[""],
            answers=[[], ["a", "wrong"]],
        )

    async def test_not_answered(self) -> None:
        """
        C{None} for a challenge goes on with the methods that come after.
        """
        await self.assert_alike(
            self.serve(OldServer),
            "kbdint_auth_requested",
            "kbdint_challenge_received",
            "password_auth_requested",
            "auth_completed",
            submethods=[""],
            passwords=["right"],
        )

    async def test_not_wanted(self) -> None:
        """
        C{None} for the submethods leaves the method out.
        """
        await self.assert_alike(
            self.serve(OldServer),
            "kbdint_auth_requested",
            "password_auth_requested",
            "auth_completed",
            passwords=["right"],
        )

    async def test_not_implemented_without_password(self) -> None:
        """
        C{NotImplemented} means nothing where there is no password to answer
        with.
        """
        await self.assert_alike(
            self.serve(OldServer),
            "kbdint_auth_requested",
            "password_auth_requested",
            "auth_completed",
            submethods=[NotImplemented],
            passwords=["right"],
        )

    async def test_password_answers(self) -> None:
        """
        C{NotImplemented}, and the password answers the one prompt for it.
        """
        await self.assert_alike(
            self.serve(OnePrompt),
            "kbdint_auth_requested",
            "auth_completed",
            submethods=[NotImplemented],
            options={"password": "right"},
        )

    async def test_password_wrong(self) -> None:
        """
        The password answers once only.
        """
        await self.assert_alike(
            self.serve(OnePrompt),
            "kbdint_auth_requested",
            "kbdint_auth_requested",
            submethods=[NotImplemented, NotImplemented],
            options={"password": "wrong"},
        )

    async def test_disabled(self) -> None:
        """
        What is switched off is not asked for.
        """
        await self.assert_alike(
            self.serve(OldServer, authorized_client_keys=authorized(KEY)),
            keys=[private(KEY)],
            submethods=[""],
            passwords=["right"],
            options={
                "kbdint_auth": False,
                "password_auth": False,
                "public_key_auth": False,
            },
        )

    async def test_preferred(self) -> None:
        """
        Only the preferred methods are used, in that order.
        """
        await self.assert_alike(
            self.serve(OldServer, authorized_client_keys=authorized(KEY)),
            "password_auth_requested",
            "kbdint_auth_requested",
            "kbdint_challenge_received",
            "auth_completed",
            keys=[private(KEY)],
            submethods=[""],
            answers=[["right"]],
            options={"preferred_auth": "password,keyboard-interactive"},
        )


class EndTraces(TraceCase):
    """
    The server ends it.
    """

    async def test_codes(self) -> None:
        """
        Whatever code the server disconnects with, C{connection_lost} and
        whoever waits get it.
        """
        # AsyncSSH's error for code 8 says that it is 2.
        for code in (*range(1, 8), *range(9, 16), 79, 4000):

            def leave(server: Scripted, code: int = code) -> None:
                server.conn.disconnect(code, "so it is", "en")

            await self.assert_alike(
                self.serve(scripted(password=leave)),
                "kbdint_auth_requested",
                "password_auth_requested",
                passwords=["right"],
            )

    async def test_at_begin(self) -> None:
        """
        Before any method was asked for, likewise.
        """

        def leave(server: Scripted) -> None:
            server.conn.disconnect(11, "closed for today")

        await self.assert_alike(self.serve(scripted(begin=leave)))

    async def test_abort(self) -> None:
        """
        The connection is cut without a word.
        """
        await self.assert_alike(
            self.serve(scripted(password=lambda server: server.conn.abort())),
            "kbdint_auth_requested",
            "password_auth_requested",
            passwords=["right"],
        )

    async def test_too_many(self) -> None:
        """
        A server that limits the tries ends it first.
        """

        class Limited(PasswordChange):
            tries = 0

            def validate_password(self, username: str, password: str) -> bool:
                self.tries += 1
                if self.tries == 3:
                    self.conn.disconnect(2, "Too many authentication failures")
                return False

        await self.assert_alike(
            self.serve(Limited),
            *("password_auth_requested",) * 3,
            passwords=["one", "two", "three", "four"],
        )


class Guest(Server):
    """
    Lets everybody in.
    """

    def begin_auth(self, username: str) -> bool:
        return False


class DifferenceTraces(TraceCase):
    """
    Where we differ from AsyncSSH on purpose.
    """

    async def test_trivial(self) -> None:
        """
        A success for which nothing was proved is refused unless it is wanted;
        with AsyncSSH it is accepted unless it is not.
        """
        server = self.serve(Guest)
        await self.assert_differ(
            server, ["auth_completed", "connection_lost"], ["connection_lost"]
        )
        for refuse in (True, False):
            expected = [] if refuse else ["auth_completed"]
            await self.assert_alike(
                server, *expected, options={"disable_trivial_auth": refuse}
            )

    async def test_second_question(self) -> None:
        """
        Where a stored password was the answer to one question, AsyncSSH asks
        C{password_auth_requested} for the next; we answer no more of them.
        """

        class Twice(OnePrompt):
            rounds = 0

            def validate_kbdint_response(self, username: str, responses: Any) -> Any:
                self.rounds += 1
                return True if self.rounds == 2 else ("", "", "", self.prompts)

        await self.assert_differ(
            self.serve(Twice),
            [
                "kbdint_auth_requested",
                "password_auth_requested",
                "auth_completed",
                "connection_lost",
            ],
            ["kbdint_auth_requested", "connection_lost"],
            submethods=[NotImplemented],
            passwords=["once more"],
            options={"password": "right"},
        )

    async def test_text_that_is_none(self) -> None:
        """
        Where a banner or a debug message is not UTF-8, AsyncSSH hangs up; we
        replace what cannot be read, and go on.
        """

        def banner(server: Scripted) -> None:
            server.conn.send_auth_banner(b"\xff!", "en")

        def debug(server: Scripted) -> None:
            server.send(4, Boolean(True) + String(b"\xff!") + String(b""))

        for step, called in (
            (banner, "auth_banner_received"),
            (debug, "debug_msg_received"),
        ):
            await self.assert_differ(
                self.serve(scripted(begin=step)),
                ["connection_lost"],
                [
                    called,
                    "kbdint_auth_requested",
                    "password_auth_requested",
                    "auth_completed",
                    "connection_lost",
                ],
                passwords=["right"],
            )

    async def test_reason_that_is_none(self) -> None:
        """
        Nor does a DISCONNECT lose its code for such a text.
        """

        def leave(server: Scripted) -> None:
            server.send(1, UInt32(11) + String(b"\xff!") + String(b""))
            server.conn.abort()

        server = self.serve(scripted(begin=leave))
        theirs, ours = await self._traces(server, {}, {})
        told = _side_by_side(theirs, ours)
        self.assertEqual(theirs[0][-1], ("connection_lost", 2), told)
        self.assertEqual(ours[0][-1], ("connection_lost", 11), told)

    async def test_bounded(self) -> None:
        """
        AsyncSSH asks for passwords as long as there are any; we stop at
        C{maxPasswordAttempts}, so that no callback can make a login endless.
        """
        await self.assert_differ(
            self.serve(PasswordChange),
            [*("password_auth_requested",) * 5, "auth_completed", "connection_lost"],
            [*("password_auth_requested",) * 3, "connection_lost"],
            passwords=["1", "2", "3", "4", "right"],
        )

    async def test_prompt(self) -> None:
        """
        AsyncSSH sends the stored password in answer to any prompt with the
        word in it; we only to one that asks for the account's password.
        """

        class Curious(OnePrompt):
            prompts = (("The password of your bank: ", False),)

        await self.assert_differ(
            self.serve(Curious),
            ["kbdint_auth_requested", "auth_completed", "connection_lost"],
            ["kbdint_auth_requested", "connection_lost"],
            submethods=[NotImplemented],
            options={"password": "right"},
        )

    async def test_shown_password(self) -> None:
        """
        Nor do we where the answer would be seen.
        """

        class Echoing(OnePrompt):
            prompts = (("Password: ", True),)

        await self.assert_differ(
            self.serve(Echoing),
            ["kbdint_auth_requested", "auth_completed", "connection_lost"],
            ["kbdint_auth_requested", "connection_lost"],
            submethods=[NotImplemented],
            options={"password": "right"},
        )

    async def test_spent_key(self) -> None:
        """
        A key that was refused is not offered again, however often the callback
        gives it; AsyncSSH offers it each time.
        """

        class Counting(Server):
            offered = 0

            def validate_public_key(self, username: str, key: Any) -> bool:
                self.offered += 1
                return False

            def public_key_auth_supported(self) -> bool:
                return True

        server = self.serve(Counting)
        await self.assert_alike(
            server,
            *("public_key_auth_requested",) * 4,
            keys=[private(KEY)] * 3,
        )
        self.assertEqual([made.offered for made in server.connections], [3, 1])

    async def test_accepted_key_is_last(self) -> None:
        """
        Where a key was accepted as a factor and the server lists keys again
        beside another method, the unused method comes first.
        """
        server = self.serve(Partial, authorized_client_keys=authorized(KEY))
        await self.assert_differ(
            server,
            [
                *("public_key_auth_requested",) * 2,
                "password_auth_requested",
                "auth_completed",
                "connection_lost",
            ],
            [
                "public_key_auth_requested",
                "password_auth_requested",
                "auth_completed",
                "connection_lost",
            ],
            keys=[private(KEY)],
            passwords=["right"],
        )

    async def test_changed_host_key(self) -> None:
        """
        AsyncSSH asks C{validate_host_public_key} about a key that is not the
        known one; we refuse it and ask nobody.
        """
        server = self.serve(PasswordChange)
        line = f"[127.0.0.1]:{server.port} {authorized_line(OTHER_KEY)}"
        theirs, ours = await self._traces(
            server, {"passwords": ["right"]}, {"known_hosts": line.encode()}
        )
        told = _side_by_side(theirs, ours)
        self.assertEqual(theirs[0][-2][0], "auth_completed", told)
        self.assertEqual(
            ours[0],
            [
                ("connection_made",),
                ("connection_lost", asyncssh.DISC_HOST_KEY_NOT_VERIFIABLE),
            ],
            told,
        )


def authorized_line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode()

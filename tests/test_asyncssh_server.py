# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
L{conch_auth.userauth} against AsyncSSH's server, which does what OpenSSH's
does not.
"""

from __future__ import annotations

from typing import Any

import asyncssh
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from conch_auth.errors import (
    AuthenticationFailed,
    ProtocolError,
    ServerDisconnected,
    TrivialAuthenticationRefused,
)
from tests.peers.asyncssh_case import (
    BANNER,
    METHOD_REPLY,
    AsyncSSHCase,
    each,
    on_packet,
    send,
)
from tests.peers.asyncssh_server import (
    Limited,
    Partial,
    PasswordChange,
    Rounds,
    Scripted,
    Step,
    Strict,
    String,
)
from tests.peers.login import (
    ED25519,
    OTHER_ED25519,
    RSA_2048,
    Client,
    KeyClient,
    tried,
)

DISCONNECT_PROTOCOL_ERROR = 2


class KeyTests(AsyncSSHCase):
    """
    Keys and the algorithms of their signatures.
    """

    async def signed(
        self, kind: type[Strict], client: KeyClient | None = None, **options: Any
    ) -> list[bytes]:
        """
        Log in with an RSA key.

        @return: the algorithms of the signatures that the server got.
        """
        server = self.serve(kind, RSA_2048, **options)
        await self.log_in(server, client or KeyClient("alice", RSA_2048))
        found: list[bytes] = server.connections[0].signed_with
        return found

    async def test_sha2(self) -> None:
        """
        An RSA key signs with SHA-512, once, where the server takes that.
        """
        self.assertEqual(await self.signed(Strict), [b"rsa-sha2-512"])

    async def test_server_algorithms(self) -> None:
        """
        It signs with SHA-256 where the server names that only.
        """
        signed = await self.signed(Strict, signature_algs=["rsa-sha2-256"])
        self.assertEqual(signed, [b"rsa-sha2-256"])

    async def test_unknown_server_algorithms(self) -> None:
        """
        Names that nobody knows, and extensions that nobody knows, do no harm.
        """
        bogus = _extensions(
            {
                b"server-sig-algs": b"bogus,,\xff,rsa-sha2-256",
                b"no-such@example.com": b"\x00\xff",
            }
        )
        self.assertEqual(await self.signed(bogus), [b"rsa-sha2-256"])

    async def test_no_server_algorithms(self) -> None:
        """
        To a server that names no algorithms, the key goes as the one that
        every server knows.
        """

        self.assertEqual(await self.signed(_silent(b"ssh-rsa")), [b"ssh-rsa"])

    async def test_no_sha1(self) -> None:
        """
        A client that allows no SHA-1 does not sign with it for such a server.
        """

        client = KeyClient("alice", RSA_2048)
        client.signatureAlgorithms = (b"rsa-sha2-256", b"ssh-ed25519")
        signed = await self.signed(_silent(b"rsa-sha2-256"), client)
        self.assertEqual(signed, [b"rsa-sha2-256"])

    async def test_second_extensions(self) -> None:
        """
        Extensions may come once more, right before SUCCESS (RFC 8308, section
        2.4).
        """

        class Late(Strict):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                super().connection_made(conn)
                finish = self.conn.send_userauth_success

                async def success() -> None:
                    self.conn._send_ext_info()
                    await finish()

                self.conn.send_userauth_success = success

        self.assertEqual(await self.signed(Late), [b"rsa-sha2-512"])

    async def test_confirmed_by_another_name(self) -> None:
        """
        A server may confirm a key by the name of its type instead of that of
        the algorithm; the signature is by the algorithm that was asked about.
        """
        self.assertEqual(
            await self.signed(_confirming(b"ssh-rsa")), [b"rsa-sha2-512"]
        )

    async def test_confirmed_by_wrong_name(self) -> None:
        """
        A confirmation of an algorithm that was not asked about breaks the
        protocol, and nothing is signed.
        """
        server = self.serve(_confirming(b"rsa-sha2-256"), RSA_2048)
        await self.refused(server, KeyClient("alice", RSA_2048), ProtocolError)
        self.assertEqual(server.connections[0].signed_with, [])

    async def test_refused_signature(self) -> None:
        """
        Where the server knows the key and refuses the signature, the next key
        is offered, and the report says what was refused.
        """

        class Picky(Strict):
            allowed = (b"ssh-ed25519",)

        server = self.serve(Picky, RSA_2048, ED25519)
        report = await self.log_in(server, KeyClient("alice", RSA_2048, ED25519))
        self.assertEqual(
            tried(report), [("publickey", "refused"), ("publickey", "accepted")]
        )
        [refused, *_] = [a for a in report.attempts if a.method == "publickey"]
        self.assertIn("did not accept its signature", refused.reason)

    async def test_two_keys(self) -> None:
        """
        Two keys are two factors.
        """

        class TwoKeys(Partial):
            chain = ("publickey", "publickey")

        server = self.serve(TwoKeys, ED25519, OTHER_ED25519)
        client = KeyClient("alice", ED25519, OTHER_ED25519)
        report = await self.log_in(server, client)
        self.assertEqual(
            tried(report), [("publickey", "partial"), ("publickey", "accepted")]
        )

    async def test_key_without_end(self) -> None:
        """
        A server that accepts the key as one more factor for ever does not get
        the same key for ever.
        """

        class Insatiable(Partial):
            chain = ("publickey",) * 10_000

        server = self.serve(Insatiable, ED25519)
        client = KeyClient("alice", *[ED25519] * 100)
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(tried(error.report), [("publickey", "partial")])


class PasswordTests(AsyncSSHCase):
    """
    Passwords, and how they are changed.
    """

    async def changed(self, *passwords: str) -> Client:
        client = Client("alice", passwords=passwords)
        await self.log_in(self.serve(PasswordChange), client)
        return client

    async def test_change(self) -> None:
        """
        An expired password is replaced by a new one; each is asked for once.
        """
        client = await self.changed("old", "old", "new")
        self.assertEqual(
            client.prompted, [None, b"Old Password: ", b"Choose a new password"]
        )
        self.assertEqual(client.changes, ["changed"])

    async def test_change_refused(self) -> None:
        """
        A new password that does not do is asked for again, the old one is not.
        """
        client = await self.changed("old", "old", "short", "new")
        self.assertEqual(client.prompted[2:], [b"Choose a new password", b"Too short"])
        self.assertEqual(client.changes, ["refused", "changed"])

    async def test_change_fails(self) -> None:
        """
        After a change that failed, another password may still log in.
        """
        client = await self.changed("old", "mistyped", "new", "right")
        self.assertEqual(client.changes, ["refused"])

    async def test_change_unwanted(self) -> None:
        """
        An owner that has no new password is not asked again and again.
        """
        server = self.serve(PasswordChange)
        client = Client("alice", passwords=["old"])
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertIn("has expired, and was not changed", str(error))

    async def test_endless_change(self) -> None:
        """
        A server to which no new password is good enough is left.
        """
        server = self.serve(PasswordChange)
        client = Client("alice", passwords=["old", "old"] + ["short"] * 100)
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(len(client.prompted), 2 + client.maxPasswordAttempts)
        self.assertIn("maxPasswordAttempts", str(error))

    async def test_limited(self) -> None:
        """
        A server's own limit ends the login with its reason.
        """
        client = Client("alice", passwords=["wrong"] * 9)
        client.maxPasswordAttempts = 9
        error = await self.refused(self.serve(Limited), client, ServerDisconnected)
        self.assertEqual(error.code, DISCONNECT_PROTOCOL_ERROR)
        self.assertEqual(len(client.passwords), 6)

    async def test_unlimited(self) -> None:
        """
        A server without a limit is left when the client's is reached.
        """
        server = self.scripted()
        client = Client("alice", passwords=["wrong"] * 9)
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(tried(error.report), [("password", "refused")] * 3)

    async def test_text(self) -> None:
        """
        A password goes out in UTF-8.
        """
        word = "pÄsswört ☃"

        class Northern(Scripted):
            async def validate_password(self, username: str, password: str) -> bool:
                return password == word

        await self.log_in(self.serve(Northern), Client("alice", passwords=[word]))


class InteractiveTests(AsyncSSHCase):
    """
    Keyboard-interactive.
    """

    ANSWERS = {"User code: ": "a", "Secret: ": "b", "Token: ": "123456"}

    async def test_rounds(self) -> None:
        """
        A round without a question, one with two and one with one are three
        rounds of one request.
        """
        server = self.serve(Rounds)
        client = Client("alice", answers=self.ANSWERS)
        report = await self.log_in(server, client)
        self.assertEqual(
            client.asked,
            [
                ("Login", "Read this first", []),
                ("Step 2", "two things", ["User code: ", "Secret: "]),
                ("Step 3", "", ["Token: "]),
            ],
        )
        self.assertEqual(tried(report), [("keyboard-interactive", "accepted")])

    async def test_echo(self) -> None:
        """
        Each prompt says whether its answer may be seen.
        """
        echoes: list[list[bool]] = []

        class Noting(Client):
            def getGenericAnswers(
                self, name: bytes, instruction: bytes, prompts: list[tuple[bytes, bool]]
            ) -> Any:
                echoes.append([echo for _, echo in prompts])
                return super().getGenericAnswers(name, instruction, prompts)

        await self.log_in(self.serve(Rounds), Noting("alice", answers=self.ANSWERS))
        self.assertEqual(echoes, [[True, False], [True]])

    async def test_wrong(self) -> None:
        """
        Wrong answers are given again only as often as the client allows.
        """
        answers = {**self.ANSWERS, "Secret: ": "wrong"}
        client = Client("alice", answers=answers)
        error = await self.refused(self.serve(Rounds), client, AuthenticationFailed)
        self.assertEqual(
            tried(error.report), [("keyboard-interactive", "refused")] * 3
        )

    async def test_trivial(self) -> None:
        """
        A success after a round without a question is one without a proof.
        """

        class Easy(Rounds):
            rounds = (("Hello", "", (), ()),)

        client = Client("alice", answers={})
        await self.refused(self.serve(Easy), client, TrivialAuthenticationRefused)

    async def test_endless(self) -> None:
        """
        A server whose rounds have no end is left.
        """

        class Endless(Rounds):
            rounds = (("", "", (("Again: ", True),), ("yes",)),) * 1000

        client = Client("alice", answers={"Again: ": "yes"})
        error = await self.refused(self.serve(Endless), client, AuthenticationFailed)
        self.assertEqual(len(client.asked), client.maxRounds)
        self.assertIn("maxRounds", str(error))


class BannerTests(AsyncSSHCase):
    """
    Banners at any time.
    """

    async def told(self, **steps: Step) -> list[tuple[str, str]]:
        client = Client("alice", passwords=["wrong", "right"])
        await self.log_in(self.scripted(**steps), client)
        return client.told

    async def test_repeated(self) -> None:
        """
        Every banner is delivered, also an empty one, with its language.
        """
        texts = [("first", "en"), ("", ""), ("zweites", "de")]
        steps = [send(BANNER, String(text) + String(lang)) for text, lang in texts]
        self.assertEqual(await self.told(begin=each(*steps)), texts)

    async def test_late(self) -> None:
        """
        A banner may come before the answer to each request.
        """
        late = send(BANNER, String("late") + String(""))
        self.assertEqual(await self.told(password=late), [("late", "")] * 2)

    async def test_odd(self) -> None:
        """
        What is no UTF-8 is replaced, and the login goes on.
        """
        odd = send(BANNER, String(b"caf\xe9") + String(b"\xff"))
        self.assertEqual(await self.told(begin=odd), [("caf\ufffd", "\ufffd")])

    async def test_flood(self) -> None:
        """
        Of very many banners, some are delivered, and the login goes on.
        """
        flood = each(*[send(BANNER, String("x") + String(""))] * 2000)
        told = await self.told(begin=flood)
        self.assertEqual(len(told), Client.maxBanners)

    async def test_while_asked(self) -> None:
        """
        A banner is delivered while the owner is asked for the password, and
        the question stays.
        """
        password: Deferred[str] = Deferred()

        class Waiting(Client):
            def getPassword(self, prompt: bytes | None = None) -> Deferred[str]:
                server.connections[-1].conn._loop.call_soon_threadsafe(
                    server.connections[-1].send, BANNER, String("now") + String("")
                )
                return password

            def bannerReceived(self, message: str, language: str) -> None:
                super().bannerReceived(message, language)
                IReactorTime(reactor).callLater(0, password.callback, "right")

        server = self.scripted()
        client = Waiting("alice")
        await self.log_in(server, client)
        self.assertEqual(client.told, [("now", "")])


def _extensions(content: dict[bytes, bytes]) -> type[Strict]:
    """
    A server with these extensions.
    """

    class Extended(Strict):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            super().connection_made(conn)
            send = self.conn._send_ext_info

            def send_these() -> None:
                self.conn._extensions_to_send.clear()
                self.conn._extensions_to_send.update(content)
                send()

            self.conn._send_ext_info = send_these

    return Extended


def _silent(*algorithms: bytes) -> type[Strict]:
    """
    A server that allows these algorithms, and names none.
    """

    class Silent(Strict):
        allowed = algorithms

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            super().connection_made(conn)
            self.conn._get_extra_kex_algs = lambda: [b"kex-strict-s-v00@openssh.com"]
            self.conn._send_ext_info = lambda: None

    return Silent


def _confirming(algorithm: bytes) -> type[Strict]:
    """
    A server that confirms each RSA key by this name.
    """

    class Confirming(Strict):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            super().connection_made(conn)
            blob = RSA_2048.public().blob()
            on_packet(self.conn, METHOD_REPLY, [String(algorithm), String(blob)])

    return Confirming

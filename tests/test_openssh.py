# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
L{conch_auth.userauth} against OpenSSH's sshd.
"""

from __future__ import annotations

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred

from conch_auth.errors import (
    AuthenticationFailed,
    ConnectionLost,
    ServerDisconnected,
    TrivialAuthenticationRefused,
)
from tests.peers.login import (
    ECDSA_256,
    ECDSA_384,
    ECDSA_521,
    ED25519,
    OTHER_ED25519,
    RSA_2048,
    RSA_3072,
    Client,
    ConchKeyClient,
    ConchTransport,
    KeyClient,
    LoginCase,
    tried,
)
from tests.peers.sshd import Sshd, User, machine
from tests.support import flat

PASSWORD = "Correct-horse-1"
ALICE = User("openssh_alice", PASSWORD)
LOCKED = User("openssh_locked", PASSWORD, locked=True)
EMPTY = User("openssh_empty", "")
EXPIRED = User("openssh_expired", PASSWORD, expired=True)
QUESTIONED = User(
    "openssh_questioned",
    rounds=(
        "info:Welcome, step 1",
        "off:Password: =pw1",
        "info:Now the token",
        "on:Token: =123456",
        "off:PIN: =0000",
    ),
)
USERS = (ALICE, LOCKED, EMPTY, EXPIRED, QUESTIONED)

PAM = """\
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
"""
KEYS_ONLY = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
QUESTIONS_ONLY = "PasswordAuthentication no\n" + PAM
PASSWORDS_ONLY = "PubkeyAuthentication no\nKbdInteractiveAuthentication no\n"


class OpenSSHCase(LoginCase):
    """
    A test with a server of its own.
    """

    def sshd(self, config: str = "", *authorized: Key) -> Sshd:
        """
        @param authorized: the keys that let each user in.
        """
        server = machine(USERS).sshd(config)
        self.addCleanup(server.stop)
        for user in USERS:
            server.authorize(user.name, *authorized)
        return server


class KeyTests(OpenSSHCase):
    """
    The C{publickey} method.
    """

    async def test_every_key(self) -> None:
        """
        With its default settings, the server takes a key of each kind from a
        client that says no more than which key.
        """
        for key, algorithm in (
            (ED25519, "ssh-ed25519"),
            (ECDSA_256, "ecdsa-sha2-nistp256"),
            (ECDSA_384, "ecdsa-sha2-nistp384"),
            (ECDSA_521, "ecdsa-sha2-nistp521"),
            (RSA_2048, "rsa-sha2-512"),
        ):
            server = self.sshd("", key)
            report = await self.log_in(server, KeyClient(ALICE.name, key))
            self.assertEqual(tried(report), [("publickey", "accepted")])
            self.assertEqual(report.attempts[-1].algorithm, algorithm)
            server.wait_for(f"Accepted publickey for {ALICE.name}")

    async def test_transport_of_conch(self) -> None:
        """
        An RSA key logs in over Conch's own transport as well.
        """
        server = self.sshd("", RSA_2048)
        report = await self.log_in(
            server, KeyClient(ALICE.name, RSA_2048), ConchTransport
        )
        self.assertEqual(report.attempts[-1].algorithm, "rsa-sha2-512")

    async def test_client_of_conch(self) -> None:
        """
        A control: to Conch's own client the same server does not open for the
        RSA key, though it does for another kind.
        """
        server = self.sshd("", RSA_2048, ED25519)
        client = ConchKeyClient(ALICE.name, RSA_2048)
        transport = await self.connect(server, client, ConchTransport)
        await transport.lost
        self.assertFalse(client.instance.started)
        server.wait_for("signature algorithm ssh-rsa not in")

        client = ConchKeyClient(ALICE.name, ED25519)
        await self.connect(server, client, ConchTransport)
        await client.instance.running

    async def test_next_key(self) -> None:
        """
        A key that is not authorized is followed by the next.
        """
        server = self.sshd("", OTHER_ED25519)
        client = KeyClient(ALICE.name, ED25519, RSA_2048, OTHER_ED25519)
        report = await self.log_in(server, client)
        outcomes = [outcome for _, outcome in tried(report)]
        self.assertEqual(outcomes, ["refused", "refused", "accepted"])

    async def test_no_key_authorized(self) -> None:
        """
        Where no key is authorized, the report tells each, and the methods
        that would be left.
        """
        server = self.sshd(KEYS_ONLY)
        client = KeyClient(ALICE.name, ED25519, RSA_2048)
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(tried(error.report), [("publickey", "refused")] * 2)
        self.assertEqual(error.report.server_methods, ("publickey",))

    async def test_unknown_user(self) -> None:
        """
        Of an unknown user, the server says no more than of a wrong key.
        """
        server = self.sshd(KEYS_ONLY, ED25519)
        client = KeyClient("openssh_nobody", ED25519)
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(tried(error.report), [("publickey", "refused")])
        self.assertIn("Check the user name", str(error))

    async def test_accepted_algorithms(self) -> None:
        """
        A server that takes fewer algorithms than it names takes the key from a
        client that allows no others.
        """
        for algorithm in (b"rsa-sha2-256", b"ssh-rsa"):
            config = f"PubkeyAcceptedAlgorithms {algorithm.decode()}\n"
            client = KeyClient(ALICE.name, RSA_2048)
            client.signatureAlgorithms = (algorithm,)
            report = await self.log_in(self.sshd(config, RSA_2048), client)
            self.assertEqual(report.attempts[-1].algorithm, algorithm.decode())

    async def test_refused_algorithm(self) -> None:
        """
        A key whose algorithm is refused does not stand in the way of the next.
        """
        server = self.sshd(
            "PubkeyAcceptedAlgorithms ssh-ed25519\n", RSA_2048, ED25519
        )
        report = await self.log_in(server, KeyClient(ALICE.name, RSA_2048, ED25519))
        self.assertEqual(report.attempts[-1].algorithm, "ssh-ed25519")

    async def test_required_size(self) -> None:
        """
        An RSA key that is too short for the server is refused, a longer one is
        not.
        """
        server = self.sshd("RequiredRSASize 3072\n", RSA_2048, RSA_3072)
        report = await self.log_in(server, KeyClient(ALICE.name, RSA_2048, RSA_3072))
        outcomes = [outcome for _, outcome in tried(report)]
        self.assertEqual(outcomes, ["refused", "accepted"])

    async def test_too_many_keys(self) -> None:
        """
        A server that has seen enough disconnects, and the client knows that it
        was for this.
        """
        server = self.sshd("MaxAuthTries 2\n", ECDSA_521)
        client = KeyClient(ALICE.name, ED25519, RSA_2048, ECDSA_521)
        error = await self.refused(server, client, ServerDisconnected)
        self.assertEqual(error.code, 2)
        self.assertEqual(error.description, "Too many authentication failures")
        self.assertEqual(tried(error.report)[0], ("publickey", "refused"))


class PasswordTests(OpenSSHCase):
    """
    The C{password} method.
    """

    async def test_password(self) -> None:
        """
        The right password logs in, also after a wrong one.
        """
        server = self.sshd(PAM)
        client = Client(ALICE.name, passwords=["wrong", PASSWORD])
        report = await self.log_in(server, client)
        self.assertEqual(
            tried(report)[-2:], [("password", "refused"), ("password", "accepted")]
        )
        server.wait_for(f"Accepted password for {ALICE.name}")

    async def test_refused(self) -> None:
        """
        A wrong password, a locked account and an unknown user are one answer.
        """
        for user in (ALICE.name, LOCKED.name, "openssh_nobody"):
            server = self.sshd(PASSWORDS_ONLY + "UsePAM yes\n")
            passwords = ["wrong"] if user == ALICE.name else [PASSWORD]
            client = Client(user, passwords=passwords)
            error = await self.refused(server, client, AuthenticationFailed)
            self.assertEqual(tried(error.report), [("password", "refused")])
            self.assertEqual(error.report.server_methods, ("password",))

    async def test_too_many(self) -> None:
        """
        After MaxAuthTries passwords, the server disconnects.
        """
        server = self.sshd(PASSWORDS_ONLY + "MaxAuthTries 2\n")
        client = Client(ALICE.name, passwords=["wrong"] * 3)
        error = await self.refused(server, client, ServerDisconnected)
        self.assertEqual(error.code, 2)
        self.assertEqual(client.passwords, ["wrong"])

    async def test_no_patience(self) -> None:
        """
        A server that closes the connection while the password is still asked
        for ends the login, and the question with it.
        """
        cancelled: list[object] = []
        asked: Deferred[str] = Deferred(cancelled.append)

        class Slow(Client):
            def getPassword(self, prompt: bytes | None = None) -> Deferred[str]:
                return asked

        server = self.sshd(PASSWORDS_ONLY + "LoginGraceTime 1\n")
        await self.refused(server, Slow(ALICE.name), ConnectionLost)
        self.assertEqual(cancelled, [asked])


class NoneTests(OpenSSHCase):
    """
    The C{none} method, and servers with no method at all.
    """

    async def test_empty_password(self) -> None:
        """
        A server that lets a user in for nothing is refused, unless that is
        allowed.
        """
        server = self.sshd("PermitEmptyPasswords yes\n")
        client = Client(EMPTY.name)
        await self.refused(server, client, TrivialAuthenticationRefused)

        client = Client(EMPTY.name)
        client.allowTrivialAuth = True
        report = await self.log_in(server, client)
        self.assertEqual(tried(report), [("none", "accepted")])
        self.assertIsNone(report.proof)

    async def test_no_methods(self) -> None:
        """
        A server that lists no method gets no other request.
        """
        server = self.sshd(KEYS_ONLY + "PubkeyAuthentication no\n", ED25519)
        client = Client(ALICE.name, [ED25519], [PASSWORD], {})
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(error.report.server_methods, ())
        self.assertEqual(error.report.round_trips, 1)
        self.assertIn("no method at all", str(error))


class InteractiveTests(OpenSSHCase):
    """
    The C{keyboard-interactive} method, through PAM.
    """

    async def test_one_round(self) -> None:
        """
        One question is asked; the empty round after it is answered unasked.
        """
        server = self.sshd(QUESTIONS_ONLY)
        client = Client(ALICE.name, answers={"Password: ": PASSWORD})
        report = await self.log_in(server, client)
        self.assertEqual(client.asked[0], ("", "", ["Password: "]))
        self.assertEqual(tried(report), [("keyboard-interactive", "accepted")])
        self.assertEqual(report.proof, "keyboard-interactive")

    async def test_rounds(self) -> None:
        """
        Round after round is asked; PAM's texts stand before the prompts.
        """
        answers = {
            "Welcome, step 1\nPassword: ": "pw1",
            "Now the token\nToken: ": "123456",
            "PIN: ": "0000",
        }
        client = Client(QUESTIONED.name, answers=answers)
        await self.log_in(self.sshd(PAM), client)
        prompts = [prompts for _, _, prompts in client.asked if prompts]
        self.assertEqual(prompts, [[prompt] for prompt in answers])

    async def test_wrong(self) -> None:
        """
        Wrong answers are given again only as often as the client allows.
        """
        server = self.sshd(QUESTIONS_ONLY)
        client = Client(ALICE.name, answers={"Password: ": "wrong"})
        client.maxInteractiveAttempts = 2
        error = await self.refused(server, client, AuthenticationFailed)
        refused = [outcome for _, outcome in tried(error.report)].count("refused")
        self.assertEqual(refused, 2)

    async def test_expired(self) -> None:
        """
        A new password is asked for in the same exchange, and logs in later.
        """
        new = "Brand-new-battery-2"
        server = self.sshd(QUESTIONS_ONLY)
        answers = {
            "Password: ": PASSWORD,
            "Current password: ": PASSWORD,
            "New password: ": new,
            "Retype new password: ": new,
        }

        class Changing(Client):
            def getGenericAnswers(
                self, name: bytes, instruction: bytes, prompts: list[tuple[bytes, bool]]
            ) -> list[str]:
                # PAM puts a text before the first of its own prompts.
                [(prompt, _)] = prompts
                return [answers[prompt.decode().split("\n")[-1]]]

        await self.log_in(server, Changing(EXPIRED.name, answers=answers))
        again = Client(EXPIRED.name, answers={"Password: ": new})
        await self.log_in(server, again)


class FactorTests(OpenSSHCase):
    """
    Logins that take several factors.
    """

    def wanting(self, methods: str) -> Sshd:
        return self.sshd(
            f"{PAM}AuthenticationMethods {methods}\n", ED25519, OTHER_ED25519
        )

    def owner(self, *keys: Key) -> Client:
        return Client(ALICE.name, keys, [PASSWORD], {"Password: ": PASSWORD})

    async def test_two(self) -> None:
        """
        Two factors, in the order that the server wants.
        """
        for methods in (
            ["publickey", "password"],
            ["publickey", "keyboard-interactive"],
            ["password", "publickey"],
            ["keyboard-interactive", "publickey"],
        ):
            server = self.wanting(",".join(methods))
            report = await self.log_in(server, self.owner(ED25519))
            outcomes = list(zip(methods, ["partial", "accepted"], strict=True))
            self.assertEqual(tried(report), outcomes)

    async def test_three(self) -> None:
        """
        Three factors, of which the report names each as a proof.
        """
        server = self.wanting("publickey,password,keyboard-interactive:pam")
        report = await self.log_in(server, self.owner(ED25519))
        self.assertEqual(
            tried(report),
            [
                ("publickey", "partial"),
                ("password", "partial"),
                ("keyboard-interactive", "accepted"),
            ],
        )
        assert report.proof is not None
        self.assertRegex(
            report.proof, "^publickey with .*, then password, then keyboard-interac"
        )

    async def test_two_keys(self) -> None:
        """
        Two keys are two factors.
        """
        server = self.wanting("publickey,publickey")
        report = await self.log_in(server, self.owner(ED25519, OTHER_ED25519))
        self.assertEqual(
            tried(report), [("publickey", "partial"), ("publickey", "accepted")]
        )

    async def test_same_key_twice(self) -> None:
        """
        One key is one factor: it is not offered again.
        """
        server = self.wanting("publickey,publickey")
        client = self.owner(ED25519, ED25519)
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(tried(error.report)[0], ("publickey", "partial"))
        # None, whether the key would do, and the signature.
        self.assertEqual(error.report.round_trips, 3)
        self.assertIn("and wants another factor", flat(error))

    async def test_alternatives(self) -> None:
        """
        Of several ways, one that the client has all factors of is found.
        """
        methods = "publickey,password publickey,keyboard-interactive"
        server = self.wanting(f"{methods} publickey,publickey")
        for client, last in (
            (Client(ALICE.name, [ED25519], [PASSWORD]), "password"),
            (
                Client(ALICE.name, [ED25519], [], {"Password: ": PASSWORD}),
                "keyboard-interactive",
            ),
            (Client(ALICE.name, [ED25519, OTHER_ED25519]), "publickey"),
        ):
            report = await self.log_in(server, client)
            self.assertEqual(tried(report)[0], ("publickey", "partial"))
            self.assertEqual(tried(report)[-1], (last, "accepted"))

    async def test_wrong_second(self) -> None:
        """
        A second factor that is refused is tried again without the first.
        """
        server = self.wanting("publickey,password")
        client = Client(ALICE.name, [ED25519], ["wrong", PASSWORD])
        report = await self.log_in(server, client)
        self.assertEqual(
            tried(report),
            [
                ("publickey", "partial"),
                ("password", "refused"),
                ("password", "accepted"),
            ],
        )

    async def test_missing(self) -> None:
        """
        A missing factor is named.
        """
        server = self.wanting("publickey,password")
        client = KeyClient(ALICE.name, ED25519)
        error = await self.refused(server, client, AuthenticationFailed)
        self.assertEqual(error.report.server_methods, ("password",))
        self.assertIn("and wants another factor: password", flat(error))


class BannerTests(OpenSSHCase):
    """
    What the server has shown.
    """

    async def told(self, text: bytes) -> list[tuple[str, str]]:
        banner = machine(USERS).write("banner", text)
        server = self.sshd(f"Banner {banner}\n", ED25519)
        client = Client(ALICE.name, [ED25519])
        await self.log_in(server, client)
        return client.told

    async def test_banner(self) -> None:
        """
        A banner comes as it was written, and so do 200 kB of it.
        """
        for text in ("Authorized use only.\nGo away.\n", "notice\n" * 30_000):
            self.assertEqual(await self.told(text.encode()), [(text, "")])

    async def test_odd(self) -> None:
        """
        What is no UTF-8 does not stop the login.
        """
        self.assertEqual(
            await self.told(b"caf\xe9 \x1b[31m\n"), [("caf\ufffd \x1b[31m\n", "")]
        )

    async def test_none(self) -> None:
        """
        An empty banner is none.
        """
        self.assertEqual(await self.told(b""), [])


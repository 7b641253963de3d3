"""
Tests for L{conch_auth._host_question}: the words, the answers and the line that
is written.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from conch_auth import errors
from conch_auth._host_question import HostQuestion
from conch_auth._person import Asker, Person
from conch_auth._terminal import NoTerminal
from conch_auth.certificates import HostKeyOffer
from conch_auth.display import fingerprint
from conch_auth.knownhosts import KnownHosts
from conch_auth.loopback import generate_key
from tests.test_person import FakeTerminal

KEY = generate_key().public().blob()
OTHER = generate_key().public().blob()


def offer(host: str = "host.example", port: int = 22) -> HostKeyOffer:
    return HostKeyOffer(host, port, "192.0.2.1", b"ssh-ed25519", KEY, KEY)


class HostQuestionTests(TestCase):
    """
    L{HostQuestion} on a terminal that knows the answers.
    """

    def setUp(self) -> None:
        self.file = os.path.join(os.path.abspath(self.mktemp()), "known_hosts")
        os.mkdir(os.path.dirname(self.file))
        self.told: list[str] = []

    def question(
        self,
        *answers: bytes | None,
        known: KnownHosts | None = None,
        hashed: bool = False,
        nowhere: bool = False,
    ) -> HostQuestion:
        self.terminal = FakeTerminal(*answers)
        return HostQuestion(
            Asker(lambda: self.terminal, self.told.append),  # type: ignore
            known or KnownHosts(),
            None if nowhere else self.file,
            hashed=hashed,
            tell=self.told.append,
            reactor=reactor,
        )

    def shown(self) -> str:
        return "".join(said for said in self.terminal.screen if isinstance(said, str))

    def prompts(self) -> list[str]:
        return [said[0] for said in self.terminal.screen if isinstance(said, tuple)]

    def written(self) -> bytes:
        if not os.path.exists(self.file):
            return b""
        with open(self.file, "rb") as file:
            return file.read()

    async def test_words(self) -> None:
        """
        The person is shown the host, its address, the type of its key and the
        fingerprint, and is told what to compare.
        """
        await self.question(b"yes").trusts(offer("Host.Example", 2222))
        self.assertEqual(
            self.shown(),
            "The host [host.example]:2222 (address 192.0.2.1) is not known here.\n"
            "It holds the ssh-ed25519 key with this fingerprint:\n"
            f"  {fingerprint(KEY)}\n"
            "The key is not known under any other name.\n"
            "Compare the fingerprint with one from the host's owner: whoever takes "
            "the\nhost's place on the network shows a key of their own.\n",
        )
        self.assertEqual(
            self.terminal.screen[-1],
            (
                "Trust this key? (yes, no, or the fingerprint that you were given): ",
                True,
            ),
        )

    async def test_yes(self) -> None:
        """
        The whole word, in whatever case, or the whole fingerprint trusts the
        key, and adds the line that then trusts it.
        """
        for answer in b"yes", b" YES\t", fingerprint(KEY).encode():
            self.assertIs(await self.question(answer).trusts(offer()), True)
            self.assertTrue(self.written().startswith(b"host.example ssh-ed25519 "))
            again = KnownHosts.from_files(self.file)
            self.assertTrue(again.verdict("host.example", 22, None, KEY))
            os.remove(self.file)
        self.assertEqual(self.told, [f"host.example is added to {self.file}"] * 3)

    async def test_no(self) -> None:
        """
        The word no, an empty line and ^D refuse the key, and nothing is
        written.
        """
        for answer in b"no", b"No ", b"", None:
            with self.assertRaises(errors.HostKeyRejected):
                await self.question(answer).trusts(offer())
        self.assertEqual(self.written(), b"")

    async def test_neither(self) -> None:
        """
        Everything else is asked about again, and decides nothing.
        """
        for answer in (
            b"y",
            b"ye",
            b"yes!",
            b"true",
            b"\xffyes",
            fingerprint(KEY)[:-1].encode(),
            fingerprint(KEY).lower().encode(),
        ):
            with self.assertRaises(errors.HostKeyRejected):
                await self.question(answer, b"no").trusts(offer())
            self.assertEqual(
                self.prompts()[1:], ["Type yes in full, no, or the whole fingerprint: "]
            )
        self.assertEqual(self.written(), b"")

    async def test_other_fingerprint(self) -> None:
        """
        A fingerprint that is another key's is told to be.
        """
        question = self.question(fingerprint(OTHER).encode(), b"no")
        with self.assertRaises(errors.HostKeyRejected):
            await question.trusts(offer())
        self.assertIn("That is not the fingerprint of the host's key.", self.shown())

    async def test_hashed(self) -> None:
        """
        The name is hidden where that is configured.
        """
        await self.question(b"yes", hashed=True).trusts(offer())
        self.assertTrue(self.written().startswith(b"|1|"))
        self.assertNotIn(b"host.example", self.written())

    async def test_not_written(self) -> None:
        """
        That the line cannot be written is a warning, and the login goes on.
        """
        os.mkdir(self.file)
        self.assertIs(await self.question(b"yes").trusts(offer()), True)
        (warning,) = self.told
        self.assertTrue(
            warning.startswith(
                f"warning: host.example could not be added to {self.file}: "
            ),
            warning,
        )

    async def test_no_file(self) -> None:
        """
        Where no file is configured nothing is written, and that is told.
        """
        self.assertIs(await self.question(b"yes", nowhere=True).trusts(offer()), True)
        self.assertEqual(
            self.told,
            ["host.example is not added: no known_hosts file is configured"],
        )

    async def test_unwritable_name(self) -> None:
        """
        So is a name that cannot stand in such a file; on the screen it is
        harmless.
        """
        strange = offer("host*\x1b[2J")
        self.assertIs(await self.question(b"yes").trusts(strange), True)
        self.assertIn("could not be added", self.told[0])
        self.assertIn("The host host*\\x1b[2j (", self.shown())
        self.assertNotIn("\x1b", self.shown() + self.told[0])

    async def test_other_names(self) -> None:
        """
        Lines that have the same key for other hosts are named, the first few
        of them; those that revoke or certify are none.
        """
        known = KnownHosts()
        for number in range(10):
            known.add(f"host{number}", 22, KEY, path=self.file)
        known.add("elsewhere", 22, OTHER, path=self.file)
        with open(self.file, "a") as file:
            line = self.written().splitlines()[0].decode()
            file.write(f"@revoked gone.example {line.split(' ', 1)[1]}\n")
        known = KnownHosts.from_files(self.file)
        with self.assertRaises(errors.HostKeyRejected):
            await self.question(b"no", known=known).trusts(offer())
        self.assertIn(
            "The same key is known under other names or addresses:\n"
            + "".join(f"  {self.file}:{number}\n" for number in range(1, 9))
            + "  and 2 more\n",
            self.shown(),
        )

    async def test_unread_file(self) -> None:
        """
        A file that could not be read is named: the host may be known in it.
        """
        known = KnownHosts.from_files(os.path.dirname(self.file))
        with self.assertRaises(errors.HostKeyRejected):
            await self.question(b"no", known=known).trusts(offer())
        self.assertIn(f"{known.problems[0]}.\n", self.shown())

    async def test_nobody(self) -> None:
        """
        Where nobody can be asked the key is not trusted.
        """

        def none() -> Any:
            raise NoTerminal("there is no terminal")

        question = self.question()
        question._asker = Asker(none, self.told.append)
        self.assertIs(await question.trusts(offer()), False)
        self.assertEqual(self.told, ["there is no terminal; nobody can be asked"])

    async def test_without_question(self) -> None:
        """
        A L{Person} who is not to be asked trusts no host.
        """
        person = Person(Asker(lambda: self.terminal, print), "host", print)  # type: ignore
        trusted = await person.validate_host_public_key("host", "", 22, None)
        self.assertIs(trusted, False)

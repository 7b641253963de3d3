"""
Tests for the passphrases of L{conch_auth.keys}.
"""

from __future__ import annotations

import base64
import os
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.filepath import FilePath

from conch_auth._wire import string
from conch_auth.errors import KeyUnusable, PassphraseWrong
from conch_auth.interfaces import ISigner
from conch_auth.keys import LockedKey, load_keys
from tests import keygen
from tests.key_case import DATA, KeyTestCase, public


class PassphraseTests(KeyTestCase):
    """
    When a passphrase is asked for, and what becomes of it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.asked: list[tuple[Any, ...]] = []
        self.answers: list[Any] = []
        self.path = self.key(encrypted=True)

    def ask(self, *asked: Any) -> Any:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def asking(self, *answers: Any, path: Any = None) -> Any:
        """
        The one key at C{path}, whose passphrase is asked for.
        """
        self.answers = list(answers)
        (key,) = load_keys(path or self.path, ask_passphrase=self.ask)
        return key

    def failed(self, signer: Any) -> KeyUnusable:
        made = signer.sign(DATA, signer.algorithms[0])
        return self.failureResultOf(made, KeyUnusable).value

    def locked(self, form: str = "PEM") -> str:
        return self.key("ecdsa-sha2-nistp256", form=form, encrypted=True, public=False)

    def test_asked_late(self) -> None:
        """
        The passphrase is asked for when the key is to sign, and only once: not
        to load it, and not for a second signature.
        """
        os.remove(self.path + ".pub")
        key = self.asking(keygen.PASSPHRASE)
        key.blob(), key.sshType(), repr(key)
        self.assertEqual(self.asked, [])
        self.signature(key)
        self.signature(key)
        self.assertEqual(self.asked, [(self.path, 1)])

    def test_asked_late_beside(self) -> None:
        """
        So it is for PEM and PKCS#8, where there is a C{.pub} file.
        """
        for form in ("PEM", "PKCS8"):
            path = self.key("ecdsa-sha2-nistp256", form=form, encrypted=True)
            key = self.asking(keygen.PASSPHRASE, path=path)
            self.assertSigns(key, path)
        self.assertEqual(len(self.asked), 2)

    def test_three_tries(self) -> None:
        """
        A person has three tries.
        """
        key = self.asking("wrong", b"wrong as well", keygen.PASSPHRASE)
        self.assertSigns(key, self.path)
        self.assertEqual(self.asked, [(self.path, 1), (self.path, 2), (self.path, 3)])

    def test_no_fourth_try(self) -> None:
        """
        After the third, the key is given up; the error names the file.
        """
        error = self.failed(self.asking("wrong", "wrong", "wrong", keygen.PASSPHRASE))
        self.assertIsInstance(error, PassphraseWrong)
        self.assertEqual(str(error), f"{self.path}: the passphrase is wrong")
        self.assertEqual(len(self.asked), 3)

    def test_wrong_in_every_form(self) -> None:
        """
        A wrong passphrase is told as such in every form.
        """
        for form in keygen.FORMATS:
            path = self.key("ecdsa-sha2-nistp256", form=form, encrypted=True)
            (key,) = load_keys(path, passphrase="wrong")
            self.assertIsInstance(self.failed(key), PassphraseWrong)

    def test_declined(self) -> None:
        """
        C{None}, or nothing at all, is no passphrase, and no further question.
        """
        for nothing in (None, "", b""):
            error = self.failed(self.asking(nothing))
            self.assertEqual(
                error.problem, "it is encrypted and no passphrase was given"
            )
        self.assertEqual(len(self.asked), 3)

    def test_answers_of_every_kind(self) -> None:
        """
        The answer may be text, bytes, a Deferred or a coroutine of them.
        """

        async def coroutine() -> str:
            return keygen.PASSPHRASE

        for answer in (
            keygen.PASSPHRASE,
            keygen.PASSPHRASE.encode(),
            succeed(keygen.PASSPHRASE),
            coroutine(),
        ):
            self.assertSigns(self.asking(answer), self.path)

    def test_later(self) -> None:
        """
        The signature waits for the answer; two that wait are one question.
        """
        answer: Deferred[str] = Deferred()
        key = self.asking(answer)
        made = [key.sign(DATA, b"ssh-ed25519") for _ in range(2)]
        self.assertNoResult(made[0])
        answer.callback(keygen.PASSPHRASE)
        for one in made:
            self.assertTrue(public(self.path).verify(self.successResultOf(one), DATA))
        self.assertEqual(len(self.asked), 1)

    def test_cancelled(self) -> None:
        """
        Who does not wait for the signature any more cancels the question; the
        next signature asks again.
        """
        cancelled: list[object] = []
        answer: Deferred[str] = Deferred(cancelled.append)
        key = self.asking(answer, keygen.PASSPHRASE)
        made = key.sign(DATA, b"ssh-ed25519")
        made.cancel()
        self.failureResultOf(made, CancelledError)
        self.assertEqual(cancelled, [answer])
        self.assertSigns(key, self.path)

    def test_given(self) -> None:
        """
        C{passphrase} may be the passphrase, a function of the file's name, or
        an awaitable, of which every key has the answer.
        """

        async def coroutine() -> bytes:
            return keygen.PASSPHRASE.encode()

        other = self.key(encrypted=True, number=1)
        for passphrase in (
            keygen.PASSPHRASE,
            keygen.PASSPHRASE.encode(),
            lambda name: (
                {self.path: 0, other: 0}.get(name, keygen.PASSPHRASE)
                or (succeed(keygen.PASSPHRASE))
            ),
            succeed(keygen.PASSPHRASE),
            coroutine(),
        ):
            keys = load_keys([self.path, other], passphrase=passphrase)
            for key, path in zip(keys, (self.path, other), strict=True):
                self.assertSigns(key, path)

    def test_given_first(self) -> None:
        """
        A person is asked where the passphrase that was given is wrong.
        """
        self.answers = [keygen.PASSPHRASE]
        (key,) = load_keys(self.path, passphrase="wrong", ask_passphrase=self.ask)
        self.assertSigns(key, self.path)
        self.assertEqual(self.asked, [(self.path, 1)])

    def test_none_to_come(self) -> None:
        """
        Where there is nobody to ask, the key is loaded, for an agent may hold
        it as well; but its turn never comes, and the reason is told.
        """
        for path in (self.path, self.locked()):
            for passphrase in (None, "", b""):
                keys = load_keys(path, passphrase=passphrase)
                self.assertEqual(len(keys), 1)
                self.assertEqual(self.unlocked(keys), [])
                self.assertEqual(
                    [str(error) for error in keys.unusable],
                    [f"{path}: it is encrypted and no passphrase was given"],
                )

    def test_not_needed(self) -> None:
        """
        A passphrase for a key that has none is not used.
        """
        for form in keygen.FORMATS:
            path = self.key("ecdsa-sha2-nistp256", form=form)
            (key,) = load_keys(path, passphrase="x", ask_passphrase=self.ask)
            self.assertSigns(key, path)

    def test_raises(self) -> None:
        """
        The text of an error of the owner's, which may hold the passphrase, is
        not told.
        """
        for error in (ValueError("hunter2"), fail(ValueError("hunter2"))):
            self.assertEqual(
                self.failed(self.asking(error)).problem,
                "asking for its passphrase raised ValueError",
            )

    def test_wrong_type(self) -> None:
        """
        An answer that is no passphrase is told by its type.
        """
        (given,) = load_keys(self.path, passphrase=31337)
        for key in (given, self.asking(31337)):
            self.assertEqual(
                self.failed(key).problem,
                "its passphrase was given as int, not as text",
            )

    def test_surrogates(self) -> None:
        """
        Text that is not Unicode is a wrong passphrase like another.
        """
        error = self.failed(self.asking(*3 * ["hunter2\ud800"]))
        self.assertIsInstance(error, PassphraseWrong)

    def test_forget(self) -> None:
        """
        After L{Keys.forget}, a signature asks again.
        """
        self.answers = [keygen.PASSPHRASE] * 2
        keys = load_keys(self.path, ask_passphrase=self.ask)
        key = keys[0]
        self.signature(key)
        keys.forget()
        self.signature(key)
        self.assertEqual(len(self.asked), 2)

    def test_locked(self) -> None:
        """
        Where nothing tells the public half, the passphrase is asked for when
        the key's turn comes, and not again to sign.
        """
        for form in ("PEM", "PKCS8"):
            path = self.locked(form)
            self.answers = [keygen.PASSPHRASE]
            keys = load_keys([self.key(), path], ask_passphrase=self.ask)
            self.asked.clear()
            self.successResultOf(keys.take())
            self.assertEqual(self.asked, [])
            signer = self.successResultOf(keys.take())
            self.assertEqual(signer.source, "~/" + os.path.basename(path))
            self.key("ecdsa-sha2-nistp256", form=form, encrypted=True)
            self.assertSigns(signer, path)
            self.assertEqual(self.asked, [(path, 1)])

    def test_locked_and_given(self) -> None:
        """
        Where the passphrase is known, the key is not locked; where it is wrong,
        that is told at once, unless somebody may be asked.
        """
        path = self.locked()
        (key,) = load_keys(path, passphrase=keygen.PASSPHRASE)
        self.assertTrue(ISigner.providedBy(key))
        self.assertEqual(self.problem(path, passphrase="x"), "the passphrase is wrong")
        (key,) = load_keys(path, passphrase="x", ask_passphrase=self.ask)
        self.assertIsInstance(key, LockedKey)

    def test_locked_for_good(self) -> None:
        """
        A key that stays locked is left out with the reason, and the next one
        follows.
        """
        path, next_path = self.locked(), self.key()
        self.answers = [None]
        keys = load_keys([path, next_path], ask_passphrase=self.ask)
        self.assertSigns(self.successResultOf(keys.take()), next_path)
        self.assertIsNone(self.successResultOf(keys.take()))
        self.assertEqual(
            [str(error) for error in keys.unusable],
            [f"{path}: it is encrypted and no passphrase was given"],
        )

    def test_other_public_key(self) -> None:
        """
        A C{.pub} file of another key is told when the key is to sign.
        """
        path = self.key("ecdsa-sha2-nistp256", form="PEM", encrypted=True)
        os.replace(self.key() + ".pub", path + ".pub")
        error = self.failed(self.asking(keygen.PASSPHRASE, path=path))
        self.assertIn("the .pub file beside it belongs to another key", str(error))

    def test_useless_public_key(self) -> None:
        """
        A C{.pub} file that cannot be read, contradicts itself or has a key that
        no such file can be of is as if it were not there.
        """
        path = self.key("ecdsa-sha2-nistp256", form="PEM", encrypted=True)
        other = base64.b64encode(public(self.path).blob())
        token = base64.b64encode(string(b"sk-ssh-ed25519@openssh.com") + b"x")
        for content in (
            b"",
            b"# x\n",
            b"ssh-rsa",
            b"ssh-rsa AAAA",
            b"a b",
            b"\xff",
            b"ecdsa-sha2-nistp256 " + other,
            b"sk-ssh-ed25519@openssh.com " + token,
        ):
            FilePath(path + ".pub").setContent(content)
            self.assertIsInstance(self.asking(path=path), LockedKey)

    def test_content(self) -> None:
        """
        For content the question says C{given key}; no file is looked for.
        """
        content = FilePath(self.locked()).getContent()
        os.replace(self.key() + ".pub", self.home.child("given key.pub").path)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.home.path)
        key = self.asking(keygen.PASSPHRASE, path=content)
        self.assertIsInstance(key, LockedKey)
        self.successResultOf(key.unlock())
        self.assertEqual(self.asked, [("given key", 1)])

    def test_unknown_cipher(self) -> None:
        """
        A cipher that is not known is told by name, not as a wrong passphrase.
        """
        path = self.home.child("chacha").path
        keygen.ssh_keygen(
            *("-t", "ed25519", "-N", keygen.PASSPHRASE, "-a", "1"),
            *("-Z", "chacha20-poly1305@openssh.com", "-f", path),
        )
        error = self.failed(self.asking(keygen.PASSPHRASE, path=path))
        self.assertNotIsInstance(error, PassphraseWrong)
        self.assertIn("chacha20-poly1305", str(error))


class SecretTests(KeyTestCase):
    """
    What is shown of keys.
    """

    def test_repr(self) -> None:
        """
        No C{repr} holds a secret.
        """
        path = self.key("ssh-rsa")
        encrypted = self.key(encrypted=True)
        locked = self.key("ssh-rsa", form="PEM", encrypted=True, public=False)
        os.remove(path + ".pub")
        asked = {"ask_passphrase": lambda *asked: "x"}
        keys = load_keys([path, encrypted, locked], passphrase=lambda n: "", **asked)
        number = Key.fromFile(path).data()["d"]
        self.assertNotIn(str(number), repr(keys))
        for key, name in zip(keys, ("Key", "Encrypted", "Locked"), strict=True):
            self.assertIn(name, repr(key))
            self.assertIn("from ~/", repr(key))

"""
Tests for L{conch_auth.keys}, with keys made by C{ssh-keygen}.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key
from twisted.python.filepath import FilePath

from conch_auth._wire import string, uint32
from conch_auth.errors import KeyUnusable
from conch_auth.interfaces import ISigner
from conch_auth.keys import default_identities, load_keys
from tests import keygen
from tests.key_case import DATA, KeyTestCase, public


class FileTests(KeyTestCase):
    """
    Files of every type and form.
    """

    def test_every_type_and_form(self) -> None:
        """
        Each type of key is read in each form that C{ssh-keygen} writes.
        """
        for kind in keygen.types():
            for form in keygen.FORMATS:
                path = self.key(kind, form=form)
                (signer,) = load_keys(path)
                self.assertSigns(signer, path)

    def test_every_type_and_form_encrypted(self) -> None:
        """
        So it is where the key is encrypted.
        """
        for kind in keygen.types():
            for form in keygen.FORMATS:
                path = self.key(kind, form=form, encrypted=True)
                (signer,) = load_keys(path, passphrase=keygen.PASSPHRASE)
                self.assertSigns(signer, path)

    def test_text_around(self) -> None:
        """
        Text before and after a key, and other line ends, do not matter.
        """
        for form in keygen.FORMATS:
            path = self.key("ecdsa-sha2-nistp256", form=form)
            content = FilePath(path).getContent().replace(b"\n", b"\r\n")
            (signer,) = load_keys(b"Bag Attributes\r\n" + content + b"ssh-rsa AAAA")
            self.assertSigns(signer, path)

    def test_home(self) -> None:
        """
        C{~} is the home directory, in a path and in what people are shown.
        """
        self.key(name="my key")
        (signer,) = load_keys("~/my key")
        self.assertEqual(signer.source, "~/my key")

    def test_terminal(self) -> None:
        """
        A file's name cannot act on a terminal.
        """
        path = self.key(name="k\x1b[2J")
        (signer,) = load_keys(path)
        self.assertEqual(signer.source, "~/k\\x1b[2J")
        os.chmod(path, 0o644)
        error = self.assertRaises(KeyUnusable, load_keys, path)
        self.assertNotIn("\x1b", str(error))

    def test_exchanged_public_half(self) -> None:
        """
        A key that another public key was put on is not used.
        """
        lines = FilePath(self.key()).getContent().splitlines(keepends=True)
        other = FilePath(self.key(number=1)).getContent().splitlines(keepends=True)
        # The third line of three begins within the private half.
        mixed = b"".join([*other[:3], *lines[3:]])
        self.assertIn("damaged", self.problem(mixed))


class GivenTests(KeyTestCase):
    """
    What C{load_keys} takes.
    """

    def test_forms(self) -> None:
        """
        A path as text or as an object, the content of a file, a key of Conch's
        or of C{cryptography}'s and a signer are all the same key.
        """
        path = self.key()
        conch = Key.fromFile(path)
        (signer,) = load_keys(path)
        raw = ed25519.Ed25519PrivateKey.from_private_bytes(conch.data()["k"])
        home = "~/" + os.path.basename(path)
        for form, source in (
            (path, home),
            (Path(path), home),
            (FilePath(path), home),
            (FilePath(path).getContent(), "given key"),
            (conch, "given key"),
            (raw, "given key"),
            (signer, home),
        ):
            (found,) = load_keys(form)
            self.assertSigns(found, path)
            self.assertEqual(found.source, source)

    def test_several(self) -> None:
        """
        Several keys are given as a list; their order is kept.
        """
        paths = [self.key(number=number) for number in range(3)]
        keys = load_keys([paths[2], FilePath(paths[0]).getContent(), paths[1]])
        self.assertEqual(
            [key.blob() for key in keys],
            [public(paths[number]).blob() for number in (2, 0, 1)],
        )

    def test_none(self) -> None:
        """
        Nothing given is no key.
        """
        for nothing in (None, (), [], iter(())):
            self.assertEqual(load_keys(nothing), [])

    def test_loaded_before(self) -> None:
        """
        What was loaded may be given, keys that are locked included.
        """
        paths = [self.key(), self.key("ssh-rsa", form="PEM", encrypted=True)]
        os.remove(paths[1] + ".pub")
        keys = load_keys(paths, ask_passphrase=lambda *asked: keygen.PASSPHRASE)
        self.assertEqual(list(load_keys(keys)), list(keys))

    def test_kept_content(self) -> None:
        """
        Text that is a key's content is no file name, and is not repeated.
        """
        content = FilePath(self.key()).getContent().decode()
        error = self.assertRaises(KeyUnusable, load_keys, content)
        self.assertEqual(
            str(error),
            "given key: its content was given as text, which names a file; give bytes",
        )

    def test_no_key(self) -> None:
        """
        What is no key, or one that SSH has no use for, is told by its type.
        """
        for wrong, kind in (
            (7, "int"),
            (ed448.Ed448PrivateKey.generate(), "Ed448"),
            (ec.generate_private_key(ec.SECP256K1()), "EC"),
            (dsa.generate_private_key(2048), "DSA"),
            (Key.fromFile(self.key() + ".pub"), "public key"),
            (Key.fromFile(self.key()).public(), "public key"),
            (("a", "b", "c"), "tuple"),
        ):
            self.assertIn(kind, self.problem(wrong))

    def test_pair(self) -> None:
        """
        A key without a certificate may be given as a pair, too.
        """
        path = self.key()
        (signer,) = load_keys((path, None))
        self.assertSigns(signer, path)


class RefusalTests(KeyTestCase):
    """
    Files that cannot be used.
    """

    def test_missing(self) -> None:
        """
        A file that is not there is named.
        """
        path = self.home.child("missing").path
        error = self.assertRaises(KeyUnusable, load_keys, path)
        self.assertEqual(error.path, path)
        self.assertEqual(
            str(error), f"{path}: it cannot be read: No such file or directory"
        )

    def test_unreadable(self) -> None:
        """
        So is what is no file, or has no name that a file can have.
        """
        fifo = self.home.child("fifo").path
        os.mkfifo(fifo)
        self.assertEqual(self.problem(fifo), "it is not a regular file")
        self.assertEqual(
            self.problem(self.home.path), "it cannot be read: Is a directory"
        )
        self.assertEqual(self.problem("a\0b"), "it is no name that a file can have")

    def test_readable_by_others(self) -> None:
        """
        A private key that others may use is refused, with what to run.
        """
        path = self.key(name="it's mine")
        for mode in (0o640, 0o604, 0o620, 0o601):
            os.chmod(path, mode)
            self.assertEqual(
                self.problem(path),
                f"others may use this private key (mode {mode:04o}); "
                f"run: chmod 600 '{self.home.path}/it'\"'\"'s mine'",
            )
        os.chmod(path, 0o400)
        self.assertEqual(len(load_keys(path)), 1)

    def test_owned_by_another(self) -> None:
        """
        The mode of another user's file is that user's affair, as with OpenSSH.
        """
        path = self.key()
        os.chmod(path, 0o644)
        self.patch(os, "getuid", lambda: os.stat(path).st_uid + 1)
        self.assertEqual(len(load_keys(path)), 1)

    def test_public(self) -> None:
        """
        A public key that was given as a private one is told as such, in every
        form, whatever its mode.
        """
        path = self.key("ssh-rsa")
        key = Key.fromFile(path + ".pub")
        pem = (
            rsa.generate_private_key(65537, 2048)
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        rfc4716 = b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END ..."
        with_options = b'command="x" ' + key.toString("openssh")
        for content in (pem, rfc4716, with_options):
            self.assertIn("it holds a public key", self.problem(content))
        self.assertIn("it holds a public key", self.problem(path + ".pub"))

    def test_certificate(self) -> None:
        """
        So is a certificate.
        """
        path = self.ring.certify(self.key())
        self.assertIn("it holds a certificate", self.problem(path))

    def test_other_files(self) -> None:
        """
        What else a file may be is told, with what to do where there is that.
        """
        whole = FilePath(self.key()).getContent()
        for content, told in (
            (b"", "it is empty"),
            (b"\n \n", "it is empty"),
            (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"),
            (b"hello", "no private key in a known form"),
            (whole[:100], "it is cut short"),
            (whole[:90] + whole[200:], "damaged"),
            (whole.replace(b"b3BlbnNzaC1rZXktdjE", b"b3BlbnNzaC1rZXktdjI"), "damaged"),
        ):
            self.assertIn(told, self.problem(content))

    def test_long(self) -> None:
        """
        A file without end is not read to its end.
        """
        path = self.home.child("long")
        path.setContent(b"x" * (1024 * 1024 + 1))
        self.assertEqual(self.problem(path.path), "it is too long to be a key")

    def header(self, kind: bytes, number: int = 1) -> str:
        """
        The path of a file in OpenSSH's form that says it holds so many keys.
        """
        fields = (string(b"none"), string(b"none"), string(b""), uint32(number))
        blob = string(string(kind) + string(b"x" * 32))
        body = b"".join((b"openssh-key-v1\0", *fields, blob))
        path = self.home.child("header")
        path.setContent(
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
            + base64.encodebytes(body)
            + b"-----END OPENSSH PRIVATE KEY-----\n"
        )
        path.chmod(0o600)
        return path.path

    def test_security_key(self) -> None:
        """
        The file of a security key says that it signs through the agent.
        """
        path = self.header(b"sk-ssh-ed25519@openssh.com")
        self.assertEqual(
            self.problem(path),
            "it belongs to a security key, which signs through ssh-agent; "
            f"run: ssh-add {path}",
        )

    def test_other_kinds(self) -> None:
        """
        A file of several keys, or of a key of another kind, is told.
        """
        for kind, number, told in (
            (b"ssh-ed25519", 2, "it does not hold exactly one key"),
            (b"ssh-xmss\x1b", 1, "a key of this kind (ssh-xmss\\x1b) cannot be used"),
        ):
            self.assertIn(told, self.problem(self.header(kind, number)))

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300))
    def test_any_bytes(self, content: bytes) -> None:
        """
        Whatever a file holds, there is a key or L{KeyUnusable}.
        """
        self.assertRaises(KeyUnusable, load_keys, content)

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from(["OPENSSH ", "RSA ", "EC ", "DSA ", "ENCRYPTED ", ""]),
        st.binary(max_size=300),
    )
    def test_any_bytes_in_armour(self, label: str, body: bytes) -> None:
        """
        So it is where the bytes stand between the lines of a key.
        """
        content = (
            f"-----BEGIN {label}PRIVATE KEY-----\n".encode()
            + base64.encodebytes(body)
            + f"-----END {label}PRIVATE KEY-----\n".encode()
        )
        self.assertRaises(KeyUnusable, load_keys, content, passphrase="x")

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_damage(self, data: st.DataObject) -> None:
        """
        A key in which one byte was changed is a key or L{KeyUnusable}.
        """
        form = data.draw(st.sampled_from(sorted(keygen.FORMATS)))
        encrypted = data.draw(st.booleans())
        path = self.key("ecdsa-sha2-nistp256", form=form, encrypted=encrypted)
        content = bytearray(FilePath(path).getContent())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
        try:
            (key,) = load_keys(bytes(content), passphrase=keygen.PASSPHRASE)
        except KeyUnusable:
            return
        self.assertTrue(ISigner.providedBy(key))


class DefaultTests(KeyTestCase):
    """
    The keys that C{ssh} would find.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ssh = self.home.child(".ssh")
        self.ssh.makedirs()

    def identity(self, name: str, *arguments: Any, **options: Any) -> str:
        return self.ring.key(self.ssh, *arguments, name=name, **options)

    def test_order(self) -> None:
        """
        The names and the order are OpenSSH's; others are not looked for.
        """
        for name, kind in (
            ("id_ed25519", "ssh-ed25519"),
            ("id_dsa", "ecdsa-sha2-nistp384"),
            ("id_ecdsa", "ecdsa-sha2-nistp256"),
            ("id_rsa", "ssh-rsa"),
            ("id_other", "ssh-ed25519"),
        ):
            self.identity(name, kind)
        keys = default_identities()
        self.assertEqual(
            [key.source for key in keys],
            ["~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519", "~/.ssh/id_dsa"],
        )
        self.assertEqual(keys.unusable, [])

    def test_none(self) -> None:
        """
        Files that are not there are no errors, nor is a missing directory.
        """
        self.assertEqual(default_identities(), [])
        self.ssh.remove()
        keys = default_identities()
        self.assertEqual((keys, keys.unusable), ([], []))

    def test_unusable(self) -> None:
        """
        A file that cannot be used is left out, with the reason.
        """
        os.chmod(self.identity("id_rsa", "ssh-rsa"), 0o644)
        self.identity("id_ecdsa", "ecdsa-sha2-nistp256", encrypted=True)
        os.symlink("nowhere", self.ssh.child("id_dsa").path)
        good = self.identity("id_ed25519")
        keys = default_identities()
        (key,) = self.unlocked(keys)
        self.assertSigns(key, good)
        self.assertEqual(
            [os.path.basename(error.path) for error in keys.unusable],
            ["id_rsa", "id_dsa", "id_ecdsa"],
        )

    def test_encrypted(self) -> None:
        """
        Keys that are encrypted are offered where there is somebody to ask.
        """
        path = self.identity("id_rsa", "ssh-rsa", encrypted=True)
        keys = default_identities(ask_passphrase=lambda *asked: keygen.PASSPHRASE)
        self.assertSigns(keys[0], path)


class CryptographyFormTests(KeyTestCase):
    """
    Forms that C{ssh-keygen} does not write.
    """

    def test_ed25519_in_pkcs8(self) -> None:
        """
        Ed25519 in PKCS#8 (RFC 8410), as OpenSSL writes it.
        """
        key = ed25519.Ed25519PrivateKey.generate()
        for encryption in (NoEncryption(), BestAvailableEncryption(b"secret")):
            content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
            (signer,) = load_keys(content, passphrase="secret")
            self.assertEqual(signer.blob(), Key(key).blob())
            self.assertTrue(Key(key).public().verify(self.signature(signer), DATA))

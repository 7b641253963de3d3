"""
What the tests of L{conch_auth.keys} have in common.
"""

from __future__ import annotations

import os
from typing import Any
from unittest import SkipTest

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._wire import Reader
from conch_auth.algorithms import signature_algorithms
from conch_auth.errors import KeyUnusable
from conch_auth.interfaces import ISigner
from conch_auth.keys import Keys, load_keys
from tests import keygen

DATA = b"what is signed"


def public(path: str) -> Key:
    return Key.fromFile(path + ".pub")


class KeyTestCase(SynchronousTestCase):
    """
    A directory for keys, and ways to look at what was loaded.
    """

    def setUp(self) -> None:
        if not keygen.has_ssh_keygen():
            raise SkipTest("there is no ssh-keygen")
        self.ring = keygen.KeyRing("keys-for-tests")
        self.home = FilePath(self.mktemp())
        self.home.makedirs()
        self.patch(os, "environ", {**os.environ, "HOME": self.home.path})

    def tearDown(self) -> None:
        # Reading DSA keys warns that they are old.
        self.flushWarnings()

    def key(self, *arguments: Any, **options: Any) -> str:
        return self.ring.key(self.home, *arguments, **options)

    def unlocked(self, keys: Keys) -> list[Any]:
        """
        Every key that C{keys} gives.
        """
        found: list[Any] = []
        while (key := self.successResultOf(keys.take())) is not None:
            found.append(key)
        return found

    def signature(self, signer: Any, algorithm: bytes | None = None) -> bytes:
        made = signer.sign(DATA, algorithm or signer.algorithms[0])
        return self.successResultOf(made) if isinstance(made, Deferred) else made

    def assertSigns(self, signer: Any, path: str) -> None:
        """
        C{signer} offers the key at C{path}, and makes each of its signatures.
        """
        self.assertTrue(ISigner.providedBy(signer))
        key = public(path)
        self.assertEqual(signer.blob(), key.blob())
        self.assertEqual(signer.sshType(), key.sshType())
        self.assertEqual(signer.algorithms, signature_algorithms(key.sshType()))
        for algorithm in signer.algorithms:
            made = self.signature(signer, algorithm)
            self.assertTrue(key.verify(made, DATA))
            self.assertEqual(Reader(made, "").string(), algorithm)

    def problem(self, given: Any, **options: Any) -> str:
        """
        Why C{given} cannot be loaded.
        """
        return self.assertRaises(KeyUnusable, load_keys, given, **options).words

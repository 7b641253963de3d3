"""
L{conch_auth.keys} before OpenSSH's sshd.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import inlineCallbacks
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SkipTest, TestCase

from conch_auth.endpoints import connect
from conch_auth.knownhosts import insecure_accept_any
from tests import keygen
from tests.peers.sshd import User, machine


class OpenSSHTests(TestCase):
    """
    What sshd says to the keys that were loaded.
    """

    def setUp(self) -> None:
        if not keygen.has_ssh_keygen():
            raise SkipTest("there is no ssh-keygen")
        self.machine = machine([User("somebody")])
        self.ring = keygen.KeyRing("keys-for-tests")
        self.home = FilePath(self.mktemp())
        self.home.makedirs()

    def tearDown(self) -> None:
        # Reading DSA keys warns that they are old.
        self.flushWarnings()

    def serve(self, config: str = "") -> Any:
        if "ssh-dss" in keygen.types():
            config += "PubkeyAcceptedAlgorithms +ssh-dss\n"
        server = self.machine.sshd(config)
        self.addCleanup(server.stop)
        return server

    @inlineCallbacks
    def log_in(self, server: Any, *keys: Any, **options: Any) -> Any:
        """
        The last attempt of a login that succeeds.
        """
        connection = yield connect(
            "127.0.0.1",
            server.port,
            username="somebody",
            client_keys=list(keys),
            agent_path=None,
            preferred_auth="publickey",
            known_hosts=insecure_accept_any(),
            **options,
        )
        connection.close()
        yield connection.wait_closed()
        return connection.report.attempts[-1]

    @inlineCallbacks
    def test_every_type(self) -> Any:
        """
        Every type of key logs in, encrypted or not.
        """
        server = self.serve()
        for kind in keygen.types():
            for encrypted in (False, True):
                path = self.ring.key(self.home, kind, encrypted=encrypted)
                server.authorize("somebody", Key.fromFile(path + ".pub"))
                attempt = yield self.log_in(server, path, passphrase=keygen.PASSPHRASE)
                self.assertEqual(attempt.outcome, "accepted")
                self.assertEqual(attempt.source, path)

    @inlineCallbacks
    def test_every_type_of_certificate(self) -> Any:
        """
        So does every type of certificate, where the key itself would not.
        """
        certified = {kind: self.ring.key(self.home, kind) for kind in keygen.types()}
        # Nothing that reads certificates knows DSA any more.
        certified.pop("ssh-dss", None)
        for path in certified.values():
            self.ring.certify(path)
        server = self.serve()
        authority = self.ring.key(self.home, name="authority", number=9)
        public = FilePath(authority + ".pub").getContent().decode()
        server.authorize("somebody", f"cert-authority {public.strip()}")
        for kind, path in certified.items():
            attempt = yield self.log_in(server, path)
            self.assertEqual(attempt.outcome, "accepted")
            self.assertEqual(attempt.source, path + "-cert.pub")
            self.assertEqual(attempt.key.type, kind + "-cert-v01@openssh.com")

    @inlineCallbacks
    def test_locked(self) -> Any:
        """
        A key whose public half was not known before logs in, after the one that
        sshd does not know.
        """
        path = self.ring.key(self.home, "ssh-rsa", form="PEM", encrypted=True)
        server = self.serve()
        server.authorize("somebody", Key.fromFile(path + ".pub"))
        os.remove(path + ".pub")
        attempt = yield self.log_in(
            server,
            self.ring.key(self.home),
            path,
            passphrase=lambda name: keygen.PASSPHRASE,
        )
        self.assertEqual(attempt.algorithm, "rsa-sha2-512")

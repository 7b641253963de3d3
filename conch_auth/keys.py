"""
Private keys and their certificates, from wherever users have them.

L{load_keys} takes what an application gives, L{default_identities} what
C{ssh} would find by itself.  Both give signers in the order in which to offer
them.

A key that is encrypted is offered by its public half; its passphrase is asked
for when it is to sign.  From then on the decrypted key is kept, for the login
may want a second signature (of the certificate and of the plain key, say),
until L{Keys.forget}, or for as long as the L{Keys} are: load them anew for each
login.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred

from conch_auth import _keyfiles
from conch_auth._keyfiles import PrivateKeyText, expanded, shown
from conch_auth._keyforms import (
    GIVEN_KEY,
    GivenCertificate,
    found_certificate,
    found_key,
    key_and_certificate,
    several,
)
from conch_auth._signers import (
    EncryptedKey,
    EncryptedSigner,
    KeySigner,
    Passphrases,
    problem_of,
)
from conch_auth.certificates import (
    Certificate,
    CertificateProblem,
    check_own_host_certificate,
    check_user_certificate,
)
from conch_auth.errors import KeyUnusable, PassphraseWrong
from conch_auth.interfaces import ISigner

#: The files that OpenSSH looks for in C{~/.ssh}, in its order: that of 9.2 and
#: of 10, less XMSS.  Releases from 10 on leave out the last.
IDENTITIES = (
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_dsa",
)


class LockedKey:
    """
    An encrypted key whose public half is not known before its passphrase is:
    PEM or PKCS#8 without a C{.pub} file.

    @ivar source: where the key came from, in words.
    """

    def __init__(
        self, source: str, unlock: Callable[[], Deferred[list[ISigner]]]
    ) -> None:
        self.source = source
        self._unlock = unlock

    def __repr__(self) -> str:
        return f"<LockedKey from {self.source}>"

    def unlock(self) -> Deferred[list[ISigner]]:
        """
        Ask for the passphrase.

        @return: the signers to put in the place of this, or L{KeyUnusable}.
        """
        return self._unlock()


class Keys(list[ISigner | LockedKey]):
    """
    Keys in the order in which to offer them.

    @ivar unusable: why keys and certificates were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unusable: list[KeyUnusable] = []
        self._encrypted: list[EncryptedKey] = []

    def take(self) -> Deferred[ISigner | None]:
        """
        Remove the first key that can be used.  The passphrase of a L{LockedKey}
        is asked for; where there is none to come, for this or any other key
        that is encrypted, the reason goes to L{unusable}.

        @return: the key; C{None} where there is no more.
        """
        return Deferred.fromCoroutine(self._take())

    async def _take(self) -> ISigner | None:
        while self:
            key = self.pop(0)
            if isinstance(key, LockedKey):
                await self._unlock(key)
            elif problem := problem_of(key):
                self.unusable.append(problem)
            else:
                return key
        return None

    async def _unlock(self, key: LockedKey) -> None:
        try:
            self[:0] = await key.unlock()
        except KeyUnusable as error:
            self.unusable.append(error)

    def forget(self) -> None:
        """
        Drop every key that was decrypted.  Its signer would have to ask again.
        """
        for key in self._encrypted:
            key.forget()

    def close(self) -> None:
        """
        Drop every key that was decrypted, and what could decrypt one again.
        """
        self.forget()
        for key in self._encrypted:
            key.forget_passphrases()


def load_keys(
    given: Any,
    *,
    passphrase: Any = None,
    ask_passphrase: Callable[[str, int], Any] | None = None,
    certificates: Any = (),
    now: float | None = None,
    strict: bool = True,
) -> Keys:
    """
    The signers of private keys, in the order in which OpenSSH offers them: of
    C{certificates}; then for each key its own certificate where one was given
    with it, the plain key, and the certificate in the C{-cert.pub} file beside
    it, which is looked for only where none was given.

    A certificate that is of no use is left out, and L{Keys.unusable} says why.
    A key that is encrypted is there, even where no passphrase is to come: an
    agent may hold it as well.

    @param given: one of these or several: the path of a file; C{bytes},
        the content of one; a Conch C{Key}; a private key of C{cryptography};
        an L{ISigner}, such as a key in an agent; what this function returned;
        or a tuple of one of these and its certificate.
    @param passphrase: text or bytes; or a function of the file's name, or an
        awaitable, that gives them.  An empty one, or C{None}, is none.
    @param ask_passphrase: asked with the file's name and the number of the try,
        from 1 to 3, where C{passphrase} does not do.  It may return a Deferred
        or a coroutine; C{None} gives the key up.
    @param certificates: one of these or several: the path of a file; C{bytes},
        the content of one; a L{Certificate}; a certificate of C{cryptography}.
    @param now: seconds since 1970-01-01 UTC, at which certificates are judged.
    @param strict: with C{False}, L{Keys.unusable} also says which keys cannot
        be used.
    @raise KeyUnusable: where C{strict} and a key cannot be used; it names the
        file.
    """
    loader = _Loader(Passphrases(passphrase, ask_passphrase), certificates, now)
    return loader.load(given, strict)


def load_host_keys(
    given: Any,
    *,
    passphrase: Any = None,
    certificates: Any = (),
    now: float | None = None,
    strict: bool = True,
) -> Keys:
    """
    The signers of this host's own keys, by which it vouches for its users
    (hostbased, RFC 4252, section 9), as L{load_keys} gives those of a user.
    The certificates are a host's.
    """
    loader = _Loader(
        Passphrases(passphrase), certificates, now, check_own_host_certificate
    )
    return loader.load(given, strict)


def default_identities(
    *,
    passphrase: Any = None,
    ask_passphrase: Callable[[str, int], Any] | None = None,
    certificates: Any = (),
    now: float | None = None,
) -> Keys:
    """
    The signers of the keys in C{~/.ssh} that C{ssh} would offer, as L{load_keys}
    gives them.  A file that is not there is no error; one that cannot be used
    is told in L{Keys.unusable}.
    """
    loader = _Loader(Passphrases(passphrase, ask_passphrase), certificates, now)
    for name in IDENTITIES:
        path = expanded(os.path.join("~", ".ssh", name))
        if os.path.lexists(path):
            loader.try_to_add(path)
    return loader.loaded()


class _Loader:
    """
    Brings keys and certificates together.
    """

    def __init__(
        self,
        passphrases: Passphrases,
        certificates: Any,
        now: float | None,
        check: Callable[
            [Certificate, float], CertificateProblem | None
        ] = check_user_certificate,
    ) -> None:
        self._keys = Keys()
        self._check = check
        self._passphrases = passphrases
        self._now = time.time() if now is None else now
        given = list(several(certificates, ()))
        self._beside = not given
        self._given = [found for one in given if (found := self._certificate(one))]
        self._plain: list[ISigner] = []

    def load(self, given: Any, strict: bool) -> Keys:
        """
        @raise KeyUnusable: where C{strict} and a key cannot be used.
        """
        for item in several(given):
            if strict:
                self.add(item)
            else:
                self.try_to_add(item)
        return self.loaded()

    def add(self, item: Any) -> None:
        """
        @raise KeyUnusable: where the key cannot be used.
        """
        given, certificate = key_and_certificate(item)
        if isinstance(given, LockedKey):
            self._keys.append(given)
            return
        path, key = found_key(given)
        if not isinstance(key, PrivateKeyText):
            self._add_signer(key, path, certificate)
        elif key.encrypted:
            self._add_encrypted(key, certificate)
        else:
            self._add_signer(KeySigner(key.decoded(), shown(path)), path, certificate)

    def try_to_add(self, item: Any) -> None:
        try:
            self.add(item)
        except KeyUnusable as error:
            self._keys.unusable.append(error)

    def loaded(self) -> Keys:
        """
        What was added, behind the certificates that were given.
        """
        # A certificate that is left over may be that of a locked key.
        if not any(isinstance(key, LockedKey) for key in self._keys):
            self._keys.unusable += self._left_over()
        self._keys[:0] = self._certified(self._plain)
        return self._keys

    def _left_over(self) -> list[KeyUnusable]:
        blobs = [signer.blob() for signer in self._plain]
        return [
            KeyUnusable(
                found.path,
                "it certifies none of the keys",
                "certificate-of-another-key",
            )
            for found in self._given
            if not any(map(found.certificate.certifies, blobs))
        ]

    def _add_signer(self, plain: ISigner, path: str, certificate: Any) -> None:
        self._plain.append(plain)
        self._keys += self._with_own(plain, path, certificate)

    def _add_encrypted(self, content: PrivateKeyText, certificate: Any) -> None:
        path = content.path
        key = EncryptedKey(content, self._passphrases)
        self._keys._encrypted.append(key)

        def signer(blob: bytes) -> ISigner:
            return EncryptedSigner(blob, shown(path), path, key)

        def unlocked(private: Key) -> list[ISigner]:
            plain = signer(private.blob())
            own = self._with_own(plain, path, certificate)
            return [*self._certified([plain]), *own]

        blob = self._public_half(content)
        if blob is not None:
            self._add_signer(signer(blob), path, certificate)
        else:
            self._keys.append(
                LockedKey(shown(path), lambda: key.decrypted().addCallback(unlocked))
            )

    def _public_half(self, content: PrivateKeyText) -> bytes | None:
        """
        What an encrypted key is offered by, where nobody need be asked for it.
        """
        blob = content.public_blob
        if blob is None and content.path != GIVEN_KEY:
            blob = _keyfiles.public_blob_beside(content.path)
        constant = self._passphrases.constant
        if blob is not None or constant is None:
            return blob
        try:
            blob = content.decoded(constant).blob()
        except PassphraseWrong:
            if not self._passphrases.may_ask:
                raise
        return blob

    def _with_own(self, plain: ISigner, path: str, given: Any) -> list[ISigner]:
        """
        A plain key and the certificates that belong to it alone.
        """
        if given is not None:
            return [*self._certificates_of(plain, given), plain]
        beside = path + "-cert.pub"
        if self._beside and path != GIVEN_KEY and os.path.lexists(beside):
            return [plain, *self._certificates_of(plain, beside)]
        return [plain]

    def _certificates_of(self, plain: ISigner, given: Any) -> list[ISigner]:
        found = self._certificate(given)
        if found is None:
            return []
        if not found.certificate.certifies(plain.blob()):
            problem = f"it certifies another key than that of {plain.source}"
            self._keys.unusable.append(
                KeyUnusable(found.path, problem, "certificate-of-another-key")
            )
            return []
        return [found.by(plain)]

    def _certified(self, plain: list[ISigner]) -> Iterator[ISigner]:
        """
        The certificates that were given for any of these keys.
        """
        for found in self._given:
            for signer in plain:
                if found.certificate.certifies(signer.blob()):
                    yield found.by(signer)
                    break

    def _certificate(self, given: Any) -> GivenCertificate | None:
        try:
            found = found_certificate(given)
            problem = self._check(found.certificate, self._now)
            if problem is not None:
                raise KeyUnusable(found.path, problem, problem.cause)
        except KeyUnusable as error:
            self._keys.unusable.append(error)
            return None
        return found

"""
Private keys that sign: in memory, behind a passphrase, or with a certificate.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from zope.interface import implementer

from conch_auth._awaiting import as_deferred
from conch_auth._frames import drop_frames
from conch_auth._keyfiles import PrivateKeyText
from conch_auth.algorithms import signature_algorithms
from conch_auth.certificates import (
    Certificate,
    certificate_algorithm,
    key_type,
    plain_algorithm,
)
from conch_auth.display import fingerprint, printable, text
from conch_auth.errors import KeyUnusable, PassphraseWrong
from conch_auth.interfaces import ISigner

#: How often a person is asked for the passphrase of one key (OpenSSH's
#: NumberOfPasswordPrompts).
MAX_TRIES = 3

NOT_GIVEN = "it is encrypted and no passphrase was given"


class Signer:
    """
    What signers have in common: a public half, and where it came from.

    @ivar in_memory: whether it signs in the very call, without a person, an agent
        or a token.
    """

    in_memory = False

    def __init__(self, blob: bytes, source: str) -> None:
        self._blob = blob
        self.source = source
        self.algorithms = signature_algorithms(key_type(blob))

    def sshType(self) -> bytes:
        """
        The key's type, the first field of L{blob}.
        """
        return key_type(self._blob)

    def blob(self) -> bytes:
        """
        The public key as it is sent.
        """
        return self._blob

    def __repr__(self) -> str:
        kind = printable(text(self.sshType()))
        return (
            f"<{type(self).__name__} {kind} {fingerprint(self._blob)} "
            f"from {self.source}>"
        )


@implementer(ISigner)
class KeySigner(Signer):
    """
    A private key in memory.
    """

    in_memory = True

    def __init__(self, key: Key, source: str) -> None:
        super().__init__(key.blob(), source)
        self._key = key

    def sign(self, data: bytes, algorithm: bytes) -> bytes:
        """
        The signature (RFC 4253, section 6.6; RFC 8332, section 3).
        """
        return self._key.sign(data, algorithm)


class EncryptedKey:
    """
    A private key that needs a passphrase.

    Once decrypted it is kept, so that a second signature of the same login is
    no second question, until L{forget} is called.
    """

    def __init__(self, content: PrivateKeyText, passphrases: Passphrases) -> None:
        self._text = content
        self._passphrases = passphrases
        self._key: Key | None = None
        # Two signatures that are wanted at once are one question.
        self._turn = DeferredLock()

    def decrypted(self) -> Deferred[Key]:
        """
        The private key, once its passphrase was given; or L{KeyUnusable}.
        """
        decrypted: Deferred[Key] = self._turn.run(
            lambda: Deferred.fromCoroutine(self._decrypt())
        )
        return decrypted.addErrback(drop_frames)

    def problem(self) -> KeyUnusable | None:
        """
        What keeps the key from ever being decrypted, as far as that is known.
        """
        if self._key is None and self._passphrases.none:
            return KeyUnusable(self._text.path, NOT_GIVEN, "passphrase-missing")
        return None

    def forget(self) -> None:
        """
        Drop the decrypted key.
        """
        self._key = None

    def forget_passphrases(self) -> None:
        """
        Drop what could decrypt it again.
        """
        self._passphrases.forget()

    async def _decrypt(self) -> Key:
        if self._key is None:
            self._key = await self._try_passphrases()
        return self._key

    async def _try_passphrases(self) -> Key:
        path = self._text.path
        wrong = KeyUnusable(path, NOT_GIVEN, "passphrase-missing")
        for question in self._passphrases.for_key(path):
            passphrase = await _answer(question, path)
            if passphrase is None:
                break
            try:
                return self._text.decoded(passphrase)
            except PassphraseWrong as error:
                wrong = error
        raise wrong


@implementer(ISigner)
class EncryptedSigner(Signer):
    """
    A private key whose passphrase is asked for when it is to sign.
    """

    def __init__(self, blob: bytes, source: str, path: str, key: EncryptedKey) -> None:
        super().__init__(blob, source)
        self._path = path
        self._key = key

    def problem(self) -> KeyUnusable | None:
        """
        What keeps the key from ever signing, as far as that is known.
        """
        return self._key.problem()

    def sign(self, data: bytes, algorithm: bytes) -> Deferred[bytes]:
        """
        The signature, once the key was decrypted; or L{KeyUnusable}.
        """
        return self._key.decrypted().addCallback(self._sign, data, algorithm)

    def _sign(self, key: Key, data: bytes, algorithm: bytes) -> bytes:
        if key.blob() != self._blob:
            raise KeyUnusable(
                self._path,
                "the .pub file beside it belongs to another key",
                "public-half-wrong",
                "run: ssh-keygen -y -f FILE > FILE.pub",
            )
        return key.sign(data, algorithm)


@implementer(ISigner)
class CertifiedSigner(Signer):
    """
    A signer that shows a certificate of its key (PROTOCOL.certkeys).

    @ivar certificate: the L{Certificate<conch_auth.certificates.Certificate>}.
    @ivar signer: the signer of the plain key.
    """

    def __init__(self, signer: ISigner, certificate: Certificate, source: str) -> None:
        super().__init__(certificate.blob, source)
        self.algorithms = tuple(map(certificate_algorithm, signer.algorithms))
        self.in_memory = getattr(signer, "in_memory", False)
        self.certificate = certificate
        self.signer = signer

    def sign(self, data: bytes, algorithm: bytes) -> Any:
        """
        The signature of the plain key, which names the plain algorithm.
        """
        return self.signer.sign(data, plain_algorithm(algorithm))


def problem_of(signer: ISigner) -> KeyUnusable | None:
    """
    What keeps a signer from ever signing, as far as that is known.
    """
    if isinstance(signer, EncryptedSigner):
        return signer.problem()
    if isinstance(signer, CertifiedSigner):
        problem = problem_of(signer.signer)
        return problem and KeyUnusable(
            signer.source, f"its key: {problem.problem}", problem.cause
        )
    return None


class Passphrases:
    """
    Where the passphrases of keys come from.

    @param passphrase: text or bytes; a function of the file's name that gives
        them; or an awaitable of them.
    @param ask: a function of the file's name and the number of the try, from 1,
        that asks a person.
    @ivar constant: the passphrase, where it is known from the beginning.
    """

    def __init__(
        self, passphrase: object = None, ask: Callable[..., object] | None = None
    ) -> None:
        self.constant: bytes | None = None
        self._given: Callable[[str], object] | None = None
        self._ask = ask
        if inspect.isawaitable(passphrase):
            self._given = _Awaited(passphrase)
        elif callable(passphrase):
            self._given = passphrase
        elif passphrase:
            self._given = lambda _path: passphrase
            if isinstance(passphrase, str | bytes):
                self.constant = _as_bytes(passphrase)

    def forget(self) -> None:
        """
        From now on there is none.
        """
        self.constant = self._given = self._ask = None

    @property
    def may_ask(self) -> bool:
        """
        Whether a person may be asked.
        """
        return self._ask is not None

    @property
    def none(self) -> bool:
        """
        Whether there can be no passphrase at all.
        """
        return self._given is None and self._ask is None

    def for_key(self, path: str) -> Iterator[Callable[[], object]]:
        """
        The questions that may give the passphrase of a key, in order.
        """
        if self._given is not None:
            yield partial(self._given, path)
        if self._ask is not None:
            for attempt in range(1, MAX_TRIES + 1):
                yield partial(self._ask, path, attempt)


class _Awaited:
    """
    The passphrase that an awaitable gives, for as many keys as need it.
    """

    def __init__(self, awaitable: Awaitable[object]) -> None:
        self._awaitable: Awaitable[object] | None = awaitable
        self._passphrase: object = None
        self._turn = DeferredLock()

    def __call__(self, path: str) -> Deferred[object]:
        given: Deferred[object] = self._turn.run(
            lambda: Deferred.fromCoroutine(self._once())
        )
        return given

    async def _once(self) -> object:
        awaitable = self._awaitable
        if awaitable is not None:
            self._passphrase = await as_deferred(lambda: awaitable)
            self._awaitable = None
        return self._passphrase


async def _answer(question: Callable[[], object], path: str) -> bytes | None:
    """
    The passphrase that C{question} gives.  An error of the owner's is told by
    its type alone, since its text may hold the passphrase.
    """
    try:
        answer = await as_deferred(question)
    except (CancelledError, KeyUnusable):
        raise
    except Exception as error:
        raise KeyUnusable(
            path,
            f"asking for its passphrase raised {type(error).__name__}",
            "hook-raised",
        ) from None
    if not answer:
        return None
    if isinstance(answer, str | bytes):
        return _as_bytes(answer)
    raise KeyUnusable(
        path,
        f"its passphrase was given as {type(answer).__name__}, not as text",
        "answer-unusable",
    )


def _as_bytes(passphrase: str | bytes) -> bytes:
    if isinstance(passphrase, bytes):
        return passphrase
    # An error of the codec would hold the passphrase.
    return passphrase.encode("utf-8", "surrogatepass")

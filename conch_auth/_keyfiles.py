"""
Files that hold keys and certificates: what they are, and what is wrong with
them.

Private keys are read in OpenSSH's own form (PROTOCOL.key), in PEM (PKCS#1,
SEC1 and OpenSSL's DSA) and in PKCS#8 (RFC 5208, RFC 5958).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shlex
import stat
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)
from twisted.conch.ssh.keys import Key

from conch_auth._wire import Reader
from conch_auth.certificates import key_type
from conch_auth.display import printable, text
from conch_auth.errors import KeyUnusable, MalformedMessage, PassphraseWrong

#: The most bytes of a key file that are read, as in OpenSSH.
MAX_FILE = 1024 * 1024

_BEGIN = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ )*)PRIVATE KEY-----")
_PUBLIC = re.compile(
    rb"(?:ssh-|ecdsa-sha2-|sk-)[!-~]+[ \t]+AAAA|-- ?BEGIN .*PUBLIC KEY"
)
_CERTIFICATE_LINE = re.compile(rb"[!-~]+-cert-v01@openssh\.com[ \t]+AAAA")
#: The beginning of a decoded key in OpenSSH's form.
_MAGIC = b"openssh-key-v1\0"

#: What a private key in a file may be.  Conch signs with these by itself.
_TYPES = frozenset(
    {
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        b"ssh-rsa",
        b"ssh-dss",
    }
)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def expanded(path: str) -> str:
    """
    The file that C{path} names; C{~} stands for the home directory.
    """
    return os.path.expanduser(path)


def shown(path: str) -> str:
    """
    A path as people write it, with C{~} for the home directory.
    """
    home = os.path.expanduser("~").rstrip("/") + "/"
    if len(home) > 1 and path.startswith(home):
        path = "~/" + path[len(home) :]
    return printable(path)


def read(path: str) -> tuple[bytes, os.stat_result]:
    """
    What a file holds, and what was true of it meanwhile.

    @raise KeyUnusable: where it cannot be read.
    """
    try:
        # A pipe that nobody writes to must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise KeyUnusable(path, "it is not a regular file", "key-unreadable")
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise KeyUnusable(
            path,
            f"it cannot be read: {error.strerror or type(error).__name__}",
            "key-missing" if missing else "key-unreadable",
        ) from None
    except ValueError:
        problem = "it is no name that a file can have"
        raise KeyUnusable(path, problem, "key-missing") from None
    if len(content) > MAX_FILE:
        raise KeyUnusable(path, "it is too long to be a key", "key-not-private")
    return content, found


@dataclass(frozen=True)
class PrivateKeyText:
    """
    A private key as a file holds it.

    @ivar path: the file, or words for where it came from.
    @ivar label: what stands before C{PRIVATE KEY} in its first line.
    @ivar encrypted: whether a passphrase is needed.
    @ivar public_blob: the public key, where it can be read without one.
    """

    path: str
    label: bytes
    pem: bytes = field(repr=False)
    encrypted: bool
    public_blob: bytes | None = field(repr=False)

    @classmethod
    def read(cls, path: str) -> PrivateKeyText:
        """
        @raise KeyUnusable: where the file holds no private key, or where others
            may read it.
        """
        content, found = read(path)
        self = cls.parse(content, path)
        # As OpenSSH: another owner's file is that owner's to protect.
        if found.st_uid == os.getuid() and found.st_mode & 0o077:
            raise KeyUnusable(
                path,
                f"others may use this private key (mode {found.st_mode & 0o777:04o})",
                "key-exposed",
                f"run: chmod 600 {printable(shlex.quote(path))}",
            )
        return self

    @classmethod
    def parse(cls, content: bytes, path: str) -> PrivateKeyText:
        """
        @raise KeyUnusable: where C{content} holds no private key.
        """
        begin = _BEGIN.search(content)
        if begin is None:
            raise _not_private(path, content)
        ending = b"-----END " + begin[1] + b"PRIVATE KEY-----"
        end = content.find(ending, begin.end())
        if end < 0:
            raise KeyUnusable(
                path, "it is cut short: the last line is missing", "key-damaged"
            )
        pem = content[begin.start() : end + len(ending)] + b"\n"
        label = begin[1].strip()
        if label == b"OPENSSH":
            encrypted, blob = _header(content[begin.end() : end], path)
            return cls(path, label, pem, encrypted, blob)
        encrypted = label == b"ENCRYPTED" or b"Proc-Type: 4,ENCRYPTED" in pem
        return cls(path, label, pem, encrypted, None)

    def decoded(self, passphrase: bytes | None = None) -> Key:
        """
        The private key.

        @param passphrase: what it is encrypted with; C{None} where it is not.
        @raise PassphraseWrong: where that is not the passphrase.
        @raise KeyUnusable: where the key cannot be used.
        """
        openssh = self.label == b"OPENSSH"
        load = load_ssh_private_key if openssh else load_pem_private_key
        try:
            private = load(self.pem, passphrase)
        # The latter for a compressed point.
        except (UnsupportedAlgorithm, NotImplementedError) as error:
            raise KeyUnusable(
                self.path, f"it cannot be read: {printable(str(error), limit=200)}"
            ) from None
        # What the library says of the content is not repeated: it may be secret.
        # It lets escape whatever it meets, InternalError and InvalidTag too.
        except Exception:
            if self.encrypted:
                raise PassphraseWrong(self.path, "the passphrase is wrong") from None
            raise _damaged(self.path) from None
        return conch_key(private, self.path)


def _damaged(path: str) -> KeyUnusable:
    return KeyUnusable(
        path,
        "the private key is damaged",
        "key-damaged",
        "ssh-keygen -y -f FILE tells whether it is",
    )


def conch_key(private: object, path: str) -> Key:
    """
    A private key of C{cryptography} as one of Conch's.

    @raise KeyUnusable: where SSH has no use for keys of its kind.
    """
    usable = (
        isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey)
        or (
            isinstance(private, ec.EllipticCurvePrivateKey)
            and isinstance(private.curve, _CURVES)
        )
        # RFC 4253, section 6.6: a signature holds two numbers of 160 bits.
        or (
            isinstance(private, dsa.DSAPrivateKey)
            and private.parameters().parameter_numbers().q.bit_length() == 160
        )
    )
    if not usable:
        kind = type(private).__name__.removesuffix("PrivateKey")
        raise KeyUnusable(path, f"a key of this kind ({kind}) cannot be used in SSH")
    return Key(private)


def _header(armoured: bytes, path: str) -> tuple[bool, bytes]:
    """
    Whether a key in OpenSSH's form is encrypted, and its public half, which is
    not (PROTOCOL.key, section 1).
    """
    try:
        reader = Reader(binascii.a2b_base64(armoured), "key")
        if reader.take(len(_MAGIC)) != _MAGIC:
            raise _damaged(path)
        cipher = reader.string()
        reader.string()
        reader.string()
        if reader.uint32() != 1:
            raise KeyUnusable(path, "it does not hold exactly one key")
        blob = reader.string()
        Reader(blob, "public key").string()
    except (ValueError, MalformedMessage):
        raise _damaged(path) from None
    kind = key_type(blob)
    if kind.startswith(b"sk-"):
        raise KeyUnusable(
            path,
            "it belongs to a security key, which signs through ssh-agent",
            "key-needs-agent",
            f"run: ssh-add {printable(shlex.quote(path))}",
        )
    if kind not in _TYPES:
        named = printable(text(kind), limit=64)
        raise KeyUnusable(path, f"a key of this kind ({named}) cannot be used here")
    return cipher != b"none", blob


def _not_private(path: str, content: bytes) -> KeyUnusable:
    """
    The error for a file that holds something else.
    """
    problem, advice = _what_else(content)
    return KeyUnusable(path, problem, "key-not-private", advice)


def _what_else(content: bytes) -> tuple[str, str]:
    """
    What a file that holds no private key holds instead, and what to do.
    """
    start = content.lstrip()
    if not start:
        return "it is empty", ""
    if _CERTIFICATE_LINE.match(start):
        return "it holds a certificate", "give the private key that goes with it"
    if _PUBLIC.search(content):
        return "it holds a public key", (
            "give the private one, which mostly has the same name without .pub"
        )
    if start.startswith(b"PuTTY-User-Key-File-"):
        convert = "run: puttygen FILE -O private-openssh-new -o NEW"
        return "it is in PuTTY's form", convert
    return "it holds no private key in a known form (OpenSSH, PEM or PKCS#8)", ""


def public_blob(content: bytes) -> bytes | None:
    """
    The public key or the certificate in the first line that is none of comment
    (sshd(8), AUTHORIZED_KEYS FILE FORMAT); C{None} where there is none.
    """
    for line in content.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith(b"#"):
            continue
        try:
            blob = base64.b64decode(fields[1], validate=True)
        except (IndexError, ValueError):
            return None
        return blob if key_type(blob) == fields[0] else None
    return None


def public_blob_beside(path: str) -> bytes | None:
    """
    The public key in the C{.pub} file of a private one, where there is one.
    """
    try:
        blob = public_blob(read(path + ".pub")[0])
    except KeyUnusable:
        return None
    return blob if blob and key_type(blob) in _TYPES else None

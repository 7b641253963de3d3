"""
Keys and certificates made by C{ssh-keygen}, for tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

from twisted.python.filepath import FilePath

PASSPHRASE = "a passphrase é"
#: Each type, with what ssh-keygen is told to make it.
TYPES = {
    "ssh-ed25519": ("ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa", "-b", "256"),
    "ecdsa-sha2-nistp384": ("ecdsa", "-b", "384"),
    "ecdsa-sha2-nistp521": ("ecdsa", "-b", "521"),
    "ssh-rsa": ("rsa", "-b", "2048"),
    "ssh-dss": ("dsa",),
}
#: Ed25519 is written in OpenSSH's form, whatever is asked for.
FORMATS = {"OpenSSH": (), "PEM": ("-m", "PEM"), "PKCS8": ("-m", "PKCS8")}


def has_ssh_keygen() -> bool:
    return shutil.which("ssh-keygen") is not None


@cache
def types() -> tuple[str, ...]:
    """
    Those of L{TYPES} that the OpenSSH of this machine knows: not every one has
    DSA.
    """
    known = subprocess.run(
        ("ssh", "-Q", "key"), check=True, capture_output=True, text=True
    ).stdout.split()
    return tuple(kind for kind in TYPES if kind in known)


def ssh_keygen(*arguments: str) -> None:
    subprocess.run(("ssh-keygen", "-q", *arguments), check=True, capture_output=True)


class KeyRing:
    """
    A directory of keys, each made once in a run of the tests.
    """

    def __init__(self, directory: str) -> None:
        self._kept = FilePath(directory)
        self._kept.makedirs(ignoreExistingDirectory=True)

    def key(
        self,
        where: FilePath[str],
        key_type: str = "ssh-ed25519",
        *,
        form: str = "OpenSSH",
        encrypted: bool = False,
        name: str | None = None,
        public: bool = True,
        number: int = 0,
    ) -> str:
        """
        The path of a private key in C{where}.

        @param number: keys with different numbers are different keys.
        """
        kept = self._kept.child(f"{key_type}-{form}-{encrypted}-{number}").path
        if not os.path.exists(kept):
            kind, *size = TYPES[key_type]
            passphrase = PASSPHRASE if encrypted else ""
            ssh_keygen(
                *("-t", kind, *size, *FORMATS[form], "-N", passphrase, "-a", "1"),
                *("-C", "somebody@example", "-f", kept),
            )
        path = where.child(name or os.path.basename(kept)).path
        shutil.copy(kept, path)
        os.chmod(path, 0o600)
        if public:
            shutil.copy(kept + ".pub", path + ".pub")
        return path

    def certify(
        self,
        path: str,
        *options: str,
        to: str | None = None,
        valid: str = "always:forever",
    ) -> str:
        """
        The path of a certificate of the key at C{path}: beside it, or C{to}.
        """
        authority = self.key(self._kept, name="authority", number=9)
        ssh_keygen(
            *("-s", authority, "-I", "somebody", "-n", "somebody", "-V", valid),
            *options,
            path + ".pub",
        )
        beside = path + "-cert.pub"
        if to is not None:
            os.replace(beside, to)
        return to or beside

"""
OpenSSH's own client, to try the servers with.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from twisted.conch.ssh.keys import Key

from tests.peers import missing

TIMEOUT = 30.0

# Each question takes the next line of the file.
_ASKPASS = """\
#!/bin/sh
echo "asked: $1" >&2
head -n 1 "$ANSWERS"
sed -i 1d "$ANSWERS"
"""


def ssh(
    port: int,
    user: str,
    directory: Path,
    answers: Sequence[str] = (),
    keys: Sequence[Key] = (),
    options: Sequence[str] = (),
    command: str = "echo in",
) -> subprocess.CompletedProcess[str]:
    """
    Log in with C{/usr/bin/ssh} and run C{command}.

    @param directory: an empty one, for its files.
    @param answers: what a person would type.
    @param keys: private keys to offer.
    @param options: values of C{-o}.
    @return: what came of it; its C{stderr} has each question as C{"asked: "}
        and the prompt.
    """
    program = shutil.which("ssh")
    if program is None:
        missing("ssh is not installed")
    directory.mkdir()
    ask = directory / "askpass"
    ask.write_text(_ASKPASS)
    ask.chmod(0o700)
    (directory / "answers").write_text("".join(f"{line}\n" for line in answers))
    settings = [
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=no",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "LogLevel=VERBOSE",
        *options,
    ]
    arguments = [argument for setting in settings for argument in ("-o", setting)]
    for number, key in enumerate(keys):
        file = directory / f"key{number}"
        file.write_bytes(key.toString("openssh", subtype="v1"))
        file.chmod(0o600)
        arguments += ["-i", str(file)]
    if not keys:
        arguments += ["-o", "IdentityFile=none"]
    to = ["-F", "none", "-p", str(port), "-l", user, "127.0.0.1"]
    return subprocess.run(
        [program, *arguments, *to, command],
        env={
            **os.environ,
            "SSH_ASKPASS": str(ask.absolute()),
            "SSH_ASKPASS_REQUIRE": "force",
            "ANSWERS": str((directory / "answers").absolute()),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )

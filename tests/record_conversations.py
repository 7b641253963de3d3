# mypy: disallow-untyped-calls = False
# (Most of trial and of Conch has no annotations.)
"""
Records conversations with the sshd of this machine.

As root, in the source tree::

    python -m tests.record_conversations

writes C{tests/conversations} anew.  Look at what has changed, for the server or
the client talks differently then.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from conch_auth.errors import LoginError
from conch_auth.keys import load_keys
from conch_auth.transcript import Transcript, record
from tests.conversation_cases import BANNER, CASES, PLACE, USERS, Case, Client
from tests.keygen import TYPES, ssh_keygen
from tests.peers.login import Transport
from tests.peers.sshd import Sshd, User, machine


class Studio:
    """
    Where conversations are recorded: keys, an authority and servers.
    """

    def __init__(self) -> None:
        # sshd reads some of it as another user.
        self._place = Path(tempfile.mkdtemp(prefix="conversations-"))
        self._place.chmod(0o755)
        self._made: set[str] = set()

    def close(self) -> None:
        shutil.rmtree(self._place)

    def _key(self, name: str) -> str:
        """
        The path of a private key.
        """
        path = str(self._place / name.replace(" ", "-"))
        if name not in self._made:
            kind, *size = TYPES[name.split(" ")[0]]
            ssh_keygen("-t", kind, *size, "-N", "", "-f", path)
            self._made.add(name)
        return path

    def _signers(self, names: tuple[str, ...], user: User) -> list[Any]:
        signers: list[Any] = []
        for name in names:
            path = self._key(name.removesuffix("-cert"))
            content = Path(path).read_bytes()
            if name.endswith("-cert"):
                self._certify(path, user.name)
                certificate = Path(f"{path}-cert.pub").read_bytes()
                signers.append(load_keys([(content, certificate)])[0])
            else:
                signers.append(load_keys([content])[0])
        return signers

    def _certify(self, path: str, principal: str) -> None:
        authority = self._key("ecdsa-sha2-nistp256 9")
        ssh_keygen(*("-s", authority, "-I", "recorded", "-n", principal), f"{path}.pub")

    def _sshd(self, case: Case) -> Sshd:
        authority = self._key("ecdsa-sha2-nistp256 9")
        running = machine(USERS)
        running.write("banner", BANNER.encode())
        server = running.sshd(f"TrustedUserCAKeys {authority}.pub\n{case.config}")
        keys = [Key.fromFile(self._key(name)) for name in case.authorized]
        server.authorize(case.user.name, *keys)
        return server

    async def record(self, case: Case, reactor: Any) -> Transcript:
        """
        Have one conversation.
        """
        client = Client(case, self._signers(case.keys, case.user))
        server = self._sshd(case)
        try:
            return await self._recorded(case, client, server, reactor)
        finally:
            server.stop()

    async def _recorded(
        self, case: Case, client: Client, server: Sshd, reactor: Any
    ) -> Transcript:
        transport = Transport(client)
        transport.trusted = [key.blob() for key in server.host_keys]
        recording = record(transport)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", server.port)
        await connectProtocol(endpoint, transport)
        try:
            await client.whenAuthenticated()
        except LoginError:
            await transport.lost
        version = transport.otherVersionString.decode("ascii", "replace")
        transcript = recording.transcript(version, *case.config.splitlines())
        lost: Deferred[None] = transport.lost
        transport.transport.abortConnection()
        await lost
        return transcript


def stored(case: Case) -> Transcript:
    """
    A conversation as it was recorded.
    """
    return Transcript.parse((PLACE / f"{case.name}.txt").read_text("ascii"))


async def _main(reactor: Any) -> None:
    PLACE.mkdir(exist_ok=True)
    studio = Studio()
    try:
        for case in CASES:
            transcript = await studio.record(case, reactor)
            (PLACE / f"{case.name}.txt").write_text(str(transcript), "ascii")
            print(case.name, len(transcript.lines))
    finally:
        studio.close()


if __name__ == "__main__":
    try:
        task.react(_main)
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))

"""
Paramiko's server, in threads of its own.
"""

from __future__ import annotations

import io
import socket
import threading
from typing import Any

from twisted.conch.ssh.keys import Key

from tests.peers import missing
from tests.peers.login import ED25519

try:
    import paramiko
except ImportError:
    paramiko = None


class ParamikoServer:
    """
    A server on a free port of 127.0.0.1.

    @ivar port: its port.
    @ivar host_keys: its public host keys.

    @param password: the password of every user.
    @param authorized: the public keys that let every user in.
    """

    def __init__(self, password: str, *authorized: Key) -> None:
        if paramiko is None:
            missing("Paramiko is not installed (the extra bench)")
        self._password = password
        self._authorized = {key.public().blob() for key in authorized}
        self.host_keys = (ED25519.public(),)
        self._transports: list[Any] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        text = ED25519.toString("openssh", subtype="v1").decode()
        key = paramiko.Ed25519Key(file_obj=io.StringIO(text))
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(accepted)
            transport.add_server_key(key)
            self._transports.append(transport)
            transport.start_server(threading.Event(), self._judge())

    def _judge(self) -> Any:
        password, authorized = self._password, self._authorized

        class Judge(paramiko.ServerInterface):  # type: ignore[misc]
            def get_allowed_auths(self, username: str) -> str:
                return "publickey,password"

            def check_auth_password(self, username: str, given: str) -> Any:
                right = given == password
                return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

            def check_auth_publickey(self, username: str, key: Any) -> Any:
                known = key.asbytes() in authorized
                return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

        return Judge()

    def stop(self) -> None:
        """
        Close every connection, and stop listening.
        """
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for transport in self._transports:
            transport.close()

"""
The libraries that are compared, each used as its documentation says.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: The module of each client, and its class.  Only what a process uses is imported
#: in it.
CLIENTS = {
    "connect": "ours.Connect",
    "drop-in": "ours.DropIn",
    "Conch": "conch.Conch",
    "AsyncSSH": "with_asyncssh.AsyncSSH",
    "Paramiko": "with_paramiko.Paramiko",
    "ssh": "openssh.SSH",
    "layer": "layer.Layer",
}


def client_named(name: str) -> Any:
    """
    A client by its name in L{CLIENTS}.
    """
    module, kind = CLIENTS[name].split(".")
    return getattr(import_module(f"{__name__}.{module}"), kind)()

"""
The control of L{tests.conch_suite}.
"""

from __future__ import annotations

from typing import Any

from conch_auth.userauth import SSHUserAuthClient


class BrokenClient(SSHUserAuthClient):
    """
    Cannot even be made, so that no test waits for what it does not do.
    """

    def __init__(self, *arguments: Any) -> None:
        raise NotImplementedError("this is a control")

"""
A Kerberos realm of the tests' own: MIT's KDC, on a free port of 127.0.0.1.

L{realm} gives the one realm of a test run.  No name of it has an address: the
service is C{host/sshd.example.org}, and its server listens on 127.0.0.1.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.peers import missing

NAME = "EXAMPLE.ORG"
#: The name of the server in this realm.
HOST = "sshd.example.org"


class Realm:
    """
    A realm with a running KDC.

    @ivar ccache: the file of whoever has a ticket.
    """

    def __init__(self) -> None:
        import k5test  # type: ignore[import-untyped,unused-ignore]

        here = f"127.0.0.1:{_free_port()}"
        listens = {"kdc_listen": here, "kdc_tcp_listen": here}
        self._realm: Any = k5test.K5Realm(
            realm=NAME,
            krb5_conf={
                "libdefaults": {
                    "rdns": "false",
                    "dns_canonicalize_hostname": "false",
                    "dns_lookup_realm": "false",
                },
                "realms": {"$realm": {"kdc": here}},
            },
            kdc_conf={"realms": {"$realm": listens}},
            create_user=False,
            create_host=False,
            get_creds=False,
            start_kdc=True,
        )
        self.ccache = self._realm.ccache
        self._known: set[str] = set()
        self.add_host(HOST)

    def stop(self) -> None:
        self._realm.stop()

    def enter(self, case: SynchronousTestCase) -> None:
        """
        This process, and what it starts, belongs to the realm until the test
        is over.  Nobody has a ticket.
        """
        settings = {
            name: value
            for name, value in self._realm.env.items()
            if name.startswith("KRB5")
        }
        # Two logins within a second are no replay, but look like one.
        settings["KRB5RCACHETYPE"] = "none"
        before = {name: os.environ.get(name) for name in settings}
        case.addCleanup(_restore, before)
        os.environ.update(settings)
        self.log_out()

    def log_in(self, user: str, *flags: str) -> None:
        """
        C{user} gets a ticket.

        @param flags: as for C{kinit}.
        """
        if user not in self._known:
            self._realm.addprinc(user, "secret")
            self._known.add(user)
        self._realm.kinit(user, "secret", flags=list(flags))

    def log_out(self) -> None:
        """
        Nobody has a ticket any more.
        """
        Path(self.ccache).unlink(missing_ok=True)

    def add_host(self, name: str) -> None:
        """
        Have a server with this name, which knows its key.
        """
        principal = f"host/{name}"
        if principal not in self._known:
            self._realm.addprinc(principal)
            self._realm.extract_keytab(principal, self._realm.keytab)
            self._known.add(principal)

    def add_service(self, principal: str) -> None:
        """
        Have a service whose key its server does not know.
        """
        self._realm.addprinc(principal)


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        return port


@cache
def _shared_realm() -> Realm:
    shared = Realm()
    atexit.register(shared.stop)
    return shared


def realm() -> Realm:
    """
    The one L{Realm} of this test run.
    """
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    for program in ("krb5kdc", "kadmin.local", "kinit"):
        if shutil.which(program, path=path) is None:
            missing(f"{program} is not installed")
    for package in ("gssapi", "k5test"):
        try:
            __import__(package)
        except ImportError:
            missing(f"the Python package {package} is not installed")
    return _shared_realm()

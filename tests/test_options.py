# mypy: disallow-untyped-calls = False
# (Most of trial has no annotations.)
"""
Tests for L{conch_auth._options}: what can be an option, and what is made of it.
"""

from __future__ import annotations

import getpass
from dataclasses import fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conch_auth import connect
from conch_auth._options import Options, host_name, method_names, seconds
from tests.memory import MemoryCase


class SecondsTests(SynchronousTestCase):
    """
    Intervals of time.
    """

    def test_numbers(self) -> None:
        """
        A number is seconds.
        """
        self.assertEqual(seconds("t", 5), 5.0)
        self.assertEqual(seconds("t", 0.5), 0.5)

    def test_texts(self) -> None:
        """
        A text may have units, as AsyncSSH's.
        """
        for text, wanted in {
            "5": 5,
            "90s": 90,
            "1m30s": 90,
            "1.5m": 90,
            "2H": 7200,
            "1d": 86400,
            "1w": 604800,
        }.items():
            self.assertEqual(seconds("t", text), wanted, text)

    def test_none(self) -> None:
        """
        C{None}, nothing and infinity are no limit.
        """
        for value in (None, 0, 0.0, "0", "0m", float("inf")):
            self.assertIsNone(seconds("t", value), repr(value))

    def test_no_interval(self) -> None:
        """
        Anything else is an error that names the option.
        """
        for value in ("", "m", "1x", "-1", "1 m", "1m ", "m1", -1, -0.1, float("nan")):
            error = self.assertRaises(ValueError, seconds, "login_timeout", value)
            self.assertIn("login_timeout", str(error), repr(value))

    def test_no_type(self) -> None:
        """
        So is anything that is neither number nor text.
        """
        for value in ([], b"5", {}, object()):
            self.assertRaises(TypeError, seconds, "t", value)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """
        Any text is an interval or a ValueError.
        """
        try:
            value = seconds("t", text)
        except ValueError:
            return
        self.assertTrue(value is None or value > 0)


class MethodNamesTests(SynchronousTestCase):
    """
    The methods that are preferred.
    """

    def test_names(self) -> None:
        """
        A list, a tuple, or one text with commas.
        """
        wanted = (b"password", b"publickey")
        for given_names in (
            ["password", "publickey"],
            ("password", "publickey"),
            "password,publickey",
            "password, publickey",
        ):
            self.assertEqual(method_names(given_names), wanted)

    def test_nothing(self) -> None:
        """
        C{None} and AsyncSSH's C{()} prefer nothing.
        """
        self.assertIsNone(method_names(None))
        self.assertIsNone(method_names(()))

    def test_no_names(self) -> None:
        """
        A list with no name in it would silently mean all methods, or none.
        """
        for wrong in ([], "", ",", "password,", ["password", ""], "pässword"):
            self.assertRaises(ValueError, method_names, wrong)


class HostNameTests(SynchronousTestCase):
    """
    What can be a host.
    """

    def test_names(self) -> None:
        """
        Names and addresses are.
        """
        for name in ("host", "host.example", "127.0.0.1", "::1", "fe80::1%eth0"):
            self.assertEqual(host_name(name), name)

    def test_no_names(self) -> None:
        """
        Nothing is that a program could take for an option, or that would end
        a line.
        """
        for name in ("", "-oProxyCommand=x", "a b", "a\nb", "a\0b"):
            self.assertRaises(ValueError, host_name, name)


class CheckTests(MemoryCase):
    """
    A wrong option is an error of the call, before any packet.
    """

    def assert_wrong(self, kind: type[Exception], **options: Any) -> None:
        for name, value in options.items():
            error = self.assertRaises(kind, self.begin, **{name: value})
            self.assertEqual(self.endpoint.links, [], name)
            self.assertNotIn("secret", str(error))

    def test_types(self) -> None:
        """
        Of a type that cannot be.
        """
        wrong = {
            "username": b"alice",
            "password": ["secret"],
            "host_key_alias": b"alias",
            "port": "22",
            "endpoint": object(),
            "login_timeout": [],
            "connect_timeout": b"1",
            "preferred_auth": 5,
        }
        self.assert_wrong(TypeError, **wrong)

    def test_values(self) -> None:
        """
        Of a value that cannot be.
        """
        wrong = {
            "port": 65536,
            "login_timeout": -1,
            "connect_timeout": "soon",
            "preferred_auth": "",
        }
        self.assert_wrong(ValueError, **wrong)
        self.assert_wrong(ValueError, port=-1)

    def test_host(self) -> None:
        """
        So is a host that cannot be one.
        """
        for kind, host in ((ValueError, "-x"), (TypeError, b"host"), (TypeError, None)):
            self.assertRaises(kind, connect, host, reactor=Clock())

    def test_factory(self) -> None:
        """
        So is a factory that cannot be called.
        """
        self.assertRaises(TypeError, self.begin, 5)

    def test_secrets(self) -> None:
        """
        No secret is printed with the options.
        """
        hidden = {field.name for field in fields(Options) if not field.repr}
        self.assertLessEqual({"password", "client_keys", "passphrase"}, hidden)

    def test_own_name(self) -> None:
        """
        Without a user name it is that of whoever runs this.
        """
        self.patch(getpass, "getuser", lambda: "alice")
        self.log_in(username=None, password="right")
        self.assertEqual(self.connection.get_extra_info("username"), "alice")

    def test_no_name(self) -> None:
        """
        Where nobody knows that, the error says what to do.
        """

        def getuser() -> str:
            raise KeyError("uid 5")

        self.patch(getpass, "getuser", getuser)
        error = self.assertRaises(ValueError, self.begin, username=None)
        self.assertIn("give username", str(error))

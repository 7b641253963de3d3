"""
Holds the drawing of the package against its code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import conch_auth

#: The storeys, from the ground up.  A module imports from those before it in
#: its own storey, and from the storeys below.
DRAWING = {
    "words": """
        names display prompts _saslprep _causes
        _frames _stopwatch _attempt
        _remedy _key_remedies _remedies _facts diagnosis
        report _events recorder errors interfaces
    """,
    "wire": "_wire _message _gss_messages messages _states",
    "judgement": """
        certificates algorithms _captions _proof signing
        _knownhosts_lines _knownhosts_file _verdicts _policies knownhosts
        _agent_constraints _agent_messages _keyfiles _reasons
        _memory_file memory plan
        _svg _story _timeline _diagram_style _diagram_lanes diagram
    """,
    "conversation": """
        _awaiting _deadlines _transports _local _asking _conversation _signers
        methods._base methods.password methods.keyboard_interactive
        methods.publickey methods.gssapi methods.hostbased methods
        _gss questions _login _packets _ahead userauth
        _agent_exchange _agent_connection agent _keyforms keys security_keys
        _ssh_program ssh_config _keysign
    """,
    "doors": """
        callbacks _terminal _options _sure _credentials _host_credentials
        _given _client_methods _client_auth _trust
        _question _kex _extensions _greeting _ending _services _orderly transport
        _connection endpoints command_endpoint tunnel_endpoint _planning
        _loopback_link _loopback_wire _loopback_server
        _loopback_auth _loopback_session loopback
        _script _scripted_transport _scripted_server scripted
        _transcript_fields transcript
        _status _command _running
        _screen _spinner _progress _person _host_question _terminal_login
        _login_command _plan_command _demo
        _story_text _story_table _explain_command
        _completion _arguments cli __main__ __init__
    """,
}
ORDER = [module for storey in DRAWING.values() for module in storey.split()]
BELOW_DEFERREDS = [
    module
    for storey in ("words", "wire", "judgement")
    for module in DRAWING[storey].split()
]
PACKAGE = "conch_auth"
ROOT = Path(conch_auth.__file__).parent


def name_of(file: Path) -> str:
    """
    The name that a file has in the drawing.
    """
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def imported(source: str) -> Iterator[str]:
    """
    What of the package a module imports, inside its functions as well.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix(f"{PACKAGE}.")
                for alias in node.names
                if alias.name.split(".")[0] == PACKAGE
            )
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            module = node.module or ""
            if module == PACKAGE:
                yield from (alias.name for alias in node.names)
            elif module.startswith(f"{PACKAGE}."):
                yield module.removeprefix(f"{PACKAGE}.")


def uphill(module: str, source: str) -> list[str]:
    """
    The imports of a module that do not run downhill.
    """
    below = ORDER[: ORDER.index(module)]
    return [name for name in imported(source) if name not in below]


def names_at_top(source: str) -> set[str]:
    """
    Every name that is imported when the module is.
    """
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update(alias.name.split(".")[-1] for alias in node.names)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found


class DrawingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.sources = {
            name_of(file): file.read_text("utf-8") for file in ROOT.rglob("*.py")
        }

    def test_every_module_is_drawn(self) -> None:
        """
        The drawing names each module, once, and none that is not there.
        """
        self.assertEqual(len(ORDER), len(set(ORDER)))
        self.assertEqual(sorted(self.sources), sorted(ORDER))

    def test_imports_run_downhill(self) -> None:
        """
        Every import runs downhill; so there is no cycle either, and nothing is
        taken from the re-exports.
        """
        found = {module: uphill(module, self.sources[module]) for module in ORDER}
        self.assertEqual({m: names for m, names in found.items() if names}, {})

    def test_no_typing_only_import(self) -> None:
        """
        There is no import for the type checker alone, which would hide a cycle.
        """
        for module, source in self.sources.items():
            self.assertNotIn("TYPE_CHECKING", source, module)

    def test_no_reactor_at_import(self) -> None:
        """
        Importing a module does not choose a reactor.
        """
        for module, source in self.sources.items():
            self.assertNotIn("reactor", names_at_top(source), module)

    def test_judgement_is_pure(self) -> None:
        """
        Below the conversation there are no Deferreds and there is no waiting.
        """
        for module in BELOW_DEFERREDS:
            waits = {"Deferred", "maybeDeferred", "inlineCallbacks", "asyncio"}
            self.assertEqual(names_at_top(self.sources[module]) & waits, set(), module)
            tree = ast.parse(self.sources[module])
            self.assertFalse(
                [n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef)],
                module,
            )

    def test_methods_do_not_touch_the_transport(self) -> None:
        """
        A method speaks through its service: it sends, disconnects and sets a
        service nowhere.
        """
        forbidden = {"sendPacket", "sendDisconnect", "setService", "packetReceived"}
        for module in ORDER:
            if module.startswith("methods."):
                tree = ast.parse(self.sources[module])
                used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
                self.assertEqual(used & forbidden, set(), module)


class ControlTests(SynchronousTestCase):
    """
    What is forbidden is found.
    """

    def test_uphill(self) -> None:
        """
        An import of a later module, of the package itself or from within a
        function is found, and one of an earlier module is not.
        """
        for line, found in (
            ("from conch_auth.errors import LoginError", []),
            ("from conch_auth import names, errors", []),
            ("from conch_auth.messages import Failure", ["messages"]),
            ("from conch_auth import userauth", ["userauth"]),
            ("import conch_auth.userauth", ["userauth"]),
            ("from conch_auth import AuthReport", ["AuthReport"]),
            ("def f():\n    from conch_auth import cli", ["cli"]),
            ("from conch_auth._wire import string", ["_wire"]),
        ):
            self.assertEqual(uphill("_wire", line), found)

    def test_top(self) -> None:
        """
        What is imported in a class body or under a condition is imported with
        the module; what is imported in a function is not.
        """
        for source, found in (
            ("from twisted.internet import reactor", True),
            ("import twisted.internet.reactor", True),
            ("if x:\n    from twisted.internet import reactor", True),
            ("class A:\n    from twisted.internet import reactor", True),
            ("def f():\n    from twisted.internet import reactor", False),
            ("class A:\n    def f(self):\n        import reactor", False),
        ):
            self.assertIs("reactor" in names_at_top(source), found, source)

"""
Completion in real shells.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase, TestCase

from conch_auth import _completion
from conch_auth._completion import SHELLS, destinations
from conch_auth.loopback import generate_key
from tests.cli_process import OnTerminal, environment, spawn_on_terminal
from tests.peers import missing

KEY = generate_key().public().toString("openssh").decode()
KNOWN = (
    f"alpha.example.org,192.0.2.1 {KEY}\n"
    f"[beta.example.org]:2222 {KEY}\n"
    f"*.example.net,!x.example.net {KEY}\n"
    f"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {KEY}\n"
    f"al;pha {KEY}\n"
    "not a line\n"
)
CONFIG = "# Host no\nHost gamma *.example.com !delta\n  HostName x\nhost=epsilon\n"
HOSTS = ["192.0.2.1", "alpha.example.org", "beta.example.org", "epsilon", "gamma"]


def make_home(place: str) -> str:
    """
    @return: a home directory with hosts that are known and configured.
    """
    ssh = Path(place, ".ssh")
    ssh.mkdir(parents=True)
    (ssh / "known_hosts").write_text(KNOWN)
    (ssh / "config").write_text(CONFIG)
    return str(Path(place).absolute())


class DestinationsTests(SynchronousTestCase):
    """
    L{destinations}.
    """

    def setUp(self) -> None:
        home = make_home(self.mktemp())
        self.patch(os, "environ", {**os.environ, "HOME": home})

    def test_hosts(self) -> None:
        """
        Hosts that are written out in known_hosts or configured by name: no
        pattern, no hash, and nothing that a shell would act on.
        """
        self.assertEqual(
            [host for host in destinations("") if host in HOSTS or "a" in host], HOSTS
        )

    def test_user(self) -> None:
        """
        A user that is typed stays.
        """
        self.assertIn("a@b@gamma", destinations("a@b@g"))

    def test_no_files(self) -> None:
        """
        Where there is no file there is no host, and no error.
        """
        self.patch(os, "environ", {**os.environ, "HOME": "/nonexistent"})
        self.assertNotIn("gamma", destinations(""))


class NotInstalledTests(SynchronousTestCase):
    """
    Without C{argcomplete}.
    """

    def test_shell_code(self) -> None:
        """
        It is told what to install.
        """
        with patch.dict(sys.modules, {"argcomplete.shell_integration": None}):
            error = self.assertRaises(
                _completion.NotInstalled, _completion.shell_code, "bash"
            )
        self.assertEqual(
            str(error),
            "completion takes the library argcomplete, which is not installed. "
            "Install it with: pip install 'conch_auth[cli]'",
        )


class ShellTests(TestCase):
    """
    C{conch-auth} on the command line of each shell.
    """

    timeout = 120

    def setUp(self) -> None:
        self.home = make_home(self.mktemp())
        programs = Path(self.home, "bin")
        programs.mkdir()
        program = programs / "conch-auth"
        program.write_text(
            f'#!/bin/sh\nexec {sys.executable} -m conch_auth "$@"\n'
        )
        program.chmod(0o700)
        self.environment = {
            **environment(),
            "HOME": self.home,
            "PATH": f"{programs}:{os.environ['PATH']}",
        }

    def run_in(self, shell: str, script: str) -> list[str]:
        """
        @return: the lines that a script prints.
        """
        if shutil.which(shell) is None:
            missing(f"{shell} is not installed")
        ran = subprocess.run(
            [shell, "-c", script],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(ran.stderr, "")
        return sorted(filter(None, map(str.strip, ran.stdout.splitlines())))

    def in_bash(self, typed: str) -> Sequence[str]:
        script = (
            'eval "$(conch-auth completion bash)"\n'
            f"COMP_LINE='{typed}' COMP_POINT={len(typed)} COMP_TYPE=9\n"
            '_python_argcomplete conch-auth; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        return self.run_in("bash", script)

    def in_fish(self, typed: str) -> Sequence[str]:
        script = f"conch-auth completion fish | source; complete -C '{typed}'"
        return [word.split("\t")[0] for word in self.run_in("fish", script)]

    def test_subcommands(self) -> None:
        """
        The subcommands are those of the program.
        """
        every = ["completion", "demo", "explain", "login", "plan"]
        self.assertEqual(self.in_bash("conch-auth "), every)
        self.assertLessEqual(set(every), set(self.in_fish("conch-auth ")))

    def test_options(self) -> None:
        """
        The options are those of the subcommand.
        """
        for find in self.in_bash, self.in_fish:
            self.assertEqual(find("conch-auth explain --js"), ["--json"])
            self.assertEqual(find("conch-auth plan --js"), [])

    def test_hosts(self) -> None:
        """
        A host that is known is found, after a user as well.
        """
        for find in self.in_bash, self.in_fish:
            self.assertEqual(find("conch-auth login alp"), ["alpha.example.org"])
        self.assertEqual(self.in_fish("conch-auth login me@gam"), ["me@gamma"])

    async def on_zsh(self, typed: str) -> OnTerminal:
        """
        Type at a prompt of zsh, whose completion takes a terminal.
        """
        if shutil.which("zsh") is None:
            missing("zsh is not installed")
        shell = spawn_on_terminal(["zsh", "-f", "-i"], self.environment)
        shell.type(
            "PS1='> '; autoload -Uz compinit; compinit -u; "
            'eval "$(conch-auth completion zsh)"; echo re""ady\n'
        )
        await shell.shows("ready")
        shell.type(typed)
        return shell

    async def test_zsh(self) -> None:
        """
        What is begun is completed: a subcommand, an option and a host.
        """
        shell = await self.on_zsh("conch-auth expl\t")
        await shell.shows("explain")
        shell.type("--js\t")
        await shell.shows("--json")
        shell.type("me@gam\t")
        await shell.shows("me@gamma")
        # ^U: nothing of it is run.
        shell.type("\x15exit\n")
        self.assertEqual(await shell.status, 0)

    def test_all(self) -> None:
        """
        There is code for each shell that the help names.
        """
        for shell in SHELLS:
            self.assertIn("conch-auth", _completion.shell_code(shell))

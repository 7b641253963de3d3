"""
The names of other projects that these pages and the docstrings link to.

Sphinx and pydoctor would fetch a list of names from each project's site; a build
that needs no network has them here.  A name that is linked to and is not here
fails the build.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Project(NamedTuple):
    """
    A project's documentation.

    @ivar url: where it is.
    @ivar names: the place of each name below that; C{$} stands for the name.
    """

    url: str
    names: dict[str, str]


_EXCEPTIONS = ("OSError", "TimeoutError", "TypeError", "ValueError")

PROJECTS = {
    "python": Project(
        "https://docs.python.org/3/",
        {
            **{name: f"library/exceptions.html#{name}" for name in _EXCEPTIONS},
            "os.fsdecode": "library/os.html#os.fsdecode",
        },
    ),
    "twisted": Project(
        "https://docs.twisted.org/en/stable/api/",
        dict.fromkeys(
            (
                "twisted.conch.endpoints.SSHCommandClientEndpoint",
                "twisted.conch.ssh.channel.SSHChannel",
                "twisted.conch.ssh.connection.SSHConnection",
                "twisted.conch.ssh.keys.Key",
                "twisted.conch.ssh.transport.SSHClientTransport",
                "twisted.conch.ssh.userauth.SSHUserAuthClient",
                "twisted.conch.ssh.userauth.SSHUserAuthServer",
                "twisted.internet.defer.CancelledError",
                "twisted.internet.defer.Deferred",
                "twisted.internet.interfaces.IReactorTime",
                "twisted.internet.interfaces.IStreamClientEndpoint",
                "twisted.internet.task.Clock",
            ),
            "$.html",
        ),
    ),
}


def write_inventories(place: Path) -> dict[str, tuple[str, Path]]:
    """
    Write a list of names for each project, in the form of Sphinx's
    C{objects.inv}, version 2.

    @return: each project's URL and file.
    """
    place.mkdir(parents=True, exist_ok=True)
    written = {}
    for title, project in PROJECTS.items():
        file = place / f"{title}.inv"
        file.write_bytes(_inventory(title, project))
        written[title] = project.url, file
    return written


def _inventory(title: str, project: Project) -> bytes:
    head = (
        "# Sphinx inventory version 2\n"
        f"# Project: {title}\n"
        "# Version: \n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    lines = "".join(f"{line}\n" for line in _lines(project))
    return head.encode() + zlib.compress(lines.encode())


def _lines(project: Project) -> Iterator[str]:
    for name, place in project.names.items():
        kind = "function" if name.rpartition(".")[2].islower() else "class"
        yield f"{name} py:{kind} 1 {place} -"

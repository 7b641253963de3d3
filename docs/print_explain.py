"""
Logs in by C{conch-auth explain} in many ways, most of them in vain, and writes
C{explain.rst} and its pictures::

    python docs/print_explain.py

It takes what the tests take: root, OpenSSH's sshd and its agent.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

_DOCS = Path(__file__).parent
sys.path.insert(0, str(_DOCS.parent))

from tests.explained import Scene, Shown, Stage  # noqa: E402 - its place is known now
from tests.scenes import SCENES  # noqa: E402

#: Where the pictures are.
PICTURES = _DOCS / "_static" / "explain"


async def played(reactor: Any, scene: Scene) -> Shown:
    """
    What comes of a scene.
    """
    stage = Stage(reactor)
    try:
        return await stage.play(scene)
    finally:
        await stage.strike()


def section(scene: Scene, shown: Shown) -> str:
    """
    A scene on the page.
    """
    told = textwrap.indent(shown.text.rstrip(), "    ")
    lines = [
        scene.title,
        "~" * len(scene.title),
        "",
        f"{scene.setting}",
        f"``conch-auth explain {scene.command}`` ends with {scene.status}::",
        "",
        told,
        "",
    ]
    if scene.drawn:
        lines += [
            f".. image:: _static/explain/{scene.name}.svg",
            f"   :alt: the same as a sequence diagram: {scene.title.lower()}",
            "",
        ]
    return "\n".join(lines) + "\n"


def page(shown: Sequence[tuple[Scene, Shown]]) -> str:
    """
    The generated part of the page.
    """
    return "\n".join(section(*each) for each in shown)


async def _write(reactor: Any) -> None:
    shown = [(scene, await played(reactor, scene)) for scene in SCENES]
    PICTURES.mkdir(parents=True, exist_ok=True)
    for scene, told in shown:
        if scene.drawn:
            (PICTURES / f"{scene.name}.svg").write_text(told.picture, "utf-8")
    print(page(shown))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(_write(reactor)))

"""
Logs in by C{conch-auth explain} in many ways, most of them in vain, and prints
C{explain.rst}; its pictures are written beside it::

    python docs/print_explain.py > docs/explain.rst

It takes what the tests take: root, OpenSSH's sshd and its agent.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

_DOCS = Path(__file__).parent
sys.path.insert(0, str(_DOCS.parent))

from tests.explained import Scene, Shown, perform  # noqa: E402 - its place is known now
from tests.scenes import LOGINS, SCENES  # noqa: E402

#: Where the pictures are.
PICTURES = _DOCS / "_static" / "explain"

_INTRODUCTION = """\
Why a login fails, at the terminal
==================================

``conch-auth explain [user@]host`` logs in as ``conch-auth login`` does, with the same
options and questions, and tells the whole story, whether it succeeds or not:

.. code-block:: sh

    conch-auth explain alice@server.example.org
    conch-auth explain --svg login.svg -p 2222 -i ~/.ssh/work alice@server.example.org
    conch-auth explain --json alice@server.example.org

What it tells
-------------

First comes the verdict: who logged in where, with what proof, or why not. Then what is
known of the server:

- ``server``: what it says that it is (RFC 4253, section 4.2).
- ``host key`` and ``trusted by``: the key that it has proved to hold, and what made it
  trusted, such as a line of ``known_hosts``.
- ``EXT_INFO``: what it said that it can do (RFC 8308). ``server-sig-algs`` are the
  signature algorithms that it lists for keys.
- ``round trips`` and ``seconds``: how often a reply of the server was waited for, and
  how long the server, the agent or files with keys, and a person were.
- ``still accepted``: the methods that the server would go on with.
- ``banner``: what it has to say to everybody.

Then comes each attempt, in order, with how it ended:

.. list-table::
   :header-rows: 1

   * - it says
     - what that means
   * - ``asks what is accepted``
     - The method ``none``, which begins most logins. The refusal is the answer: it has
       the list of methods.
   * - ``accepted``
     - It completed the login.
   * - ``accepted, more is wanted``
     - It is one of several factors (partial success).
   * - ``refused``
     - The server did not take it.
   * - ``not tried``
     - Nothing of it was sent. ``why`` tells the reason.
   * - ``given up``
     - It ended on this side, for the reason after ``why``.

Below an attempt, ``key`` and ``from`` say which credential it was and where it came
from; ``using``, by which algorithm the key was offered, and why by that one; ``sent``,
whether a signature was made; ``answer``, what the server replied. The last part says
what is wrong and what to do; :doc:`diagnosis` has every cause that it can name.

The table is drawn on a terminal, with `rich <https://rich.readthedocs.io>`_ (the extra
``cli``). Elsewhere, with ``NO_COLOR`` set, or without ``rich``, it is plain text, as
below. While the login waits, the terminal shows for whom, and for how long; after ^C
what has happened until then is told.

The exit status is that of ``login``: 0 logged in, 1 authentication failed, 2 wrong
usage or configuration, 3 host key not verified, 4 not connected or protocol broken.

In the shell
------------

Bash, zsh and fish complete commands, options, and the hosts of ``known_hosts`` and of
``~/.ssh/config``. In ``~/.bashrc`` or ``~/.zshrc``, where ``compinit`` has been run
before::

    eval "$(conch-auth completion bash)"

with ``zsh`` for ``bash`` in zsh, and in ``~/.config/fish/config.fish``::

    conch-auth completion fish | source

For programs
------------

``--json`` prints one object, whether there was a login or not;
:download:`explain.schema.json` is its JSON Schema. ``report`` is
the report (:doc:`report`), ``null`` where the login did not begin; ``error`` and
``diagnosis`` say why there is none. Shapes change only with their ``version``.

The picture
-----------

``--svg FILE`` draws the conversation, as does `conch_auth.diagram.svg` from a report. A
lane stands for each who took part: the person, the agent (or the files with keys), the
client and the server. Time runs downwards: each arrow has the seconds since the
beginning, a bar shows who is waited for, and where that took long its seconds are
written and the axis is broken. The bands are the attempts. The picture has its own
paper, for light and for dark pages, and fits a page; of a conversation that does not,
the midst is left out.

What follows was printed by ``docs/print_explain.py`` from logins to OpenSSH's server on
127.0.0.1. ``tests/test_docs_explain.py`` logs in again, and fails where something else
comes of it. Names of directories are replaced, and ``EXT_INFO`` is cut after the first
time.

"""
_EXT_INFO = re.compile(r"^( +EXT_INFO +).*\n(?: {8,}.*\n)+", re.MULTILINE)


def section(scene: Scene, shown: Shown, *, whole: bool = False) -> str:
    """
    A scene on the page.

    @param whole: leave EXT_INFO as it is.
    """
    text = shown.text.rstrip()
    if not whole:
        text = _EXT_INFO.sub(r"\1...\n", text)
    lines = [
        scene.title,
        "~" * len(scene.title),
        "",
        *textwrap.wrap(scene.setting, 88, break_on_hyphens=False),
        "",
        f"``conch-auth explain {scene.command}`` ends with {scene.status}::",
        "",
        textwrap.indent(text, "    "),
        "",
    ]
    if scene.drawn:
        lines += [
            f".. image:: _static/explain/{scene.name}.svg",
            "   :alt: The same as a sequence diagram.",
            "",
        ]
    return "\n".join(lines)


def _sections(shown: Mapping[str, Shown]) -> Iterator[str]:
    for chapter, scenes in SCENES.items():
        yield f"{chapter}\n{'-' * len(chapter)}\n"
        for scene in scenes:
            first = chapter == LOGINS and scene is scenes[0]
            yield section(scene, shown[scene.name], whole=first)


def page(shown: Mapping[str, Shown]) -> str:
    """
    The page in reStructuredText.

    @param shown: what came of each scene, by its name.
    """
    return _INTRODUCTION + "\n".join(_sections(shown))


async def _print(reactor: Any) -> None:
    shown = {}
    for scene in (scene for scenes in SCENES.values() for scene in scenes):
        shown[scene.name] = told = await perform(scene, reactor)
        if scene.drawn:
            PICTURES.mkdir(parents=True, exist_ok=True)
            (PICTURES / f"{scene.name}.svg").write_text(told.picture, "utf-8")
    print(page(shown), end="")


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(_print(reactor)))

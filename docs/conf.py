"""
How Sphinx and pydoctor make these pages::

    sphinx-build -W --keep-going docs docs/_build

With C{-W} a warning of either fails the build.
"""

from __future__ import annotations

import configparser
import sys
from pathlib import Path
from typing import Any

from sphinx.directives.code import CodeBlock

_DOCS = Path(__file__).parent
_ROOT = _DOCS.parent
sys.path.insert(0, str(_DOCS))

from external import write_inventories  # noqa: E402 - its place is known only now

_setup = configparser.ConfigParser()
_setup.read(_ROOT / "setup.cfg", encoding="utf-8")

project = _setup["metadata"]["name"]
author = _setup["metadata"]["author"]
release = version = _setup["metadata"]["version"]
project_copyright = author

extensions = ["sphinx.ext.intersphinx", "pydoctor.sphinx_ext.build_apidocs"]
exclude_patterns = ["_build"]
nitpicky = True
default_role = "any"
highlight_language = "none"
smartquotes = False

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False

intersphinx_mapping: dict[str, Any] = {}
pydoctor_url_path = "api/"
pydoctor_args = [
    "--docformat=epytext",
    f"--project-name={project}",
    "--project-url=../index.html",
    # They are how __init__ puts off its imports, and nothing to call.
    "--privacy=HIDDEN:conch_auth.__dir__",
    "--privacy=HIDDEN:conch_auth.__getattr__",
    f"--project-base-dir={_ROOT}",
    "--html-output={outdir}/api",
    str(_ROOT / "conch_auth"),
]


_AFTER_PYDOCTOR = 500


def _highlight_again(app: Any) -> None:
    """
    pydoctor puts its own directive, which knows nothing but Python, in the place
    of Sphinx's.
    """
    app.add_directive("code-block", CodeBlock, override=True)


def setup(app: Any) -> None:
    """
    Sphinx calls this.  Both get to know the names of other projects.
    """
    written = write_inventories(Path(app.doctreedir))
    app.config.intersphinx_mapping = {
        title: (url, str(file)) for title, (url, file) in written.items()
    }
    app.connect("builder-inited", _highlight_again, priority=_AFTER_PYDOCTOR)
    app.config.pydoctor_args = [
        *(f"--intersphinx-file={file}::{url}" for url, file in written.values()),
        *pydoctor_args,
    ]

"""
The faces and the colours of a diagram, on white and on dark.

The plain rules are those of a white page; a renderer that does not know of dark
ones stays with them.  The paper is always the diagram's own, so that it is
readable on any page.
"""

from __future__ import annotations

from collections.abc import Iterator

from conch_auth._svg import Font

#: The kinds of text.
FONTS = {
    "title": Font(20, bold=True),
    "verdict": Font(14, bold=True),
    "problem": Font(13, bold=True),
    "fact": Font(12),
    "label": Font(11),
    "actor": Font(12, bold=True),
    "name": Font(12, bold=True),
    "detail": Font(11),
    "outcome": Font(12, bold=True),
    "time": Font(11),
    "waited": Font(11),
    "fold": Font(12),
}

_FACES = '"Segoe UI", "Helvetica Neue", "DejaVu Sans", Arial, sans-serif'
_SHAPES = f"""
text {{ font-family: system-ui, {_FACES}; }}
.time {{ font-variant-numeric: tabular-nums; }}
.fold {{ font-style: italic; }}
.on {{ paint-order: stroke; stroke-width: 4px; stroke-linejoin: round; }}
.life {{ stroke-width: 1; stroke-dasharray: 3 4; }}
.axis, .tick {{ stroke-width: 1; }}
.arrow {{ stroke-width: 1.4; }}
.head {{ stroke-width: 1.2; }}
.band {{ fill-opacity: 0.08; }}
.wait {{ fill-opacity: 0.75; }}
"""

#: Each colour on white and on dark.
_COLOURS = {
    "paper": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "muted": ("#59636e", "#9198a1"),
    "faint": ("#c3cad2", "#3d444d"),
    "client": ("#59636e", "#9198a1"),
    "server": ("#0969da", "#4493f8"),
    "agent": ("#8250df", "#ab7df8"),
    "person": ("#bc4c00", "#f0883e"),
    "accepted": ("#1a7f37", "#3fb950"),
    "partial": ("#0b7285", "#39c5cf"),
    "refused": ("#cf222e", "#f85149"),
    "skipped": ("#59636e", "#9198a1"),
    "failed": ("#9a6700", "#d29922"),
}
_FILLED = {
    "ink": "text, .tip, .note",
    "paper": ".paper, .gap, .head",
    "muted": ".detail, .label, .time, .fold",
    **{
        actor: f".wait.{actor}, .{actor}-ink"
        for actor in ("client", "server", "agent", "person")
    },
    **{
        outcome: f".band.{outcome}, .edge.{outcome}, .{outcome}-ink"
        for outcome in ("accepted", "partial", "refused", "skipped", "failed")
    },
}
_STROKED = {
    "ink": ".arrow",
    "paper": ".on",
    "faint": ".life, .axis",
    "muted": ".tick",
    **{actor: f".head.{actor}" for actor in ("client", "server", "agent", "person")},
}


def _fonts() -> Iterator[str]:
    for kind, font in FONTS.items():
        weight = " font-weight: 600;" if font.bold else ""
        yield f".{kind} {{ font-size: {font.size:g}px;{weight} }}"


def _colours(page: int) -> Iterator[str]:
    for name, selector in _FILLED.items():
        yield f"{selector} {{ fill: {_COLOURS[name][page]}; }}"
    for name, selector in _STROKED.items():
        yield f"{selector} {{ stroke: {_COLOURS[name][page]}; }}"


#: The whole style sheet.
STYLE = "\n".join(
    (
        _SHAPES,
        *_fonts(),
        *_colours(0),
        "@media (prefers-color-scheme: dark) {",
        *_colours(1),
        "}\n",
    )
)

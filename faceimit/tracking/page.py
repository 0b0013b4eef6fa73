"""Self-contained HTML pages: findings, tables and figures in one file that opens anywhere and asks the net for nothing.

A page is data (:class:`Page`); the templates beside this file say how it looks. All text is escaped.
"""

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

Level = Literal["bad", "warn", "ok"]
# what a reader who sees no colour reads
WORDS: dict[str, str] = {"bad": "problem", "warn": "look at", "ok": "good"}
WRAPPED = 32  # letters from which a cell of a table may break into lines
_ORDER = {"bad": 0, "warn": 1, "ok": 2}
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Mark:
    """A verdict in a cell of a table."""

    level: Level


@dataclass(frozen=True)
class Bars:
    """A small histogram in a cell of a table.

    Attributes:
        values: counts, one a bar.
        label: what it shows, for who cannot see it.
    """

    values: Sequence[float]
    label: str

    @property
    def heights(self) -> list[float]:
        """Of each bar in [0, 10]; by square root, so that rare values still show."""
        top = max(self.values, default=0)
        return [10.0 * math.sqrt(value / top) if top > 0 else 0.0 for value in self.values]


@dataclass(frozen=True)
class Best:
    """The best number of its row or column."""

    value: float


Cell = str | int | float | None | Mark | Bars | Best


@dataclass(frozen=True)
class Text:
    """Paragraphs, under a heading or none."""

    paragraphs: Sequence[str]
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; columns that hold numbers are aligned to the right, columns that hold nothing are left out.

    Attributes:
        columns: headings.
        rows: of as many cells.
        heading: above it.
        caption: what to know to read it.
        total: the last row sums up the others.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    heading: str = ""
    caption: str = ""
    total: bool = False

    def side(self, column: int) -> str:
        """``right`` for a column of numbers, ``text`` or ``left`` for others."""
        cells = self._filled(column)
        if cells and all(isinstance(cell, int | float | Best) or _measure(cell) for cell in cells):
            return "right"
        return "text" if any(isinstance(cell, str) and len(cell) > WRAPPED for cell in cells) else "left"

    @property
    def kept(self) -> list[int]:
        """Columns that hold something."""
        return [column for column in range(len(self.columns)) if self._filled(column) or not self.rows]

    def _filled(self, column: int) -> list[Cell]:
        return [row[column] for row in self.rows if row[column] is not None and row[column] != ""]


@dataclass(frozen=True)
class Finding:
    """One thing the reader should know.

    Attributes:
        level: how bad.
        text: a sentence.
        advice: what to do about it, or "".
    """

    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Findings:
    """Findings, the worst first."""

    items: Sequence[Finding]
    nothing: str = "Nothing to report."

    @property
    def ranked(self) -> list[Finding]:
        """The worst first, otherwise in the order given."""
        return sorted(self.items, key=lambda item: _ORDER[item.level])


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        data: PNG, JPEG or SVG file.
        alt: what it shows, for who cannot see it.
        caption: under it.
        wide: takes the whole width.
    """

    data: bytes
    alt: str
    caption: str = ""
    wide: bool = False

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        starts = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"))
        kind = next((kind for start, kind in starts if self.data.startswith(start)), "image/svg+xml")
        return f"data:{kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Figures:
    """Pictures side by side where there is room."""

    items: Sequence[Figure]


@dataclass(frozen=True)
class Tiles:
    """Small pictures in a grid, each with its caption: a contact sheet.

    Attributes:
        items: the pictures.
        heading: above them.
        caption: what to know to read them.
    """

    items: Sequence[Figure]
    heading: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Prose:
    """Text that is HTML already, escaped by who made it.

    Attributes:
        html: with no reference to anything outside the page.
    """

    html: str


@dataclass(frozen=True)
class Fold:
    """What only some readers want: closed until it is clicked on.

    Attributes:
        title: what is inside.
        blocks: from top to bottom.
    """

    title: str
    blocks: Sequence["Block"]


Block = Text | Table | Findings | Figures | Tiles | Prose | Fold


@dataclass(frozen=True)
class Section:
    """A titled part of a page."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: of the page.
        sections: from top to bottom; put what matters first.
        subtitle: under the title.
        facts: (name, value) shown large at the top.
        footer: how it was made.
    """

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)
    footer: str = ""

    def html(self) -> str:
        """The whole page."""
        return _environment().get_template("page.html").render(page=self, render=_rendered)


def _measure(cell: Cell) -> bool:
    """A number with its unit, written out: ``6 min``, ``97.4%``."""
    return isinstance(cell, str) and re.fullmatch(r"[+-]?[\d.,]+(%| [a-z]{1,4})?", cell) is not None


def shown(value: Cell) -> str:
    """A number as people write it: thousands apart, four figures that count; "" for what is not known."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float) or not math.isfinite(value):
        return ""
    value += 0.0  # no minus before a zero
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def canvas(size: tuple[float, float] = (5.6, 3.0)) -> tuple[Any, Any]:
    """A Matplotlib figure of so many inches and its axes, drawn as the plots of all pages are."""
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=size, layout="constrained")
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.xaxis.label.set_fontsize(9)
    axis.yaxis.label.set_fontsize(9)
    return figure, axis


def legend_above(figure: Any, axis: Any, marks: float = 1.0) -> None:
    """The legend of the axes above all of them, where it covers nothing: in as many columns as there is room for, and
    the figure grows by its lines. Marks are so many times as large as in the axes.
    """
    handles, labels = axis.get_legend_handles_labels()
    wide = 0.5 + 0.054 * max(map(len, labels), default=0)  # inches of the longest
    columns = max(1, min(len(labels), int(figure.get_figwidth() / wide)))
    figure.set_figheight(figure.get_figheight() + 0.18 * math.ceil(len(labels) / columns))
    figure.legend(
        handles, labels, loc="outside upper right", ncols=columns, frameon=False, fontsize=8, markerscale=marks
    )


def svg(figure: Any) -> bytes:
    """A matplotlib figure as SVG, the same bytes for the same figure."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": "faceimit"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return stream.getvalue()


def png(figure: Any, dpi: int = 140) -> bytes:
    """A matplotlib figure as PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "parts": _parts}
    return environment


def _parts(name: str) -> list[str]:
    """A heading, parted where it may break for want of room: after dots, slashes and underscores."""
    return re.split(r"(?<=[./_])(?=\w)", name)


def _rendered(block: Block) -> str:
    """A block as HTML, escaped by its template."""
    names: Mapping[str, Any] = {"block": block, "kind": type(block).__name__, "words": WORDS, "render": _rendered}
    return _environment().get_template("blocks.html").render(names)

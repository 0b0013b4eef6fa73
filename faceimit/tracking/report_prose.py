"""A README as part of a page: Markdown to HTML, its pictures inside, nothing that asks the net."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.tracking.page import Figure, Prose

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
PICTURES = (".png", ".jpg", ".jpeg", ".svg")
LARGE = 300_000  # bytes: larger pictures are made smaller
WIDE = 1520  # pixels, twice the width a page shows


def prose(text: str, folder: Path) -> tuple[str, Prose, list[Path]]:
    """Markdown as part of a page.

    Args:
        text: of the README.
        folder: where its pictures lie; those of other places and of the net are left out, their words stay.

    Returns:
        Its first heading ("" if none), the rest, and the pictures that are in it.
    """
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(COMMENT.sub("", text))
    title = ""
    if len(tokens) >= 3 and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        title, tokens = tokens[1].content, tokens[3:]
    used: list[Path] = []
    for token in tokens:
        if token.children:
            token.children = _own(token.children, folder, used)
    html = reader.renderer.render(tokens, reader.options, {})
    html = html.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    return title, Prose(html), used


def _own(tokens: Sequence[Any], folder: Path, used: list[Path]) -> list[Any]:
    """The words of a line without links to files beside it, its pictures as part of the page."""
    kept, inner = [], 0
    for token in tokens:
        if token.type == "link_open" and not str(token.attrGet("href")).startswith(("https://", "http://", "#")):
            inner += 1
            continue
        if token.type == "link_close" and inner:
            inner -= 1
            continue
        if token.type == "image":
            path = _inside(str(token.attrGet("src")), folder)
            if path is None:
                token.type, token.tag = "text", ""
                token.children = None
            else:
                used.append(path)
                token.attrSet("src", picture(path, token.content).source)
        kept.append(token)
    return kept


def picture(path: Path, alt: str, caption: str = "", wide: bool = True) -> Figure:
    """A picture file as part of a page, made smaller where it is large.

    Raises:
        InputError: no picture.
    """
    data = path.read_bytes()
    if path.suffix.lower() != ".svg":
        data = _smaller(data, path)
    return Figure(data, alt or path.stem.replace("_", " "), caption, wide)


def pictures_of(folder: Path) -> list[Path]:
    """Picture files of a folder and of ``plots/`` in it, by name."""
    found = (*folder.glob("*"), *folder.glob("plots/*"))
    return sorted(path for path in found if path.suffix.lower() in PICTURES and path.is_file())


def _smaller(data: bytes, path: Path) -> bytes:
    import cv2
    import numpy as np

    from faceimit.tracking.report_figures import jpeg

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    if image is None:
        raise InputError(f"{path} is no whole picture, make it again or delete it")
    if len(data) <= LARGE:
        return data
    scale = min(1.0, WIDE / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = jpeg(cv2.resize(image, size, interpolation=cv2.INTER_AREA), quality=86)
    return min(data, small, key=len)


def _inside(source: str, folder: Path) -> Path | None:
    """The picture file of this folder that is meant, None for one of elsewhere."""
    path = (folder / source).resolve()
    inside = path.is_relative_to(folder.resolve()) and path.suffix.lower() in PICTURES
    return path if inside and "://" not in source and path.is_file() else None

"""The HTML of a report: one self-contained page of tiles, tables and pictures, for screens and for paper."""

import base64
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from urllib.parse import quote

import pandas as pd
from PIL import Image

from tfaffect.scoring.page_style import SCRIPT, STYLE

LIST = ("name", "value")
"""The columns of a table without a header, in its CSV."""

PHONE_INCHES = 4.75
"""A picture of this width fits a phone of 390 pixels without scrolling: 72 pixels an inch, see `page_style.STYLE`."""


def compose_page(title: str, parts: Iterable[str]) -> str:
    """A complete page: `title` is plain text; `parts` are HTML, and empty ones are left out."""
    title = escape(title)
    viewport = "<meta name='viewport' content='width=device-width, initial-scale=1'>"
    head = [
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>{viewport}",
        f"<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>",
    ]
    return "\n".join([*head, *filter(None, parts), f"</main><script>{SCRIPT}</script></body></html>\n"])


def compose_paragraph(text: str, small: bool = False) -> str:
    """A paragraph of plain text; nothing for an empty one. Notes are `small`."""
    words = f"<small>{escape(text)}</small>" if small else escape(text)
    return f"<p>{words}</p>" if text else ""


def compose_tile(title: str, number: str, *lines: str) -> str:
    """A large number with a title above it and small lines below it, all plain text."""
    below = "".join(f"<small>{escape(line)}</small>" for line in lines)
    return f"<div class='tile'>{escape(title)}<b>{escape(number)}</b>{below}</div>"


def compose_table(
    header: Sequence[str] | None,
    rows: Iterable[Sequence[str]],
    caption: str,
    data: pd.DataFrame | None = None,
) -> str:
    """A table of plain text with its caption, which people can copy or download as CSV.

    Args:
      header: the names of the columns. Without a header it is a list of names and values.
      rows: the first cell is the heading of the row; the second line of another cell is small.
      caption: what the table contains; it also gives the CSV file its name.
      data: the content of the CSV, with all digits. Without it the CSV has the texts of the table.
    """
    rows = list(rows)
    lines = "".join(map(_compose_row, rows))
    names = "".join(f"<th scope='col'>{escape(name)}</th>" for name in header or ())
    kind, head = ("table", f"<thead><tr>{names}</tr></thead>") if header else ("table protocol", "")
    download = _compose_download(caption, pd.DataFrame(rows, columns=[*(header or LIST)]) if data is None else data)
    body = f"<caption><div>{escape(caption)}{download}</div></caption>{head}<tbody>{lines}</tbody>"
    style = f"--columns: {len(header or LIST)}"
    return f"<div class='{kind}'><table aria-label='{escape(caption)}' style='{style}'>{body}</table></div>"


def _compose_row(row: Sequence[str]) -> str:
    first, *cells = map(escape, row)
    parts = [cell.replace("\n", "<small>", 1) + "</small>" * ("\n" in cell) for cell in cells]
    return f"<tr><th scope='row'><span>{first}</span></th>{''.join(f'<td>{part}</td>' for part in parts)}</tr>"


def _compose_download(caption: str, data: pd.DataFrame) -> str:
    """A link that needs no server and no script: its address contains the CSV (RFC 4180)."""
    name = re.sub(r"\W+", "-", caption.lower()).strip("-")
    text = data.to_csv(index=False, lineterminator="\r\n")
    return f"<a download='{name}.csv' href='data:text/csv;charset=utf-8,{quote(text, safe=',')}'>Download CSV</a>"


def compose_details(summary: str, content: str) -> str:
    """HTML that is shown on request, and always on paper, under a line of plain text."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def compose_pictures(
    pictures: Mapping[str, bytes], captions: Mapping[str, str], *names: str, alts: Mapping[str, str] | None = None
) -> str:
    """Those PNG pictures of `names` that exist, embedded in the page, with plain text captions.

    The files must state their dots per inch, as those of matplotlib do: the page shows 72 to 130 pixels for an inch, so
    that letters of 10 points can be read. `alts` tell people who do not see a picture what it shows; a picture without
    such a text has its caption there.
    """
    figures = [
        _compose_picture(pictures[name], captions[name], (alts or {}).get(name, captions[name]))
        for name in names
        if name in pictures
    ]
    return f"<div class='pictures'>{''.join(figures)}</div>" if figures else ""


def _compose_picture(png: bytes, caption: str, alt: str) -> str:
    """A picture in a white box; the keyboard can reach a box that scrolls on a phone."""
    with Image.open(io.BytesIO(png)) as image:
        width, height, inches = *image.size, image.width / image.info["dpi"][0]
    scrolls = f" tabindex='0' role='group' aria-label='{escape(caption)}'" if inches > PHONE_INCHES else ""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    picture = f"<img alt='{escape(alt)}' width='{width}' height='{height}' src='{source}'>"
    style = f"--inches: {inches:.2f}"
    return f"<figure style='{style}'><div{scrolls}>{picture}</div><figcaption>{escape(caption)}</figcaption></figure>"

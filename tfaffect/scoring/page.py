"""The HTML of a report: one self-contained page of tiles, tables and pictures, in light and dark mode."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --muted: #646b7a; --line: #dfe2e8; --page: #f5f6f8; --card: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ee; --muted: #9aa1b1; --line: #333947; --page: #14171d; --card: #1d2129 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 68rem; padding: 1rem 1rem 3rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1rem 0 }
.tile, .table { background: var(--card); border: 1px solid var(--line); border-radius: .6rem }
.tile { padding: .8rem 1rem }
.tile b { display: block; font-size: 1.9rem; line-height: 1.3; font-weight: 650 }
small, figcaption { color: var(--muted); font-size: .82rem }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .45rem .9rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line);
  vertical-align: top; font-weight: 400 }
thead th { color: var(--muted); font-size: .82rem; border: 0 }
th:first-child, .protocol td { text-align: left }
.protocol td { width: 100%; white-space: normal; overflow-wrap: anywhere }
small { display: block }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem }
figure { margin: 0; flex: 1 1 min(24rem, 100%); min-width: 0 }
figure div { overflow-x: auto; background: #fff; padding: .75rem; border: 1px solid var(--line); border-radius: .6rem }
img { display: block; width: 100% }
figure:only-child img { min-width: 29rem }
"""


def compose_page(title: str, parts: Iterable[str]) -> str:
    """A complete page: `title` is plain text; `parts` are HTML, and empty ones are left out."""
    title = escape(title)
    viewport = "<meta name='viewport' content='width=device-width, initial-scale=1'>"
    head = [
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>{viewport}",
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>",
    ]
    return "\n".join([*head, *filter(None, parts), "</body></html>\n"])


def compose_tile(title: str, number: str, *lines: str) -> str:
    """A large number with a title above it and small lines below it, all plain text."""
    below = "".join(f"<small>{escape(line)}</small>" for line in lines)
    return f"<div class='tile'>{escape(title)}<b>{escape(number)}</b>{below}</div>"


def compose_table(header: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text; the first column has the row headings, and the second line of a cell is small.

    Without a header it is a list of names and values; a value may have several lines.
    """
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in header or ())
    lines = []
    for first, *cells in rows:
        parts = [escape(cell).replace("\n", "<small>", 1) + "</small>" * ("\n" in cell) for cell in cells]
        lines.append(f"<tr><th scope='row'>{escape(first)}</th>{''.join(f'<td>{part}</td>' for part in parts)}</tr>")
    kind, head = ("table", f"<thead><tr>{head}</tr></thead>") if header else ("table protocol", "")
    return f"<div class='{kind}'><table>{head}<tbody>{''.join(lines)}</tbody></table></div>"


def compose_pictures(pictures: Mapping[str, bytes], captions: Mapping[str, str], *names: str) -> str:
    """Those PNG pictures of `names` that exist, embedded in the page, with plain text captions."""
    figures = [
        f"<figure><div><img alt='{escape(captions[name])}' "
        f"src='data:image/png;base64,{base64.b64encode(pictures[name]).decode()}'></div>"
        f"<figcaption>{escape(captions[name])}</figcaption></figure>"
        for name in names
        if name in pictures
    ]
    return f"<div class='pictures'>{''.join(figures)}</div>" if figures else ""

"""What a verification found, as tables for the terminal."""

from __future__ import annotations


def summarise(found: dict) -> str:
    """Return the tables of what `verify.verify` returns: the claims, and the photos where there were some."""
    protocol = ", ".join(found["measured on"].values())
    which = "those of the claims" if found["same records"] else "not those of the claims"
    lines = [f"{found['artefact']} on {protocol}: {found['records']:,} records, {which}", ""]
    rows, verdicts = [["figure", "claimed", "measured", "95 % interval"]], [""]
    for finding in found["figures"]:
        title, verdict = finding["figure"], {True: "holds", False: "DOES NOT HOLD", None: "no labels here"}
        measured = _spell(title, finding["measured"] or {})
        rows.append([title, _number(title, finding["claimed"]), *measured])
        verdicts.append(verdict[finding["holds"]])
    lines += [f"{line}  {said}".rstrip() for line, said in zip(_table(rows), verdicts, strict=True)]
    if faces := found["faces"]:
        lines += ["", f"With the face detector: {faces['photos']:,} photos, {faces['no face']:,} without a face", ""]
        rows = [["figure", "face found", "95 % interval", "a missed face is wrong", "95 % interval"]]
        for title in [title for title, figure in faces["found"].items() if figure["value"] is not None]:
            missed = _spell(title, faces["missed is wrong"].get(title, {}))
            rows.append([title, *_spell(title, faces["found"][title]), *missed])
        lines += _table(rows)
    return "\n".join(lines)


def _spell(title: str, figure: dict) -> tuple[str, str]:
    """A figure and its interval."""
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    interval = "-" if low is None else f"{_number(title, low)} to {_number(title, high)}"
    return _number(title, value), interval


def _number(title: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if title.startswith(("CCC", "RMSE")) else f"{100 * value:.2f} %"


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return ["  ".join(line) for line in lines]

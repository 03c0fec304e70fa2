"""The result of a verification as tables for the terminal."""

from __future__ import annotations

from tfaffect.errors import counted
from tfaffect.scoring.report import align


def summarise(found: dict) -> str:
    """Return the result of `verify.verify` as tables: the claims, and the photos if there are any."""
    protocol = ", ".join(found["measured on"].values())
    which = "those of the claims" if found["same records"] else "not those of the claims"
    lines = [f"{found['artefact']} on {protocol}: {counted(found['records'], 'record')}, {which}", ""]
    rows, verdicts = [["figure", "claimed", "measured", "95 % interval"]], [""]
    for finding in found["figures"]:
        title, verdict = finding["figure"], {True: "holds", False: "DOES NOT HOLD", None: "no labels here"}
        measured = _with_interval(title, finding["measured"] or {})
        rows.append([title, _number(title, finding["claimed"]), *measured])
        verdicts.append(verdict[finding["holds"]])
    lines += [f"{line}  {verdict}".rstrip() for line, verdict in zip(align(rows).splitlines(), verdicts, strict=True)]
    if faces := found["faces"]:
        photos = counted(faces["photos"], "photo")
        lines += ["", f"With the face detector: {photos}, {faces['no face']:,} without a face", ""]
        rows = [["figure", "face found", "95 % interval", "a missed face is wrong", "95 % interval"]]
        for title in [title for title, figure in faces["found"].items() if figure["value"] is not None]:
            missed = _with_interval(title, faces["missed is wrong"].get(title, {}))
            rows.append([title, *_with_interval(title, faces["found"][title]), *missed])
        lines += align(rows).splitlines()
    return "\n".join(lines)


def _with_interval(title: str, figure: dict) -> tuple[str, str]:
    """Return a figure and its interval."""
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    interval = "-" if low is None else f"{_number(title, low)} to {_number(title, high)}"
    return _number(title, value), interval


def _number(title: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if title.startswith(("CCC", "RMSE")) else f"{100 * value:.2f} %"

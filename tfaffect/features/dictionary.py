"""A data dictionary beside a table: what its columns mean, and how they were made. Psych-DS and BIDS ask for one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tfaffect.contract import TURNED_GREY, Contract
from tfaffect.features.columns import DETECTOR, FILE, LINKER, NETWORK, Column, describe
from tfaffect.features.tables import ARRAYS
from tfaffect.features.video_names import write_text
from tfaffect.scoring.priors import ESTIMATED

RULES = {
    "seconds": "Time 0 is the start of the file, also of its sound, and not of its first picture. The time stamps of "
    "the container count. A stamp that repeats is half a frame later.",
    "pixels": "Pixels of the picture as it is displayed: upright, with square pixels. x goes from left to right and y "
    "from top to bottom; 0, 0 is the top left corner. Boxes and points may lie outside the picture.",
    "landmarks": "The five points stay nearly upright on tilted heads: at 30 degrees they are off by a tenth to a "
    "fifth of the distance between the eyes.",
}
MISSING = {
    ".csv": "an empty cell",
    ".parquet": "null",
    ".npz": "NaN in an array of numbers, -1 in an array of integers, an empty text in an array of texts",
}
"""How a table states that a value is missing."""


def dictionary_of(table: Path) -> Path:
    """Return the file of a table's data dictionary: `faces.csv.columns.json` beside `faces.csv`."""
    return table.with_name(f"{table.name}.columns.json")


def write_dictionary(
    table: Path,
    schema: pa.Schema,
    known: dict[str, Column],
    carried: Sequence[str],
    contract: Contract,
    run: Mapping[str, Any],
    to: Path | None = None,
) -> None:
    """Write the data dictionary of a table, with one line for each column.

    known: the descriptions of its layout. carried: its columns that were copied from an input. run: the options and
    measurements on which the rows depend. to: the file, for a table of several files that `table` names with a pattern.
    """
    facts: dict[str, Any] = {
        "table": str(table) if to else table.name,
        "missing": MISSING[table.suffix.lower()],
        "rules": RULES,
        "sources": _sources(contract, run),
        "run": run,
    }
    entries = {name: column.entry() for name, column in describe(schema, known, carried)}
    _write(to or dictionary_of(table), table, facts, entries)


def copy_dictionary(source: Mapping[str, Any], table: Path) -> None:
    """Write the data dictionary of a table that was made of those that the dictionary `source` describes."""
    facts = dict(source)
    facts |= {"table": table.name, "missing": MISSING[table.suffix.lower()]}
    _write(dictionary_of(table), table, facts, facts.pop("columns"))


def _write(path: Path, table: Path, facts: dict[str, Any], entries: Mapping[str, object]) -> None:
    if table.suffix.lower() == ".npz":
        facts["arrays"] = {
            name: f"{columns[0]} ... {columns[-1]}" for name, columns in ARRAYS.items() if columns[0] in entries
        } | {"classes": "the names of the classes, in the order of the array `probabilities`"}
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)
    lines = [
        f"    {json.dumps(name, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False)}"
        for name, entry in entries.items()
    ]
    write_text(path, [text.removesuffix("\n}") + ",", '  "columns": {', ",\n".join(lines), "  }", "}"])


def _sources(contract: Contract, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return for each source of columns its model and its protocol."""
    smooth, searched = run["smooth"], run["detect_sides"]
    filtered = f"an exponential moving average over each track with a time constant of {smooth} s" if smooth else "none"
    return {
        NETWORK: {
            "model": {
                "architecture": contract.architecture,
                "weights_sha256": contract.weights_sha256,
                "trained": list(contract.trained),
                "corpora": contract.corpora,
                "class_shares": contract.class_shares,
                "licence": contract.licence,
            },
            "protocol": {
                "input": contract.preprocessing(),
                "crop": contract.input.get("crop") if searched else "every picture is a face crop",
                "crop_margin": contract.crop_margin,
                **({"turned_grey": TURNED_GREY} if contract.colour == "grey" else {}),
                "probabilities": f"softmax of the logits, which are divided by the temperature {contract.temperature}",
                "prior": _prior(run),
                "mirror": "means over the face and its mirror image" if contract.mirror else "none",
                "filter": filtered,
                "filter_of_features": filtered if run["smooth_embeddings"] else "none",
                "lowest_probability_of_a_named_class": run["abstain"],
                "never_trained": "a head that is not in `trained` has no values",
            },
        },
        DETECTOR: {
            "model": "YuNet" if searched else None,
            "protocol": {"longest_sides_searched": searched, "lowest_confidence": run["min_score"]},
        },
        LINKER: {"model": "a Kalman filter and the overlap of boxes", "protocol": "tfaffect/features/tracks.py"},
        FILE: {"model": None, "protocol": "read from the input, or counted in it"},
    }


def _prior(run: Mapping[str, Any]) -> str:
    """Return for which class shares the probabilities are right."""
    if not run.get("prior"):
        return "none: the probabilities are right for the class shares of the model's `class_shares.answers`"
    shares = "run.estimated_prior, estimated from all faces of this table" if ESTIMATED in run else "run.prior"
    return f"turned by Bayes from the model's `class_shares.answers` to the class shares of {shares}"

"""Which group each face belongs to: by sex, age, ethnicity, a tag, or a table of keys and groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import reduce
from pathlib import Path

import pandas as pd

from tfaffect.errors import UsageError
from tfaffect.files.tables import SUFFIXES, open_table, to_number

ATTRIBUTES = ("sex", "age", "ethnicity")
"""The record fields about people, by which a report groups faces when nobody asks for other groupings."""

NOT_GIVEN = "not given"
"""The group of the faces whose attribute is not known. It is never ranked."""

UNKNOWN = ("", "unknown", "unsure", "n/a", "nan", NOT_GIVEN)
"""What corpora write for an unknown attribute, in lower case."""

OLDEST = 120
CROSS = " / "


def assign(predictions: pd.DataFrame, by: Sequence[str] = ()) -> dict[str, pd.Series]:
    """Return the group of every row of a table of predictions, for each grouping by its name.

    Each entry of `by` is sex, age, ethnicity, a tag, or the path of a table with the columns key and group. Several of
    them with commas between them are crossed: "sex,age" has groups such as "female / 20-29". Without entries, those of
    `ATTRIBUTES` count that any row has. Raises UsageError for an entry that groups no row.
    """
    if not by:
        found = {name: _attribute(predictions, name) for name in ATTRIBUTES if name in predictions}
        return {name: groups for name, groups in found.items() if (groups != NOT_GIVEN).any()}
    groupings: dict[str, pd.Series] = {}
    for entry in by:
        parts = [entry] if Path(entry).is_file() else [part.strip() for part in entry.split(",") if part.strip()]
        named = dict(_find(predictions, part) for part in parts)
        name = ",".join(named)
        if not named or name in groupings:
            raise UsageError(f"Each entry of --by needs a name of its own. Received: {' '.join(by)!r}.")
        groupings[name] = reduce(_cross, named.values())
    return groupings


def age_band(text: str) -> str:
    """Return the band of an age in years: "under 20", "20-29" to "60-69", "70 and over".

    A text that is no number stays, because some corpora give bands or words. A number outside 0 to 120 is not an age.
    """
    years = to_number(text)
    if years is None:
        return text
    if not 0 <= years <= OLDEST:
        return NOT_GIVEN
    decade = int(years // 10) * 10
    return "under 20" if years < 20 else "70 and over" if years >= 70 else f"{decade}-{decade + 9}"


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of groups by the number that they start with, then by the alphabet; `NOT_GIVEN` is the last."""

    def place(name: str) -> list[tuple[bool, int, str]]:
        numbers = ((part, re.match(r"\d+", part)) for part in name.split(CROSS))
        return [(part == NOT_GIVEN, int(found[0]) if found else -1, part.casefold()) for part, found in numbers]

    return sorted(names, key=place)


def _find(predictions: pd.DataFrame, word: str) -> tuple[str, pd.Series]:
    """Return the name and the groups of one attribute, tag or table."""
    if word in ATTRIBUTES:
        groups = _attribute(predictions, word)
        if (groups == NOT_GIVEN).all():
            corpora = ", ".join(sorted(predictions["corpus"].unique()))
            raise UsageError(
                f"No record of {corpora} says {word}, so there are no groups by it. Received: --by {word}."
            )
        return word, groups
    if Path(word).suffix.lower() in SUFFIXES:
        return Path(word).stem, _listed(predictions, Path(word))
    tags = predictions["tags"].fillna("").map(lambda text: {tag.strip() for tag in text.split(",")} - {""})
    known = sorted(set().union(*tags))
    if word not in known:
        near = "".join(f" Did you mean {name}?" for name in get_close_matches(word, [*ATTRIBUTES, *known], n=1))
        raise UsageError(
            f"--by takes {', '.join(ATTRIBUTES)}, a tag of these records ({', '.join(known) or 'they have none'}), or "
            f"a table with the columns key and group ({', '.join(SUFFIXES)}). Received: {word!r}.{near}"
        )
    return word, tags.map(lambda own: word if word in own else f"not {word}")


def _attribute(predictions: pd.DataFrame, name: str) -> pd.Series:
    """Return the groups by a record field; a group that is written in several ways has the most frequent spelling."""
    missing = pd.Series("", index=predictions.index)
    band: Callable[[str], str] = age_band if name == "age" else str
    return _tidy(predictions.get(name, missing).fillna("").astype(str).str.strip().map(band))


def _tidy(texts: pd.Series) -> pd.Series:
    folded = texts.str.casefold()
    frequent = texts.groupby(folded).agg(lambda spellings: spellings.value_counts(sort=True).index[0])
    return folded.map(frequent).mask(folded.isin(UNKNOWN), NOT_GIVEN)


def _listed(predictions: pd.DataFrame, path: Path) -> pd.Series:
    """Return the groups that a table gives by the key of the record; a record that it lacks is in `NOT_GIVEN`."""
    table = open_table(path, header=("key", "group"))
    key, group = table.find("key"), table.find("group")
    if key is None or group is None:
        raise UsageError(f"{path} needs the columns key and group. Received: {', '.join(table.names) or 'no columns'}.")
    groups: dict[str, str] = {}
    for line, cells in table.rows:
        if len(cells) <= max(key, group):
            raise UsageError(f"Line {line} of {path} needs a key and a group. Received: {', '.join(cells)!r}.")
        if groups.setdefault(cells[key], cells[group]) != cells[group]:
            raise UsageError(f"{path} gives the key {cells[key]!r} two groups, the second one in line {line}.")
    own = predictions["key"].isin(groups.keys())
    if not own.any():
        some = predictions["key"].iloc[0]
        raise UsageError(f"{path} has none of the keys of these records. The first record has the key {some!r}.")
    if predictions.loc[own, "key"].duplicated().any():
        raise UsageError(
            f"Two corpora have the same keys, so {path} cannot tell them apart. Score one corpus at a time."
        )
    return _tidy(predictions["key"].map(groups).fillna(""))


def _cross(first: pd.Series, second: pd.Series) -> pd.Series:
    """Return the groups of two groupings at once; a face that lacks one of the two is in `NOT_GIVEN`."""
    return (first + CROSS + second).mask((first == NOT_GIVEN) | (second == NOT_GIVEN), NOT_GIVEN)

"""The faces of one head in their groups, and the class shares that all groups get for an equal mix."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from tfaffect.labels import CLASSES
from tfaffect.scoring.group_sums import EQUAL_MIX, Head, class_counts
from tfaffect.scoring.groupings import NOT_GIVEN, in_order
from tfaffect.scoring.scores import group_codes

SMALLEST = 30
"""Faces that a group needs to be ranked. A smaller group is named, with its figures and their wide intervals."""


@dataclass(frozen=True)
class Faces:
    """The faces of one head in their groups.

    names: of the groups that have such faces. codes, people, corpora: numbers of each face, from 0. ranked: for each
    group, whether it is.
    """

    head: Head
    names: list[str]
    codes: np.ndarray
    people: np.ndarray
    corpora: np.ndarray
    ranked: np.ndarray

    def sums(self) -> list[csr_array]:
        """Return for each group the sums of the terms over the faces of each person (people, terms)."""
        shape = (self.people.max() + 1, len(self.people))
        ones = np.ones(len(self.people))
        owners = csr_array((ones, (self.people, np.arange(len(self.people)))), shape=shape)
        places = [np.flatnonzero(self.codes == code) for code in range(len(self.names))]
        return [owners[:, place] @ self.head.terms[place] for place in places]

    def count_people(self) -> np.ndarray:
        """Return the number of people in each group."""
        return np.array([len(np.unique(self.people[self.codes == code])) for code in range(len(self.names))])


def in_groups(predictions: pd.DataFrame, groups: np.ndarray, head: Head) -> Faces:
    """Return the faces of a head with their groups, which are given for every row of the predictions."""
    labelled = predictions.iloc[head.rows]
    names = in_order(np.unique(groups[head.rows]))
    place = {name: code for code, name in enumerate(names)}
    codes = np.array([place[name] for name in groups[head.rows]])
    ranked = (np.bincount(codes) >= SMALLEST) & (np.array(names) != NOT_GIVEN)
    corpora = np.unique(labelled["corpus"].to_numpy(str), return_inverse=True)[1]
    return Faces(head, [str(name) for name in names], codes, group_codes(labelled), corpora, ranked)


def with_equal_mix(faces: Faces) -> tuple[Faces, list[str]]:
    """Return the faces with the class shares that all groups get, and the classes that a ranked group lacks."""
    counts = class_counts(np.stack([group.sum(axis=0) for group in faces.sums()]))
    pooled = counts.sum(axis=0)
    everywhere = (counts[faces.ranked] > 0).all(axis=0)
    left_out = [name for name, n, here in zip(CLASSES, pooled, everywhere, strict=True) if n and not here]
    kept = np.where(everywhere, pooled, 0.0)
    if not faces.ranked.any() or not kept.any():
        return faces, left_out
    compared = (*faces.head.compared, "accuracy" + EQUAL_MIX, "macro_f1" + EQUAL_MIX)
    return replace(faces, head=replace(faces.head, shares=kept / kept.sum(), compared=compared)), left_out

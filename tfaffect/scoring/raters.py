"""Human agreement: how often another panel of raters would choose the class of the label."""

import numpy as np

from tfaffect.labels import CLASSES

ATOMS = 1000
"""Number of candidate vote distributions: those of so many records, smoothed."""

SMOOTHING = 0.05
"""Votes that are added to each class of an atom, times eight and times the share of the class in all votes."""

ROUNDS = 200
PANELS = 400


def agreement(labels: np.ndarray, raters: int, seed: int = 0) -> np.ndarray:
    """Return for each record the probability that a new panel of `raters` people gives most votes to the label's class.

    labels: (n, 8), the share of the votes for each class. A row of zeros is not annotated; its result is NaN. Returns
    (n,). On ties the first class counts, as everywhere. The labels lack the votes for none of the classes; with them
    FER+'s 88.8 % would be 88.0 %.

    The ten votes of one record do not determine the opinion of other raters, so empirical Bayes uses all records: the
    prior is the mixture of atoms that makes the votes most probable (nonparametric maximum likelihood, Kiefer and
    Wolfowitz 1956, by expectation maximisation). Check on the validation faces of FER+, with five raters of each ten
    against the other five: predicted agreement 82.0 %, real agreement 83.5 %. (With a Dirichlet distribution as prior
    80.7 % is predicted.)
    """
    known = labels.sum(axis=1) > 0
    shares = np.full(len(labels), np.nan)
    if not known.any():
        return shares
    rng = np.random.default_rng(seed)
    votes = raters * labels[known].astype(float)
    atoms = _make_atoms(votes, rng)
    logs = votes @ np.log(atoms).T
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights = np.full(len(atoms), 1 / len(atoms))
    for _ in range(ROUNDS):
        weights *= (likelihood / (likelihood @ weights)[:, None]).mean(axis=0)
    posterior = likelihood * weights
    posterior /= posterior.sum(axis=1, keepdims=True)
    shares[known] = (posterior * _simulate_panels(atoms, raters, rng)[votes.argmax(axis=1)]).sum(axis=1)
    return shares


def _make_atoms(votes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    some = votes[rng.permutation(len(votes))[:ATOMS]]
    smoothed = some + SMOOTHING * len(CLASSES) * (votes.mean(axis=0) + 1e-6) / votes.mean(axis=0).sum()
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def _simulate_panels(atoms: np.ndarray, raters: int, rng: np.random.Generator) -> np.ndarray:
    """How often each class gets most votes of a panel that votes by each atom: (8, atoms)."""
    counts = np.zeros((len(CLASSES), len(atoms)))
    for _ in range(PANELS):
        counts[rng.multinomial(raters, atoms).argmax(axis=1), np.arange(len(atoms))] += 1 / PANELS
    return counts

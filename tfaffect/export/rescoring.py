"""The figures of a file itself, in place of those of the network that it was made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tfaffect.contract import Contract
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes.predictions import tabulate, with_tag
from tfaffect.runtimes.tflite_file import TFLiteFile
from tfaffect.scoring.protocol import Protocol
from tfaffect.scoring.scores import score


def rescored(path: Path, contract: Contract, records: Path) -> Contract:
    """Return the contract with the figures that a TFLite file has under the protocol of the contract's own.

    `records` is the folder of the prepared corpora. A contract without figures stays as it is. Raises UsageError when a
    corpus of the protocol is not there.
    """
    if contract.scores is None:
        return contract
    words = contract.scores["protocol"]
    on = Protocol.parse(words)
    network = TFLiteFile(path, contract)

    def describe(pictures: np.ndarray) -> dict[str, np.ndarray]:
        return network(pictures)._asdict()

    corpora = [open_corpus(records, name) for name in on.corpora]
    tables = [tabulate(describe, corpus, on.split, contract.input_size) for corpus in corpora]
    figures = score(with_tag(pd.concat(tables, ignore_index=True), on.only))
    return replace(contract, scores={"protocol": words, **figures})

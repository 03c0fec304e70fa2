"""Measure the figures of an exported file itself, to replace those of its network in the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from tfaffect.contract import Contract
from tfaffect.records.prepared import open_corpus
from tfaffect.runtimes.predictions import predict, with_tag
from tfaffect.runtimes.tflite_file import TFLiteFile
from tfaffect.scoring.groupings import assign
from tfaffect.scoring.groups import score_groups
from tfaffect.scoring.protocol import Protocol
from tfaffect.scoring.scores import score


def rescore(path: Path, contract: Contract, records: Path) -> Contract:
    """Return the contract with the figures of a TFLite file, measured with the contract's protocol.

    `records` is the folder of the prepared corpora. A contract without figures is returned unchanged. Raises UsageError
    when a corpus of the protocol is missing.
    """
    if contract.scores is None:
        return contract
    protocol = Protocol.from_text(contract.scores["protocol"])
    network = TFLiteFile(path, contract)
    corpora = [open_corpus(records, name) for name in protocol.corpora]
    tables = [predict(network, corpus, protocol.split) for corpus in corpora]
    table = with_tag(pd.concat(tables, ignore_index=True), protocol.only)
    figures = {**score(table), "groups": score_groups(table, assign(table))}
    return replace(contract, scores={"protocol": contract.scores["protocol"], **figures})

"""The TFDS builder: what a record holds, and the vocabulary that travels beside the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from tfaffect.labels import AFFECT, CLASSES
from tfrecords_builders.base import Corpus
from tfrecords_builders.record import Fields


class AffectBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Writes the records of one corpus; `records(split)` yields the fields of each, in any order, by unique key."""

    def __init__(
        self, corpus: Corpus, splits: list[str], records: Callable[[str], Iterator[Fields]], data_dir: Path
    ) -> None:
        self.name = corpus.name
        self.VERSION = tfds.core.Version(corpus.version)
        self._corpus, self._splits, self._records = corpus, splits, records
        super().__init__(data_dir=data_dir)

    def _info(self) -> tfds.core.DatasetInfo:
        corpus = self._corpus
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{corpus.labels}. Licence: {corpus.licence}.",
            homepage=corpus.homepage or None,
            citation=corpus.citation,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "expression": tfds.features.Tensor(shape=(len(CLASSES),), dtype=np.float32),
                    **{name: tfds.features.Scalar(np.float32) for name in AFFECT},
                    **{name: tfds.features.Text() for name in ("key", "group", "tags", "sex", "age", "ethnicity")},
                }
            ),
            metadata=tfds.core.MetadataDict(
                corpus=corpus.name, version=corpus.version, classes=list(CLASSES), affect=list(AFFECT)
            ),
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self._splits}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, Fields]]:
        for fields in self._records(split):
            yield fields["key"], fields


def write(corpus: Corpus, splits: list[str], records: Callable[[str], Iterator[Fields]], folder: Path) -> Path:
    """Write records of the splits below `folder` and return the folder that holds them."""
    tfds.disable_progress_bar()  # it knows the records of a split only at its end; ours shows the time left
    builder = AffectBuilder(corpus, splits, records, folder)
    with redirect_stdout(StringIO()):  # it speaks of a download, and of a folder that is about to be renamed
        builder.download_and_prepare()
    return Path(builder.data_path)

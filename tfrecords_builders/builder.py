"""The TFDS builder: what a record holds, and the vocabulary that travels beside the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle, writer
from tensorflow_datasets.proto import tf_example_pb2

from tfaffect.labels import AFFECT, CLASSES
from tfrecords_builders.base import Corpus

HELD_BYTES = 256 << 20
"""Records that TFDS holds before it sorts them on disk, in place of its 1 GB: 450,000 faces, as many as AffectNet has,
then take 1.5 GB in all and not 2.2."""


class AffectBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Writes the records of one corpus; `examples` has by split an iterator of (key, fields) or a Beam transform."""

    def __init__(self, corpus: Corpus, examples: Mapping[str, object], data_dir: Path) -> None:
        self.name = corpus.name
        self.VERSION = tfds.core.Version(corpus.version)
        self._corpus, self._examples = corpus, examples
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
                corpus=corpus.name,
                version=corpus.version,
                classes=list(CLASSES),
                affect=list(AFFECT),
                crop_margin=corpus.crop_margin,
                raters=corpus.raters,
            ),
        )

    def _split_generators(self, dl_manager):
        return dict(self._examples)

    def _generate_examples(self):
        raise NotImplementedError("The examples were handed over.")

    def _example_writer(self) -> writer.ExampleWriter:
        return _OrderedFields(self.info.file_format)


class _OrderedFields(writer.ExampleWriter):
    """Writes the fields of a record sorted by name; in protobuf's own order no two processes write the same bytes."""

    def write(self, path: Path, examples: Iterable[tuple]):
        return super().write(path, ((key, _ordered(example)) for key, example in examples))


def _ordered(example: bytes) -> bytes:
    return tf_example_pb2.Example.FromString(example).SerializeToString(deterministic=True)


def write(corpus: Corpus, examples: Mapping[str, object], folder: Path, beam: tuple[str, object] | None = None) -> Path:
    """Write examples by split below `folder` and return the folder that holds them.

    `beam` is the runner and the pipeline options under which examples that are Beam transforms run.
    """
    shuffle.MAX_MEM_BUFFER_SIZE = HELD_BYTES
    tfds.disable_progress_bar()  # it knows the records of a split only at its end; ours shows the time left
    runner, options = beam or (None, None)
    builder = AffectBuilder(corpus, examples, folder)
    with redirect_stdout(StringIO()):  # it speaks of a download, and of a folder that is about to be renamed
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(beam_runner=runner, beam_options=options)
        )
    return Path(builder.data_path)

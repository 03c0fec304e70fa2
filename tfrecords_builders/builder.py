"""The TFDS builder: the fields of a record, and the vocabulary stored beside the records."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle, writer
from tensorflow_datasets.proto import tf_example_pb2

from tfaffect.labels import AFFECT, CLASSES
from tfrecords_builders.base import Corpus

BUFFER_BYTES = 256 << 20
"""Size of the buffer in which TFDS sorts records before it uses the disk; TFDS itself takes 1 GB. With it, 450,000
faces (as many as AffectNet has) take 1.5 GB in all, and not 2.2."""


class AffectBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]  # TFDS: no types
    """Writes the records of one corpus. `examples` has an iterator of (key, fields) or a Beam transform by split."""

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

    def _split_generators(self, dl_manager: object) -> dict[str, object]:
        return dict(self._examples)

    def _generate_examples(self) -> Iterator[tuple]:
        raise NotImplementedError("`_split_generators` returns the examples.")

    def _example_writer(self) -> writer.ExampleWriter:
        return _SortedFields(self.info.file_format)


class _SortedFields(writer.ExampleWriter):
    """Writes the fields of a record sorted by name. Otherwise protobuf's order differs between processes."""

    def write(self, path: Path, examples: Iterable[tuple]) -> Any:
        parse = tf_example_pb2.Example.FromString
        return super().write(
            path, ((key, parse(example).SerializeToString(deterministic=True)) for key, example in examples)
        )


def read(folder: Path, split: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of a split's records as `write` takes them, one after another: pictures stay encoded."""
    dataset = tfds.builder_from_directory(folder).as_dataset(
        split=split,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    )
    for record in tfds.as_numpy(dataset):
        texts = {name: value.decode() for name, value in record.items() if isinstance(value, bytes) and name != "image"}
        yield {**record, **texts}


def write(corpus: Corpus, examples: Mapping[str, object], folder: Path, beam: tuple[str, object] | None = None) -> Path:
    """Write examples by split below `folder` and return the folder that holds them.

    `beam` has the runner and the pipeline options for examples that are Beam transforms.
    """
    shuffle.MAX_MEM_BUFFER_SIZE = BUFFER_BYTES
    tfds.disable_progress_bar()  # TFDS counts a split's records only at the end; our bar shows the time left
    runner, options = beam or (None, None)
    builder = AffectBuilder(corpus, examples, folder)
    with redirect_stdout(StringIO()):  # TFDS prints about a download, and about a folder that is renamed afterwards
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(beam_runner=runner, beam_options=options)
        )
    return Path(builder.data_path)

import time

import pytest

from tfaffect.errors import UsageError
from tfaffect.features import parts as module
from tfaffect.features import tables
from tfaffect.features.parts import Parts, PartWriter
from tfaffect.features.row import Row

FACTS = {"model": "abc", "faces": None}


@pytest.fixture
def parts(tmp_path):
    parts = Parts(tmp_path / "faces.csv", tables.SCHEMA)
    parts.start(FACTS)
    return parts


def rows(source, count, first=0):
    return [Row(f"clip {source}", frame=number, seconds=float(number)) for number in range(first, first + count)]


def stored(parts):
    """Source and frame of every row, in order."""
    return [
        (int(path.removeprefix("clip ")), frame)
        for batch in parts.batches()
        for path, frame in zip(batch["path"].to_pylist(), batch["frame"].to_pylist(), strict=True)
    ]


def expected(counts):
    return [(source, frame) for source, count in enumerate(counts) for frame in range(count)]


@pytest.mark.parametrize("bound", [1, 2, 3, 7, 100])
def test_rows_come_back_in_order_however_they_were_parted(parts, monkeypatch, bound):
    monkeypatch.setattr(module, "ROWS", bound)
    counts = [1, 1, 5, 1, 9, 1, 1, 3]
    writer = PartWriter(parts)
    for source, count in enumerate(counts):
        for frame in range(count):
            writer.add(rows(source, 1, frame))
        writer.finish_source()
    writer.flush()
    assert stored(parts) == expected(counts)
    assert parts.resume(FACTS) == len(counts)
    assert stored(parts) == expected(counts)


@pytest.mark.parametrize("bound", [1, 2, 3, 100])
@pytest.mark.parametrize("stop", range(1, 12))
def test_a_run_goes_on_after_the_last_whole_source(parts, monkeypatch, bound, stop):
    """Killed after any row: rows of an incomplete source are removed, and no row comes twice."""
    monkeypatch.setattr(module, "ROWS", bound)
    counts = [1, 4, 1, 5, 1]
    every = expected(counts)
    writer = PartWriter(parts)
    for source, frame in every[:stop]:
        while writer.source < source:
            writer.finish_source()
        writer.add(rows(source, 1, frame))
    first = parts.resume(FACTS)
    assert first <= every[stop - 1][0]
    if bound == 1:
        assert first == every[stop - 1][0]
    assert stored(parts) == expected(counts[:first])
    writer = PartWriter(parts, first)
    for source, count in list(enumerate(counts))[first:]:
        writer.add(rows(source, count))
        writer.finish_source()
    writer.flush()
    assert stored(parts) == every
    assert parts.resume(FACTS) == len(counts)


def test_rows_do_not_wait_for_long(parts, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.05)
    writer = PartWriter(parts)
    writer.add(rows(0, 1))
    assert stored(parts) == []
    time.sleep(0.06)
    writer.add(rows(0, 1, 1))
    assert stored(parts) == [(0, 0), (0, 1)]


def test_another_model_or_option_is_refused(parts):
    with pytest.raises(UsageError, match=r"--resume needs the same .* model was abc, is xyz"):
        parts.resume({**FACTS, "model": "xyz"})


def test_a_part_half_written_is_not_taken_for_one(parts):
    writer = PartWriter(parts)
    writer.add(rows(0, 2))
    writer.finish_source()
    writer.flush()
    unfinished = parts.folder / ".000000001-000000001.arrow-x1"
    unfinished.mkdir()
    (unfinished / "000000001-000000001.arrow").write_bytes(b"half")
    assert parts.resume(FACTS) == 1
    assert stored(parts) == [(0, 0), (0, 1)]
    parts.remove()
    assert not parts.exist()
    assert not parts.folder.exists()

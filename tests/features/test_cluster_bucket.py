"""Several jobs fill one folder in a bucket, on the server of S3 of the package moto."""

import io
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tests.features.test_cluster import MICRO, SECOND
from tests.files.test_remote_storage import bucket, folder  # noqa: F401
from tfaffect.embed import main
from tfaffect.errors import UsageError
from tfaffect.features.cluster.folder import Folder
from tfaffect.features.cluster.stores import Bucket
from tfaffect.files import buckets

FLAGS = {"model": MICRO, "detect": False, "fps": 12.5, "smooth": 0.4, "window": 1.0}


@pytest.fixture
def written(monkeypatch):
    """The names of all files that are written to the bucket."""
    names, upload = [], buckets.upload
    monkeypatch.setattr(buckets, "upload", lambda source, to, new: names.append(to.name) or upload(source, to, new))
    return names


def listed(client, place):
    return sorted(name.removeprefix(f"bucket/{place}/") for name in client.find(f"bucket/{place}", refresh=True))


def test_jobs_from_and_to_a_bucket_make_the_table_of_one_machine_and_resume_it(
    bucket,  # noqa: F811
    folder,  # noqa: F811
    tmp_path,
    written,
    capsys,
):
    main((str(folder / "labels.csv"),), tmp_path / "whole.parquet", **FLAGS)
    job = partial(main, ("s3://bucket/clips/labels.csv",), Path("s3://bucket/jobs"), piece_minutes=SECOND, **FLAGS)
    job(shard="2/2")
    with pytest.raises(UsageError, match=r"s3://bucket/jobs is not complete: it lacks the rows"):
        main((), merge=Path("s3://bucket/jobs"))
    with pytest.raises(UsageError, match=r"s3://bucket/jobs has rows of other inputs.* fps was 12.5, is 5.0"):
        job(shard="1/2", fps=5.0)
    job(shard="1/2")
    assert "complete: python -m tfaffect embed --merge s3://bucket/jobs makes one table" in capsys.readouterr().out
    rows = [f"rows/00000000{number}-00000000{number}.parquet" for number in range(3)]
    files = ["columns.json", "report.json", *rows, "units.jsonl", "windows.columns.json", f"windows/{rows[1][5:]}"]
    assert listed(bucket, "jobs") == files, "no piece and no mark is left"

    bucket.rm_file(f"bucket/jobs/{rows[1]}")
    with pytest.raises(UsageError, match=r"s3://bucket/jobs has rows of shard 1/1\. Add --resume"):
        job(shard="1/1")
    written.clear()
    job(shard="1/1", resume=True)
    pieces = [f"000000001-000000001+00000{number}.arrow" for number in range(3)]
    assert written == [*pieces, rows[1][5:], rows[1][5:], "report.json"], "the windows come first"
    assert listed(bucket, "jobs") == files

    main((), merge=Path("s3://bucket/jobs"), out=Path("s3://bucket/merged/faces.parquet"))
    with pytest.raises(UsageError, match=r"s3://bucket/merged/faces\.parquet exists already"):
        main((), merge=Path("s3://bucket/jobs"), out=Path("s3://bucket/merged/faces.parquet"))
    for name in ("", ".windows"):
        found = pd.read_parquet(io.BytesIO(bucket.cat_file(f"bucket/merged/faces{name}.parquet")))
        expected = pd.read_parquet(tmp_path / f"whole{name}.parquet")
        assert len(expected) == (40 if not name else 5)
        pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=0, atol=1e-6)
        assert b'"table": "faces' in bucket.cat_file(f"bucket/merged/faces{name}.parquet.columns.json")


def test_of_two_jobs_that_start_together_in_a_bucket_one_decides_the_flags(bucket, monkeypatch):  # noqa: F811
    """Both find an empty folder. The server refuses to write the dictionary of the second one."""
    job = partial(main, ("s3://bucket/clips/face2.png",), Path("s3://bucket/together"), **FLAGS)
    job(shard="1/2")
    read, seen = Folder.read_facts, []
    monkeypatch.setattr(Folder, "read_facts", lambda self: read(self) if seen else seen.append(1))
    with pytest.raises(UsageError, match="faces was None, is 1"):
        job(shard="2/2", faces="largest")
    seen.clear()
    job(shard="2/2")


def test_of_two_jobs_on_one_shard_in_a_bucket_one_works_unless_the_other_resumes(bucket):  # noqa: F811
    job = partial(main, ("s3://bucket/clips/face2.png",), Path("s3://bucket/twice"), shard="1/1", **FLAGS)
    with Bucket().claim(Path("s3://bucket/twice/shard-1-of-1"), take_over=False):
        with pytest.raises(
            UsageError, match=r"shard 1/1 of s3://bucket/twice\. Or one was killed: a bucket has no locks"
        ):
            job()
        assert "rows" not in " ".join(listed(bucket, "twice"))
        job(resume=True)
    assert listed(bucket, "twice") == [
        "columns.json",
        "report.json",
        "rows/000000000-000000000.parquet",
        "units.jsonl",
        "windows.columns.json",
    ]


def test_pieces_that_another_job_removed_after_it_wrote_the_rows_are_no_error(bucket, monkeypatch):  # noqa: F811
    """Two jobs make the rows of the same pieces, because a bucket has no locks. The other one is faster."""
    place = Path("s3://bucket/race")
    other = partial(main, ("s3://bucket/clips/noise.mp4",), piece_minutes=SECOND, shard="1/1", **FLAGS)
    other(Path("s3://bucket/faster"))
    opened = Bucket.open

    def open_late(self, path):
        if path.name.endswith("+000001.arrow"):
            rows = Folder(place).read_units()[0].name + ".parquet"
            bucket.copy(f"bucket/faster/rows/{rows}", f"bucket/race/rows/{rows}")
            bucket.rm_file(f"bucket/race/pieces/{path.name}")
        return opened(self, path)

    monkeypatch.setattr(Bucket, "open", open_late)
    other(place)
    assert [name for name in listed(bucket, "race") if name.endswith((".arrow", ".lock"))] == []
    main((), merge=place, out=Path("s3://bucket/raced.csv"))


@pytest.mark.parametrize("place", ["https://example.org/out", "s3://none/out"])
def test_a_folder_in_which_nothing_can_be_written_is_refused_at_once(bucket, folder, place):  # noqa: F811
    expected = "one at gs:// or s3://" if "https" in place else "s3://none/out cannot be written"
    with pytest.raises(UsageError, match=expected):
        main((str(folder / "face2.png"),), Path(place), shard="1/1", **FLAGS)
    with pytest.raises(UsageError, match="one at gs:// or s3://" if "https" in place else "is no output folder"):
        main((), merge=Path(place))

"""Files for ELAN: a tiny example worked out by hand, read back by pympi and by the rules of ELAN's own readers."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pympi
import pytest

from tests.features.test_nova import series, values  # noqa: F401  a fixture
from tfaffect.features.elan import write_elan
from tfaffect.features.replay import Video
from tfaffect.features.series import read_series
from tfaffect.labels import CLASSES, HEADS

CHILDREN = ["HEADER", "TIME_ORDER", "TIER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONTROLLED_VOCABULARY"]


@pytest.fixture
def written(series, tmp_path):  # noqa: F811
    video = tmp_path / "videos" / "my talk.mp4"
    video.parent.mkdir()
    video.touch()
    (tmp_path / "out").mkdir()
    write_elan(tmp_path / "out" / "my talk", video, series, HEADS)
    return tmp_path / "out" / "my talk.eaf"


def test_the_segments_are_those_that_were_worked_out_by_hand(written):
    root = ElementTree.parse(written).getroot()
    assert [child.tag for child in root] == CHILDREN
    slots = [(slot.get("TIME_SLOT_ID"), slot.get("TIME_VALUE")) for slot in root.find("TIME_ORDER")]
    times = ["0", "500", "500", "500", "750", "750", "1000", "1250"]
    assert slots == [(f"ts{place}", time) for place, time in enumerate(times, start=1)]
    tier = root.find("TIER")
    assert tier.attrib == {
        **{"TIER_ID": "track0", "PARTICIPANT": "track0", "ANNOTATOR": "tfaffect", "LINGUISTIC_TYPE_REF": "expression"}
    }
    first = tier[0][0]
    slots = {"TIME_SLOT_REF1": "ts1", "TIME_SLOT_REF2": "ts2"}
    assert first.attrib == {"ANNOTATION_ID": "a1", **slots, "CVE_REF": "cve_happiness"}
    assert first[0].text == "happiness"


def test_pympi_reads_it_back_equal(written, series):  # noqa: F811
    eaf = pympi.Elan.Eaf(str(written))
    assert sorted(eaf.get_tier_names()) == ["track0", "track1"]
    assert eaf.get_annotation_data_for_tier("track0") == [
        (0, 500, "happiness"),
        (500, 750, "sadness"),
        (1000, 1250, "sadness"),
    ]
    assert eaf.get_annotation_data_for_tier("track1") == [(500, 750, "happiness")]
    _, entries, _ = eaf.controlled_vocabularies["expression"]
    assert [texts[0][0] for texts, _ in entries.values()] == list(CLASSES)
    assert eaf.get_parameters_for_linguistic_type("expression")["CONTROLLED_VOCABULARY_REF"] == "expression"
    for track in series.tracks:
        expected = [(round(1000 * s.start), round(1000 * s.end), CLASSES[s.label]) for s in series.segments(track)]
        assert eaf.get_annotation_data_for_tier(f"track{track.number}") == expected


def test_the_video_and_the_curves_are_linked_absolutely_and_relatively(written, tmp_path):
    eaf = pympi.Elan.Eaf(str(written))
    (media,) = eaf.media_descriptors
    assert media == {
        "MEDIA_URL": f"file://{tmp_path}/videos/my talk.mp4",
        "RELATIVE_MEDIA_URL": "../videos/my talk.mp4",
        "MIME_TYPE": "video/mp4",
    }
    links = [(link["RELATIVE_LINK_URL"], link["MIME_TYPE"]) for link in eaf.linked_file_descriptors]
    assert links == [
        ("./my talk.track0.csv", "text/csv"),
        ("./my talk.track1.csv", "text/csv"),
        ("./my talk_tsconf.xml", "text/xml"),
    ]
    for link in eaf.linked_file_descriptors:
        assert Path(link["LINK_URL"].removeprefix("file://")).is_file()
        assert (written.parent / link["RELATIVE_LINK_URL"]).is_file()


def curve(source, track):
    """Read a curve as ELAN does: columns from 0 on, `#` is a comment, a time with a point is in seconds."""
    time_column = int(source.get("time-column"))
    column = int(track.find("sample-position/pos").get("col"))
    table = Path(source.get("source-url").removeprefix("file://"))
    rows = [line.split(",") for line in table.read_text().splitlines() if not line.startswith("#")]
    assert all("." in row[time_column] for row in rows), "ELAN would take it for milliseconds"
    return [(float(row[time_column]), float(row[column])) for row in rows]


def test_the_curves_are_found_by_their_configuration(written):
    table = (written.with_name("my talk.track0.csv")).read_text()
    assert table == (
        "# seconds,valence,arousal\n"
        "0.000,0.5000,-0.2500\n0.250,0.2500,0.0000\n0.500,-1.0000,1.0000\n0.750,NaN,NaN\n1.000,-0.5000,0.7500\n"
    )
    root = ElementTree.parse(written.with_name("my talk_tsconf.xml")).getroot()
    curves = {track.get("name"): curve(source, track) for source in root for track in source.iter("track")}
    assert list(curves) == ["track0 valence", "track0 arousal", "track1 valence", "track1 arousal"]
    times, arousal = zip(*curves["track0 arousal"], strict=True)
    assert times == (0, 0.25, 0.5, 0.75, 1)
    np.testing.assert_array_equal(arousal, [-0.25, 0, 1, np.nan, 0.75])
    assert curves["track1 valence"] == [(0.5, 0.125)]
    for track in root.iter("track"):
        assert track.find("range").attrib == {"min": "-1.0", "max": "1.0"}


def test_heads_that_never_learned_have_neither_tiers_nor_curves(series, tmp_path):  # noqa: F811
    video = tmp_path / "a.mkv"
    write_elan(tmp_path / "classes", video, series, ("expression",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.eaf"]
    write_elan(tmp_path / "affect", video, series, ("arousal",))
    assert not list(ElementTree.parse(tmp_path / "affect.eaf").getroot().iter("TIER"))
    assert (tmp_path / "affect.track1.csv").read_text() == "# seconds,arousal\n0.500,0.2500\n"


def test_names_that_xml_cannot_hold_and_folders_of_pictures_give_valid_files(series, tmp_path):  # noqa: F811
    folder = tmp_path / "pictures"
    folder.mkdir()
    write_elan(tmp_path / "pictures", folder, series, HEADS)
    assert not list(ElementTree.parse(tmp_path / "pictures.eaf").getroot().iter("MEDIA_DESCRIPTOR"))
    odd = tmp_path / "a\x01&<\udce9.mp4"
    write_elan(tmp_path / "odd", odd, series, HEADS)
    (media,) = ElementTree.parse(tmp_path / "odd.eaf").getroot().iter("MEDIA_DESCRIPTOR")
    assert media.get("RELATIVE_MEDIA_URL") == "./a\ufffd&<\ufffd.mp4"


def test_a_segment_below_a_millisecond_is_left_out(tmp_path):
    frames = [(0.0, {0: values(0, 1, 0, 0)}), (0.0002, {0: values(1, 1, 0, 0)}), (0.0004, {0: values(0, 1, 0, 0)})]
    frames += [(place / 10, {0: values(0, 1, 0, 0)}) for place in range(1, 4)]
    write_elan(tmp_path / "a", tmp_path / "a.mp4", read_series(Video("a.mp4", {}, iter(frames))), HEADS)
    eaf = pympi.Elan.Eaf(str(tmp_path / "a.eaf"))
    assert eaf.get_annotation_data_for_tier("track0") == [(0, 400, "neutral")]

"""A user's own videos, each of 2 s at 10 frames a second, with ratings as annotation tools write them.

Valence rises from 0 to 0.2 and arousal falls from 0 to -0.2, in every file. Classes change after a second.
"""

import csv
import struct

import numpy as np

from tests import clips
from tests.fakes import ground

PEOPLE = ("anna", "ben", "cleo", "dora")
SECONDS = 2.0
CLASSES = [(0.0, 1.0, "happiness"), (1.0, 2.0, "neutral")]


def affect(dimension, seconds):
    """The rating at a time."""
    return seconds / 10 if dimension == "valence" else -seconds / 10


def write_clip(path, seconds=SECONDS, faces=((30, 20),), rate=10):
    """Write a clip of 96 x 72 pixels with green faces of 32 pixels, or of another size: (left, top, side)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((72, 96, 3), ground(path), np.uint8)
    for left, top, *side in faces:
        size = side[0] if side else 32
        picture[top : top + size, left : left + size] = 0, 255, 0
    return clips.write(path, [picture] * round(seconds * rate), rate=rate)


def write_table(root, columns, *rows, name="labels.csv"):
    """Write a table of videos, with cells in quotes where they have a comma."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / name, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns.split(","), *rows])


def write(path, *lines):
    """Write lines of text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(str, lines)) + "\n")
    return path


def write_nova(path, name, rate=10, samples=None, low=-1, high=1, binary=False):
    """Write a continuous annotation of NOVA. Samples are scores; None is missing."""
    if samples is None:
        samples = [affect(name, number / rate) for number in range(round(SECONDS * rate) + 1)]
    write(
        path,
        '<?xml version="1.0" ?>',
        '<annotation ssi-v="3">',
        f'    <info ftype="{"BINARY" if binary else "ASCII"}" size="{len(samples)}" />',
        '    <meta annotator="gold" role="subject" />',
        f'    <scheme name="{name}" type="CONTINUOUS" sr="{rate}" min="{low}" max="{high}"'
        ' mincolor="#FFFFFFFF" maxcolor="#FF4F81BD" />',
        "</annotation>",
    )
    data = path.with_name(f"{path.name}~")
    if binary:
        data.write_bytes(b"".join(struct.pack("<ff", np.nan if s is None else s, 1) for s in samples))
    else:
        write(data, *(f"{'NaN' if score is None else score};1" for score in samples))
    return path


def write_nova_classes(path, segments=CLASSES, binary=False, name="emotion"):
    """Write a discrete annotation of NOVA, with a garbage segment (id -1) behind the others."""
    names = sorted({label for _, _, label in segments})
    items = [f'        <item name="{label}" id="{place}" color="#FFC0504D" />' for place, label in enumerate(names)]
    write(
        path,
        '<?xml version="1.0" ?>',
        '<annotation ssi-v="3">',
        f'    <info ftype="{"BINARY" if binary else "ASCII"}" size="{len(segments) + 1}" />',
        f'    <scheme name="{name}" type="DISCRETE" color="#FFEEECE1">',
        *items,
        "    </scheme>",
        "</annotation>",
    )
    rows = [*((start, end, names.index(label)) for start, end, label in segments), (2.0, 2.5, -1)]
    data = path.with_name(f"{path.name}~")
    if binary:
        data.write_bytes(b"".join(struct.pack("<ddif", *row, 1) for row in rows))
    else:
        write(data, *(f"{start};{end};{number};0.9" for start, end, number in rows))
    return path


def write_stream(path, values, rate=10, kind="FLOAT", ascii=False, start=0):
    """Write an SSI stream of (samples, dimensions)."""
    values = np.asarray(values)
    dtype = {"FLOAT": "<f4", "DOUBLE": "<f8", "SHORT": "<i2", "UCHAR": "u1"}[kind]
    size = np.dtype(dtype).itemsize
    write(
        path,
        '<?xml version="1.0" ?>',
        '<stream ssi-v="2">',
        f'    <info ftype="{"ASCII" if ascii else "BINARY"}" sr="{rate:.6f}" dim="{values.shape[1]}" byte="{size}"'
        f' type="{kind}" delim=" " />',
        f'    <chunk from="{start:.6f}" to="{start + len(values) / rate:.6f}" byte="0" num="{len(values)}"/>',
        "</stream>",
    )
    data = path.with_name(f"{path.name}~")
    if ascii:
        write(data, *(" ".join(map(str, row)) for row in values.tolist()))
    else:
        data.write_bytes(values.astype(dtype).tobytes())
    return path


def write_elan(path, tiers):
    """Write an .eaf with a tier of (start, end, label) segments in seconds for each name."""
    slots, parts = [], []
    for name, segments in tiers.items():
        parts.append(f'<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="{name}">')
        for start, end, label in segments:
            places = []
            for time in (start, end):
                slots.append(f'<TIME_SLOT TIME_SLOT_ID="ts{len(slots) + 1}" TIME_VALUE="{round(time * 1000)}"/>')
                places.append(f"ts{len(slots)}")
            parts.append(
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{len(slots)}" TIME_SLOT_REF1="{places[0]}"'
                f' TIME_SLOT_REF2="{places[1]}"><ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>'
                "</ANNOTATION>"
            )
        parts.append("</TIER>")
    return write_eaf(path, slots, parts)


def write_eaf(path, slots, parts):
    """Write an .eaf from its time slots and the elements of its tiers."""
    return write(
        path,
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-11-30T10:00:00+01:00" FORMAT="3.0" VERSION="3.0"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">',
        '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>',
        "<TIME_ORDER>",
        *slots,
        "</TIME_ORDER>",
        *parts,
        '<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>',
        "</ANNOTATION_DOCUMENT>",
    )


CARMA_FACTS = ("Lower Label", "Upper Label", "Minimum Value", "Midpoint Value", "Maximum Value", "Number of Steps")
BORIS_COLUMNS = (
    "Observation id,Observation date,Description,Media file,Total length,FPS,Start time,Stop time,Duration,Test status,"
    "Subject,Behavior,Behavioral category,Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,"
    "Comment stop"
)
"""The columns of a file that BORIS 7 exported."""


def write_carma(path, bins, low=-100, high=100, old=False):
    """Write the mean ratings of bins as (end of the bin, rating), in the older or the newer form."""
    if old:
        facts = ("very negative", "very positive", low, high, 9)
        names = ("Lower Label", "Upper Label", "Minimum Value", "Maximum Value", "Number of Steps")
        head = ["Time of Rating,30-Nov-2026 10:00:00", "Multimedia File,clip.mp4"]
        head += [f"{name},{fact}" for name, fact in zip(names, facts, strict=True)]
        return write(path, *head, "Second,Rating", "%%%%%%,%%%%%%", *(f"{end},{rating}" for end, rating in bins))
    facts = rf"C:\Users\me\clip.mp4,very negative,very positive,{low},{(low + high) / 2:g},{high},9"
    return write(
        path, ",".join(["Filename", *CARMA_FACTS, "Second", "Rating"]), *(f"{facts},{end},{r}" for end, r in bins)
    )


def write_darma(path, bins, magnitude=1000):
    """Write the mean ratings of bins as (end of the bin, x, y)."""
    return write(
        path,
        "Time of Rating,30-Nov-2026 10:00:00,,",
        "Multimedia File,clip.mp4,,",
        f"Magnitude,{magnitude},,",
        "Second,Valence,Arousal,Button",
        "%%%%%%,%%%%%%,%%%%%%,%%%%%%",
        *(f"{end},{x},{y},0" for end, x, y in bins),
    )


def write_boris(path, events):
    """Write aggregated events: (video, subject, behaviour, start, stop)."""
    rows = [
        f"obs1,2026-11-30 10:00:00,,D:/videos/{video},{SECONDS:.3f},10,,,,,{subject},{behaviour},,,"
        f"{'STATE' if stop > start else 'POINT'},{start:.3f},{stop:.3f},{stop - start:.3f},,"
        for video, subject, behaviour, start, stop in events
    ]
    return write(path, BORIS_COLUMNS, *rows)


def times(step=0.1):
    """Times from 0 to the end of a clip."""
    return [round(place * step, 3) for place in range(round(SECONDS / step) + 1)]


def write_plain(root):
    """Tables and pairs in several units and forms, constants, a missing video, and a path out of the folder."""
    for person in (*PEOPLE, "emil"):
        write_clip(root / f"{person}.mp4")
    seconds = [f"{time},{affect('valence', time):g},{affect('arousal', time):g}" for time in times()]
    write(root / "anna.csv", "seconds,valence,arousal,class", *(f"{row},happy" for row in seconds))
    for dimension in ("valence", "arousal"):
        write(root / f"ben_{dimension}.txt", *(f"{time} {affect(dimension, time):g}" for time in times()))
    joystick = [f"{time * 1000:g};{affect('valence', time):g};{affect('arousal', time):g}" for time in times()]
    write(root / "cleo.csv", "jstime;X;Y", *joystick)
    write_table(
        root,
        "path,valence,arousal,class,annotation,group,sex,age",
        ("anna.mp4", "", "", "", "anna.csv", "anna", "female", 30),
        ("ben.mp4", "ben_valence.txt", "ben_arousal.txt", "sadness", "", "ben", "male", ""),
        ("cleo.mp4", "", "", "", "cleo.csv", "cleo", "", ""),
        ("dora.mp4", 0.5, "", "anger", "", "dora", "", ""),
        ("emil.mp4", "", "", "", "", "emil", "", ""),
        ("gone.mp4", 0.5, "", "", "", "gone", "", ""),
        ("../anna.mp4", 0.5, "", "", "", "anna", "", ""),
    )


def write_raters(root):
    """Two raters of every video, in two rows, and three in one cell; no column of groups, but splits."""
    rows = []
    for person, split in zip(PEOPLE, ("train", "train", "validation", "test"), strict=True):
        write_clip(root / "videos" / f"{person}.mp4")
        for rater, offset in (("r1", 0.0), ("r2", 0.1)):
            lines = [f"{time} {affect('valence', time) + offset:g}" for time in times()]
            write(root / "ratings" / f"{person}_{rater}.txt", *lines)
            word = "happy" if rater == "r1" or person == "anna" else "neutral"
            rows.append((f"videos/{person}.mp4", f"ratings/{person}_{rater}.txt", word, split))
    rows[-1] = (*rows[-1][:1], "ratings/dora_r2.txt;ratings/anna_r1.txt", *rows[-1][2:])
    write_table(root, "video,valence,emotion,split", *rows)


def write_nova_layout(root):
    """Continuous and discrete annotations of NOVA as text and in binary form, with other ranges."""
    rows = []
    for person in PEOPLE:
        folder = root / person
        binary = person in ("ben", "dora")
        write_clip(folder / "face.mp4")
        write_nova(folder / "valence.annotation", "valence", binary=binary)
        scores = [50 + 50 * affect("arousal", time) for time in times()]
        write_nova(folder / "arousal.annotation", "arousal", samples=scores, low=0, high=100, binary=binary)
        write_nova_classes(folder / "emotion.annotation", binary=binary)
        names = [f"{person}/{name}.annotation" for name in ("valence", "arousal", "emotion")]
        rows.append((f"{person}/face.mp4", *names, person))
    write_table(root, "path,valence,arousal,class,group", *rows)


def write_carma_layout(root):
    """CARMA's older and newer form, and DARMA."""
    ends = [0.5, 1, 1.5, 2]
    for person in PEOPLE:
        write_clip(root / f"{person}.mp4")
    write_carma(root / "anna.csv", [(end, 100 * affect("valence", end - 0.25)) for end in ends], old=True)
    write_carma(root / "ben.csv", [(end, 100 * affect("valence", end - 0.25)) for end in ends])
    for person in ("cleo", "dora"):
        bins = [(end, *(1000 * affect(name, end - 0.25) for name in ("valence", "arousal"))) for end in ends]
        write_darma(root / f"{person}.csv", bins)
    write_table(
        root,
        "path,valence,annotation,group",
        ("anna.mp4", "anna.csv", "", "anna"),
        ("ben.mp4", "ben.csv", "", "ben"),
        ("cleo.mp4", "", "cleo.csv", "cleo"),
        ("dora.mp4", "", "dora.csv", "dora"),
    )


def write_elan_layout(root):
    """Tiers of classes, and a tier with numbers as text."""
    rows = []
    for person in PEOPLE:
        write_clip(root / f"{person}.mp4")
        numbers = [(0, 1, "0.5"), (1, 1.5, "-0.5")]
        write_elan(root / f"{person}.eaf", {"Emotion": CLASSES, "Valence": numbers, "words": [(0, 1, "hello you")]})
        rows.append((f"{person}.mp4", f"{person}.eaf#Emotion", f"{person}.eaf#Valence", person))
    write_table(root, "path,class,valence,group", *rows)


def write_boris_layout(root):
    """One table of all observations, with two subjects and a point event."""
    events = []
    for person in PEOPLE:
        write_clip(root / f"{person}.mp4")
        events += [
            (f"{person}.mp4", "child", "happy", 0, 1.2),
            (f"{person}.mp4", "child", "Angry", 1.5, 2),
            (f"{person}.mp4", "child", "surprise", 0.5, 0.5),
            (f"{person}.mp4", "mother", "sad", 0, 2),
        ]
    write_boris(root / "events.csv", events)
    rows = [(f"{person}.mp4", "events.csv#child", person) for person in PEOPLE]
    write_table(root, "path,class,group", *rows)


def write_ssi_layout(root):
    """Streams of two dimensions, as text and in binary form."""
    rows = []
    for person in PEOPLE:
        write_clip(root / f"{person}.mp4")
        values = [[affect("valence", time), affect("arousal", time)] for time in times()]
        write_stream(root / f"{person}.stream", values, ascii=person in ("anna", "cleo"))
        rows.append((f"{person}.mp4", f"{person}.stream#0", f"{person}.stream#1", person))
    write_table(root, "path,valence,arousal,group", *rows)


LAYOUTS = {
    "plain": write_plain,
    "raters": write_raters,
    "nova": write_nova_layout,
    "carma": write_carma_layout,
    "elan": write_elan_layout,
    "boris": write_boris_layout,
    "ssi_stream": write_ssi_layout,
}

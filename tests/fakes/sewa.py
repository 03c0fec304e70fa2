"""Small raw trees of SEWA: videos of 2 s at 10 frames a second; AVEC's ratings every 0.1 s, the database's a frame."""

import cv2
import numpy as np

from tests.fakes import ground


def affect(number, dimension, tenths):
    """The gold standard of recording or session `number` at a tenth of a second."""
    return number / 1000 + tenths / 100 if dimension == "valence" else number / 1000 - tenths / 100


def write_video(path, frames=20):
    """A green face on a ground that tells the videos apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((72, 96, 3), ground(path), np.uint8)
    picture[20:52, 30:62] = 0, 255, 0
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 72))
    for _ in range(frames):
        writer.write(picture)
    writer.release()


def write_labels(path, name, number, header=False):
    """AVEC's labels: arousal before valence, the name in quotes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["name;timestamp;arousal;valence;liking"] if header else []
    for tenths in range(20):
        arousal, valence = (affect(number, dimension, tenths) for dimension in ("arousal", "valence"))
        rows.append(f"'{name}';{tenths / 10:.6f};{arousal:.6f};{valence:.6f};0.9")
    path.write_text("\n".join(rows) + "\n")


def write_avec_2017(root):
    """No header, the culture is not named, and the videos are numbered without zeros. Test has no labels."""
    tree = root / "AVEC2017_SEWA"
    for number, name in enumerate(["Train_01", "Train_02", "Train_10", "Devel_01"], start=1):
        write_labels(tree / "labels" / f"{name}.csv", name, number)
        write_video(tree / "video" / f"{name.replace('_0', '_')}.avi")
        (tree / "turns").mkdir(exist_ok=True)
        (tree / "turns" / f"{name}.csv").write_text("0.1;1.5\n")
    write_video(tree / "video" / "Test_1.avi")


def write_avec_2019(root):
    """A header, German and Hungarian recordings, and Chinese ones without labels."""
    tree = root / "AVEC2019_CES"
    names = ["Train_DE_01", "Train_HU_01", "Devel_DE_01", "Devel_HU_01"]
    for number, name in enumerate(names, start=1):
        write_labels(tree / "labels" / f"{name}.csv", name, number, header=True)
        write_video(tree / "video" / f"{name}.avi")
    for name in ("Test_DE_01", "Test_CN_01"):
        write_video(tree / "video" / f"{name}.avi")


def write_raw_data(root):
    """Labels and videos together, by split."""
    for number, name in enumerate(["Train_01", "Train_02", "Devel_01"], start=1):
        folder = root / "raw_data" / name.partition("_")[0]
        write_labels(folder / f"{name}.csv", name, number)
        write_video(folder / f"{name}.avi")


def write_ratings(folder, segment, number, first, perceived=("AV",), frames=20, scale=1):
    """Tables of three raters, the frame index counted from `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    for dimension in ("Valence", "Arousal"):
        for sense in perceived:
            rows = ["frame_idx,R1,R2,R3"]
            for frame in range(frames):
                rating = affect(number, dimension.lower(), frame)
                ratings = ((rating + offset) * scale for offset in (-0.1, 0.0, 0.1))
                rows.append(",".join([str(first + frame), *(f"{value:g}" for value in ratings)]))
            (folder / f"{segment}_{dimension}_{sense}_Aligned.csv").write_text("\n".join(rows) + "\n")


SEGMENTS = {
    "SAH_C1_S009_P018_VC1_000010_000029": 9,
    "SSL_C1_S009_P017_VC1_000005_000024": 9,
    "SAL_C2_S037_P074_VC1_000000_000019": 37,
    "SAH_C3_S055_P109_VC1_000538_000557": 55,
    "SVL_C6_S181_P362_VC1_001000_001019": 181,
}


def write_database(root, scale=1):
    """Segments with a video each; one is rated from the picture alone, one from the sound too, one has no video."""
    tree = root / "SEWAv02"
    for segment, number in SEGMENTS.items():
        first = int(segment.split("_")[-2])
        write_ratings(tree / segment, segment, number, first, ("AV", "A", "V"), scale=scale)
        write_video(tree / segment / f"{segment}.avi")
    (tree / "SAH_C1_S009_P018_VC1_000010_000029" / "metadata.ini").write_text("Category = Segment\n")
    write_ratings(tree / "SSD_C2_S035_P069_VC1_000100_000119", "SSD_C2_S035_P069_VC1_000100_000119", 35, 100, ("V",))
    write_video(tree / "SSD_C2_S035_P069_VC1_000100_000119" / "SSD_C2_S035_P069_VC1_000100_000119.avi")
    write_ratings(tree / "SVH_C4_S107_P214_VC1_005501_005520", "SVH_C4_S107_P214_VC1_005501_005520", 107, 5501)


def write_whole_recordings(root):
    """Ratings of segments, some of which overlap, and videos of whole recordings."""
    for session in (1, 2, 3, 4):
        recording = f"C1_S{session:03d}_P{2 * session:03d}_VC1"
        write_video(root / "videos_all" / f"{recording}.avi")
        for kind, first, last in (("SVH", 2, 9), ("SAH", 6, 15)):
            segment = f"{kind}_{recording}_{first:06d}_{last:06d}"
            write_ratings(root / "ratings" / segment, segment, session, first, frames=last - first + 1)


LAYOUTS = {
    "avec_2017": write_avec_2017,
    "avec_2019": write_avec_2019,
    "raw_data": write_raw_data,
    "database": write_database,
    "whole_recordings": write_whole_recordings,
}

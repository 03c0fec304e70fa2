"""Small raw trees of RECOLA: videos of 2 s at 10 frames a second, ratings every 0.04 s from 0 to 2."""

import cv2
import numpy as np

from tests.fakes import ground

RATERS = {"FM1": -0.05, "FM2": -0.03, "FM3": -0.01, "FF1": 0.01, "FF2": 0.03, "FF3": 0.05}
"""How far each rater is from the mean of all."""

TIMES = [step / 25 for step in range(51)]


def affect(number, dimension, seconds):
    """The gold standard of recording `number` at a time."""
    return number / 100 + 0.1 * seconds if dimension == "valence" else 0.5 - 0.1 * seconds


def write_video(path, frames=20):
    """A green face on a ground that tells the videos apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((72, 96, 3), ground(path), np.uint8)
    picture[20:52, 30:62] = 0, 255, 0
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (96, 72))
    for _ in range(frames):
        writer.write(picture)
    writer.release()


def write_raters(folder, name, number, dimensions=("valence", "arousal"), times=TIMES):
    """One table a dimension: `;`, and blanks after all names but the last."""
    for dimension in dimensions:
        rows = ["time;" + " ;".join(RATERS)]
        for time in times:
            ratings = (f"{affect(number, dimension, time) + offset:g}" for offset in RATERS.values())
            rows.append(";".join([f"{time:g}", *ratings]))
        (folder / dimension).mkdir(parents=True, exist_ok=True)
        (folder / dimension / f"{name}.csv").write_text("\n".join(rows) + "\n")


def write_arff(folder, name, number, dimension, known=True):
    """AVEC's gold standard: CRLF, a text attribute, blank lines."""
    head = ["@relation GOLDSTANDARD", "", "@attribute Instance_name string", "@attribute frameTime numeric"]
    head += ["@attribute GoldStandard numeric", "", "", "@DATA", ""]
    rows = [f"{name},{time:g},{affect(number, dimension, time) if known else '?'}" for time in TIMES]
    (folder / dimension).mkdir(parents=True, exist_ok=True)
    (folder / dimension / f"{name}.arff").write_bytes("\r\n".join([*head, *rows, ""]).encode())


def write_people(path, dyads):
    """Who talked to whom: CRLF with a BOM, and three last rows that are not data."""
    rows = ["User;Group_id;Sex;Age ", *(f"{user};{dyad};{user % 2};{20 + user}" for user, dyad in dyads.items())]
    rows += [";;;", "46;participants;;", "Mean;;0.5;22"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\ufeff" + "\r\n".join(rows) + "\r\n").encode())


def write_timings(path, skipped=5):
    """The camera lost some frames after the first second."""
    taken = [frame / 10 if frame < 10 else (frame + skipped) / 10 for frame in range(20)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("frame;time in seconds\n" + "".join(f"{frame};{time:g}\n" for frame, time in enumerate(taken)))


def write_original(root, folder="RECOLA-{}", dyads=None):
    """Participants 6, 16 and 17 (a dyad), 19 (lost frames), 21, 42 (dyad not known), 43 (arousal only).

    Of 23 there are no ratings, and of 25 no video.
    """
    for user in (6, 16, 17, 19, 21, 23, 42, 43):
        write_video(root / "RECOLA" / folder.format("Video-recordings") / f"P{user}.mp4")
    behaviour = root / "RECOLA" / "RECOLA-Annotation" / "emotional_behaviour"
    for user in (6, 16, 17, 19, 21, 25, 42):
        write_raters(behaviour, f"P{user}", user)
    write_raters(behaviour, "P43", 43, ("arousal",))
    write_people(
        root / "RECOLA" / "RECOLA-Metadata" / "recola_user_info.csv",
        dyads or {6: 3, 16: 8, 17: 8, 19: 9, 21: 10, 43: 11},
    )
    write_timings(root / "RECOLA" / "RECOLA-Video-timings" / "P19.csv")


def write_underscores(root):
    """The original release with the folder of the videos as some write it."""
    write_original(root, folder="RECOLA_Video_recordings")


def write_avec_gold(root):
    """AVEC 2016 with its gold standard; what test has is not known."""
    for name, number in (("train_1", 1), ("train_2", 2), ("dev_1", 11), ("test_1", 21)):
        write_video(root / "AVEC2016" / "recordings_video" / f"{name}.mp4")
        for dimension in ("arousal", "valence"):
            gold = root / "AVEC2016" / "ratings_gold_standard"
            write_arff(gold, name, number, dimension, known=number < 20)
    write_raters(root / "AVEC2016" / "ratings_individual", "train_1", 50)


def write_avec_individual(root):
    """AVEC 2015 with the six raters alone."""
    for name, number in (("train_1", 1), ("train_2", 2), ("dev_1", 11), ("test_1", None)):
        write_video(root / "AVEC2015" / "recordings_video" / f"{name}.mp4")
        if number:
            write_raters(root / "AVEC2015" / "ratings_individual", name, number)


LAYOUTS = {
    "original": write_original,
    "avec_gold": write_avec_gold,
    "avec_individual": write_avec_individual,
}

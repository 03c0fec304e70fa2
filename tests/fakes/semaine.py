"""Small raw trees of SEMAINE: videos of 3 s at 10 frames a second, traces every 0.02 s from 0.02 to 3."""

import cv2
import numpy as np

from tests.fakes import ground

CODES = {"Poppy": "Po", "Obadiah": "Ob", "Spike": "Sp", "Prudence": "Pr"}


def affect(session, dimension, seconds):
    """The gold standard of a session at a time."""
    return session / 100 + 0.1 * seconds if dimension == "V" else session / 100 - 0.1 * seconds


def write_video(path, frames=30):
    """A green face on a ground that tells the videos apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((72, 96, 3), ground(path), np.uint8)
    picture[20:52, 30:62] = 0, 255, 0
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 72))
    for _ in range(frames):
        writer.write(picture)
    writer.release()


def write_xml(folder, session, character, user, operator, head='<?xml version="1.0" encoding="UTF-8"?>\n'):
    """Who is who; the ids are text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "session.xml").write_text(
        f'{head}<session sessionId="{session}" recording="{session // 4}" character="{character}">\n'
        f'  <subject id="{user}" role="User"><track type="AV"><annotation type="FeelTrace" filename="x.txt"/></track>'
        f'</subject>\n  <subject id="{operator}" role="Operator"></subject>\n</session>\n',
        encoding="utf-8",
    )


def write_trace(folder, name, session, offset=0.0, samples=150):
    """A trace of one rater: a blank before every line, and an empty line in between."""
    dimension = name[-5]
    lines = [f" {step / 50:g} {affect(session, dimension, step / 50) + offset:.6f}" for step in range(1, samples + 1)]
    (folder / name).write_text("\n".join([*lines[:3], "", *lines[3:]]) + "\n")


def write_session(sessions, number, character, user, operator, traced="U", cameras=("Frontal Colour",)):
    """A session with two raters whose offsets cancel out, with traces that are not used, and with several cameras."""
    folder = sessions / str(number)
    write_xml(folder, number, character, user, operator)
    code = CODES.get(character, "Po")
    for role in traced:
        for dimension in "AVPE":
            write_trace(folder, f"R1S{number}T{role}C{code}D{dimension}.txt", number, 0.05)
            write_trace(folder, f"A6R{number}T{role}C{code}2D{dimension}.txt", number, -0.05)
    (folder / "alignedTranscript_03.4Poppy.txt").write_text("0 0 hello\n")
    for camera in cameras:
        write_video(folder / f"2008.12.05.16.03.15_User {camera}_{character}.avi")
    write_video(folder / f"2008.12.05.16.03.15_Operator Frontal Colour_{character}.avi")


BOMB = '<!DOCTYPE session [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>\n'


def write_sessions(root):
    """Five sessions that can be used, of which 2 and 3 swap the roles, and one of every kind that cannot."""
    sessions = root / "semaine-database_download_2015-03-01" / "Sessions"
    write_session(sessions, 1, "Beginning", 1, 2)
    write_session(sessions, 2, "Poppy", 1, 2, cameras=("Frontal Greyscale", "Frontal Colour", "Profile Greyscale"))
    write_session(sessions, 3, "Obadiah", 2, 1, traced="UO")
    write_session(sessions, 4, "Spike", 3, 4)
    write_session(sessions, 5, "Prudence", 5, 6)
    write_session(sessions, 16, "Poppy", 7, 8)
    write_session(sessions, 17, "Poppy", 7, 8, traced="")
    write_session(sessions, 18, "Poppy", 7, 8, traced="O")
    write_session(sessions, 19, "Poppy", 7, 8)
    write_xml(sessions / "19", 19, "Poppy", 7, 8, head=BOMB)
    write_session(sessions, 20, "Poppy", 7, 8, cameras=("Profile Colour",))


def write_prepared(root):
    """Sessions without traces of their own, and a copy with the gold standard; arousal comes before valence."""
    for number in (2, 3, 4, 5, 6):
        write_session(root / "Sessions", number, "Poppy", 10 + number, 20 + number, traced="")
        if number < 6:
            rows = ["Time,Arousal,Valence"]
            for step in range(1, 151):
                arousal, valence = (affect(number, dimension, step / 50) for dimension in "AV")
                rows.append(f"{step / 50:.2f},{arousal:.6f},{valence:.6f}")
            folder = root / "TrainingInput" / str(number)
            folder.mkdir(parents=True)
            (folder / "TU_VA.csv").write_text("\n".join(rows) + "\n")
            (folder / "TO_VA.csv").write_text("Time,Arousal,Valence\n0.02,0.9,0.9\n")


LAYOUTS = {"sessions": write_sessions, "prepared": write_prepared}

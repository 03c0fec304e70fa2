"""SEMAINE: people talk with a character that another person plays. Several raters trace how each person feels.

McKeown, Valstar, Cowie, Pantic, Schröder: The SEMAINE Database: Annotated Multimodal Records of Emotionally Colored
Conversations between a Person and a Limited Agent, IEEE Transactions on Affective Computing 3(1), 2012.

- Faces are those of the User, with the traces of the User's (TU) valence (DV) and arousal (DA). The gold standard is
  the mean over the raters at each time. Where a rater stops early, it is the mean of the others.
- The Beginning, the End and "Forbidden" are no dialogues and are left out, as are sessions without traces.
- The release has no split. The same people take part again, also as Operators of each other. By default no User or
  Operator is in two splits (`strict_groups`). That may give a single group, and then every session is in train: each is
  noted. With --no-strict-groups, the User, whose face it is, is in one split only. The Operator, who is heard but not
  seen, may be in several.
- The files do not compensate for the delay of the raters; see `annotation_delay`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tfaffect.labels import AFFECT
from tfrecords_builders import recordings, trace_files, traces
from tfrecords_builders.base import Face, Note, RawFolderError, Skip
from tfrecords_builders.raw_files import find
from tfrecords_builders.traces import Trace

TRACE_NAME = re.compile(r"[ar](?P<rater>\d+)[rs]\d+t(?P<role>[uo])c(?:ob|po|pr|sp)2?d(?P<dimension>[a-z]+)")
DIMENSION_OF_CODE = {"a": "arousal", "v": "valence"}
NO_DIALOGUE = ("beginning", "end", "forbidden")


@dataclass(frozen=True)
class Semaine(recordings.RatedVideos):
    """The corpus, from its sessions, with their own traces or those of a prepared copy (TU_VA.csv)."""

    strict_groups: bool = True
    """Keep all people who met, directly or through others, in one split. Otherwise only each User is in one split."""

    labels = "valence, arousal (50 a second)"
    homepage = "https://semaine-db.eu/"
    citation = "McKeown et al., IEEE TAC 3(1), 2012, doi:10.1109/T-AFFC.2011.20"
    licence = "academic, non-commercial; agreement"
    instructions = """
Sign the agreement at https://semaine-db.eu/ and unpack
    DIR/.../Sessions/25/session.xml                  who is User and Operator, and the character
    DIR/.../Sessions/25/..._User....avi              a camera on the User's face; Profile and Greyscale are not read
    DIR/.../Sessions/25/R1S25TUCObDV.txt             traces: rater 1, User (TU), valence (DV); ...DA.txt for arousal
or, for sessions without traces in this form,
    DIR/.../TrainingInput/25/TU_VA.csv               Time, Arousal, Valence
"""

    def faces(self, root: Path) -> Iterator[Face | Skip | Note]:
        """Yield every sampled frame that is rated, session by session."""
        self.check_sampling()
        folder = find(root, "Sessions")
        if folder is None or not folder.is_dir():
            raise RawFolderError(self, root, "There is no folder Sessions.")
        prepared = find(root, "TrainingInput")
        names = recordings.natural_order(path.name for path in folder.iterdir() if path.is_dir())
        if not names:
            raise RawFolderError(self, root, f"{folder} holds no session.")
        found = [_session(folder / name, prepared) for name in names]
        sessions = [item for item in found if isinstance(item, Session)]
        yield from (item for item in found if isinstance(item, Skip))
        groups = _groups_of_people(sessions) if self.strict_groups else {item.user: item.user for item in sessions}
        for session in sessions:
            if self.strict_groups and len(set(groups.values())) == 1:
                yield Note("all sessions are one group and in train: see --no-strict-groups")
            yield from session.notes
            group = f"person {groups[session.user]}"
            yield from self.rated_frames(f"S{session.name}", session.video, session.affect, group=group)


@dataclass(frozen=True)
class Session:
    """A usable session: the ids of its people, the User's video, and the gold standard by dimension."""

    name: str
    user: str
    operator: str
    video: Path
    affect: dict[str, Trace]
    notes: tuple[Note, ...]


def _session(folder: Path, prepared: Path | None) -> Session | Skip:
    """Read a session without its pictures."""
    described = _describe(folder)
    if isinstance(described, Skip):
        return described
    if described.get("character", "").strip().lower() in NO_DIALOGUE:
        return Skip("Beginning, End or Forbidden: not a dialogue", intended=True)
    people = {person.get("role", "").strip().lower(): person.get("id", "") for person in described.iter("subject")}
    if not people.get("user"):
        return Skip("session.xml does not name the User")
    affect, notes = _gold(folder)
    if not affect and prepared:
        number = re.sub(r"_na$", "", folder.name, flags=re.I)  # a public loader marks sessions without traces like this
        affect = _prepared_gold(find(prepared, number, depth=1))
    if not any(affect.values()):
        return Skip("no traces of the User", intended=True)
    video, camera_notes = _camera(folder)
    if video is None:
        return Skip("no video of the User")
    return Session(folder.name, people["user"], people.get("operator", ""), video, affect, (*notes, *camera_notes))


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a document type, and with it entities that expand without limit."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ElementTree.ParseError("a session.xml has no document type")


def _describe(folder: Path) -> ElementTree.Element | Skip:
    path = find(folder, "session.xml", depth=0)
    if path is None:
        return Skip("no session.xml: the User is not known")
    try:
        return ElementTree.parse(path, ElementTree.XMLParser(target=_NoDoctype())).getroot()
    except (ElementTree.ParseError, ValueError, LookupError):
        return Skip("session.xml cannot be read, or declares entities")


def _gold(folder: Path) -> tuple[dict[str, Trace], list[Note]]:
    """The mean of the raters' traces of the User, by dimension."""
    raters: dict[str, list[str]] = {name: [] for name in AFFECT}
    read: dict[str, list[Trace]] = {name: [] for name in AFFECT}
    for stem, path in sorted(recordings.by_stem(folder, ".txt").items()):
        named = TRACE_NAME.fullmatch(stem)
        if named and named["role"] == "u" and named["dimension"] in DIMENSION_OF_CODE:
            dimension = DIMENSION_OF_CODE[named["dimension"]]
            raters[dimension].append(named["rater"])
            read[dimension].append(traces.checked(trace_files.read_pairs(path), path))
    twice = any(len(set(names)) < len(names) for names in raters.values())
    notes = [Note("a rater traced the session twice: both count")] if twice else []
    notes += [Note("a trace without ratings") for found in read.values() for trace in found if not trace]
    return {name: traces.mean(found) for name, found in read.items() if any(found)}, notes


def _prepared_gold(folder: Path | None) -> dict[str, Trace]:
    """The gold standard of a prepared copy, by dimension."""
    path = recordings.by_stem(folder, ".csv").get("tu_va")
    if path is None or not (table := trace_files.read_table(path, required=AFFECT)):
        return {}
    return {name: traces.checked(table[name], path) for name in AFFECT}


def _camera(folder: Path) -> tuple[Path | None, list[Note]]:
    """The video of the User's face: from the front, and in colour if possible."""
    videos = {
        name: path for name, path in sorted(recordings.by_stem(folder, *recordings.VIDEO).items()) if "user" in name
    }
    facing = [name for name in videos if not re.search("operator|profile", name)]
    colour = [name for name in facing if not re.search("gr[ae]y", name)] or facing
    best = [name for name in colour if "front" in name] or colour
    notes = [Note("several cameras on the User: the first by name is read")] if len(best) > 1 else []
    if best and re.search("gr[ae]y", best[0]):
        notes.append(Note("the only camera on the User is grey"))
    return (videos[best[0]] if best else None), notes


def _groups_of_people(sessions: list[Session]) -> dict[str, str]:
    """The group of each person: everybody who met, directly or through others, named by the first of their ids."""
    groups: list[set[str]] = []
    for session in sessions:
        met = {session.user, session.operator} - {""}
        linked = [group for group in groups if group & met]
        groups = [group for group in groups if not group & met] + [met.union(*linked)]
    return {person: recordings.natural_order(group)[0] for group in groups for person in group}

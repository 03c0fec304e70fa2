"""Small raw trees of every corpus, in every layout, with the defects that are known: a module a corpus."""

from zlib import crc32


def ground(path):
    """Return the colour around the face in a picture or video: another for each path, so no two are twins.

    No channel is so strong that a detector of green would take the ground for a face.
    """
    digest = crc32("/".join(path.parts[-3:]).encode()).to_bytes(4, "big")
    return tuple(60 + byte % 120 for byte in digest[:3])

"""One annotated person of EMOTIC, as any of its files has it."""

from dataclasses import dataclass

from tfrecords_builders.base import Box, Image


@dataclass(frozen=True)
class Person:
    """A person in a picture.

    group: the name of the photo. box: the body, in pixels of `image`. categories: in the order of the file.
    affect: valence and arousal as the file has them, or None.
    """

    key: str
    group: str
    image: Image
    split: str
    box: Box
    categories: list[str]
    affect: list[float | None]
    sex: str
    age: str

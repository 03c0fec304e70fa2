"""What the owner of their own data states about it."""

from dataclasses import dataclass
from typing import Annotated

from tfaffect import cli


@dataclass(frozen=True)
class OwnData:
    """Two options of the corpora that are a user's own: they stand in the metadata of the records and in model cards.

    Without them, metadata and cards say that they were not given.
    """

    data_licence: Annotated[str, cli.option("TEXT", "not stated")] = ""
    """Licence of the pictures or videos, for the metadata of the records and for model cards."""
    agreement: Annotated[str, cli.option("TEXT", "not stated")] = ""
    """How the people who are shown agreed to this use, for the same places."""

    def __post_init__(self) -> None:
        """Make both the corpus's licence, which travels with the records."""
        licence = self.data_licence or "not stated (--data-licence)"
        agreed = self.agreement or "not stated (--agreement)"
        object.__setattr__(self, "licence", f"{licence}. How the people agreed: {agreed}")

"""The class that a label means: a word, or a code whose order the user or the file names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tfaffect.errors import UsageError
from tfaffect.files.paths import printable
from tfaffect.files.tables import to_number
from tfaffect.labels import CLASS_OF_WORD, CLASSES
from tfrecords_builders.base import Skip

MISSING = ("", "na", "n/a", "nan", "none", "null")
"""Labels and cells, in lower case, that mean "not annotated"."""

NO_CLASS = "none"
"""The word for a code that means no class."""

MOST_WORDS = 20
"""Words that are no class and are counted by name. A column of captions has any number of them."""


class CodeError(ValueError):
    """A code that means no class. Its text says what is expected: "The class must be ..."."""


def check_codes(codes: Sequence[str]) -> None:
    """Raise UsageError unless all words of --classes are classes, or `none`."""
    if unknown := [word for word in codes if word.lower() not in (*CLASS_OF_WORD, NO_CLASS)]:
        words = ", ".join((*CLASSES, NO_CLASS))
        raise UsageError(f"--classes must name the classes in the order of their codes: {words}. Received: {unknown}.")


def word_of_code(code: float, codes: Sequence[str]) -> str:
    """Return the word that `codes` has for a code, from 0. Raises CodeError where there is none."""
    if not codes:
        raise CodeError(
            "a word, because public copies use five orders of codes and none is guessed. Write the words, or name them "
            "in the order of their codes from 0: --classes neutral happiness ..."
        )
    if not (code.is_integer() and 0 <= code < len(codes)):
        raise CodeError(
            f"a code from 0 to {len(codes) - 1}, as many as --classes names. "
            f"Write {NO_CLASS} in --classes for a code that means no class"
        )
    return codes[int(code)]


@dataclass
class ClassReader:
    """Tells the class of each label of a folder's files.

    codes: words of --classes in the order of their codes, from 0. names: those of the files themselves, in the same
    order. Names that are numbers are codes of `codes`. Otherwise `codes` comes before `names`, and names without any
    class word are not used.
    """

    codes: Sequence[str]
    names: Sequence[str] = ()
    _unknown: set[str] = field(default_factory=set)

    @property
    def named_twice(self) -> bool:
        """Whether `codes` names the classes although the files do."""
        return bool(self.codes) and self._has_words

    @property
    def _has_words(self) -> bool:
        return any(name.strip().lower() in CLASS_OF_WORD for name in self.names)

    @cached_property
    def _words(self) -> Sequence[str]:
        return self.codes or (self.names if self._has_words else ())

    @cached_property
    def _has_numbers(self) -> bool:
        return bool(self.names) and all(to_number(name) is not None for name in self.names)

    def __call__(self, label: object, place: str) -> str | Skip | None:
        """Return the class, None where nothing is annotated, or a Skip that names a word that is no class.

        `place` is for errors. Raises UsageError for a code that nobody names.
        """
        word = "" if label is None else str(label).strip().lower()
        if word in MISSING or word in CLASS_OF_WORD:
            return CLASS_OF_WORD.get(word)
        if (code := to_number(word)) is None:
            return self._no_class(word)
        try:
            if self._has_numbers:
                code = to_number(word_of_code(code, self.names)) or 0
            named = word_of_code(code, self._words).strip().lower()
        except CodeError as error:
            raise UsageError(f"{place}: the class must be {error}. Received: {word!r}.") from None
        return CLASS_OF_WORD.get(named) if named in (*CLASS_OF_WORD, NO_CLASS) else self._no_class(named)

    def _no_class(self, word: str) -> Skip:
        word = printable(word[:40])
        if len(self._unknown) < MOST_WORDS:
            self._unknown.add(word)
        return Skip(f"label is no class: {word}" if word in self._unknown else "label is no class")

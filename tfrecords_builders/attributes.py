"""One spelling for the sex and the age of people, as a user's own tables give them."""

import re

SEXES = {"female": ("f", "w", "woman", "girl"), "male": ("m", "man", "boy")}
"""Sex -> other spellings, in lower case. A code such as 0 or 1 is not guessed."""

_SEX_OF = {word: sex for sex, others in SEXES.items() for word in (sex, *others)}

_AGE = re.compile(r"(\d{1,3}(?:[.,]\d+)?) *(?:years?(?: old)?|yrs?\.?|yo|y\.?o\.?|y)?", re.IGNORECASE)
"""An age in years with a decimal point or comma: 34, 34.5, "34,5", "34 years", 34y."""


def one_spelling(name: str, text: str) -> str:
    """Return a sex as `female` or `male`, and an age as a number of years without its unit: "34 years" is "34".

    name: the attribute; all but `sex` and `age` stay as they are, and so does any spelling that is not known, for
    example "20-29", "adult" or "18 months".
    """
    if name == "sex":
        return _SEX_OF.get(text.lower(), text)
    if name == "age" and (years := _AGE.fullmatch(text)):
        return f"{float(years[1].replace(',', '.')):g}"
    return text

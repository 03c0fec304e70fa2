"""Ways in which a file of foreign bytes can be other than it should: what the fuzz tests draw from."""

import re

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

BRIEFLY = settings(
    max_examples=10, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck], database=None
)
LONG = settings(BRIEFLY, max_examples=200)


def briefly_and(long):
    """Parametrize a test by `thoroughness`: a few examples, and as many as `long` says where slow tests run."""
    slow = pytest.param(long, id="many times", marks=pytest.mark.slow)
    return pytest.mark.parametrize("thoroughness", [pytest.param(BRIEFLY, id="briefly"), slow])


TOKENS = (
    *(b"", b"nan", b"-inf", b"1e999", b"-1", b"0", b"99999999999999999999", b"1.5", b"NULL", b"True", b'"', b"'"),
    *(bytes([code]) for code in b",;\t\n\r\x00{]<&"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"%s", b"../../x", b"/etc/passwd", "\u00e9\u4e2d".encode()),
    *(b" " * 200, b"A" * 5000),
)


@st.composite
def changes(draw):
    """Return a function from the bytes of a whole file to damaged ones: one to three changes of drawn kinds."""
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 2**32), st.sampled_from(TOKENS)),
            min_size=1,
            max_size=3,
        )
    )

    def damage(content: bytes) -> bytes:
        for kind, place, token in steps:
            content = KINDS[kind](content, place, token)
        return content

    return damage


def _cut(content, place, token):
    return content[: place % (len(content) + 1)]


def _empty(content, place, token):
    return b""


def _flip(content, place, token):
    at = place % max(1, len(content))
    return content[:at] + bytes([content[at] ^ (1 + place % 255)]) + content[at + 1 :] if content else content


def _insert(content, place, token):
    at = place % (len(content) + 1)
    return content[:at] + token + content[at:]


def _remove(content, place, token):
    at = place % (len(content) + 1)
    return content[:at] + content[at + 1 + place % 97 :]


def _repeat(content, place, token):
    at = place % (len(content) + 1)
    return content[:at] + content[at : at + 1 + place % 997] * 2 + content[at:]


def _replace_word(content, place, token):
    """Put a token in the place of a number or a word."""
    words = [*re.finditer(rb"[\w.+-]+", content)]
    if not words:
        return token
    word = words[place % len(words)]
    return content[: word.start()] + token + content[word.end() :]


def _drop_line(content, place, token):
    lines = content.splitlines(keepends=True)
    return b"".join(line for number, line in enumerate(lines) if number != place % max(1, len(lines)))


def _swap_lines(content, place, token):
    lines = content.splitlines(keepends=True)
    if len(lines) > 1:
        one, other = place % len(lines), place // 7 % len(lines)
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _encode(content, place, token):
    return content.decode("latin-1").encode("utf-16" if place % 2 else "utf-8-sig")


KINDS = {
    "cut": _cut,
    "drop_line": _drop_line,
    "empty": _empty,
    "encode": _encode,
    "flip": _flip,
    "insert": _insert,
    "remove": _remove,
    "repeat": _repeat,
    "replace_word": _replace_word,
    "swap_lines": _swap_lines,
}

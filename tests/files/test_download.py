"""Downloads against a server on this machine that fails in the ways in which servers fail."""

import hashlib
import socket
from contextlib import contextmanager

import pytest

from tests import failing_server
from tests.failing_server import cut, cut_chunk, hang_up, other, silent, slow, status, whole
from tfaffect.files import download as downloads
from tfaffect.files.download import DownloadError, WrongFileError, download

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@contextmanager
def serving(*answers):
    with failing_server.serving(*answers, content=CONTENT) as served:
        yield served


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short pauses, and no proxy between the test and its server."""
    monkeypatch.setattr(downloads, "PAUSES", (0.1, 0.3))
    monkeypatch.setattr(downloads, "TIMEOUT", 1.0)
    monkeypatch.setenv("no_proxy", "*")


def test_pauses_grow_and_end_within_seconds():
    first, second = downloads.PAUSES
    assert first < second


@pytest.mark.parametrize(
    "failure", [cut, cut_chunk, hang_up, silent, status(500), status(503), status(429), status(408)]
)
def test_what_can_pass_is_tried_three_times_with_growing_pauses(failure, capsys):
    with serving(failure, failure, whole) as (url, times):
        assert download([url], SHA256, "the file") == CONTENT
    first, second, third = times
    assert second - first >= 0.1
    assert third - second >= 0.3
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.count(url) == 2
    assert "Trying again in 0.1 s.\n" in printed.err
    assert "Trying again in 0.3 s.\n" in printed.err


@pytest.mark.parametrize("failure", [cut, status(503)])
def test_after_the_third_try_it_ends(failure):
    with serving(failure) as (url, times), pytest.raises(DownloadError, match=url):
        download([url], SHA256, "the file")
    assert len(times) == 3


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (status(404), "HTTP status 404, Not Found"),
        (status(403), "HTTP status 403, Forbidden"),
        (other, rf"Another file\. Received: sha256 [0-9a-f]{{64}}, 26 bytes\. Expected: {SHA256}"),
    ],
)
def test_what_cannot_pass_is_tried_once(failure, words):
    with serving(failure, whole) as (url, times), pytest.raises(DownloadError, match=f"  {url}: {words}"):
        download([url], SHA256, "the file")
    assert len(times) == 1


@pytest.mark.parametrize("failure", [cut, hang_up, other, status(404), status(500)])
def test_the_second_address_is_asked_before_any_pause(failure):
    with serving(failure) as (first, asked), serving(whole) as (second, _):
        assert download([first, second], SHA256, "the file") == CONTENT
    assert len(asked) == 1


def test_an_address_that_was_ruled_out_is_not_asked_again():
    with serving(other) as (first, ruled_out), serving(status(503), whole) as (second, asked):
        assert download([first, second], SHA256, "the file") == CONTENT
    assert (len(ruled_out), len(asked)) == (1, 2)


def test_the_error_names_every_address_with_its_last_error():
    with serving(status(404)) as (first, _), serving(cut) as (second, _), pytest.raises(DownloadError) as caught:
        download([first, second], SHA256, "the file")
    assert str(caught.value) == (
        f"  {first}: HTTP status 404, Not Found\n  {second}: The connection ended after 30,000 of 102,400 bytes."
    )


def test_without_a_network_the_system_says_why():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file"
        with pytest.raises(DownloadError, match=rf"{url}: \[Errno \d+\] Connection refused"):
            download([url], SHA256, "the file")


def test_a_terminal_shows_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    with serving(slow) as (url, _):
        assert download([url], SHA256, "the file") == CONTENT
    shown = capsys.readouterr().err
    assert "the file" in shown
    assert "49.2/102.4 kB" in shown


def test_another_file_is_no_error_of_the_system():
    assert not issubclass(WrongFileError, OSError)

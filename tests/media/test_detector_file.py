"""The weights of the face detector: where they are looked for, and their download from a server on this machine."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests import ROOT
from tests.failing_server import cut, other, serving, slow, status, whole
from tfaffect.errors import UsageError
from tfaffect.files import download
from tfaffect.media import detector_file
from tfaffect.media.detector_file import FILE, SHA256, VARIABLE, find_weights

FIND = """
import sys
from tfaffect.media import detector_file
detector_file.URLS = (sys.argv[1],)
print(detector_file.find_weights())
"""
HALF = """
import os, signal
from pathlib import Path
def write_bytes(path, content):
    with open(path, "wb") as file:
        file.write(content[:1000])
    os.kill(os.getpid(), signal.SIGKILL)
Path.write_bytes = write_bytes
"""


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """The place of the download, in a folder that has nothing yet."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "PAUSES", (0.05, 0.1))
    return tmp_path / "cache" / "tfaffect" / FILE


def start(url, before=""):
    """Start a process that needs the weights, from this address only."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", before + FIND, url]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_both_addresses_are_those_of_the_owners_and_secure():
    github, hugging_face = detector_file.URLS
    assert github.startswith("https://media.githubusercontent.com/media/opencv/opencv_zoo/")
    assert hugging_face.startswith("https://huggingface.co/opencv/")
    assert all(url.endswith(f"/{FILE}") for url in detector_file.URLS)


def test_weights_are_found_by_option_then_by_environment(face_detector, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "missing.onnx"))
    assert find_weights(face_detector) == face_detector
    with pytest.raises(UsageError, match=rf"no face detector at .*missing\.onnx, which {VARIABLE} names"):
        find_weights()
    with pytest.raises(UsageError, match=r"no face detector at .*gone\.onnx, which --face-detector names"):
        find_weights(tmp_path / "gone.onnx")
    monkeypatch.setenv(VARIABLE, str(face_detector))
    assert find_weights() == face_detector


def test_weights_that_are_others_are_refused(tmp_path):
    other_weights = tmp_path / "yunet.onnx"
    other_weights.write_bytes(b"others")
    with pytest.raises(UsageError, match=rf"Received: sha256 [0-9a-f]{{64}}\. Expected: {SHA256}\. Name another file"):
        find_weights(other_weights)


def test_a_damaged_download_says_that_it_can_be_removed(cached):
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half")
    with pytest.raises(UsageError, match="Remove it, then it is downloaded again"):
        find_weights()


def test_weights_are_downloaded_once_and_checked(face_detector, cached, monkeypatch):
    with serving(whole, content=face_detector.read_bytes()) as (url, times):
        monkeypatch.setattr(detector_file, "URLS", (url,))
        assert find_weights() == cached
        assert find_weights() == cached
    assert len(times) == 1
    assert cached.read_bytes() == face_detector.read_bytes()
    assert find_weights() == cached


@pytest.mark.parametrize("failure", [status(404), status(503), cut, other])
def test_the_second_address_helps_where_the_first_fails(failure, face_detector, cached, monkeypatch):
    content = face_detector.read_bytes()
    with serving(failure, content=content) as (first, _), serving(whole, content=content) as (second, _):
        monkeypatch.setattr(detector_file, "URLS", (first, second))
        assert find_weights() == cached
    assert cached.read_bytes() == content


def test_without_internet_the_error_says_what_to_fetch_and_where_to_put_it(cached, monkeypatch):
    with serving(status(404), content=b"") as (first, _), serving(other, content=b"") as (second, _):
        monkeypatch.setattr(detector_file, "URLS", (first, second))
        with pytest.raises(UsageError) as caught:
            find_weights()
    lines = str(caught.value).splitlines()
    assert lines[0] == "The face detector could not be downloaded:"
    assert lines[1] == f"  {first}: HTTP status 404, Not Found"
    assert lines[2].startswith(f"  {second}: Another file. Received: sha256 ")
    assert lines[3:6] == [
        f"Without internet access here, download this file on another machine (0.2 MB, sha256 {SHA256}):",
        f"  {first}",
        "Then copy it to this machine as",
    ]
    assert lines[6] == f"  {cached}"
    assert lines[7].startswith(f"or name it with --face-detector PATH or {VARIABLE}.")
    assert not cached.parent.exists(), "nothing that could be taken for the file"


def test_the_copy_from_another_machine_is_used_without_a_download(face_detector, cached, monkeypatch):
    monkeypatch.setattr(detector_file, "URLS", ())
    cached.parent.mkdir(parents=True)
    cached.write_bytes(face_detector.read_bytes())
    assert find_weights() == cached


def test_a_place_that_cannot_be_written_is_named(face_detector, cached, monkeypatch):
    cached.parent.parent.mkdir()
    cached.parent.write_text("a file where a folder is needed")
    with serving(whole, content=face_detector.read_bytes()) as (url, _):
        monkeypatch.setattr(detector_file, "URLS", (url,))
        with pytest.raises(UsageError, match=r"cannot be written: .*Set XDG_CACHE_HOME"):
            find_weights()


def test_a_process_that_is_killed_while_it_downloads_leaves_nothing(face_detector, cached, monkeypatch):
    with serving(slow, whole, content=face_detector.read_bytes()) as (url, times):
        process = start(url)
        while process.poll() is None and not times:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not cached.exists()
        monkeypatch.setattr(detector_file, "URLS", (url,))
        assert find_weights() == cached


def test_a_process_that_is_killed_while_it_writes_leaves_no_half_file(face_detector, cached, monkeypatch):
    with serving(whole, content=face_detector.read_bytes()) as (url, _):
        process = start(url, HALF)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not cached.exists()
        assert len(list(cached.parent.iterdir())) == 1, "the half file under another name"
        monkeypatch.setattr(detector_file, "URLS", (url,))
        assert find_weights() == cached
    assert [path.name for path in cached.parent.iterdir()] == [FILE]


def test_processes_that_start_together_all_get_the_whole_file(face_detector, cached):
    with serving(slow, content=face_detector.read_bytes()) as (url, times):
        processes = [start(url) for _ in range(3)]
        ends = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    assert {printed for printed, _ in ends} == {f"{cached}\n"}
    assert len(times) >= 1
    assert cached.read_bytes() == face_detector.read_bytes()
    assert [path.name for path in cached.parent.iterdir()] == [FILE]

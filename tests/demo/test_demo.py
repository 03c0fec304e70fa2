"""The page in a real browser gives the outputs of Python; its server serves the known files and nothing else."""

import base64
import csv
import http.client
import io
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import PIL
import pytest
from PIL import Image, ImageCms

from tests import ROOT
from tests.conftest import SHARED
from tfaffect import contract as contracts
from tfaffect.demo import addresses
from tfaffect.demo.addresses import FILE, PACKAGES, PAGE, File, find_files
from tfaffect.demo.server import HEADERS, open_server
from tfaffect.embed import Embedder
from tfaffect.errors import UsageError
from tfaffect.export import saved_model, tflite
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.media import faces
from tfaffect.networks import model as models
from tfaffect.runtimes.opening import open_model
from tfrecords_builders.build_counts import BuildCounts
from tfrecords_builders.fer_plus import FerPlus
from tfrecords_builders.prepare import read_annotations
from tfrecords_builders.synthetic import Synthetic

TOLERANCE = 1e-3  # of every output on the same crop; 2e-6 was seen
PROBABILITIES = [f"expression_{name}" for name in CLASSES]
BOX = ["box_left", "box_top", "box_right", "box_bottom"]
COLUMNS = ["time", "path", "face", *BOX, "detection_score", "expression", *PROBABILITIES, *AFFECT, "problem"]


# The server, which needs no browser.


@contextmanager
def serving(files):
    """Run a server for files; yield its port."""
    with open_server(files, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """A server of two files of three in a folder."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("index.html", "main.js", "secret.txt"):
        (folder / name).write_text(f"this is {name}")
    files = {"/": File(folder / "index.html", addresses.KINDS[".html"])}
    files["/main.js"] = File(folder / "main.js", addresses.KINDS[".js"], (b"this is", b"that was"))
    files["/gone.js"] = File(folder / "gone.js", addresses.KINDS[".js"])
    with serving(files) as port:
        yield port


def ask(port, address, method="GET", host=None):
    """Return the answer's status, headers and text; the address goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, address, skip_host=True)
    connection.putheader("Host", host or f"localhost:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.headers), text


def test_known_addresses_are_answered_with_their_types(port):
    status, headers, text = ask(port, "/")
    assert (status, headers["Content-Type"], text) == (200, "text/html; charset=utf-8", "this is index.html")
    status, headers, text = ask(port, "/main.js?again")
    assert (status, headers["Content-Type"], text) == (200, "text/javascript; charset=utf-8", "that was main.js")
    status, headers, text = ask(port, "/main.js", method="HEAD")
    assert (status, headers["Content-Length"], text) == (200, "16", "")


@pytest.mark.parametrize(("address", "method"), [("/", "GET"), ("/", "HEAD"), ("/nowhere", "GET"), ("/", "POST")])
def test_every_answer_isolates_the_page_and_allows_no_other_origin(port, address, method):
    _, headers, _ = ask(port, address, method)
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    allowed = {source for sources in policy.values() for source in sources.split()}
    assert allowed == {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:"}, "no other origin, no inline script, no eval"


UNKNOWN = ["/secret.txt", "/../secret.txt", "/./main.js", "/main.js/", "/%6dain.js", "/..%2fsecret.txt", "/gone.js"]
UNKNOWN += ["/index.html", "*", "main.js", "/main.js%00", "/\\..\\secret.txt", "http://localhost/main.js"]


@pytest.mark.parametrize("address", UNKNOWN)
def test_nothing_else_is_answered(port, address):
    status, _, text = ask(port, address)
    assert status == 404
    assert "secret" not in text.replace("secret.txt", "")


@pytest.mark.parametrize("host", ["elsewhere.example", "localhost", "localhost:1", "127.0.0.1.elsewhere.example"])
def test_a_name_that_only_leads_here_is_refused(port, host):
    """A page elsewhere could otherwise make its own name lead here, and read the model as its own."""
    status, _, text = ask(port, "/main.js", host=host)
    assert status == 421
    assert "that was" not in text
    assert ask(port, "/", host=f"127.0.0.1:{port}")[0] == 200


def test_nothing_can_be_sent(port):
    assert {method: ask(port, "/", method)[0] for method in ("POST", "PUT", "DELETE")} == {
        "POST": 501,
        "PUT": 501,
        "DELETE": 501,
    }


def test_a_browser_that_goes_away_is_no_error(tmp_path, capfd):
    with open(tmp_path / "large.js", "wb") as file:
        file.truncate(50_000_000)
    with serving({"/": File(tmp_path / "large.js", "text/javascript")}) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no farewell
            connection.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
            assert connection.recv(8) == b"HTTP/1.1"
        assert ask(port, "/", method="HEAD")[0] == 200
    assert capfd.readouterr().err == ""


def test_other_machines_are_not_answered(port):
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=5):  # noqa: PT011
        pass


def test_a_taken_port_is_an_error_of_use(port):
    with pytest.raises(UsageError, match=f"Port {port} cannot be used: .*--port"):
        open_server({}, port)
    with pytest.raises(UsageError, match="Received: port=70000"):
        open_server({}, 70_000)


# What is handed out.


@pytest.fixture(scope="module")
def packages():
    """The packages of npm that the page needs."""
    if not (PACKAGES / "playwright-core").is_dir():
        pytest.skip(f"no {PACKAGES}: with Node.js 20 or later, run npm ci --prefix tfaffect/demo")


def test_the_files_are_those_of_the_page_the_packages_and_the_model(packages, exported, face_detector):
    files = find_files(exported, face_detector)
    assert set(files) >= {"/", "/main.js", "/model/model.json", "/model/model.tflite", "/model/detector.onnx"}
    assert files["/litert/litert_wasm_threaded_internal.wasm"].kind == "application/wasm"
    assert b'from "./wasm-utils.js"' in files["/litert/index.js"].read()
    roots = [PAGE, PACKAGES, exported, face_detector.parent]
    assert all(any(file.path.resolve().is_relative_to(root.resolve()) for root in roots) for file in files.values())


def test_a_model_must_be_the_one_that_its_contract_names(packages, exported, face_detector, tmp_path):
    with pytest.raises(UsageError, match=f"There is no {FILE} in .*tfaffect export tflite RUN"):
        find_files(tmp_path, face_detector)
    shutil.copytree(exported, tmp_path / "other")
    with open(tmp_path / "other" / FILE, "ab") as file:
        file.write(b"x")
    with pytest.raises(UsageError, match="is not the model that its"):
        find_files(tmp_path / "other", face_detector)


def test_a_link_that_leads_out_is_not_followed(packages, exported, face_detector, tmp_path):
    (tmp_path / FILE).symlink_to(exported / FILE)
    shutil.copy(exported / "model.json", tmp_path)
    with pytest.raises(UsageError, match=r"is a link to .* Only files inside are served"):
        find_files(tmp_path, face_detector)


def test_without_the_packages_it_says_what_to_run(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(addresses, "PACKAGES", tmp_path)
    with pytest.raises(UsageError, match="npm ci --prefix"):
        find_files(exported)


def test_packages_of_another_version_are_refused(packages, exported, tmp_path, monkeypatch):
    monkeypatch.setitem(addresses.REPLACED, "/litert/index.js", (b"what is not there", b""))
    with pytest.raises(UsageError, match="has another version"):
        find_files(exported)


def test_the_command_says_what_is_wrong_without_a_traceback(tmp_path):
    done = subprocess.run([sys.executable, "-m", "demo", tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"error: There is no {FILE} in {tmp_path}" in done.stderr
    (tmp_path / "config.json").touch()
    with pytest.raises(UsageError, match=rf"is a run: first `.*export tflite {tmp_path} OUT`, then `.*demo OUT`\."):
        addresses.find_files(tmp_path)


def test_the_lock_file_names_one_host_at_most():
    lock = json.loads((PACKAGES.parent / "package-lock.json").read_text())
    hosts = {urlsplit(package["resolved"]).netloc for package in lock["packages"].values() if "resolved" in package}
    assert len(hosts) <= 1, "packages of one registry, whichever it is"
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_the_page_types_no_name_of_a_class():
    for path in PAGE.iterdir():
        assert not re.findall("|".join((*CLASSES, *AFFECT)), path.read_text(), re.IGNORECASE), path


# The page, in a browser.


class Browser:
    """Chromium behind tfaffect/demo/drive.js: each command is a method."""

    def __init__(self, process):
        self.process, self.has_page = process, False

    def __getattr__(self, command):
        return lambda **given: self.ask(command, given)

    def ask(self, command, given):
        given = {name: [*map(str, value)] if name == "paths" else value for name, value in given.items()}
        self.process.stdin.write(json.dumps({"command": command, **given}, default=str) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "problem" not in answer, answer["problem"]
        return answer["answer"]

    def visit(self, port, *flags):
        """Open the page in a new browser, which says yes when it is asked for a camera."""
        self.open(url=f"http://localhost:{port}/", flags=["--use-fake-ui-for-media-stream", *flags])

    def rows(self):
        """The session as it is downloaded, one dictionary a row."""
        return list(csv.DictReader(io.StringIO(self.download(selector="#download")["text"], newline="")))


@pytest.fixture(scope="module")
def browser(packages):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not (chromium and shutil.which("node")):
        pytest.skip("no Chromium or no Node.js: apt-get install chromium nodejs")
    process = subprocess.Popen(
        ["node", PACKAGES.parent / "drive.js"],
        env={**os.environ, "CHROMIUM": chromium},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Browser(process)
        process.stdin.close()


@pytest.fixture(scope="module")
def served(packages, exported, face_detector):
    """The port of the page with the small network."""
    with serving(find_files(exported, face_detector)) as port:
        yield port


@pytest.fixture
def page(browser, served):
    """The page with nothing in it; opened once for all tests that ask for it in a row."""
    if not browser.has_page:
        browser.visit(served, "--disable-gpu")
        browser.has_page = True
    elif browser.evaluate(expression="() => !document.getElementById('clear').disabled"):
        browser.click(selector="#clear")
    browser.evaluate(expression="() => { document.getElementById('crops').checked = false; }")
    return browser


@pytest.fixture(scope="module")
def embedder(exported, face_detector):
    return Embedder(exported, face_detector=face_detector)


@pytest.fixture(scope="module")
def portraits():
    """Drawn faces of eight people, 128 pixels a side."""
    return [face.image() for face in list(Synthetic(subjects=8, pictures=2).faces(None))[::2]]


def room(*placed, shape=(480, 900)):
    """A grey picture with portraits in it, each given with its left, top and side."""
    picture = np.full((*shape, 3), 128, np.uint8)
    for face, left, top, side in placed:
        picture[top : top + side, left : left + side] = cv2.resize(face, (side, side))
    return picture


def write(path, picture):
    assert cv2.imwrite(str(path), picture[..., ::-1])
    return path


def numbers(row):
    return np.array([float(row[name]) for name in (*PROBABILITIES, *AFFECT)])


def expected_numbers(row):
    return np.array([*row.expression, row.valence, row.arousal])


def packed(picture):
    """A picture as the page's functions take it: RGBA, in base64 until it is there."""
    height, width = picture.shape[:2]
    opaque = np.dstack([picture, np.full((height, width), 255, np.uint8)])
    return {"width": width, "height": height, "data": base64.b64encode(opaque.tobytes()).decode()}


def unpacked(text, channels, height):
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, -1, channels)[..., :3]


UNPACK = "(text) => Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0))"
PACK = "(bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))"


def random_picture(height, width):
    return np.random.default_rng(height * 10_000 + width).integers(0, 256, (height, width, 3), np.uint8)


def test_letterboxes_are_pythons_to_the_byte(page):
    cases = [(48, 48, 48), (48, 48, 240), (37, 100, 64), (301, 233, 240), (500, 499, 64), (1, 5, 32), (240, 240, 241)]
    cases += [(11, 11, 240)]  # 11 * (240 / 11) is a little less than 240
    cases += [(100, 37, 64), (300, 3, 48)]  # narrow: Pillow 13 goes another way there than 12
    results = page.evaluate(
        expression=f"""async (cases) => {{
          const {{ letterbox }} = await import("/letterbox.js");
          const [pack, unpack] = [{PACK}, {UNPACK}];
          return cases.map(([picture, size]) => pack(letterbox({{ ...picture, data: unpack(picture.data) }}, size)));
        }}""",
        given=[(packed(random_picture(height, width)), size) for height, width, size in cases],
    )
    for (height, width, size), result in zip(cases, results, strict=True):
        expected = faces.letterbox(random_picture(height, width), size).astype(int)
        allowed = 1 if height > 2 * width and int(PIL.__version__.split(".")[0]) < 13 else 0
        assert np.abs(unpacked(result, 3, size) - expected).max() <= allowed, (height, width, size)


def test_grey_is_pythons_to_the_byte(page):
    result = page.evaluate(
        expression=f"""async (picture) => {{
          const {{ letterbox, toGrey }} = await import("/letterbox.js");
          const [pack, unpack] = [{PACK}, {UNPACK}];
          return pack(toGrey(letterbox({{ ...picture, data: unpack(picture.data) }}, 64)));
        }}""",
        given=packed(random_picture(64, 64)),
    )
    assert np.array_equal(unpacked(result, 3, 64), faces.to_grey(random_picture(64, 64)))


def test_crops_are_pythons_to_the_pixel(page):
    boxes = [(10.5, 20.5, 30.5, 60.25), (-20, -9.5, 40, 30), (80, 50, 140, 100.5), (0, 0, 1, 1), (200, 0, 210, 9)]
    squares = page.evaluate(
        expression="""async (boxes) => {
          const { square } = await import("/letterbox.js");
          return boxes.map((box) => square(box, { width: 100, height: 80 }, 0.1));
        }""",
        given=boxes,
    )
    place = np.stack(np.meshgrid(np.arange(100), np.arange(80), [0]), axis=-1)[:, :, 0]  # each pixel says where it is
    for box, found in zip(boxes[:-1], squares, strict=False):
        expected = faces.crop(place, box)
        assert found == [*expected[0, 0, :2], *(expected[-1, -1, :2] + 1)]
    assert squares[-1] is None, "a box beside the picture"


def test_the_detector_sees_pictures_scaled_as_opencv_does(page):
    cases = [
        (96, 128, 64),
        (100, 150, 64),
        (135, 180, 64),
        (128, 128, 64),
        (48, 48, 192),
        (100, 130, 192),
        (9, 500, 64),
    ]
    results = page.evaluate(
        expression=f"""async (cases) => {{
          const {{ scaleTo }} = await import("/scaling.js");
          const [pack, unpack] = [{PACK}, {UNPACK}];
          return cases.map(([picture, longest]) => {{
            const {{ height, data }} = scaleTo({{ ...picture, data: unpack(picture.data) }}, longest);
            return [height, pack(data)];
          }});
        }}""",
        given=[(packed(random_picture(height, width)), longest) for height, width, longest in cases],
    )
    for (height, width, longest), (tall, result) in zip(cases, results, strict=True):
        scale = longest / max(height, width)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        expected = cv2.resize(
            random_picture(height, width), (round(width * scale), round(height * scale)), None, 0, 0, how
        )
        difference = np.abs(unpacked(result, 4, tall) - expected.astype(int))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1 / 30


def swapped_profile():
    """A colour profile that takes red for blue, to be ignored."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")


def test_pictures_are_decoded_as_python_decodes_them(page, portraits, tmp_path):
    face = Image.fromarray(portraits[0]).resize((120, 90))
    turned = Image.Exif()
    turned[0x0112] = 6
    alpha = random_picture(90, 120)[..., 0]
    face.save(tmp_path / "photo.jpg", quality=90)
    face.save(tmp_path / "turned.jpg", quality=90, exif=turned)
    face.save(tmp_path / "profile.png", icc_profile=swapped_profile())
    face.save(tmp_path / "photo.webp", quality=80)
    face.convert("L").save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([np.array(face), alpha])).save(tmp_path / "transparent.png")
    for path in sorted(tmp_path.iterdir()):
        height, decoded = page.evaluate(
            expression=f"""async (file) => {{
              const {{ decode }} = await import("/picture.js");
              const {{ height, data }} = await decode(new Blob([({UNPACK})(file)]));
              return [height, ({PACK})(data)];
            }}""",
            given=base64.b64encode(path.read_bytes()).decode(),
        )
        expected = faces.read(path, upright=True)
        assert height == len(expected), path.name
        assert np.abs(unpacked(decoded, 4, height) - expected.astype(int)).max() <= 1, path.name


def test_face_crops_get_pythons_numbers(page, embedder, portraits, tmp_path):
    every_class = [face.image() for face in Synthetic(subjects=4, pictures=10).faces(None)]
    crops = [*every_class, portraits[0][:, 30:90], random_picture(33, 57)]
    paths = [write(tmp_path / f"{place:02}.png", crop) for place, crop in enumerate(crops)]
    page.click(selector="#crops")
    page.drop(paths=paths)
    outputs = embedder(crops)
    expected = np.column_stack([outputs.expression, outputs.valence, outputs.arousal])
    assert (expected.std(axis=0) > 0.01).sum() >= 8, "of ten outputs; a network of few steps may never name one class"
    rows = page.rows()
    assert [row["path"] for row in rows] == [path.name for path in paths]
    assert all(row[name] == "" for row in rows for name in (*BOX, "detection_score", "problem"))
    np.testing.assert_allclose([numbers(row) for row in rows], expected, atol=TOLERANCE)
    assert [row["expression"] for row in rows] == [CLASSES[place] for place in outputs.expression.argmax(axis=1)]


def check_found(rows, embedder, paths):
    """Compare a session with Python's rows; return the share of faces whose crop is the same to the pixel.

    There the numbers must be, too. Of 119 faces of FER+ boxes differed by 0.1 pixels at most, half of them by less than
    0.01, and 116 crops were the same; a box of which an edge falls on the other side of a half gives another crop.
    """
    expected = [row for path in paths for row in embedder.rows(path)]
    assert [row["path"] for row in rows] == [Path(row.source).name for row in expected]
    same = 0
    for received, row in zip(rows, expected, strict=True):
        assert received["problem"] == row.problem
        if row.box is None:
            assert received["face"] == ""
            continue
        box = [float(received[name]) for name in BOX]
        assert received["face"] == str(row.face)
        np.testing.assert_allclose(box, row.box, atol=0.25)
        assert float(received["detection_score"]) == pytest.approx(row.score, abs=0.01)
        place = np.stack(np.meshgrid(np.arange(2000), np.arange(2000)), axis=-1)
        if np.array_equal(faces.crop(place, tuple(box)), faces.crop(place, row.box)):
            np.testing.assert_allclose(numbers(received), expected_numbers(row), atol=TOLERANCE)
            same += 1
    return same / sum(row.box is not None for row in expected)


def test_faces_are_found_where_python_finds_them(page, embedder, portraits, tmp_path):
    pictures = [room((face, 20 + 30 * place, 60, 300)) for place, face in enumerate(portraits)]
    pictures += [room((portraits[0], 20, 60, 300), (portraits[1], 500, 150, 180))]  # two
    pictures += [portraits[2], portraits[0][36:-28, 36:-36]]  # small ones, the second found at the smaller side only
    pictures += [room((portraits[4], 0, 0, 1300), shape=(1500, 2000)), room()]  # a large one, and none
    paths = [write(tmp_path / f"{place:02d}.png", picture) for place, picture in enumerate(pictures)]
    page.drop(paths=paths)
    assert check_found(page.rows(), embedder, paths) > 0.8


@pytest.fixture(scope="module")
def real_faces(tmp_path_factory):
    """FER+ faces of 48 pixels, where they are at hand."""
    unpack = Path(os.environ.get("TFAFFECT_SHARED", SHARED)) / "ferplus" / "unpack.py"
    if not unpack.is_file():
        pytest.skip(f"no FER+ at {unpack}; name its folder with TFAFFECT_SHARED")
    folder = tmp_path_factory.mktemp("fer_plus")
    subprocess.run([sys.executable, unpack, folder / "raw", "--first", "12"], check=True, capture_output=True)
    pictures = [face.image() for face in read_annotations(FerPlus(), folder / "raw", BuildCounts())]
    return [write(folder / f"{place:02d}.png", picture) for place, picture in enumerate(pictures)]


def test_real_faces_get_pythons_numbers(page, embedder, real_faces):
    page.click(selector="#crops")
    page.drop(paths=real_faces)
    outputs = embedder([faces.read(path) for path in real_faces])
    expected = np.column_stack([outputs.expression, outputs.valence, outputs.arousal])
    np.testing.assert_allclose([numbers(row) for row in page.rows()], expected, atol=TOLERANCE)


def test_real_faces_are_found_where_python_finds_them(page, embedder, real_faces, tmp_path):
    pictures = [room((faces.read(path), 300, 100, 240)) for path in real_faces]
    paths = [write(tmp_path / f"{place:02d}.png", picture) for place, picture in enumerate(pictures)]
    page.drop(paths=paths)
    assert check_found(page.rows(), embedder, paths) > 0.8


def test_the_session_is_a_table(page, portraits, tmp_path):
    paths = [write(tmp_path / "a, quoted.png", room((portraits[0], 20, 60, 300))), write(tmp_path / "none.png", room())]
    (tmp_path / "notes.txt").write_text("no picture")
    page.drop(paths=[*paths, tmp_path / "notes.txt"])
    download = page.download(selector="#download")
    assert re.fullmatch(r"tfaffect-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.csv", download["name"])
    assert download["text"].count("\r\n") == 4
    face, none, broken = csv.DictReader(io.StringIO(download["text"], newline=""))
    assert list(face) == COLUMNS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", face["time"])
    assert (face["path"], face["face"], face["problem"]) == ("a, quoted.png", "0", "")
    assert face["expression"] == max(CLASSES, key=lambda name: float(face[f"expression_{name}"]))
    assert {name: text for name, text in none.items() if text}.keys() == {"time", "path", "problem"}
    assert none["problem"] == "no face"
    assert broken["problem"].startswith("not a picture that this browser can read")
    assert page.text(selector="#rows") == "3"
    assert page.text(selector="#note") == "No face was found here", "the last that could be read has none"


def test_what_is_shown_is_what_is_known(page, embedder, portraits, tmp_path):
    page.drop(paths=[write(tmp_path / "two.png", room((portraits[0], 20, 60, 300), (portraits[1], 500, 150, 180)))])
    first, second = embedder.rows(tmp_path / "two.png")
    for row, label in ((first, "Face 1 of 2"), (second, "Face 2 of 2")):
        shown = page.text(selector="#bars").split("\n")
        assert shown[0::2] == list(CLASSES)
        assert shown[1::2] == [f"{100 * share:.0f} %" for share in row.expression]
        values = page.text(selector=".values").replace("\N{MINUS SIGN}", "-")
        assert values.split() == ["valence", f"{row.valence:+.2f}", "arousal", f"{row.arousal:+.2f}"]
        finding = f"{row.top_class} {100 * row.expression.max():.0f} %"
        assert page.text(selector="#summary").startswith(f"two.png: {label}: {finding}")
        assert page.text(selector=".face[aria-pressed=true]") == finding
        page.click(selector=".face:nth-of-type(2)")


def test_the_trail_fades(page, portraits, tmp_path):
    page.click(selector="#crops")
    page.drop(paths=[write(tmp_path / f"{place}.png", face) for place, face in enumerate(portraits[:4])])
    opacities = page.evaluate(
        expression="""() => [...document.querySelectorAll("#plane .point:not(.now)")].map((point) =>
          Number(point.getAttribute("opacity")))"""
    )
    assert len(opacities) == 4
    assert opacities == sorted(set(opacities))
    assert opacities[-1] == 1


def test_nothing_leaves_the_page(page, portraits, tmp_path):
    page.drop(paths=[write(tmp_path / "face.png", room((portraits[0], 20, 60, 300)))])
    origin = page.evaluate(expression="() => location.origin")
    requests = page.requests()
    assert len(requests) > 20
    for method, address, body in requests:
        assert (method, body) == ("GET", ""), address
        assert address.startswith((f"{origin}/", f"blob:{origin}/")), address
    assert page.complaints() == [], "the policy stopped nothing that the page needs"
    stopped = page.evaluate(
        expression="""() => new Promise((resolve) => {
          document.addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
          fetch("https://elsewhere.example/", { method: "POST", body: "a picture" }).catch(() => {});
        })"""
    )
    assert stopped == "connect-src", "what would be sent elsewhere is stopped"
    assert not any("elsewhere" in address for _, address, _ in page.requests())


START = "() => { document.body.tabIndex = -1; document.body.focus(); }"  # of what Tab goes through


def focused(page):
    return page.evaluate(
        expression="""() => {
          const style = getComputedStyle(document.activeElement);
          return [document.activeElement.id || document.activeElement.classList[0], parseFloat(style.outlineWidth)];
        }"""
    )


def test_everything_can_be_done_with_the_keyboard(page, portraits, tmp_path):
    paths = [write(tmp_path / f"{place}.png", room((portraits[place], 20, 60, 300))) for place in range(2)]
    page.evaluate(expression=START)
    page.press(key="Tab")
    assert focused(page)[0] == "choose"
    page.choose(paths=paths)
    visited = []
    page.evaluate(expression=START)
    while len(visited) < 20 and (not visited or visited[-1][0] != "clear"):
        page.press(key="Tab")
        visited.append(focused(page))
    assert [name for name, _ in visited if name] == (
        ["face", "choose", "camera", "crops", "seen", "seen", "download", "clear"]
    )
    assert all(width >= 2 for _, width in visited), "what has the focus has an outline"
    page.press(key="Enter")
    assert page.text(selector="#rows") == "0"
    page.press(key="Tab")
    page.press(key="Tab")
    page.press(key="Space")
    assert page.evaluate(expression="() => document.getElementById('crops').checked")


def test_every_control_has_a_name(page, portraits, tmp_path):
    page.drop(paths=[write(tmp_path / f"{place}.png", room((portraits[place], 20, 60, 300))) for place in range(2)])
    names = page.evaluate(
        expression="""() => [...document.querySelectorAll("button, input:not(.unseen), section, img")].map((part) =>
          part.getAttribute("aria-label") ?? part.getAttribute("alt") ?? part.labels?.[0]?.innerText ??
          document.getElementById(part.getAttribute("aria-labelledby"))?.innerText ?? part.innerText)"""
    )
    assert len(names) >= 11
    assert all(name.strip() for name in names)


def test_a_wrong_file_gives_words_and_the_next_picture_works(page, portraits, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    page.drop(paths=[tmp_path / "notes.txt"])
    assert page.text(selector="#messages .message span").startswith(
        "notes.txt: not a picture that this browser can read"
    )
    page.drop(paths=[])
    assert page.text(selector="#messages .message span").startswith("This contains no file")
    page.drop(paths=[write(tmp_path / "face.png", room((portraits[0], 20, 60, 300)))])
    assert page.text(selector="#messages") == ""
    assert "Face 1 of 1" in page.text(selector="#summary")


def test_threads_are_used_where_there_are_processors(page):
    processors = min(page.evaluate(expression="() => navigator.hardwareConcurrency"), 4)
    words = f"{processors} threads" if processors > 1 else "1 thread"
    assert page.text(selector="#runtime") == f"Runs in WebAssembly, {words}"


@pytest.mark.parametrize(("scheme", "light"), [("light", True), ("dark", False)])
def test_it_fits_a_phone_in_light_and_dark(page, portraits, tmp_path, scheme, light):
    page.drop(paths=[write(tmp_path / f"{place}.png", room((portraits[place], 20, 60, 300))) for place in range(2)])
    page.look(width=360, height=740, scheme=scheme)
    assert page.evaluate(expression="() => document.documentElement.scrollWidth") == 360
    page.screenshot(path=tmp_path / "page.png")
    page.look(width=1200, height=900, scheme="light")
    shot = cv2.imread(str(tmp_path / "page.png"))
    assert shot.shape == (740, 360, 3)
    assert (shot[2, 2].min() > 200, shot[2, 2].max() < 50) == (light, not light)
    assert np.unique(shot.reshape(-1, 3), axis=0).shape[0] > 1000, "a face is shown"


def test_without_a_camera_there_are_words(page):
    page.click(selector="#camera")
    page.wait(expression="document.getElementById('messages').innerText !== ''")
    assert "No camera was found" in page.text(selector="#messages")
    assert page.text(selector="#camera") == "Use camera"


@pytest.fixture(scope="module")
def half_trained(run, tmp_path_factory):
    """Write networks of which some heads learned nothing, by the heads that did."""

    def write_export(*trained):
        folder = tmp_path_factory.mktemp("half")
        model, contract = models.load(run)
        contract = replace(contract, trained=trained)
        saved_model.write(models.predictor(model, contract), folder / "saved")
        (folder / FILE).write_bytes(tflite.convert(folder / "saved"))
        digest = contracts.artefact_sha256(folder / FILE)
        (folder / "model.json").write_text(replace(contract, weights_sha256=digest).dumps())
        return folder

    return write_export


@pytest.mark.parametrize(
    ("trained", "words", "empty"),
    [
        (("expression",), "Not trained: this network has no valence and arousal.", AFFECT),
        (AFFECT, "Not trained: this network has no expressions.", ("expression", *PROBABILITIES)),
    ],
    ids=["without affect", "without classes"],
)
def test_heads_that_learned_nothing_say_so(
    browser, half_trained, face_detector, portraits, tmp_path, trained, words, empty
):
    browser.has_page = False
    with serving(find_files(half_trained(*trained), face_detector)) as port:
        browser.visit(port, "--disable-gpu")
        browser.drop(paths=[write(tmp_path / "face.png", room((portraits[0], 20, 60, 300)))])
        place = "#plane" if trained == ("expression",) else "#bars"
        assert browser.text(selector=place) == words
        assert browser.evaluate(expression=f"() => document.querySelectorAll('{place} :is(svg, .fill)').length") == 0
        (row,) = browser.rows()
        assert all(row[name] == "" for name in empty)
        assert all(row[name] for name in (*BOX, "expression", *PROBABILITIES, *AFFECT) if name not in empty)
        assert "NaN" not in browser.text(selector="body")
        assert browser.complaints() == []


def test_integers_give_pythons_numbers_nearly(browser, run, face_detector, portraits, tmp_path):
    """XNNPACK rounds otherwise in WebAssembly: EfficientNet-B1 in int8 differs by up to 0.004 on 36 faces of FER+."""
    tflite.export(run, tmp_path / "int8", recipe="int8")
    paths = [write(tmp_path / f"{place}.png", face) for place, face in enumerate(portraits)]
    browser.has_page = False
    with serving(find_files(tmp_path / "int8", face_detector)) as port:
        browser.visit(port, "--disable-gpu")
        browser.click(selector="#crops")
        browser.drop(paths=paths)
        outputs = Embedder(tmp_path / "int8", face_detector=face_detector)(portraits)
        expected = np.column_stack([outputs.expression, outputs.valence, outputs.arousal])
        np.testing.assert_allclose([numbers(row) for row in browser.rows()], expected, atol=0.02)


def test_crops_are_turned_grey_for_a_network_of_grey_pictures(browser, face_detector, portraits, tmp_path):
    model = ROOT / "models" / "fer_plus_micro"
    browser.has_page = False
    with serving(find_files(model, face_detector)) as port:
        browser.visit(port, "--disable-gpu")
        browser.click(selector="#crops")
        browser.drop(paths=[write(tmp_path / f"{place}.png", face) for place, face in enumerate(portraits)])
        received = [[float(row[name]) for name in PROBABILITIES] for row in browser.rows()]
    expected = Embedder(model, face_detector=face_detector)(portraits).expression
    np.testing.assert_allclose(received, expected, atol=0.02)  # integers, as above
    coloured = np.stack([faces.letterbox(face, 48) for face in portraits])
    assert np.abs(open_model(model).run(coloured)["expression"] - expected).max() > 0.1


def test_a_model_that_was_replaced_is_not_run(browser, exported, face_detector, tmp_path):
    browser.has_page = False
    shutil.copytree(exported, tmp_path / "tflite")
    with serving(find_files(tmp_path / "tflite", face_detector)) as port:
        (tmp_path / "tflite" / FILE).write_bytes(b"another model")
        browser.visit(port, "--disable-gpu")
    assert browser.text(selector="#runtime") == "Not running"
    assert "is not the model that its model.json names" in browser.text(selector="#messages")
    assert browser.evaluate(expression="() => document.getElementById('choose').disabled")
    browser.drop(paths=[exported / "model.json"])
    assert "Load the page again" in browser.text(selector="#messages")


def film(path, pictures, rate):
    """Write a raw film (YUV4MPEG2), which is what Chromium takes for a camera."""
    height, width = pictures[0].shape[:2]
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def test_the_camera_shows_the_largest_face(browser, served, embedder, portraits, tmp_path):
    browser.has_page = False
    picture = room((portraits[0], 40, 100, 300), (portraits[1], 420, 50, 150), shape=(480, 640))
    camera = film(tmp_path / "camera.y4m", [picture] * 5, rate=10)
    film_flag = f"--use-file-for-fake-video-capture={camera}"
    browser.visit(served, "--disable-gpu", "--use-fake-device-for-media-stream", film_flag)
    browser.click(selector="#camera")
    browser.wait(expression="Number(document.getElementById('rows').textContent) >= 8")
    rate = browser.text(selector="#rate")
    browser.click(selector="#camera")
    assert float(rate.removesuffix(" /s")) > 0.5
    shown = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), cv2.COLOR_YUV2RGB_I420)
    (expected,) = embedder.rows(write(tmp_path / "frame.png", shown), faces=1)
    for row in browser.rows():
        assert (row["path"], row["face"]) == ("camera", "0")
        # Colours have half the size in a film, and are enlarged in another way: boxes and numbers move a little.
        np.testing.assert_allclose([float(row[name]) for name in BOX], expected.box, atol=3)
        np.testing.assert_allclose(numbers(row), expected_numbers(expected), atol=0.1)
    assert browser.evaluate(expression="() => document.querySelectorAll('video').length") == 0
    assert browser.text(selector="#camera") == "Use camera"


def test_the_graphics_card_says_the_same(browser, served, embedder, portraits, tmp_path):
    """Chromium's own software card stands in for one."""
    browser.has_page = False
    browser.visit(served, "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    if not browser.evaluate(expression="async () => Boolean(await navigator.gpu?.requestAdapter())"):
        pytest.skip("this Chromium has no WebGPU, not even in software")
    assert browser.text(selector="#runtime") == "Runs in WebGPU"
    browser.click(selector="#crops")
    browser.drop(paths=[write(tmp_path / f"{place}.png", face) for place, face in enumerate(portraits)])
    outputs = embedder(portraits)
    expected = np.column_stack([outputs.expression, outputs.valence, outputs.arousal])
    np.testing.assert_allclose([numbers(row) for row in browser.rows()], expected, atol=TOLERANCE)


def test_the_headers_are_those_that_the_page_was_written_for():
    assert "'unsafe-inline'" not in HEADERS["Content-Security-Policy"]

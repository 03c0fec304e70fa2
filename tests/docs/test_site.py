"""The documentation site builds without a warning, and asks nothing of other servers."""

import html
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser

import pytest

from tests import ROOT

pytestmark = pytest.mark.slow

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Element -> the attribute whose address a browser loads by itself."""


class Addresses(HTMLParser):
    """Collects what a browser loads by itself."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in LOADS and values.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(values.get(LOADS[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for package in ("material", "mkdocstrings"):
        pytest.importorskip(package, reason="needs requirements-docs.txt")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def text(page):
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def test_no_page_loads_anything_of_another_server(site):
    for page in site.rglob("*.html"):
        addresses = Addresses()
        addresses.feed(page.read_text())
        assert not [address for address in addresses.found if re.match(r"(https?:)?//", address)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(https?:)?//", style.read_text()), style


def test_every_corpus_has_a_section_with_its_facts(site):
    from tfrecords_builders.__main__ import corpora

    page = site / "corpora_list" / "index.html"
    sections = dict(zip(*[iter(re.split(r'<h2 id="(\w+)">', page.read_text())[1:])] * 2, strict=True))
    assert sections.keys() == corpora().keys()
    for name, kind in corpora().items():
        section = text(sections[name])
        options = [f"{field.name.replace('_', '-')}\n" for field in fields(kind)] if is_dataclass(kind) else []
        assert not [fact for fact in (kind.labels, kind.licence, kind.version, *options) if fact not in section]


def test_the_reference_has_the_public_names(site):
    names = {
        "features": ("tfaffect.features.embedder.Embedder.rows", "tfaffect.runtimes.runtime.Outputs"),
        "models": ("tfaffect.runtimes.opening.open_model", "tfaffect.contract.Contract"),
        "training": ("tfaffect.training.training.train", "tfaffect.config.Config.epochs"),
        "exports": ("tfaffect.export.tflite.export", "tfaffect.export.verify.verify"),
        "builders": ("tfrecords_builders.base.Face", "tfrecords_builders.prepare.prepare"),
    }
    for page, expected in names.items():
        content = (site / "reference" / page / "index.html").read_text()
        assert not [name for name in expected if f'id="{name}"' not in content]


def test_the_notebook_is_a_page_with_its_pictures(site):
    page = (site / "notebooks" / "quickstart" / "index.html").read_text()
    assert page.count('src="data:image/') == 3
    assert "accuracy: 0." in page

"""The page of a report for everyone: read by a screen reader, copied as CSV, on a phone and on paper."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from tests.scoring.test_report import VOID, Page, predict
from tfaffect.demo.addresses import PACKAGES
from tfaffect.labels import AFFECT, CLASSES
from tfaffect.scoring import palette, report
from tfaffect.scoring.page import compose_pictures, compose_table

SETS, CLASS, COUNTS = "scores-of-each-set-of-records.csv", "scores-of-each-class.csv", "records-by-truth"
FILES = {SETS, CLASS, "records-by-truth-rows-and-prediction-columns.csv", "accuracy-by-confidence.csv"}
FILES |= {
    "what-was-scored.csv",
    "mistakes-the-most-confident-first.csv",
    "scores-of-valence-and-arousal-of-each-set.csv",
}


class Outline(HTMLParser):
    """The elements of a page in order, each with its tag, its attributes and the text inside."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", "above": [above["tag"] for above in self.open], **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, *tags):
        return [element for element in self.elements if element["tag"] in tags]


@pytest.fixture(scope="module")
def history():
    columns = {"epoch": [1, 2, 3, 4], "loss": [2.0, 1.5, 1.0, 0.75], "val_loss": [2.0, 1.25, 1.0, 1.5]}
    return pd.DataFrame(columns | {"val_valence_ccc": [0.1, 0.6, 0.5, 0.4], "learning_rate": 0.1})


@pytest.fixture(scope="module")
def folder(tmp_path_factory, history):
    """A report with all tables and figures."""
    folder = tmp_path_factory.mktemp("run") / "report"
    votes = predict().assign(human_agreement=0.9, key=lambda rows: 'clip, "1"/' + rows["key"])
    table = pd.concat([votes, predict(corpus="afew_va", tags="")])
    report.write(table, folder, {"model": "runs/one", "size": 240, "only": ""}, history)
    return folder


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def scores(folder):
    return json.loads((folder / "report.json").read_text())["scores"]


@pytest.fixture(scope="module")
def downloads(html):
    return Page(html).downloads


def read(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def number(value):
    return "" if value is None else str(value)


def test_every_table_has_a_caption_and_headings_with_a_scope(html, downloads):
    outline = Outline(html)
    captions = [caption["text"].removesuffix("Download CSV") for caption in outline.all("caption")]
    assert len(captions) == len({*captions}) == len(outline.all("table")) == len(downloads) == 7
    assert captions == [table["aria-label"] for table in outline.all("table")]
    assert {*downloads} == FILES
    for heading in outline.all("th"):
        assert heading["scope"] == ("col" if "thead" in heading["above"] else "row")


def test_headings_are_in_order_and_the_language_is_known(html):
    outline = Outline(html)
    assert outline.all("html")[0]["lang"] == "en"
    assert "width=device-width" in outline.all("meta")[1]["content"]
    headings = [heading["tag"] for heading in outline.all("h1", "h2", "h3", "h4")]
    assert headings[0] == "h1"
    assert {*headings[1:]} == {"h2"}
    assert len(outline.all("main")) == 1
    assert "@media print" in outline.all("style")[0]["text"]


def test_the_csv_of_the_sets_has_all_digits(downloads, scores):
    rows = read(downloads[SETS])
    assert [row["set"] for row in rows] == ["pooled", "afew_va", "fer_plus", "fer_plus:strict"]
    for row in rows:
        score = scores[row["set"]]
        assert row["records"] == str(score["records"])
        assert row["people"] == number(score["expression"]["human_agreement"])
        places = {"accuracy": score["expression"]["accuracy"], "UAR": score["expression"]["uar"]}
        places |= {"macro F1": score["expression"]["macro_f1"], "CCC arousal": score["arousal"]["ccc"]}
        for title, figure in places.items():
            columns = (title, f"{title} low", f"{title} high")
            assert [row[column] for column in columns] == [number(figure[key]) for key in ("value", "low", "high")]


def test_the_csv_of_the_other_tables_has_the_numbers_of_the_report(folder, downloads, scores):
    pooled, saved = scores["pooled"]["expression"], json.loads((folder / "report.json").read_text())
    classes = {row.pop("class"): row for row in read(downloads[CLASS])}
    assert classes == {
        name: {key: number(value) for key, value in row.items()} for name, row in pooled["classes"].items()
    }
    (counts,) = (text for name, text in downloads.items() if name.startswith(COUNTS))
    assert counts.startswith("truth," + ",".join(CLASSES) + "\r\nneutral,12,0,0,0,0,0,0,6\r\n")
    assert [[int(row[name]) for name in CLASSES] for row in read(counts)] == pooled["confusion"]
    bins = [row for row in pooled["reliability"] if row["n"]]
    assert read(downloads["accuracy-by-confidence.csv"]) == [
        {key: str(value) for key, value in row.items()} for row in bins
    ]
    mistakes = read(downloads["mistakes-the-most-confident-first.csv"])
    assert mistakes == [{key: str(value) for key, value in row.items()} for row in saved["mistakes"]]
    assert any(row["key"].startswith('clip, "1"/') for row in mistakes)
    affect = read(downloads["scores-of-valence-and-arousal-of-each-set.csv"])
    assert [(row["set"], row["dimension"]) for row in affect] == [(name, head) for name in scores for head in AFFECT]
    assert all(row["rmse high"] == str(scores[row["set"]][row["dimension"]]["rmse"]["high"]) for row in affect)
    assert downloads["what-was-scored.csv"] == "name,value\r\nmodel,runs/one\r\nsize,240\r\nonly,\r\n"


def test_a_score_that_is_not_defined_is_empty_in_the_csv(folder, tmp_path):
    """One group has no interval, and afew_va has no votes."""
    table = pd.concat([predict().assign(group="1", human_agreement=0.9), predict(corpus="afew_va", tags="")])
    report.write(table, tmp_path / "report", {})
    rows = {row["set"]: row for row in read(Page((tmp_path / "report" / "report.html").read_text()).downloads[SETS])}
    assert [rows["fer_plus"][name] for name in ("accuracy", "accuracy low", "people")] == ["0.75", "", "0.9"]
    assert rows["afew_va"]["people"] == ""


def test_csv_follows_rfc_4180():
    data = pd.DataFrame({"name": ['a, "b"', "two\nlines", "ä+%&"], "share": [1 / 3, None, 1e-9]})
    texts = Page(compose_table(["name", "share"], [["a", "33 %"]], "Shares, in %", data)).downloads
    expected = 'name,share\r\n"a, ""b""",0.3333333333333333\r\n"two\nlines",\r\nä+%&,1e-09\r\n'
    assert texts == {"shares-in.csv": expected}


def test_csv_without_numbers_has_the_texts_of_the_table():
    (text,) = Page(compose_table(["trial", "n", "n"], [["0001", "-", "3,5"]], "All trials")).downloads.values()
    assert text == 'trial,n,n\r\n0001,-,"3,5"\r\n'


def test_every_picture_says_in_numbers_what_it_shows(html):
    """Of the 60 faces of a corpus every fourth is wrong: 3 of 9 neutral faces, and 2 of 8 or 9 of the other classes."""
    sets, confusion, reliability, affect, curves = (image["alt"] for image in Outline(html).all("img"))
    assert re.search(r"interval\. pooled 75.0 % \[\d\d\.\d, \d\d\.\d\]; afew_va 75.0 % ", sets)
    assert "fer_plus:strict 75.0 % [" in sets
    assert sets.count("another panel of raters 90.0 %") == 2
    assert "matrix of 120 records. Predicted right: neutral 67 % of 18, happiness 78 % of 18, " in confusion
    assert "surprise 78 % of 18, fear 75 % of 16" in confusion
    assert "contempt 0" not in confusion
    assert confusion.endswith(
        "mistakes: neutral predicted as contempt 6 times; happiness predicted as contempt 4 times; "
        "sadness predicted as contempt 4 times."
    )
    assert "error is 10.0 %: the mean confidence is 65.0 % and the accuracy 75.0 %." in reliability
    assert "has 120 records with a confidence of 65.0 %" in reliability
    truth = predict()["true_valence"]
    words = f"truth from {truth.min():.2f} to {truth.max():.2f} with mean {truth.mean():.2f}, prediction from "
    assert f"valence: CCC 0.800 over 120 records, {words}{truth.min() / 2:.2f} to {truth.max() / 2:.2f}" in affect
    assert curves == (
        "Curves of 4 epochs. training loss from 2 to 0.75, lowest 0.75 at epoch 4; validation loss from 2 to 1.5, "
        "lowest 1 at epoch 3; valence ccc from 0.1 to 0.4, highest 0.6 at epoch 2."
    )


def test_a_model_without_a_mistake_has_none_in_its_words(tmp_path):
    table = predict(trained=("expression",)).query("key.astype('int') % 4 != 0")
    report.write(table, tmp_path / "report", {}, resamples=0)
    confusion = Outline((tmp_path / "report" / "report.html").read_text()).all("img")[1]
    assert confusion["alt"].endswith("There is no mistake.")


def test_a_wide_picture_can_be_reached_by_the_keyboard(html, folder):
    pictures = {name: (folder / f"{name}.png").read_bytes() for name in ("confusion", "affect")}
    shown = Outline(compose_pictures(pictures, {"confusion": "counts", "affect": "two panels"}, *pictures)).all("div")
    assert [box.get("tabindex") for box in shown] == [None, None, "0"]
    assert shown[2]["aria-label"] == "two panels"


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    return float(np.dot((0.2126, 0.7152, 0.0722), [*linear]))


def contrast(one, other):
    light, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_figures_have_the_contrast_of_wcag():
    assert contrast("white", "black") == pytest.approx(21)
    assert all(contrast(colour, "white") >= 4.5 for colour in (palette.INK, palette.MUTED))
    assert all(contrast(colour, "white") >= 3 for colour in (*palette.LINES, palette.PEOPLE))
    for share in np.linspace(0, 1, 101):
        letters = "white" if share > palette.DARK else "black"
        assert contrast(colormaps[palette.SEQUENTIAL](share), letters) >= 4.5, share


BROWSER = """
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const look = () => {
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (parts) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, place) => {
    const part = parts[place] / 255;
    return sum + weight * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4) }, 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const parts = colour(getComputedStyle(element).backgroundColor);
      if (parts[3] !== 0) return parts } };
  document.querySelectorAll("details").forEach((details) => { details.open = true });
  const written = [...document.querySelectorAll("main *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  const contrasts = written.map((element) => {
    const [one, other] = [colour(getComputedStyle(element).color), behind(element)].map(luminance);
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) });
  return { width: document.documentElement.scrollWidth, contrast: Math.min(...contrasts),
    size: Math.min(...written.map((element) => parseFloat(getComputedStyle(element).fontSize))),
    scrolling: [...document.querySelectorAll(".table")].filter((box) => box.scrollWidth > box.clientWidth).length,
    picture: Math.min(...[...document.images].map((image) => image.width)) } };
const lookAtPaper = () => ({ background: getComputedStyle(document.body).backgroundColor,
  hidden: [...document.querySelectorAll("table")].filter((table) => !table.checkVisibility()).length,
  wide: [...document.querySelectorAll("table, figure")].filter((box) => box.offsetWidth > innerWidth).length,
  cut: [...document.querySelectorAll(".table, tr, figure")].filter(
    (box) => getComputedStyle(box).breakInside !== "avoid").length,
  links: [...document.querySelectorAll("a, button")].filter((link) => link.checkVisibility()).length });
const refuse = (copying) => {
  Object.defineProperty(navigator, "clipboard", { value: undefined });
  if (copying) document.execCommand = () => false };
const receive = async (page, click) => {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  return readFile(await download.path(), "utf8") };

const answer = { looks: {}, copies: {} };
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--headless", "--no-sandbox"] });
for (const width of [390, 1280]) for (const colorScheme of ["light", "dark"]) {
  const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme });
  await page.goto(process.env.REPORT);
  answer.looks[`${width} ${colorScheme}`] = await page.evaluate(look);
  await page.goto(process.env.REPORT);
  await page.setViewportSize({ width: 688, height: 900 }); // 182 mm, what A4 has between the margins
  await page.emulateMedia({ media: "print" });
  answer.paper = await page.evaluate(lookAtPaper);
}
const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
for (const [name, refusal] of [["clipboard"], ["event", false], ["download", true]]) {
  const page = await context.newPage();
  await page.goto(process.env.REPORT);
  await page.evaluate(() => navigator.clipboard.writeText("nothing"));
  if (refusal !== undefined) await page.evaluate(refuse, refusal);
  const button = page.getByRole("button", { name: "Copy as CSV" }).nth(1);
  if (name === "download") answer.copies[name] = await receive(page, () => button.click());
  else {
    await button.focus();
    await page.keyboard.press("Enter");
    await page.getByText("Copied", { exact: true }).waitFor();
    const other = await context.newPage();
    await other.goto(process.env.REPORT);
    answer.copies[name] = await other.evaluate(() => navigator.clipboard.readText());
  }
}
const still = await browser.newPage({ javaScriptEnabled: false });
await still.goto(process.env.REPORT);
answer.buttons = await still.getByRole("button").count();
answer.copies["no script"] = await receive(still, () => still.getByText("Download CSV").nth(1).click());
await browser.close();
console.log(JSON.stringify(answer));
"""


@pytest.fixture(scope="module")
def seen(folder):
    """What Chromium says of the report, opened from its file."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not (PACKAGES / "playwright-core").is_dir():
        pytest.skip(f"no {PACKAGES}: with Node.js 20 or later, run npm ci --prefix tfaffect/demo")
    if not (chromium and shutil.which("node")):
        pytest.skip("no Chromium or no Node.js: apt-get install chromium nodejs")
    command = ["node", "--input-type=module", "--eval", BROWSER]
    environment = {**os.environ, "CHROMIUM": chromium, "REPORT": (folder / "report.html").as_uri()}
    run = subprocess.run(
        command, cwd=PACKAGES.parent, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_can_be_read_on_a_screen(seen, width, scheme):
    look = seen["looks"][f"{width} {scheme}"]
    assert look["width"] <= width
    assert look["size"] >= 14
    assert look["contrast"] >= 4.5
    assert look["picture"] >= 320
    assert (look["scrolling"] > 0) == (width == 390), "wide tables scroll in their own box"


def test_paper_is_white_and_shows_all_tables_whole(seen):
    """The browser's scheme is dark, and the numbers of two pictures are folded on a screen."""
    assert seen["paper"] == {"background": "rgb(255, 255, 255)", "hidden": 0, "wide": 0, "cut": 0, "links": 0}


@pytest.mark.parametrize("way", ["clipboard", "event", "download", "no script"])
def test_a_table_is_copied_as_csv_whatever_the_browser_allows(seen, downloads, way):
    assert seen["copies"][way] == downloads[SETS]
    assert seen["buttons"] == 0, "a button that needs the script is added by it"

"""What the site makes of other files: the list of corpora, the notebook, and lists out of docstrings."""

import json
import re
import sys
from pathlib import Path

import griffe
from jinja2 import Environment, FileSystemLoader
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True)
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)")  # a link of a page in docs to a file that is not in docs
ROW = re.compile(r"^\| \[?`(\w+)`.*? \| .*? \| (.*?) \| (.*?) \|$", re.MULTILINE)  # of the README's table of corpora


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add each notebook as a page, and the files outside docs that pages link to, such as recipes."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = TEMPLATES.get_template("notebook.jinja").render(json.loads(file.content_string))
        files.append(File.generated(config, file.src_uri.replace(".ipynb", ".md"), content=page))
    texts = [page.content_string for page in files.documentation_pages() if "/" not in page.src_uri]
    for path in sorted({path for text in texts for path in OUTSIDE.findall(text) if (ROOT / path).is_file()}):
        files.append(File.generated(config, f"repository/{path}", abs_src_path=str(ROOT / path)))


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Append the list of corpora to its page, and point links at files of the site."""
    markdown += list_of_corpora() if page.file.src_uri == "corpora_list.md" else ""
    # A browser would load the program that draws Mermaid's diagrams from another server.
    markdown = re.sub("```mermaid.*?```", "![Commands and their folders](steps.svg)", markdown, flags=re.S)
    markdown = markdown.replace(".ipynb)", ".md)")
    return markdown if "/" in page.file.src_uri else OUTSIDE.sub(r"](repository/\1", markdown)


def list_of_corpora() -> str:
    """Return the table of corpora, with splits and sources as in the README, and a section for each."""
    find_corpora = griffe.dynamic_import("tfrecords_builders.__main__.corpora", import_paths=[ROOT, *sys.path])
    corpora = {name: kind() for name, kind in find_corpora().items()}
    rows = ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    if {name for name, *_ in rows} != corpora.keys():
        raise PluginError(f"README.md must list the corpora {sorted(corpora)}. Received: {rows}.")
    package = griffe.load("tfrecords_builders", search_paths=[ROOT])
    licences = {name: type(corpus).licence for name, corpus in corpora.items()}  # without a user's own statements
    page = TEMPLATES.get_template("corpora_list.jinja")
    return page.render(rows=rows, corpora=corpora, licences=licences, package=package)


class FieldLists(griffe.Extension):
    """Makes list items of the parts of a docstring that describe a field or an argument as `name: text`."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of a class or function."""
        names = "|".join([*obj.members, *(argument.name for argument in getattr(obj, "parameters", ()))])
        if obj.docstring and names and not obj.is_module:
            start = rf"(?:^|(?<=[.;]) +)((?:{names})(?:, (?:{names}))*):\s+"
            text = re.sub(start, r"\n- `\1`: ", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = re.sub(r"(?<=\.)\s+(Raises|Returns)\s", r"\n\n\1 ", text)

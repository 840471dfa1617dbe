"""The manual is complete: links and pictures exist, and every page is in the navigation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import PROJECT

DOCS = PROJECT / "docs"
PICTURES = DOCS / "images"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def links(page: Path) -> list[str]:
    """The links of a page to our own files, without those in code."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    return [link for link in LINK.findall(text) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as both GitHub and mkdocs make them."""
    text = CODE.sub(
        lambda code: code[0].strip("`") if "\n" not in code[0] else "",
        page.read_text(encoding="utf-8"),
    )
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def navigation() -> list[str]:
    text = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    return re.findall(r"^ +- [^:\n]+: (\S+\.md)$", text[text.index("\nnav:") :], flags=re.MULTILINE)


@pytest.mark.parametrize("page", [PROJECT / "README.md", *PAGES], ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_its_heading(page: Path):
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if target.parent == PICTURES and not PICTURES.is_dir():
            continue  # an sdist has none
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_links_only_to_pages_of_the_manual(page: Path):
    """The site contains only docs; pages name code files instead of linking to them."""
    outside = [
        x for x in links(page) if not (page.parent / x.split("#")[0]).resolve().is_relative_to(DOCS)
    ]
    assert not outside


def test_every_page_is_in_the_navigation_once():
    assert sorted(navigation()) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@pytest.mark.skipif(not PICTURES.is_dir(), reason="an sdist has no pictures")
def test_every_picture_is_used():
    pictures = {p.name for p in PICTURES.iterdir()}
    shown = {Path(link).name for page in (PROJECT / "README.md", *PAGES) for link in links(page)}
    assert pictures <= shown


def test_built_pages_load_nothing_from_other_sites():
    text = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in text
    assert not re.search(r"^(repo_url|extra_javascript|extra_css|.*analytics):", text, re.MULTILINE)

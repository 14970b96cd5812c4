"""The site is built without a warning, leads nowhere that is not there, and is searched without a network."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # building takes minutes on a busy machine


class Page(HTMLParser):
    """The places that a page refers to, and those that it has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded, self.places = [], [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.places |= {known[key] for key in ("id", "name") if known.get(key)}
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        elif tag in ("script", "img", "iframe") and known.get("src"):
            self.loaded.append(known["src"])
        elif tag == "link" and known.get("rel") == "stylesheet":
            self.loaded.append(known["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="MkDocs is missing: pip install -e '.[docs]'")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is missing: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def test_links_lead_to_places_that_exist(site, pages):
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target not in pages:
                dead += [] if target.exists() else [f"{path.relative_to(site)}: {link}"]
            elif unquote(parts.fragment) not in pages[target].places:
                dead.append(f"{path.relative_to(site)}: {link}")
    assert len(pages) > 50
    assert not dead


def test_nothing_is_loaded_from_the_network(pages):
    loaded = {each for path, page in pages.items() if path.name != "404.html" for each in page.loaded}
    assert loaded
    assert not [each for each in loaded if urlsplit(each).netloc]


def test_the_examples_are_there_in_full(site):
    page = (site / "examples.html").read_text()
    assert "--8" not in page
    for path in (ROOT / "examples").glob("*.py"):
        assert all(name in page for name in re.findall(r"^def (\w+)", path.read_text(), flags=re.MULTILINE))


def test_every_public_name_stands_on_one_page(pages):
    sys.path.insert(0, str(ROOT / "docs"))
    from public_names import public_names

    for public in public_names():
        assert sum(public.path in page.places for page in pages.values()) == 1, public.path


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on this machine")
def test_a_word_is_found_from_a_folder_without_a_network(site):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(offline=True)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "choose/loss.html").as_uri())
        page.locator("input.md-search__input").fill("half_times")
        first = page.locator(".md-search-result__item").first
        first.wait_for(state="attached")
        assert "half_times" in first.inner_text()
        assert {urlsplit(url).scheme for url in asked} <= {"file", "data", "blob", "about"}
        browser.close()

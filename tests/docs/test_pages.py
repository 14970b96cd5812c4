"""Every page of the site is found from its navigation, and its Python does what stands beside it."""

import re
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
# Their Python is run here; that of the other pages beside what they tell of, or with a program of its own.
RUN_HERE = [
    "index.md",
    "theory.md",
    "extend.md",
    "runs-in-python.md",
    "other-data.md",
    *(page for page in PAGES if page.startswith("choose/")),
]


def navigation():
    def leaves(entry):
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values() if isinstance(entry, dict) else entry:
                yield from leaves(inner)

    return list(leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))


def blocks_of(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)


def promised(block):
    """What the comments behind and below calls say, a line of output each."""
    return re.findall(r"^(?:\w+\(.*\)  )?# (.*)$", block, flags=re.MULTILINE)


def test_every_page_is_in_the_navigation_once():
    assert sorted(navigation()) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_a_pages_links_lead_to_files(page):
    links = re.findall(
        r"\]\((?!https?:)([^)#\s]+)", re.sub(r"```.*?```", "", (DOCS / page).read_text(), flags=re.S)
    )
    assert all(((DOCS / page).parent / link).exists() for link in links)


def test_every_example_and_benchmark_is_told_of():
    examples, benchmarks = ((DOCS / f"{name}.md").read_text() for name in ("examples", "benchmarks"))
    assert all(f"examples/{path.name}" in examples for path in (ROOT / "examples").glob("*.py"))
    scripts = [path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text()]
    assert scripts
    assert all(f"`{path.name}`" in benchmarks for path in scripts)


@pytest.mark.slow
def test_every_command_is_told_of(capsys):
    from eigenstep.cli import main

    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.search(r"\{([\w,]+)\}", capsys.readouterr().out)[1].split(",")
    told = re.findall(r"^\| `(\w+)` \|", (DOCS / "reference/commands.md").read_text(), flags=re.MULTILINE)
    assert sorted(told) == sorted(commands)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUN_HERE if blocks_of(page)])
def test_the_pages_python_prints_what_it_says(page, tmp_path):
    """In a process of its own: what a page registers, a kernel or a measure, is gone with it."""
    code = "\n".join(blocks_of(page))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = [line for block in blocks_of(page) for line in promised(block)]
    assert expected
    for line, said in zip_longest(done.stdout.splitlines(), expected):
        assert line == said

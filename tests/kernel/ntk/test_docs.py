"""What docs/ntk.md shows runs as it stands there, and prints what it says."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "ntk.md").read_text()


def promised_lines(block):
    """What the comments behind and below print say, a line of output each."""
    lines = []
    for line in block.splitlines():
        if "print(" in line and "  # " in line:
            lines.append(line.partition("  # ")[2])
        elif line.startswith("# "):
            lines.append(line.removeprefix("# "))
    return lines


@pytest.mark.slow
def test_the_pages_python_prints_what_it_says(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, "ntk.md", "exec"), names)
        # A long line is broken in the page.
        assert capsys.readouterr().out.split() == " ".join(promised_lines(block)).split()
    assert len(blocks) == 6


def test_the_pages_links_exist():
    links = re.findall(r"\]\((?!http)([^)]+)\)", PAGE)
    assert links
    assert all((Path(__file__).parents[3] / "docs" / link).exists() for link in links)

"""What docs/families.md shows runs as it stands there, and prints what it says."""

import re
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "families.md").read_text()
NUMBER = re.compile(r"-?\d+\.?\d*")


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
    blocks, names = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL), {}
    for block in blocks:
        exec(compile(block, "families.md", "exec"), names)
        lines, promised = capsys.readouterr().out.splitlines(), promised_lines(block)
        assert len(lines) == len(promised) > 0
        for line, expected in zip(lines, promised, strict=True):
            assert NUMBER.sub("", line).split() == NUMBER.sub("", expected).split()
            printed, said = (np.array(NUMBER.findall(text), float) for text in (line, expected))
            np.testing.assert_allclose(printed, said, atol=0.011, rtol=0.01)
    assert len(blocks) == 4


def test_the_pages_links_and_tests_exist():
    links = re.findall(r"\]\((?!http)([^)]+)\)", PAGE)
    assert links
    assert all((DOCS / link).exists() for link in links)
    (folder, word) = re.search(r"`pytest (\S+) -k (\w+)`", PAGE).groups()
    assert any(word in path.read_text() for path in (DOCS.parent / folder).glob("test_*.py"))

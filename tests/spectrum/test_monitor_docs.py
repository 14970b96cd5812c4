import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text()


@pytest.mark.slow
def test_the_pages_python_runs_and_its_links_exist(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(block, "monitor.md", "exec"), names)
    assert "nan" not in capsys.readouterr().out
    assert names["watched"].monitors["2"].step == 60
    assert all(
        (Path(__file__).parents[2] / "docs" / link).exists() for link in re.findall(r"\]\((\w[^)#]*)", PAGE)
    )

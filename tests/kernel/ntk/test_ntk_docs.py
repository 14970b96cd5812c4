import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "ntk.md").read_text()


def test_the_pages_python_runs(capsys):
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(block, "docs/ntk.md", "exec"), {})
    assert "torch.Size([40, 40])" in capsys.readouterr().out

"""What docs/verdicts.md shows runs as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from eigenstep import SpectrumMonitor
from eigenstep.analysis.verdicts import ALARMS, STATES
from eigenstep.cli import main

PAGE = (Path(__file__).parents[3] / "docs" / "verdicts.md").read_text()


@pytest.mark.slow
def test_the_pages_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with SpectrumMonitor("runs/mine", every=1) as monitor:
        for _ in range(30):
            monitor.update(torch.randn(64, 8))
    verdict, placed = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(verdict, "docs/verdicts.md", "exec"), {})
    assert capsys.readouterr().out.startswith("saturated False\nSaturated: 8 of 8 directions")
    exec(compile(placed, "docs/verdicts.md", "exec"), {})
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "4.60: 82 % of the way from chance",
        "7.20: 78 % of the way from chance",
    ]


@pytest.mark.slow
def test_the_pages_command_and_its_options_are_accepted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [list(row) for row in np.random.default_rng(0).normal(size=(20, 4))]
    columns = {name: pa.array(rows) for name in ("embedding", "features", "z_b")}
    parquet.write_table(pa.table(columns), "embeddings.parquet")
    np.save("other.npy", np.array(rows))
    (command,) = re.findall(r"^eigenstep (spectrum .*)$", PAGE, flags=re.MULTILINE)
    options = re.findall(r"`(--(?:column|second|second-column|plot|json)\b[^`]*)`", PAGE)
    assert len(options) == 5
    for option in ["", *(option for option in options if "layers" not in option)]:
        assert main([*shlex.split(command), *shlex.split(option)]) == 0, option


def test_the_page_describes_every_state_and_says_which_are_alarms():
    rows = re.findall(r"^\| ([\w ]+) \| .* \|(?: (yes) \|| \|)$", PAGE, flags=re.MULTILINE)
    described = {name: bool(alarm) for name, alarm in rows if name in STATES}
    assert described == {state: state in ALARMS for state in STATES}

"""A row of a file without a value, or of another length, is named by every command that reads the file."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch

from eigenstep.cli import main

VALUES = np.random.default_rng(0).normal(size=(60, 4))
LABELS = np.arange(60) % 3
HOLED = VALUES.copy()
HOLED[[9, 41], 2] = np.nan


def write_lists(path, at_9):
    rows = [*VALUES[:9].tolist(), at_9, *VALUES[10:41].tolist(), None, *VALUES[42:].tolist()]
    parquet.write_table(pa.table({"embedding": rows, "label": LABELS}), path, row_group_size=7)
    return path


def write_text(path, at_9):
    frame = pd.DataFrame(HOLED, columns=list("wxyz")).assign(label=LABELS).to_csv(index=False).splitlines()
    frame[10] = at_9 or frame[10]
    path.write_text("\n".join(frame))
    return path


def write_torch(path, vectors):
    torch.save({"embedding": vectors, "label": torch.from_numpy(LABELS)}, path)
    return path


HOLES = {
    "null.parquet": lambda path: write_lists(path, None),
    "empty.parquet": lambda path: write_lists(path, []),
    "value.parquet": lambda path: write_lists(path, [1.0, None, 2.0, 3.0]),
    "text.csv": lambda path: write_text(path, None),
    "words.csv": lambda path: write_text(path, "1.0,NA,2.0,3.0,0"),
    "array.pt": lambda path: write_torch(path, torch.from_numpy(HOLED)),
    "named.pt": lambda path: write_torch(
        path, {f"i{row}": torch.from_numpy(z) for row, z in enumerate(HOLED)}
    ),
}
SHORT = {
    "short.parquet": (lambda path: write_lists(path, [1.0, 2.0]), "row 9 has 2 numbers, expected 4"),
    "short.csv": (lambda path: write_text(path, "1.0,2.0"), "row 9 has 2 values, expected 5"),
    "word.csv": (
        lambda path: write_text(path, "1.0,oops,2.0,3.0,0"),
        "row 9, column x: expected a number, got 'oops'",
    ),
    "short.pt": (
        lambda path: write_torch(
            path, [*map(torch.tensor, VALUES[:9]), torch.ones(2).double(), *map(torch.tensor, VALUES[10:])]
        ),
        "row 9 has 2 numbers, and others have 4",
    ),
}


@pytest.fixture
def others(tmp_path):
    np.savez(tmp_path / "others.npz", embedding=VALUES)
    return "others.npz"


@pytest.mark.parametrize("name", HOLES)
def test_rows_without_a_value_are_named(capsys, tmp_path, others, name):
    HOLES[name](tmp_path / name)
    assert main(["spectrum", name]) == 0
    output = capsys.readouterr().out
    assert (
        "left out: 2 rows that hold a NaN or an infinity, or no value: rows 9, 41, counted from 0" in output
    )
    for command in (["probe", name], ["compare", name, others]):
        assert main(command) == 2
        refused = capsys.readouterr().err
        assert f"{name}" in refused
        assert "rows 9, 41, counted from 0; leave these rows out" in refused


@pytest.mark.parametrize("name", SHORT)
def test_rows_of_another_length_are_named(capsys, tmp_path, others, name):
    write, message = SHORT[name]
    write(tmp_path / name)
    for command in (["spectrum", name], ["probe", name], ["compare", name, others]):
        assert main(command) == 2
        refused = capsys.readouterr().err
        assert message in " ".join(refused.split())


def test_what_was_taken_is_told_by_every_command(capsys, tmp_path, others):
    frame = pd.DataFrame(VALUES, columns=[f"f{place}" for place in range(4)])
    frame.assign(label=LABELS).to_csv(tmp_path / "WIDE.CSV", index=False)
    taken = "4 columns, f0 to f3; not taken: label"
    assert main(["spectrum", "WIDE.CSV"]) == 0
    assert f"taken: {taken}\n" in capsys.readouterr().out
    assert main(["probe", "WIDE.CSV", "--kinds", "ridge"]) == 0
    assert f"taken as f: {taken}\n" in capsys.readouterr().out
    assert main(["compare", "WIDE.CSV", others]) == 0
    assert f"WIDE.CSV: {taken}" in " ".join(capsys.readouterr().out.split())

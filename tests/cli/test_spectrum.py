import json

import numpy as np
import pytest

from eigenstep.cli import main
from eigenstep.spectrum import measure_file
from eigenstep.spectrum.moments import LeadingDirections

GENERATOR = np.random.default_rng(0)
FULL = GENERATOR.normal(size=(400, 16))
FLAT = FULL @ np.diag([1, 1, *np.zeros(14)])


@pytest.fixture(autouse=True)
def _files(tmp_path):
    np.save(tmp_path / "full.npy", FULL)
    np.save(tmp_path / "flat.npy", FLAT)
    np.savez(tmp_path / "both.npz", a=FULL, b=FULL + 0.1, label=np.arange(400))


def test_verdict_chart_and_measures_are_printed(capsys):
    assert main(["spectrum", "flat.npy"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "flat.npy: 400 rows, 16 dimensions\n" in output.out
    assert "Dimensional collapse: 2 of 16 directions carry 99 % of the variance, and 14 are" in output.out
    assert "participation_ratio" in output.out
    assert "lidar" not in output.out
    assert "█" in output.out
    assert max(map(len, output.out.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 120])
def test_everything_fits_into_the_terminals_width(capsys, monkeypatch, width):
    monkeypatch.setattr("eigenstep.terminal.console._width", width)
    np.save("wide.npy", GENERATOR.normal(size=(500, 300)))
    assert main(["spectrum", "wide.npy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert width - 5 <= max(map(len, lines)) <= width


def test_of_many_dimensions_the_chart_shows_the_first_and_says_so(capsys, monkeypatch):
    monkeypatch.setattr("eigenstep.spectrum._measure_file.LEADING_EIGENVALUES", 6)
    monkeypatch.setattr(
        "eigenstep.spectrum._measure_file.LeadingDirections",
        lambda count: LeadingDirections(count, largest_dense=10),
    )
    assert main(["spectrum", "full.npy"]) == 0
    output = capsys.readouterr().out
    assert "more than 6 of 16 directions carry 99 % of the variance" in output
    assert "by rank, the first 6 of 16\n" in output


def test_json_is_all_that_is_printed_and_says_what_the_function_does(capsys):
    assert main(["spectrum", "both.npz", "--column", "a", "--second-column", "b", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    expected = measure_file("both.npz", "a", second_column="b")
    assert found["verdict"]["state"] == expected.verdict.state == "full"
    assert found["measures"]["lidar"] == pytest.approx(expected.spectrum.measures["lidar"])
    assert (found["column"], found["second_column"], found["rows"], found["dim"]) == ("a", "b", 400, 16)
    np.testing.assert_allclose(found["eigenvalues"]["covariance"], expected.spectrum.covariance)
    np.testing.assert_allclose(found["eigenvalues"]["cross_correlation"], expected.spectrum.cross_correlation)


def test_measures_that_are_not_known_are_null(capsys):
    assert main(["spectrum", "full.npy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measures"]["lidar"] is None


def test_rows_left_out_and_other_columns_are_told(capsys):
    holed = FULL.copy()
    holed[7] = np.nan
    np.savez("more.npz", embedding=holed, features=FULL)
    assert main(["spectrum", "more.npz"]) == 0
    output = capsys.readouterr().out
    assert "more.npz, embedding: 400 rows, 16 dimensions" in output
    assert "left out: 1 row that holds a NaN or an infinity, or no value: row 7, counted from 0\n" in output
    assert "also in the file: features (--column)" in output


@pytest.mark.parametrize("values", [np.ones((20, 4)), np.zeros((20, 4))])
def test_equal_embeddings_have_a_verdict_and_no_chart(capsys, values):
    np.save("equal.npy", values)
    assert main(["spectrum", "equal.npy"]) == 0
    output = capsys.readouterr().out
    assert "Complete collapse: all embeddings are equal." in output
    assert "by rank" not in output


@pytest.mark.slow
def test_what_embed_writes_is_read(run, capsys):
    for name in ("all.parquet", "all.npz", "all.npy"):
        assert main(["embed", "run", "--out", name]) == 0
        capsys.readouterr()
        assert main(["spectrum", name, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["rows"] == 23
        assert (found["column"], found["dim"]) == ((None, 256) if name == "all.npy" else ("embedding", 16))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["html", "png", "svg"])
def test_a_plot_is_written_once(refused, capsys, tmp_path, kind):
    assert main(["spectrum", "full.npy", "--plot", f"plot.{kind}"]) == 0
    assert capsys.readouterr().out.endswith(f"plot: plot.{kind}\n")
    before = (tmp_path / f"plot.{kind}").read_bytes()
    assert f"plot.{kind} exists; use --overwrite" in refused(
        ["spectrum", "flat.npy", "--plot", f"plot.{kind}"]
    )
    assert (tmp_path / f"plot.{kind}").read_bytes() == before
    assert main(["spectrum", "flat.npy", "--plot", f"plot.{kind}", "--overwrite"]) == 0
    assert (tmp_path / f"plot.{kind}").read_bytes() != before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.npy"], "there is no file nowhere.npy"),
        (["full.npy", "--column", "z"], "full.npy has no column 'z'; it has 400×16 of float64"),
        (
            ["both.npz"],
            "both.npz has several columns of vectors; name one as column: a (400×16 of float64), b",
        ),
        (
            ["both.npz", "--column", "label"],
            "both.npz, label: expected numbers of shape (rows, dimensions), got 400",
        ),
        (["full.npy", "--second", "both.npz"], "both.npz has several columns"),
        (["full.npy", "--plot", "plot.txt"], "expected a plot's name that ends in .html, .png, .svg, .pdf"),
        (["full.npy", "--plot", "nowhere/plot.png"], "there is no folder nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_measured_is_refused_in_one_line(refused, arguments, message):
    assert message in refused(["spectrum", *arguments])

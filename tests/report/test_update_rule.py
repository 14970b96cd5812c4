import numpy as np
import pytest

from eigenstep.record import read_record
from eigenstep.report import RunSection, write_report


@pytest.fixture
def runs(forge):
    """A plain run, one under Muon and one preconditioned, in the test's folder; modes at known steps."""
    clock = [0.1 * step for step in range(300)]
    forge("plain", [40.0, 90.0, 150.0], seconds=clock)
    muon = forge.configuration(optimizer={"name": "muon", "lr": 0.02})
    forge("muon", [10.0, 10.0, 30.0], config=muon, seconds=clock)
    power = forge.configuration(embedding_preconditioner={"power": 0.5})
    gains = {"embedding_gain": np.linspace(31, 2, 300)}
    forge("power", [20.0, 30.0], config=power, metrics=gains, largest_gain=31.0)
    return forge.folder


def test_the_rule_is_said_with_its_gain_as_a_curve(runs):
    rule = RunSection(read_record(runs / "power")).context()["rule"]
    assert (rule["name"], rule["plain"]) == ("preconditioned", False)
    assert rule["sentence"].endswith("times (Cov + 0.001)^-0.5, largest gain 31")
    heights = [float(point.split(",")[1]) for point in rule["sparkline"].split()]
    assert heights == sorted(heights)  # of a figure on screen, downwards: the gain falls
    plain = RunSection(read_record(runs / "plain")).context()["rule"]
    assert (plain["name"], plain["sparkline"]) == ("gradient", "")


def test_a_run_is_measured_by_the_plain_one_beside_it(runs):
    others = [read_record(runs / name) for name in ("plain", "power")]
    found = RunSection(read_record(runs / "muon"), others).context()["beside_plain"]
    assert found["name"] == "plain"
    assert [(row["modes"], row["steps"], row["sooner"]) for row in found["rows"]] == [
        (1, "40 → 10", "4.0×"),
        (2, "90 → 10", "9.0×"),
        (3, "150 → 30", "5.0×"),
    ]
    assert [row["seconds"] for row in found["rows"]] == ["4.0 → 1.0", "9.0 → 1.0", "15.0 → 3.0"]
    assert [row["overlap"] for row in found["rows"]] == ["1.00*", "1.00", "1.00"]
    assert found["notes"] == ["* at 1: here, 2 modes came together"]


def test_a_gap_among_the_overlaps_is_told_as_one(runs, forge):
    other_images = np.ones((forge.images, 4, 4, 3), np.uint8)
    config = forge.configuration(optimizer={"name": "muon", "lr": 0.1})
    muon = forge("elsewhere", [10.0], config=config, probe=other_images)
    found = RunSection(muon, [read_record(runs / "plain")]).context()["beside_plain"]
    assert found["rows"][0]["overlap"] == "–"
    assert found["notes"] == ["– at 1: the records hold no probe batch of the same images"]


def test_without_a_plain_run_there_is_none(runs):
    muon, plain = read_record(runs / "muon"), read_record(runs / "plain")
    assert RunSection(muon).context()["beside_plain"] is None
    assert RunSection(muon, [muon]).context()["beside_plain"] is None
    assert RunSection(plain, [muon]).context()["beside_plain"] is None


def test_the_page_of_several_runs_has_a_table_for_each_that_is_not_plain(runs):
    text = write_report(runs).read_text()
    assert text.count("How many times sooner than plain") == 2
    assert text.count('class="rule-sentence"') == 3
    assert text.count("gain at the embeddings, over the steps") == 2  # the curve's name and its caption
    assert "<td>90 → 10</td><td>9.0×</td>" in text
    assert "orthogonalised updates" in text


def test_a_plain_run_that_cannot_be_read_is_left_out_and_the_others_are_shown(runs):
    (runs / "plain" / "config.yaml").write_bytes(b"\xff")
    with pytest.warns(UserWarning, match="plain"):
        text = write_report(runs).read_text()
    assert "How many times sooner" not in text
    assert text.count('class="rule-sentence"') == 2

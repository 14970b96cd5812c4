import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import torch
import yaml
from matplotlib.figure import Figure

from eigenstep.cli import main
from eigenstep.comparison import compare, draw_matrices, overlap_of_modes
from eigenstep.encoders import load_encoder
from eigenstep.record import RecordWriter
from eigenstep.training import load_images

QUICK = {"resamples": 2, "images": 30}
STEPS = 300


@pytest.fixture(scope="module")
def runs(made, tmp_path_factory):
    """Runs with the weights of `bt`, and records whose modes are half learned at steps that are known."""
    folder = tmp_path_factory.mktemp("speedup")
    forged(made, folder / "plain", [40, 90], {30: 3, 60: 3, 120: 6})
    muon = {"optimizer": {"name": "muon", "lr": 0.02}}
    forged(made, folder / "muon", [10, 10, 25], {20: 3, 40: 6}, muon, seconds=0.2)
    forged(made, folder / "other_seed", [50, 100], {60: 6, 120: 3}, {"seed": 1})
    forged(made, folder / "other_rate", [40, 90], {60: 3}, {"optimizer": {"lr": 0.3}})
    forged(made, folder / "broad", [], {60: 3, 120: 6}, muon)
    return folder


def forged(made, path, half_steps, checkpoints, changes=None, seconds=0.1):
    """`checkpoints`: which of the steps of `bt` the weights at each step are."""
    shutil.copytree(made / "bt", path, ignore=shutil.ignore_patterns("spectrum", "*.jsonl", "checkpoints"))
    for step, source in checkpoints.items():
        shutil.copytree(made / "bt/checkpoints" / f"step_{source:08d}", path / f"checkpoints/step_{step:08d}")
    config = yaml.safe_load((path / "config.yaml").read_text())
    for name, value in (changes or {}).items():
        config[name] = config[name] | value if isinstance(value, dict) else value
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    writer = RecordWriter(path, 4)
    for step in range(STEPS):
        values = np.full(4, 1e-6)
        values[: len(half_steps)] = 1 / (1 + np.exp((np.array(half_steps) - step) / 2))
        both = {"cross_correlation": values, "covariance": values}
        writer.append(step, 0.01 * step, both, loss=1.0, learning_rate=0.01)
        writer.append_to("timings", {"step": step, "seconds": seconds * step})


def speedup_of(*names, **how):
    pairs = compare(list(names), **QUICK, **how).pairs
    return pairs[0].speedup


def test_how_many_times_sooner_is_the_ratio_of_steps_and_of_seconds(runs):
    found = speedup_of(runs / "plain", runs / "muon")
    assert [row.modes for row in found.rows] == [1, 2]
    for row, steps in zip(found.rows, ((40, 10), (90, 10)), strict=True):
        assert row.steps == pytest.approx(steps, abs=0.2)
        assert row.steps_sooner == pytest.approx(steps[0] / steps[1], rel=0.02)
        assert row.seconds == pytest.approx((0.1 * steps[0], 0.2 * steps[1]), abs=0.05)
        assert row.seconds_sooner == pytest.approx(steps[0] / steps[1] / 2, rel=0.02)
    assert found.beside is None
    assert all(row.yardstick is None for row in found.rows)


def test_the_plain_run_is_what_the_other_is_measured_by_in_either_order(runs):
    one, other = speedup_of(runs / "plain", runs / "muon"), speedup_of(runs / "muon", runs / "plain")
    assert (one.first, one.second, other.first, other.second) == (0, 1, 1, 0)
    assert [row.steps for row in one.rows] == [row.steps for row in other.rows]


def test_modes_are_compared_at_moments_that_are_found_the_slow_way(runs):
    learned = {"plain": {30: 0, 60: 1, 120: 2}, "muon": {20: 2, 40: 3}}
    images = load_images("photos", load_encoder(runs / "plain").config.images).images
    images = images[torch.arange(30) * 2]
    embedded = {}
    for name, counts in learned.items():
        for step in counts:
            encoder = load_encoder(runs / name, step)
            with torch.no_grad():
                embedded[name, step] = encoder(encoder.prepare(images))[1].double().numpy()
    found = {row.modes: row.same for row in speedup_of(runs / "plain", runs / "muon").rows}
    for modes in (1, 2):
        taken = [the_slow_way(modes, counts, embedded, name) for name, counts in learned.items()]
        if None in taken:
            assert found[modes].overlap is None
            continue
        (first, first_modes), (second, second_modes) = taken
        counts = (first_modes, second_modes)
        expected = overlap_of_modes(embedded["plain", first], embedded["muon", second], counts, resamples=2)
        assert found[modes].moments == (f"step {first}", f"step {second}")
        assert found[modes].modes == counts
        assert found[modes].overlap.value == pytest.approx(expected.value, abs=1e-3)
        assert found[modes].overlap.chance == max(counts) / 29
    assert any(span.overlap is not None for span in found.values())


def the_slow_way(modes, counts, embedded, name):
    for count in sorted(counts.values()):
        for step in sorted(counts, reverse=True):
            centred = embedded[name, step] - embedded[name, step].mean(0)
            variances = np.sort(np.linalg.eigvalsh(centred.T @ centred))[::-1]
            apart = 0 < count < 4 and variances[count - 1] >= 2 * variances[count]
            if count >= modes and counts[step] == count and apart:
                return step, count
    return None


def test_a_run_of_another_seed_is_the_yardstick_whether_given_or_found(runs):
    given = speedup_of(runs / "plain", runs / "muon", beside=runs / "other_seed")
    found = speedup_of(runs / "plain", runs / "muon", runs / "other_seed")
    seeds = compare([runs / "plain", runs / "other_seed"], **QUICK).pairs[0].speedup
    assert given.beside == found.beside == (str(runs / "plain"), str(runs / "other_seed"))
    assert [row.yardstick for row in given.rows] == [row.yardstick for row in found.rows]
    by_modes = {row.modes: row.same for row in seeds.rows}
    assert [row.yardstick for row in given.rows] == [by_modes[row.modes] for row in given.rows]
    assert seeds.seed_alone
    assert not given.seed_alone
    assert seeds.beside is None


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        ("other_rate", r"differs in optimizer.lr from .*plain; in optimizer.lr, optimizer.name from .*muon"),
        ("muon", r"in nothing from .*muon"),
        ("plain@60", r"expected a run as a whole"),
    ],
)
def test_a_run_beside_that_differs_in_more_than_its_seed_is_refused(runs, beside, why):
    with pytest.raises(ValueError, match=rf"--beside: .*{why}"):
        compare([runs / "plain", runs / "muon"], beside=f"{runs}/{beside}", **QUICK)


def test_a_run_that_was_not_seen_to_learn_is_compared_at_its_end_or_not_at_all(runs):
    found = speedup_of(runs / "plain", runs / "broad")
    assert [row.steps[1] for row in found.rows] == [None] * len(found.rows)
    for row in found.rows:
        assert "no rise was seen" in row.same.notes[1]
        assert row.same.moments[1] in ("step 120", None)


def test_a_star_in_any_column_is_explained_below_the_table(runs):
    """Of a run whose eigenvalues were not seen to rise, too, and of the seeds' column."""
    starred = {"overlap": 0, "seeds": 0}
    for name in ("muon", "broad"):
        table = compare([runs / "plain", runs / name], beside=runs / "other_seed", **QUICK).tables()[0]
        for column in starred:
            place = table.header.index(column)
            at = [row[0] for row in table.rows if row[place].endswith("*")]
            told = re.findall(rf"{column} \* at ([\d, ]+): in ", table.note)
            assert at == sorted(each for part in told for each in part.split(", "))
            starred[column] += len(at)
    assert all(starred.values())


def test_only_runs_as_a_whole_are_held_against_each_other(runs, made):
    names = [runs / "plain", f"{runs}/muon@40", made / "bt.npz", runs / "plain"]
    found = compare(names, resamples=2)
    assert all(pair.speedup is None for pair in found.pairs)
    assert found.rules[:3] == ["SGD, learning rate 0.005", "Muon, learning rate 0.02", None]


def test_table_page_picture_and_json_tell_it(runs, tmp_path, capsys):
    names = [str(runs / name) for name in ("plain", "muon")]
    command = ["compare", *names, "--beside", str(runs / "other_seed"), "--out", str(tmp_path)]
    assert main([*command, "--resamples", "2", "--images", "30"]) == 0
    said = capsys.readouterr().out
    assert "Muon, learning rate 0.02" in said
    row = re.search(r"│ 2 +│ +(\S+ → \S+) │ +(\S+) │ +(\S+ → \S+) │ +(\S+) │ +(\S+) │ +(\S+) │", said)
    content = json.loads((tmp_path / "comparison.json").read_text())
    (pair,) = content["pairs"]
    told = {each["modes"]: each for each in pair["speedup"]["rows"]}[2]
    assert row.groups()[:2] == ("90 → 10", "9.0×")
    assert told["steps_sooner"] == pytest.approx(9, rel=0.02)
    assert row[3] == "9.0 → 2.0"
    overlap = told["same"]["overlap"]
    assert row[5].rstrip("*") == ("–" if overlap is None else f"{overlap['value']:.2f}")
    assert content["inputs"][1]["update_rule"] == "Muon, learning rate 0.02"
    page = (tmp_path / "comparison.html").read_text()
    for cell in ("90 → 10", "9.0×", "Muon, learning rate 0.02"):
        assert f"<td>{cell}</td>" in page


def test_tables_fit_a_terminal_of_eighty_columns_and_the_picture_is_one(runs, tmp_path):
    found = compare([runs / "plain", runs / "muon", runs / "other_seed"], **QUICK)
    for table in found.tables():
        widest = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
        assert sum(widest) + 3 * len(widest) + 1 <= 80, table.title
    assert draw_matrices(found, tmp_path / "drawn.png").stat().st_size > 10_000


def test_the_key_below_the_picture_is_drawn_whole(runs, tmp_path, monkeypatch):
    """As wide as the picture at most, however long a rule's sentence is."""
    found = compare([runs / "plain", runs / "muon"], **QUICK)
    rule = (
        "SGD, learning rate 0.001, with the embeddings' gradient times (Cov + 0.001)^-0.5, largest gain 31.6"
    )
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *how, **more: drawn.append(figure) or save(figure, *how, **more)
    )
    draw_matrices(dataclasses.replace(found, rules=[rule, rule]), tmp_path / "drawn.png")
    (figure,) = drawn
    said = figure.get_supxlabel()
    assert " ".join(said.split()).count(rule) == 2
    (key,) = [text for text in figure.texts if text.get_text() == said]
    assert key.get_window_extent(dpi=150).x1 <= 150 * figure.get_figwidth()

import json
import shutil

import pytest

from eigenstep.live import Analyst, RunsFolder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("LOOK_SECONDS", "LOOKS_APART", "TABLE_SECONDS"):
        monkeypatch.setattr(f"eigenstep.live._run_folder.{name}", 0)
    return RunsFolder(tmp_path)


def told(folder, since):
    return json.loads(folder.table(since))


def names(table):
    return sorted(card["name"] for card in table["cards"])


def test_the_disk_is_not_looked_at_again_at_once_nor_soon_where_that_takes_long(tmp_path, grow_run):
    now = [1000.0]
    folder = RunsFolder(tmp_path, lambda: now[0])
    run = grow_run(rows=5)
    folder.refresh()
    run.append(1)
    for later, steps in ((0.1, 8), (0.5, 10)):
        now[0] = 1000 + later
        folder.refresh()
        assert told(folder, 0)["cards"][0]["step"] == steps
    folder._look_took = 3.0
    run.append(1)
    for later, steps in ((10, 10), (13, 12)):
        now[0] = 1000 + later
        folder.refresh()
        assert told(folder, 0)["cards"][0]["step"] == steps


def test_only_cards_that_changed_travel(folder, grow_run):
    runs = [grow_run(name, rows=5).finish() for name in ("a", "b", "sweep/c")]
    folder.refresh()
    first = told(folder, 0)
    assert names(first) == ["a", "b", "sweep/c"]
    folder.refresh()
    assert names(told(folder, first["version"])) == []
    (runs[1].path / "summary.json").unlink()
    runs[1].append(1)
    folder.refresh()
    second = told(folder, first["version"])
    assert names(second) == ["b"]
    assert second["cards"][0]["step"] == 10
    assert second["cards"][0]["state"] == "running"


def test_runs_that_come_and_go_are_told(folder, grow_run, writer):
    run = grow_run("a", rows=5)
    folder.refresh()
    version = told(folder, 0)["version"]
    shutil.rmtree(run.path)
    grow_run("b", rows=5)
    folder.refresh()
    table = told(folder, version)
    assert (names(table), table["gone"]) == (["b"], ["a"])
    writer(run.path).append(3)
    folder.refresh()
    table = told(folder, table["version"])
    assert (names(table), table["gone"]) == (["a"], [])


def test_a_broken_run_has_its_line_and_the_others_go_on(folder, grow_run, tmp_path):
    grow_run("good", rows=5)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "metrics.jsonl").write_text("hello\n")
    folder.refresh()
    cards = {card["name"]: card for card in told(folder, 0)["cards"]}
    assert cards["good"]["problem"] == ""
    assert cards["good"]["state"] == "running"
    assert cards["foreign"]["state"] == "unreadable"
    assert "expected lines with step, time and loss" in cards["foreign"]["problem"]


def test_all_runs_are_listed_at_once_and_read_one_after_another_the_newest_first(
    folder, grow_run, make_old, monkeypatch
):
    monkeypatch.setattr("eigenstep.live._run_folder.PATIENCE_SECONDS", 0)
    for name, age in (("a", 300), ("b", 100), ("c", 200)):
        make_old(grow_run(name, rows=2).path, age)
    seen = []
    for unread in (2, 1, 0):
        folder.refresh()
        table = told(folder, 0)
        assert table["unread"] == unread
        assert names(table) == ["a", "b", "c"]
        seen.append("".join(card["name"] for card in table["cards"] if card["state"] == "unread"))
    assert [set(each) for each in seen] == [{"a", "c"}, {"a"}, set()]


def test_measurements_that_are_missing_are_told_beside_the_verdict(folder, grow_run):
    run = grow_run(rows=3)
    run.writer.missing = 12
    run.append(2)
    folder.refresh()
    (card,) = told(folder, 0)["cards"]
    assert card["notes"] == ["12 measurements before step 6 are missing"]
    assert card["problem"] == ""


def test_a_sparkline_is_the_loss_from_0_to_100_with_gaps_where_there_is_none(folder, grow_run):
    run = grow_run(rows=1)
    run.append(63, loss=3.0).append(1, loss=5.0).append(63, loss=1.0).append(5, loss=float("nan"))
    folder.refresh()
    spark = told(folder, 0)["cards"][0]["spark"]
    assert min(height for height in spark if height is not None) == 0
    assert max(height for height in spark if height is not None) == 100
    assert spark[-2:] == [None, None]


@pytest.mark.slow
def test_modes_that_were_learned_are_marked_where_they_were(folder, grow_run):
    grow_run(rows=200).finish()
    folder.refresh()
    (entry,) = folder.entries.values()
    Analyst(folder).judge(entry)
    (card,) = told(folder, 0)["cards"]
    assert card["learned"] == 6
    assert card["verdict"]["state"] == "saturated"
    for mode, share in card["ticks"]:
        assert share == pytest.approx(20 * (mode + 1) / 398, abs=0.01)

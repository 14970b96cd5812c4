import base64
import json

import numpy as np
import pytest

from eigenstep.live import Analyst, RunsFolder, detail, window
from eigenstep.record import read_record

SOURCES = ("metrics", "eigenvalues")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("LOOK_SECONDS", "LOOKS_APART"):
        monkeypatch.setattr(f"eigenstep.live._run_folder.{name}", 0)
    return RunsFolder(tmp_path)


@pytest.fixture
def entry(folder, grow_run):
    """A run, looked at anew and judged whenever it is asked for."""
    run = grow_run(rows=30)

    def look():
        folder.refresh()
        (found,) = folder.entries.values()
        Analyst(folder).judge(found)
        return found

    look.run = run
    return look


def unpack(packed):
    array = np.frombuffer(base64.b64decode(packed["base64"]), "<" + packed["type"])
    return array.reshape(packed["shape"])


def cursor(reply, before=None):
    """What a page knows that took up a reply."""
    known = dict(before or {}) | {"generation": reply["generation"]}
    known |= {name: reply[name]["count"] for name in SOURCES if name in reply}
    known |= {"facts": reply["facts"]["version"]} if "facts" in reply else {}
    known |= {"analysis": list(reply["analysis"]["basis"])} if "analysis" in reply else {}
    if "cloud" in reply:
        known["cloud"] = {name: reply["cloud"][name] for name in ("frames", "digest", "version")}
    return known


def test_the_first_reply_has_the_whole_record(entry):
    reply, record = detail(entry(), {}), read_record(entry.run.path)
    assert reply["reset"]
    assert unpack(reply["metrics"]["step"]).tolist() == record.metrics["step"].tolist()
    values = dict(zip(reply["metrics"]["names"], unpack(reply["metrics"]["values"]), strict=True))
    np.testing.assert_allclose(values["loss"], record.metrics["loss"], rtol=1e-6)
    table = record.eigenvalues["cross_correlation"]
    np.testing.assert_allclose(unpack(reply["eigenvalues"]["values"]), table.T, rtol=1e-6)
    assert reply["facts"]["description"] == "An encoder in training, 6 embedding dimensions"


@pytest.mark.parametrize("gamma", [[float("nan"), 1.0], [1e9, 1.0], "many"], ids=str)
def test_a_closed_form_that_cannot_be_drawn_hides_nothing_else(entry, gamma):
    entries = {"gamma": gamma, "start_scales": [0.1, 0.1], "half_times": [1.0, 2.0], "learning_rate": 0.1}
    (entry.run.path / "prediction.json").write_text(json.dumps(entries))
    reply = detail(entry(), {})
    assert reply["facts"]["prediction"] is None
    assert len(unpack(reply["metrics"]["step"])) == 30


def test_who_knows_all_is_told_nothing(entry):
    known = cursor(detail(entry(), {"cloud": {}}))
    assert detail(entry(), known) == {"generation": known["generation"], "reset": False}


def test_only_new_rows_and_new_frames_travel(entry):
    first = detail(entry(), {"cloud": {}})
    entry.run.append(3)
    reply = detail(entry(), cursor(first))
    for name in SOURCES:
        assert unpack(reply[name]["step"]).tolist() == [60, 62, 64]
    assert reply["cloud"]["first"] == 30
    assert len(base64.b64decode(reply["cloud"]["points"])) == 3 * reply["cloud"]["samples"] * 3 * 2
    assert len(reply["cloud"]["step"]) == 33
    assert "facts" not in reply
    assert "thumbnails" not in reply["cloud"]


@pytest.mark.slow
def test_the_frames_that_stay_and_the_new_ones_make_the_whole_cloud(entry):
    first = detail(entry(), {"cloud": {}})["cloud"]
    entry.run.append(20)
    later = detail(entry(), {"generation": entry().run.generation, "cloud": first})["cloud"]
    whole = detail(entry(), {"cloud": {}})["cloud"]
    size = later["samples"] * 6
    known = base64.b64decode(first["points"])[: later["first"] * size]
    assert known + base64.b64decode(later["points"]) == base64.b64decode(whole["points"])


def test_a_run_made_anew_resets_the_page(entry):
    known = cursor(detail(entry(), {}))
    entry.run.writer.truncate(20)
    reply = detail(entry(), known)
    assert reply["reset"]
    assert unpack(reply["metrics"]["step"]).tolist() == list(range(0, 20, 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    "strange", [{"metrics": -3}, {"metrics": "x", "cloud": {"frames": "x"}}, {"cloud": 5}, {"facts": []}]
)
def test_a_cursor_that_makes_no_sense_is_that_of_who_knows_nothing(entry, strange):
    reply = detail(entry(), strange | {"generation": entry().run.generation})
    assert unpack(reply["metrics"]["step"])[0] == 0


def test_each_mode_has_its_half_time_by_step_and_by_time(entry):
    entry.run.append(60)
    modes = detail(entry(), {})["analysis"]["modes"]
    assert [mode["mode"] for mode in modes if mode["learned"]] == [0, 1, 2, 3, 4, 5]
    for mode in modes:
        expected = 20 * (mode["mode"] + 1)
        assert mode["half_time"]["step"][0] == pytest.approx(expected, abs=0.5)
        assert mode["half_time"]["time"][0] == pytest.approx(0.1 * expected, abs=0.05)


def test_a_window_holds_every_row_between_two_moments(entry, monkeypatch):
    for kept in entry().run.kept.values():
        kept.most = 8
    entry.run.append(70)
    run, steps = entry().run, read_record(entry.run.path).metrics["step"]
    assert len(run.kept["metrics"].rows()) <= 9
    rows = window(run, "metrics", "step", 60, 75)
    assert unpack(rows["step"]).tolist() == [step for step in steps if 58 <= step <= 76]
    by_time = window(run, "eigenvalues", "time", 6.0, 7.5)
    assert unpack(by_time["step"]).tolist() == unpack(rows["step"]).tolist()


def test_a_window_that_is_no_finer_than_what_is_known_is_empty(entry):
    assert window(entry().run, "metrics", "step", 0, 60) is None
    with pytest.raises(ValueError, match="expected metrics or eigenvalues"):
        window(entry().run, "config", "step", 0, 1)

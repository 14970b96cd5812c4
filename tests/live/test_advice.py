from eigenstep.live import Analyst, RunsFolder, detail


def looked_at(folder):
    runs = RunsFolder(folder)
    runs.refresh()
    (entry,) = runs.entries.values()
    Analyst(runs).judge(entry)
    return detail(entry, {})["analysis"]


def test_the_page_of_a_bad_run_says_why_it_is_bad(forge, tmp_path):
    forge("run", [10.0], steps=30, metrics={"health": [{"views_equal": 1.0}] * 30})
    assert looked_at(tmp_path)["advice"].startswith("Likely cause: both views of an image are the same.")


def test_the_page_of_a_sound_run_gives_no_advice(forge, tmp_path):
    forge("run", [10.0], steps=30)
    assert looked_at(tmp_path)["advice"] == ""

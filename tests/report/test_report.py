import json
import re
from html.parser import HTMLParser

import pytest

from eigenstep.report import write_report

NASTY = "</script><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Every attribute that can fetch something, the visible text, and the embedded data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.data = ""
        self.inside = [""]
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        named = dict(attributes)
        self.fetched += [
            named[name] for name in ("src", "href", "srcset", "data", "action", "poster") if name in named
        ]
        if tag in ("script", "style"):
            self.inside.append(f"{tag} {named.get('id', '')}".strip())

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.inside.pop()

    def handle_data(self, data):
        if self.inside[-1] == "script runs":
            self.data += data
        elif not self.inside[-1]:
            self.words += data


def read_page(path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_nothing_on_the_page_is_fetched_from_elsewhere(write_run):
    page = read_page(write_report(write_run(predicted=True, dimension=5)))
    assert page.fetched
    assert all(address.startswith(("#", "data:")) for address in page.fetched)
    style = (
        write_report(write_run("other")).read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    )
    assert not re.search(r"url\(|@import", style)


@pytest.mark.slow
def test_a_folder_of_runs_makes_one_page_with_the_predicted_run_first(write_run, tmp_path):
    for name in ("vicreg", "barlow_twins"):
        write_run(name)
    write_run("linear", predicted=True, dimension=5)
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    words = re.sub(r"\s+", " ", read_page(path).words)
    assert (
        words.index("linear A linear model")
        < words.index("barlow_twins A small")
        < words.index("vicreg A small")
    )


@pytest.mark.slow
def test_names_from_the_run_folder_are_shown_and_not_interpreted(write_run):
    folder = write_run(NASTY.replace("/", "∕"), config={"data": "x/" + NASTY, "loss": NASTY, "note": NASTY})
    (folder / "summary.json").write_text(json.dumps({NASTY: NASTY}))
    page = read_page(write_report(folder))
    assert "img" not in page.tags
    assert page.tags.count("script") == 3
    assert NASTY in page.words
    assert json.loads(page.data)[0]["id"] == "run-1"


@pytest.mark.slow
def test_a_torn_record_is_reported_up_to_its_last_complete_row(write_run):
    folder = write_run()
    for name in ("metrics.jsonl", "spectrum/eigenvalues.bin", "spectrum/projections.bin"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:-7])
    run = json.loads(read_page(write_report(folder)).data)[0]
    assert run["loss"]["step"][-1] == run["eigenvalues"]["step"][-1] == run["cloud"]["step"][-1] == 295


@pytest.mark.slow
def test_the_page_says_so_where_it_leaves_images_or_eigenvalues_out(write_run):
    words = read_page(write_report(write_run("large", samples=450, dimension=40))).words
    assert "400 of the batch's 450 images are drawn" in words
    assert "The largest 32 of 40 are drawn" in words
    assert "are drawn." not in read_page(write_report(write_run("small"))).words


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["eigenvalues.json", "projections.json", "probe.npy"])
def test_whatever_part_of_the_spectrum_is_missing_the_rest_is_shown(write_run, missing):
    folder = write_run()
    (folder / "spectrum" / missing).unlink()
    run = json.loads(read_page(write_report(folder)).data)[0]
    assert (run["eigenvalues"] is None) == (missing == "eigenvalues.json")
    assert (run["cloud"] is None) == (missing == "projections.json")
    if missing == "probe.npy":
        assert run["cloud"]["thumbnails"] is None


@pytest.mark.slow
@pytest.mark.parametrize("predicted", [False, True])
def test_a_single_record_is_enough(write_run, predicted):
    run = json.loads(read_page(write_report(write_run(rows=1, predicted=predicted))).data)[0]
    assert run["loss"]["step"] == [0]
    assert len(run["cloud"]["scales"]) == 1


@pytest.mark.slow
def test_the_page_can_be_written_elsewhere_and_is_replaced_in_one_go(write_run, tmp_path):
    folder, out = write_run(), tmp_path / "page.html"
    out.write_text("an older page")
    assert write_report(folder, out) == out
    assert "an older page" not in out.read_text(encoding="utf-8")
    assert not (folder / "report.html").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_a_report_that_fails_leaves_the_old_page_alone(write_run):
    folder = write_run()
    page = write_report(folder)
    before = page.read_bytes()
    (folder / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="has no measurement yet"):
        write_report(folder)
    assert page.read_bytes() == before


@pytest.mark.slow
def test_the_page_says_what_of_the_record_is_damaged_and_left_out(write_run):
    folder = write_run()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("nonsense\n")
    assert "is damaged and left out" in read_page(write_report(folder)).words


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run found"):
        write_report(tmp_path)
    with pytest.raises(FileNotFoundError, match="no run found"):
        write_report(tmp_path / "nowhere")


def test_a_folder_as_the_output_is_refused(write_run, tmp_path):
    with pytest.raises(ValueError, match="is a folder: expected the name of the file"):
        write_report(write_run(), tmp_path)

"""The live page as a reader uses it, in a real browser, while runs go on."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from eigenstep.analysis.verdicts import STATES

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
)
LAPTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
ODD = '<img src=x onerror="alert(1)"> & "odd"'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on this machine"
    ),
]


class Visit:
    """An open page, with all that it asked for and complained about."""

    def __init__(
        self, browser: Browser, address: str, viewport: dict[str, int] = LAPTOP, routes=(), **options
    ) -> None:
        self.address = address
        self.context = browser.new_context(viewport=viewport, **options)
        self.page: Page = self.context.new_page()
        for pattern, answer in routes:  # before the page asks for anything
            self.page.route(pattern, answer)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(address)

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression holds; the page's own policy forbids the browser to poll it."""
        deadline = time.monotonic() + 20
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"still not so: {condition}"
            self.page.wait_for_timeout(20)

    def go(self, place: str) -> None:
        self.page.evaluate(f"location.hash = {json.dumps(place)}")

    def open(self, *runs: str, options: str = "") -> None:
        self.go("&".join(f"run={run}" for run in runs) + options)
        self.drawn()

    def drawn(self) -> None:
        for figure in ("loss", "eigenvalues"):
            self.wait(
                f"document.querySelector('[data-figure={figure}] .plot')?.data?.some(each => each.x.length)"
            )

    def names(self) -> list[str]:
        return self.page.locator("tbody tr .name a").all_inner_texts()

    def fact(self, name: str) -> str:
        return self.page.locator(f"[data-fact={name}]").inner_text()

    def plot(self, figure: str, what: str) -> str:
        return self.page.evaluate(f"document.querySelector('[data-figure={figure}] .plot').{what}")

    def zoom(self, start: float, end: float) -> None:
        ends = json.dumps({"xaxis.range[0]": start, "xaxis.range[1]": end})
        self.page.evaluate(f"Plotly.relayout(document.querySelector('[data-figure=loss] .plot'), {ends})")

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    def close(self) -> None:
        """A page leaves with no complaint, and has asked this machine alone."""
        assert self.complaints == []
        assert all(url.startswith((self.address, "data:", "blob:")) for url in self.requests)
        self.context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory, writer, make_old) -> Path:
    """Six runs: two that ended, one stalled, one diverged, one foreign, one with an odd name."""
    folder = tmp_path_factory.mktemp("runs")
    first = writer(folder / "sweep" / "first").append(80).finish()
    (first.path / "config.yaml").write_text(
        'steps: 160\nloss: barlow_twins\nbackbone: "</script><script>alert(2)</script>"\ndata: photos\n'
    )
    lines = [
        {"step": step, "time": 0.1 * step, "knn_features": 0.5 + step / 400} for step in range(0, 160, 40)
    ]
    (first.path / "probes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    second = writer(folder / "sweep" / "second").append(60).finish()
    rows = [json.loads(line) for line in (second.path / "metrics.jsonl").read_text().splitlines()]
    measured = [row | {"measures": {"rank_me": row["step"] / 20, "lidar": 3.0}} for row in rows]
    (second.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in measured))
    writer(folder / "diverged", probe=False).append(10).append(1, loss=float("nan")).finish("diverged")
    writer(folder / ODD).append(20).finish()
    make_old(writer(folder / "stalled").append(8).path, 10_000)
    (folder / "foreign").mkdir()
    (folder / "foreign" / "metrics.jsonl").write_text('{"epoch": 3}\n')
    return folder


@pytest.fixture(scope="module")
def laptop(browser, runs, serve) -> Iterator[Visit]:
    with serve(runs) as address:
        visit = Visit(browser, address)
        visit.wait("document.querySelectorAll('tbody tr').length === 6")
        yield visit
        visit.close()


@pytest.fixture
def table(laptop) -> Visit:
    laptop.go("")
    laptop.wait("!document.querySelector('.list-view').hidden")
    return laptop


def row(visit: Visit, name: str):
    return visit.page.locator("tbody tr", has=visit.page.locator(".own", has_text=name))


def test_the_table_tells_each_runs_state_and_verdict(table):
    table.wait("[...document.querySelectorAll('tbody .verdict')].every(cell => cell.innerText !== '–')")
    assert "finished" in row(table, "first").locator(".state").inner_text()
    assert row(table, "first").locator(".verdict .word").inner_text() in STATES
    assert row(table, "first").locator(".modes-count").inner_text().split() == ["6", "of", "6"]
    assert "stalled\n2 h ago" in row(table, "stalled").locator(".state").inner_text()
    assert "exploding" in row(table, "diverged").locator(".verdict").inner_text()
    assert "expected lines with step, time and loss" in row(table, "foreign").locator(".verdict").inner_text()
    assert "M" in row(table, "first").locator(".loss path").get_attribute("d")


def test_sorting_and_filtering_are_in_the_address_and_come_back_with_it(table):
    page = table.page
    page.locator("th[data-key=step] button").click()
    steps = [text.replace(",", "") for text in page.locator(".step .value").all_inner_texts()]
    assert steps == sorted(steps, key=lambda text: -1 if text == "–" else int(text), reverse=True)
    page.locator("input[type=search]").fill("sweep")
    assert table.names() == ["sweep/first", "sweep/second"]
    page.locator(".chip", has_text="diverged").click()
    assert table.names() == []
    assert "No run fits the filter." in page.locator(".list-note").inner_text()
    page.locator(".chip[data-state='']").click()
    page.locator("th[data-key=step] button").click()
    assert table.names() == ["sweep/second", "sweep/first"]
    assert page.evaluate("location.hash") == "#q=sweep&sort=step"
    page.reload()
    table.wait("document.querySelectorAll('tbody tr').length === 2")
    assert table.names() == ["sweep/second", "sweep/first"]


def test_a_run_is_opened_by_its_row_and_left_by_escape(table):
    row(table, "first").locator(".step").click()
    table.drawn()
    page = table.page
    assert page.evaluate("location.hash") == "#run=sweep/first"
    assert page.locator("h2").inner_text() == "first"
    assert table.fact("step") == "158 of 160"
    table.wait("document.querySelectorAll('[data-figure=half-times] tbody tr').length === 6")
    first = page.locator("[data-figure=half-times] tbody tr").first.inner_text().split()
    assert first[:2] == ["1", "20"]
    assert "k-NN features 80.0 %" in page.locator("[data-figure=probes] .key").inner_text()
    assert "</script><script>alert(2)</script>" in page.locator(".description").inner_text()
    page.keyboard.press("Escape")
    table.wait("!document.querySelector('.list-view').hidden")


def test_one_switch_changes_the_axis_of_figures_and_tables(laptop):
    laptop.open("sweep/first")
    laptop.wait("document.querySelectorAll('[data-figure=half-times] tbody tr').length === 6")
    laptop.page.locator("#axis input[value=time]").check(force=True)
    laptop.wait(
        "[...document.querySelectorAll('.place-view .xtitle')].every(t => t.textContent.startsWith('t ='))"
    )
    assert laptop.plot("loss", "_fullLayout.xaxis.range[1]") == pytest.approx(15.8, rel=0.02)
    assert laptop.page.locator("[data-figure=half-times] tbody tr").first.inner_text().split()[1] == "2"
    laptop.page.locator("#axis input[value=step]").check(force=True)
    laptop.wait("[...document.querySelectorAll('.place-view .xtitle')].every(t => t.textContent === 'step')")


def test_the_scale_of_the_eigenvalues_is_in_the_address(laptop):
    laptop.open("sweep/first", options="&scale=log")
    assert laptop.plot("eigenvalues", "_fullLayout.yaxis.type") == "log"
    assert laptop.plot("loss", "_fullLayout.yaxis.type") == "linear"
    laptop.page.locator("[data-figure=eigenvalues] .scale input[value=linear]").check(force=True)
    laptop.wait(
        "document.querySelector('[data-figure=eigenvalues] .plot')._fullLayout.yaxis.type === 'linear'"
    )
    assert laptop.page.evaluate("location.hash") == "#run=sweep/first"


def test_measures_are_drawn_as_chosen(laptop):
    laptop.open("sweep/second")
    laptop.wait("document.querySelectorAll('.choice').length === 3")
    choices = laptop.page.locator(".choice")
    assert choices.first.inner_text().split() == ["RankMe", "5.9"]
    laptop.page.locator("[data-figure=measures]").scroll_into_view_if_needed()
    laptop.wait("document.querySelector('[data-figure=measures] .plot').data?.length === 1")
    choices.nth(1).click()
    laptop.wait("document.querySelector('[data-figure=measures] .plot').data.length === 2")
    assert laptop.page.evaluate("location.hash").endswith("measure=measures/rank_me&measure=measures/lidar")


def test_the_point_cloud_plays_through_the_record(laptop):
    laptop.open("sweep/first")
    laptop.wait("!document.querySelector('.cloud-figure').hidden")
    page = laptop.page
    assert page.locator("[data-field=step]").inner_text() == "158"
    page.locator(".frame").fill("10")
    assert page.locator("[data-field=step]").inner_text() == "20"
    assert page.locator("[data-figure=loss] .cursor").is_visible()
    page.locator(".play").click()
    laptop.wait("+document.querySelector('.frame').value > 10")
    page.locator(".play").click()


def test_runs_without_a_point_cloud_or_a_name_that_is_plain_open_as_well(laptop):
    laptop.open("diverged")
    assert laptop.page.locator(".cloud-figure").is_hidden()
    laptop.open(ODD.replace("&", "%26"))
    assert laptop.page.locator("h2").inner_text() == ODD


def test_a_foreign_run_shows_its_one_line(laptop):
    laptop.go("run=foreign")
    laptop.wait("document.querySelector('.problem')?.hidden === false")
    assert "expected lines with step, time and loss" in laptop.page.locator(".problem").inner_text()
    laptop.go("run=never/was")
    laptop.wait("document.querySelector('h2').innerText === 'was'")
    assert "no such run" in laptop.page.locator(".problem").inner_text()


def test_runs_that_are_picked_are_laid_over_each_other(table):
    for name in ("first", "second"):
        row(table, name).locator("input").check()
    table.page.locator(".compare").click()
    table.wait("document.querySelector('.comparison') !== null")
    table.drawn()
    page = table.page
    assert sorted(page.evaluate("location.hash")[1:].split("&")) == ["run=sweep/first", "run=sweep/second"]
    assert len(table.plot("loss", "data")) == 2
    halfway = "document.querySelector('[data-figure=eigenvalues] .plot').data[0].y[20]"
    table.wait(f"{halfway} > 0.9")
    page.locator(".more").click()
    table.wait(f"{halfway} === 0.5")
    assert "mode=2" in page.evaluate("location.hash")
    page.locator("[data-figure=measures] select").select_option("measures/lidar")
    assert "measure=measures/lidar" in page.evaluate("location.hash")
    table.wait("document.querySelectorAll('[data-figure=half-times] thead th').length === 7")
    page.locator(".compared button").first.click()
    table.wait("document.querySelector('.place-view .run') !== null")
    table.go("")


def test_the_table_can_be_used_by_keys_alone(table):
    page = table.page
    page.keyboard.press("/")
    page.keyboard.type("sweep")
    table.wait("document.querySelectorAll('tbody tr').length === 2")
    page.locator("tbody tr a").first.focus()
    page.locator(".picked .clear").evaluate("button => button.click()")
    page.keyboard.press("x")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    assert page.locator(".picked span").inner_text() == "2 runs picked"
    page.locator(".picked .clear").click()
    page.locator("tbody tr a").first.focus()
    name = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    table.wait("document.querySelector('.place-view .run') !== null")
    assert name.endswith(page.locator("h2").inner_text())


GROW = """
import json, struct, sys, time
run, step, rows, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
for step in range(step, step + 2 * rows, 2):
    values = [0.5] * 12
    with open(run + "/spectrum/eigenvalues.bin", "ab") as file:
        file.write(struct.pack("<q13d", step, 0.1 * step, *values))
    with open(run + "/metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": step, "time": 0.1 * step, "loss": 1.5}) + "\\n")
    time.sleep(pause)
"""


@pytest.fixture
def growing() -> Iterator[Callable[..., None]]:
    """`growing(run, step, rows)` lets another process append rows to a run."""
    processes = []

    def grow(run: Path, step: int, rows: int, pause: float = 0.05) -> None:
        command = [sys.executable, "-c", GROW, *map(str, (run, step, rows, pause))]
        processes.append(subprocess.Popen(command))

    yield grow
    for process in processes:
        process.wait()


@pytest.fixture
def live(browser, tmp_path, serve) -> Iterator[Visit]:
    """A page on an empty folder."""
    with serve(tmp_path) as address:
        visit = Visit(browser, address)
        yield visit
        visit.close()


def test_an_empty_folder_waits_for_its_first_run_and_runs_come_go_and_come_back(live, writer, tmp_path):
    live.wait("!document.querySelector('.empty').hidden")
    run = writer(tmp_path / "deep" / "run").append(5)
    live.wait("document.querySelectorAll('tbody tr').length === 1")
    assert live.page.locator(".empty").is_hidden()
    assert "running" in live.page.locator(".pulse").inner_text()
    shutil.rmtree(run.path)
    live.wait("!document.querySelector('.empty').hidden")
    live.go("run=deep/run")
    live.wait("document.querySelector('.problem')?.hidden === false")
    writer(run.path).append(9)
    live.wait("document.querySelector('[data-fact=step]').innerText === '16'")
    assert live.page.locator(".problem").is_hidden()


def test_an_open_run_follows_another_process_with_its_zoom_kept_and_new_rows_alone(
    live, writer, tmp_path, growing
):
    run = writer(tmp_path / "run", probe=False).append(60)
    live.open("run")
    live.zoom(20, 60)
    live.wait("document.querySelector('[data-figure=eigenvalues] .plot')._fullLayout.xaxis.range[1] === 60")
    replies: list[int] = []
    live.page.on("response", lambda reply: replies.append(int(reply.headers["content-length"])))
    live.page.evaluate("document.querySelector('h2').dataset.here = 'yes'")
    growing(run.path, 120, 20)
    live.wait("document.querySelector('[data-fact=step]').innerText === '158'")
    live.wait("document.querySelector('[data-figure=loss] .plot').data[0].x.at(-1) === 158")
    assert live.plot("loss", "_fullLayout.xaxis.range") == [20, 60]
    assert live.plot("eigenvalues", "_fullLayout.xaxis.range") == [20, 60]
    assert max(replies) < 12_000
    assert live.page.locator("h2").get_attribute("data-here") == "yes"
    live.page.locator("[data-figure=loss] .unzoom").click()
    live.wait("document.querySelector('[data-figure=loss] .plot')._fullLayout.xaxis.range[1] > 158")


def test_an_open_run_that_goes_back_to_its_checkpoint_is_drawn_anew(live, writer, tmp_path):
    run = writer(tmp_path / "run").append(40)
    live.open("run")
    live.wait("+document.querySelector('.frame').max === 39")
    run.writer.truncate(20)
    run.step = 20
    run.append(3, loss=9.0)
    live.wait("document.querySelector('[data-figure=loss] .plot').data[0].y.at(-1) === 9")
    live.wait("document.querySelector('[data-figure=loss] .plot').data[0].x.at(-1) === 24")
    assert live.plot("loss", "data[0].x") == [*range(0, 26, 2)]
    live.wait("+document.querySelector('.frame').max === 12")
    run.append(2)
    live.wait("+document.querySelector('.frame').max === 14")
    assert live.page.locator("[data-field=step]").inner_text() == "28"


def test_a_zoom_brings_rows_that_the_whole_run_leaves_out(live, writer, tmp_path, monkeypatch):
    monkeypatch.setattr("eigenstep.record._followed_run.ROWS_KEPT", 16)
    monkeypatch.setattr("eigenstep.live._window.ROWS_KEPT", 16)
    writer(tmp_path / "run").append(100)
    live.open("run")
    assert live.plot("loss", "data[0].x.length") <= 17
    live.zoom(100, 120)
    between = "document.querySelector('[data-figure=loss] .plot').data[0].x.filter(x => x >= 100 && x <= 120)"
    live.wait(f"{between}.length === 11")
    assert live.page.evaluate(between) == list(range(100, 122, 2))


def test_a_page_says_that_its_server_is_gone_and_goes_on_with_the_next_one(browser, tmp_path, serve, writer):
    run = writer(tmp_path / "run").append(5)
    with serve(tmp_path) as address:
        visit = Visit(browser, address)
        visit.open("run")
    visit.wait("document.querySelector('.pulse').dataset.state === 'silent'")
    assert "does not answer" in visit.page.locator(".pulse").inner_text()
    run.writer.truncate(4)
    with serve(tmp_path, int(address.rstrip("/").rsplit(":", 1)[1])):
        visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # asks at once
        visit.wait("document.querySelector('[data-fact=step]').innerText === '2'")
        visit.wait("document.querySelector('[data-figure=loss] .plot').data[0].x.join() === '0,2'")
        visit.complaints.clear()  # the browser's own, of requests without an answer
        visit.close()


@pytest.fixture(scope="module")
def phone(browser, runs, serve) -> Iterator[Visit]:
    with serve(runs) as address:
        visit = Visit(browser, address, PHONE, has_touch=True, is_mobile=True, color_scheme="dark")
        visit.wait("document.querySelectorAll('tbody tr').length === 6")
        yield visit
        visit.close()


@pytest.mark.parametrize(
    "runs_shown", [[], ["sweep/first"], ["sweep/second"], ["foreign"], ["sweep/first", "sweep/second"]]
)
def test_a_phone_needs_no_sideways_scroll(phone, runs_shown):
    phone.go("&".join(f"run={run}" for run in runs_shown))
    if runs_shown:
        phone.wait("document.querySelector('.place-view .plot') !== null")
    phone.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    phone.page.wait_for_timeout(100)
    assert phone.overflow() == 0


def test_what_a_finger_taps_is_large_enough(phone):
    phone.open("sweep/first")
    for selector in (".play", ".frame", ".fit", ".switch span"):
        for control in phone.page.locator(f"{selector}:visible").all():
            assert control.bounding_box()["height"] >= 40
    phone.go("")
    phone.wait("!document.querySelector('.list-view').hidden")
    for control in phone.page.locator(
        ".chip:visible, .pick label, .sort-by select, input[type=search]"
    ).all():
        assert control.bounding_box()["height"] >= 40


def test_the_dark_scheme_is_dark_with_light_text(phone):
    colours = phone.page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    paper, ink = (sum(map(int, colour[4:-1].split(","))) / 3 for colour in colours)
    assert paper < 40
    assert ink > 200


def test_figures_are_drawn_after_all_where_their_library_did_not_come_at_once(browser, runs, serve):
    with serve(runs) as address:
        refused = []

        def refuse_once(route):
            if refused:
                route.continue_()
            else:
                refused.append(route.request.url)
                route.abort()

        visit = Visit(browser, address, routes=[("**/plotly.js", refuse_once)])
        visit.open("sweep/first")
        assert len(refused) == 1
        assert [text for text in visit.complaints if "ERR_FAILED" not in text] == []
        visit.context.close()

"""The page as a reader uses it, in a real browser without a network."""

import base64
import io
import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from eigenstep.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
)
LAPTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on this machine"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory, write_synthetic) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_synthetic(folder / "linear", predicted=True, rows=121, modes=5, dimension=5)
    write_synthetic(folder / "barlow_twins", config={"loss": "barlow_twins"})
    return write_report(folder)


class Visit:
    """An open page, with all that it asked for and complained about."""

    def __init__(self, browser: Browser, path: Path, viewport: dict[str, int], **options) -> None:
        self.context = browser.new_context(viewport=viewport, offline=True, **options)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())
        self.wait("[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('.main-svg'))")

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression holds; the page's own policy forbids the browser to poll it."""
        deadline = time.monotonic() + 20
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"still not so: {condition}"
            self.page.wait_for_timeout(20)

    def cloud(self, run: str = "#run-2") -> np.ndarray:
        """The point cloud's pixels, (height, width, 4)."""
        url = self.page.locator(f"{run} canvas").evaluate("canvas => canvas.toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))).astype(int)

    def field(self, name: str, run: str = "#run-2") -> str:
        return self.page.locator(f"{run} [data-field={name}]").inner_text()

    def frame(self, value: int, run: str = "#run-2") -> None:
        self.page.locator(f"{run} .frame").fill(str(value))


@pytest.fixture(scope="module")
def laptop(browser, report) -> Iterator[Visit]:
    visit = Visit(browser, report, LAPTOP, reduced_motion="reduce")
    yield visit
    visit.context.close()


def axis_titles(page: Page) -> set[str]:
    return set(page.locator(".plot .xtitle").all_text_contents())


def last_tick(page: Page, run: str) -> float:
    return float(page.locator(f"{run} .plot").first.locator(".xtick text").last.text_content())


def test_the_page_opens_without_network_and_without_complaints(laptop):
    assert laptop.complaints == []
    assert laptop.page.locator(".plot .main-svg").count() >= 4
    assert {address.split(":")[0] for address in laptop.requests} <= {"file", "data", "blob"}


def test_one_switch_changes_the_axis_of_every_plot_and_table(laptop):
    page = laptop.page
    assert axis_titles(page) == {"step"}
    assert last_tick(page, "#run-2") == 300
    assert page.locator("#run-2 .modes tbody tr").first.inner_text().split()[1] == "50"
    page.locator("#axis input[value=time]").check(force=True)
    page.wait_for_function(
        "[...document.querySelectorAll('.xtitle')].every(t => t.textContent.startsWith('t ='))"
    )
    assert 1.3 < last_tick(page, "#run-2") <= 1.5
    assert page.locator("#run-2 .modes tbody tr").first.inner_text().split()[1] == "0.250"
    page.locator("#axis input[value=step]").check(force=True)
    laptop.wait("[...document.querySelectorAll('.xtitle')].every(t => t.textContent === 'step')")


def test_the_logarithmic_scale_belongs_to_its_own_plot(laptop):
    scale = "id => document.querySelectorAll(id + ' .plot')[1]._fullLayout.yaxis.type"
    laptop.page.locator("#run-2 .scale input[value=log]").check(force=True)
    assert laptop.page.evaluate(scale, "#run-2") == "log"
    assert laptop.page.evaluate(scale, "#run-1") == "linear"


def test_the_slider_moves_the_cloud_the_readout_and_the_cursor_in_the_plots(laptop):
    cursor = laptop.page.locator("#run-2 .cursor").first
    seen = []
    for frame, step, stage in (
        (0, "0", "a point"),
        (15, "75", "a line"),
        (25, "125", "a plane"),
        (60, "300", "a volume"),
    ):
        laptop.frame(frame)
        assert laptop.field("step") == step
        assert laptop.page.locator("#run-2 .stage").inner_text() == stage
        seen.append((laptop.cloud(), cursor.bounding_box()["x"]))
    for (before, left), (after, right) in itertools.pairwise(seen):
        assert (np.abs(before - after).max(axis=2) > 20).mean() > 0.01
        assert right > left + 50


def test_the_cursor_stands_at_the_step_shown(laptop):
    laptop.frame(20)
    expected = """() => { const plot = document.querySelector("#run-2 .plot"), axis = plot._fullLayout.xaxis;
        return plot.getBoundingClientRect().left + axis._offset + axis.l2p(100); }"""
    box = laptop.page.locator("#run-2 .cursor").first.bounding_box()
    assert abs(box["x"] + box["width"] / 2 - laptop.page.evaluate(expected)) < 1.5


def inked(pixels: np.ndarray) -> float:
    """Share of the canvas that is not left empty."""
    return float((pixels[:, :, 3] > 200).mean())


def test_the_scale_is_fixed_unless_one_zooms_to_fit(laptop):
    laptop.frame(12)
    laptop.page.locator("#run-2 .look input[value=dots]").check(force=True)
    fixed = inked(laptop.cloud())
    laptop.frame(60)
    assert inked(laptop.cloud()) > 1.5 * fixed
    laptop.frame(2)
    tiny = inked(laptop.cloud())
    laptop.page.locator("#run-2 .fit input").check(force=True)
    assert inked(laptop.cloud()) > 1.5 * tiny
    laptop.page.locator("#run-2 .fit input").uncheck(force=True)
    laptop.page.locator("#run-2 .look input[value=thumbnails]").check(force=True)


def test_thumbnails_show_the_images_and_dots_their_mean_colours(laptop):
    laptop.frame(60)
    images = laptop.cloud()
    laptop.page.locator("#run-2 .look input[value=dots]").check(force=True)
    dots = laptop.cloud()
    laptop.page.locator("#run-2 .look input[value=thumbnails]").check(force=True)
    assert len(np.unique(images.reshape(-1, 4), axis=0)) > 1.5 * len(np.unique(dots.reshape(-1, 4), axis=0))


def test_dragging_turns_the_cloud(laptop):
    laptop.frame(60)
    before = laptop.cloud()
    canvas = laptop.page.locator("#run-2 canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    laptop.page.mouse.move(box["x"] + 100, box["y"] + 100)
    laptop.page.mouse.down()
    laptop.page.mouse.move(box["x"] + 200, box["y"] + 120, steps=3)
    laptop.page.mouse.up()
    assert (np.abs(before - laptop.cloud()).max(axis=2) > 20).mean() > 0.02


def test_playing_advances_from_the_start_and_can_be_paused(laptop):
    page, button = laptop.page, laptop.page.locator("#run-2 .play")
    laptop.frame(60)
    button.click()
    laptop.wait("(f => f > 2 && f < 60)(+document.querySelector('#run-2 .frame').value)")
    assert button.get_attribute("aria-label") == "Pause"
    button.click()
    held = laptop.field("step")
    page.wait_for_timeout(200)
    assert laptop.field("step") == held
    assert 0 < int(held) < 300


def test_a_click_on_a_curve_goes_to_that_step(laptop):
    laptop.page.locator("#run-2 .plot").first.scroll_into_view_if_needed()
    laptop.page.evaluate(
        "document.querySelector('#run-2 .plot').emit('plotly_click', { points: [{ x: 152 }] })"
    )
    assert laptop.field("step") == "150"


def test_the_predicted_run_draws_its_closed_form_dashed(laptop):
    dashes = """id => [...document.querySelectorAll(id + " .plot")].map(
        plot => plot.data.filter(trace => (trace.line.dash || "").includes(",")).length)"""
    assert laptop.page.evaluate(dashes, "#run-1") == [1, 5]
    assert laptop.page.evaluate(dashes, "#run-2") == [0, 0]


@pytest.fixture(scope="module")
def phone(browser, report) -> Iterator[Visit]:
    visit = Visit(browser, report, PHONE, has_touch=True, is_mobile=True, color_scheme="dark")
    yield visit
    visit.context.close()


def test_verdict_and_next_mode_stand_side_by_side_or_below_each_other(laptop, phone):
    for visit, beside in ((laptop, True), (phone, False)):
        boxes = [saying.bounding_box() for saying in visit.page.locator("#run-2 .saying").all()]
        assert len(boxes) == 2
        assert (boxes[0]["y"] == boxes[1]["y"]) == beside
    assert "directions carry" in laptop.page.locator("#run-2 .verdict-sentence").inner_text()


def test_an_alarm_has_a_colour_of_its_own(browser, tmp_path, write_synthetic):
    folder = write_synthetic(tmp_path / "run")
    (folder / "summary.json").write_text('{"state": "diverged", "step": 300}')
    colours = {}
    for scheme in ("light", "dark"):
        visit = Visit(browser, write_report(folder), PHONE, color_scheme=scheme)
        assert visit.complaints == []
        colour = "element => getComputedStyle(element).color"
        places = (".verdict-sentence strong", ".overview .state", ".verdict-sentence")
        alarm, state, ink = (visit.page.locator(place).evaluate(colour) for place in places)
        assert alarm == state != ink
        colours[scheme] = alarm
        visit.context.close()
    assert colours["light"] != colours["dark"]


def test_a_phone_needs_no_sideways_scroll(phone):
    assert phone.complaints == []
    phone.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390
    for plot in phone.page.locator(".plot").all():
        box = plot.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_what_a_finger_taps_is_large_enough(phone):
    for selector in (".play", ".frame", ".fit", ".switch span"):
        for control in phone.page.locator(selector).all():
            assert control.bounding_box()["height"] >= 40


@pytest.mark.parametrize("target", ["canvas", ".plot", ".frame"])
def test_a_finger_on_a_figure_still_scrolls_the_page(phone, target):
    element = phone.page.locator(f"#run-2 {target}").first
    phone.page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    element.scroll_into_view_if_needed()
    box, before = element.bounding_box(), phone.page.evaluate("scrollY")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = phone.context.new_cdp_session(phone.page)
    for kind, offset in [
        ("touchStart", 0),
        *(("touchMove", -12 * move) for move in range(1, 16)),
        ("touchEnd", 0),
    ]:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y + offset}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    phone.wait(f"scrollY > {before} + 100")


def test_the_dark_scheme_is_dark_with_light_text(phone):
    colours = phone.page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    paper, ink = (sum(map(int, colour[4:-1].split(","))) / 3 for colour in colours)
    assert paper < 40
    assert ink > 200


def test_incomplete_runs_open_without_complaints(browser, tmp_path, write_synthetic):
    write_synthetic(tmp_path / '1 <b>& "odd" name', projections=False)
    write_synthetic(tmp_path / "2", thumbnails=False)
    write_synthetic(tmp_path / "3", rows=1)
    write_synthetic(tmp_path / "4", modes=0)
    visit = Visit(browser, write_report(tmp_path), LAPTOP)
    assert visit.complaints == []
    assert visit.page.locator("h2").all_inner_texts() == ['1 <b>& "odd" name', "2", "3", "4"]
    absent = [element.is_visible() for element in visit.page.locator(".cloud-absent").all()]
    assert absent == [True, False, False, False]
    assert inked(visit.cloud("#run-2")) > 0.005
    assert visit.page.locator("#run-3 .play").is_disabled()
    visit.context.close()

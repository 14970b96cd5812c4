import io
import itertools
import re

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from eigenstep.record import RecordWriter, read_record
from eigenstep.terminal import follow, print_runs, progress_line
from eigenstep.training import Progress


@pytest.fixture
def clock(monkeypatch):
    """`clock.now += 5`: five seconds pass."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr("eigenstep.terminal._progress.monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def screen(monkeypatch):
    """`screen(60)`: what is printed from here on, into a terminal of 60 columns; None for a file."""

    def use(width):
        output = io.StringIO()
        styles = {"highlight": False, "markup": False, "emoji": False}
        console = Console(file=output, width=width or 80, force_terminal=width is not None, **styles)
        for file in ("_progress", "_tables"):
            monkeypatch.setattr(f"eigenstep.terminal.{file}.console", console)
        return output

    return use


def step(done, total=12000, stage="training", **changes):
    numbers = {"loss": 12.345, "images_per_second": 1234.5, "learned_modes": 11, "waiting": 0.2} | changes
    return Progress(stage, done, total, **numbers)


def frames(output):
    """What was in the terminal's last line, one after the other."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue())
    return [frame for frame in re.split(r"[\r\n]+", plain) if frame.strip()]


@pytest.mark.parametrize("width", [30, 40, 60, 72, 80, 100, 160])
def test_the_line_never_leaves_its_line(screen, clock, width):
    output = screen(width)
    with follow("barlow_twins") as show:
        show(Progress("reading", 50_000, 50_000))
        for done in range(0, 12_001, 3000):
            clock.now += 20_000
            show(step(done))
            output.flush()
    assert "\x1b[1A" not in output.getvalue()  # a terminal is told so where the last frame had two lines
    assert max(map(cell_len, frames(output))) <= width
    assert "12000/12000" in frames(output)[-1] or width == 30


@pytest.mark.parametrize(
    ("width", "there", "missing"),
    [
        (40, ["loss 12.345"], ["modes"]),
        (60, ["loss 12.345", "11 modes", "took 1:59"], ["images/s", "━"]),
        (80, ["loss 12.345", "11 modes", "took 1:59", "1234 images/s"], ["data"]),
        (
            160,
            ["loss 12.345", "11 modes", "took 1:59", "1234 images/s", "20% waiting for data", "━" * 24],
            [],
        ),
    ],
)
def test_a_narrow_terminal_leaves_out_the_least_important(screen, clock, width, there, missing):
    output = screen(width)
    with follow("barlow_twins") as show:
        show(step(0))
        clock.now += 119
        show(step(12_000))
    last = frames(output)[-1]
    assert [text for text in there if text not in last] == []
    assert [text for text in missing if text in last] == []


def test_a_line_in_a_file_tells_all(screen, clock):
    output = screen(None)
    with follow("simclr") as show:
        show(step(0, 100))
        clock.now += 40
        show(step(40, 100))
        clock.now += 60
        show(step(100, 100, learned_modes=1, waiting=0.004, images_per_second=3.25))
    assert output.getvalue().splitlines() == [
        "simclr: 40/100 loss 12.345, 11 modes, 1:00 left, 1234 images/s, 20% waiting for data",
        "simclr: 100/100 loss 12.345, 1 mode, took 1:40, 3.2 images/s",
    ]


def test_where_the_loss_stands_comes_before_the_speed(screen, clock):
    output = screen(None)
    with follow("simclr") as show:
        clock.now += 20
        show(step(0, 100, standing="12 % from chance to the floor", waiting=0.0))
    assert output.getvalue().strip() == (
        "simclr: 0/100 loss 12.345, 11 modes, 12 % from chance to the floor, 1234 images/s"
    )


def test_what_is_not_known_yet_is_left_out(screen, clock):
    output = screen(None)
    with follow("simclr") as show:
        clock.now += 20
        show(Progress("training", 0, 100, images_per_second=0.0, waiting=0.0))
    assert output.getvalue().strip() == "simclr: 0/100"


@pytest.mark.slow
def test_a_log_of_three_days_can_be_read(screen, clock):
    output, printed, seen = screen(None), [], 0
    steps, seconds = 43_200, 6
    with follow("simclr") as show:
        for done in range(steps + 1):
            show(step(done, steps))
            if len(output.getvalue()) > seen:
                seen = len(output.getvalue())
                printed.append(done * seconds)
            clock.now += seconds
    gaps = [after - before for before, after in itertools.pairwise(printed)]
    assert printed[0] <= 12
    assert max(gaps[:10]) <= 12
    assert max(gaps) <= 606
    assert 200 < len(printed) < 700
    assert len(output.getvalue().splitlines()) == len(printed)
    assert all(character.isprintable() or character == "\n" for character in output.getvalue())
    assert "simclr: 43200/43200" in output.getvalue().splitlines()[-1]


def test_the_time_left_of_a_resumed_run_counts_its_own_steps(screen, clock):
    output = screen(None)
    with follow("simclr") as show:
        for done in (900, 910):
            show(step(done, 1000))
            clock.now += 50  # five seconds a step
    assert ", 7:30 left" in output.getvalue()


def test_reading_does_not_count_as_training(screen, clock):
    output = screen(None)
    with follow("simclr") as show:
        for done in (0, 1000):
            show(Progress("reading", done, 1000))
            clock.now += 1000
        for done in (0, 500):
            show(step(done, 1000))
            clock.now += 50
    lines = output.getvalue().splitlines()
    assert lines[0] == "simclr: 1000/1000 images read, took 16:40"
    assert ", 0:50 left" in lines[-1]


def test_probing_is_told_and_does_not_end_the_run(screen, clock):
    output = screen(None)
    with follow("simclr") as show:
        show(step(0, 100))
        clock.now += 5
        show(step(100, 100, stage="probing"))
        assert output.getvalue() == ""
        clock.now += 10
        show(step(100, 100, stage="probing"))
        show(step(100, 100))
    lines = output.getvalue().splitlines()
    assert ["probing" in line for line in lines] == [True, False]


@pytest.mark.parametrize(
    ("loss", "expected"), [(1234567.8, "1.23e+06"), (-0.00123, "-0.00123"), (0.5, "0.500"), (0.0, "0")]
)
def test_a_loss_of_any_size_is_told_in_few_digits(screen, clock, loss, expected):
    output = screen(None)
    with follow("simclr") as show:
        show(step(1, 1, loss=loss))
    assert f" loss {expected}, " in output.getvalue()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "0:00"),
        (59.6, "1:00"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (86399, "23:59:59"),
        (93784, "1d 02:03:04"),
    ],
)
def test_durations_read_as_clocks(screen, clock, seconds, expected):
    output = screen(None)
    with progress_line("job") as line:
        line.update(0, 1)
        clock.now += seconds
        line.update(1, 1)
    assert output.getvalue().strip() == f"job: 1/1 took {expected}"


@pytest.mark.parametrize("width", [None, 80])
def test_a_quiet_run_is_not_followed(screen, clock, width):
    output = screen(width)
    with follow("simclr", quiet=True) as show:
        for done in (0, 50, 100):
            show(step(done, 100))
            clock.now += 100
    assert output.getvalue() == ""


@pytest.mark.parametrize("width", [None, 80])
def test_a_name_that_looks_like_markup_is_shown_as_it_is(screen, clock, width):
    output = screen(width)
    with progress_line("[red]:smile:") as line:
        line.update(1, 1, "[b]note")
    assert re.search(r"\[red\]:smile:.* 1/1 \[b\]note", frames(output)[-1])


def test_the_table_counts_as_the_record_does_and_says_how_many_steps_more(tmp_path, capsys):
    times = np.linspace(0, 10, 101)
    half_times = np.array([3.0, 12.0])
    curves = 1 / (1 + np.exp(-4 * (times[:, None] - half_times)))
    writer = RecordWriter(tmp_path / "grows", 2)
    for step, (time, curve) in enumerate(zip(times, curves, strict=True)):
        writer.append(step, time, {"cross_correlation": curve, "covariance": curve}, loss=2 - curve.sum())
    (tmp_path / "grows" / "summary.json").write_text('{"state": "finished", "step": 100}')
    print_runs([read_record(tmp_path / "grows")])
    out = capsys.readouterr().out
    assert re.search(r"grows .* 1 .* 30 ", out)
    assert "grows: No further mode: the planned run has ended at step 100" in out
    assert re.search(r"mode 2 would have come at step 120 \(.*about 20 steps more\.", out)

import numpy as np
import pytest

from eigenstep.terminal import HEIGHT, LABELS, spectrum_chart


def plain(eigenvalues, carrying=3, width=80):
    return [line.plain for line in spectrum_chart(np.asarray(eigenvalues, float), carrying, width)]


def heights(lines):
    """Height of the bar in each character of the chart, in characters."""
    rows = [line[LABELS:] for line in lines[:HEIGHT]]
    return [sum(" ▁▂▃▄▅▆▇█".index(row[place]) / 8 for row in rows) for place in range(len(rows[0]))]


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("count", [1, 2, 7, 16, 73, 74, 512, 2048])
def test_no_line_is_wider_than_the_terminal_and_the_last_rank_stands_below_the_last_bar(width, count):
    lines = plain(np.linspace(2, 1, count), width=width)
    assert max(map(len, lines)) <= width
    assert lines[HEIGHT + 1].endswith(str(count))
    assert len(lines) == HEIGHT + 3


def test_equal_steps_of_the_logarithm_are_equal_steps_of_the_bars():
    found = heights(plain(10.0 ** -np.arange(8)))
    steps = -np.diff(sorted({*found} - {0.0}, reverse=True))
    np.testing.assert_allclose(steps, steps[0], atol=1 / 8)


def test_the_smallest_positive_eigenvalue_has_a_bar_and_zero_has_none():
    found = heights(plain([1.0, 1e-3, 1e-6, 0.0]))
    width = len(found) // 4
    assert [found[place * width] > 0 for place in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    "eigenvalues", [[1.0, 0.9], np.geomspace(1, 1e-9, 50), np.geomspace(3e-14, 2e-15, 9), [5.0]]
)
def test_the_axis_has_two_labels_or_more(eigenvalues):
    assert sum("┤" in line for line in plain(eigenvalues)) >= 2


def test_bars_of_directions_that_carry_the_variance_have_a_colour_of_their_own_and_a_bracket():
    lines = spectrum_chart(np.ones(10), 4, 77)
    styles = {str(span.style) for span in lines[HEIGHT - 1].spans}
    assert len(styles) == 2
    assert lines[-1].plain == " " * LABELS + "╰── 99 % of the variance ─╯"
    assert plain(np.ones(70), carrying=2)[-1].endswith("╯ 99 % of the variance")
    assert len(plain(np.ones(70), carrying=None)) == HEIGHT + 2
    assert plain(np.ones(70), carrying=1)[-1].endswith("↑ 99 % of the variance")

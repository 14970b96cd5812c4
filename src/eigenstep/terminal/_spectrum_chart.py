"""A spectrum as bars in a terminal."""

import itertools
import math

import numpy as np
from rich.text import Text

EIGHTHS = " ▁▂▃▄▅▆▇█"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LABELS, HEIGHT, TICKS = 7, 12, 6
# Decades below the largest eigenvalue, beyond which there are no bars.
MOST = 14
CARRYING, OTHERS = "bright_blue", "bright_black"


def spectrum_chart(eigenvalues: np.ndarray, carrying: int | None, width: int) -> list[Text]:
    """Lines of a chart: a bar for a direction, or a group of them, by the logarithm of its eigenvalue.

    Parameters
    ----------
    eigenvalues : np.ndarray
        (k,), descending, the first one positive.
    carrying : int | None
        How many of them carry 99 % of the variance, None if these do not.
    width : int
        Characters of a line.

    Examples
    --------
    >>> len(spectrum_chart(np.array([1.0, 0.5, 0.1]), 2, 40))
    15
    """
    bars = _bars(len(eigenvalues), width - LABELS)
    thick = (width - LABELS) // len(bars)
    gap = int(thick >= 3)
    logs = np.log10(np.maximum(eigenvalues, eigenvalues[0] * 10.0**-MOST))
    base, top = _range(logs)
    heights = np.array([logs[bar].mean() for bar in bars])
    eighths = np.round((heights - base) / (top - base) * HEIGHT * 8).astype(int)
    eighths[[not eigenvalues[bar].any() for bar in bars]] = 0
    labels = _labels(base, top)
    styles = [OTHERS if carrying is not None and bar.start >= carrying else CARRYING for bar in bars]
    lines = []
    for row in range(HEIGHT, 0, -1):
        line = Text(_axis(labels.get(row), "│"))
        for height, style in zip(eighths, styles, strict=True):
            level = int(np.clip(height - 8 * (row - 1), 0, 8))
            line.append(EIGHTHS[level] * (thick - gap) + " " * gap, style)
        lines.append(line)
    lines.append(Text(_axis(labels.get(0), "└") + "─" * thick * len(bars)))
    lines.append(Text(" " * LABELS + _ranks(bars, thick)))
    if carrying is not None:
        bracket = _bracket("99 % of the variance", thick * styles.count(CARRYING) - gap)
        lines.append(Text(" " * LABELS + bracket, CARRYING))
    return lines


def _bars(count: int, width: int) -> list[slice]:
    """Which eigenvalues each bar stands for, in groups as even as can be."""
    edges = np.linspace(0, count, min(count, width) + 1).round().astype(int)
    return [slice(int(start), int(end)) for start, end in itertools.pairwise(edges)]


def _range(logs: np.ndarray) -> tuple[float, float]:
    """Between which decimal logarithms bars are drawn; two labels fit in between."""
    low, high = float(logs.min()), float(logs.max())
    low -= 0.08 * (high - low)  # the smallest one has a bar still
    if math.floor(high) - math.ceil(low) >= 1:
        return low, high
    return math.floor(low), max(math.ceil(high), math.floor(low) + 1)


def _labels(base: float, top: float) -> dict[int, int]:
    """The row below whose upper edge each labelled power of ten lies, 0 for the axis itself."""
    powers = range(math.ceil(base), math.floor(top) + 1)
    powers = powers[:: math.ceil(len(powers) / TICKS)]
    return {round((power - base) / (top - base) * HEIGHT): power for power in powers}


def _axis(power: int | None, line: str) -> str:
    text = "" if power is None else f"10{str(power).translate(SUPERSCRIPT)}"
    return f"{text:>{LABELS - 2}} {line if power is None else '┤'}"


def _ranks(bars: list[slice], thick: int) -> str:
    """Ranks of the first and the last direction, and some between, below their bars."""
    line = [" "] * (thick * len(bars))
    last = str(bars[-1].stop)
    end = min(len(line) - thick, len(line) - len(last))
    for index in range(0, len(bars), max(len(bars) // 4, 1)):
        text, start = str(bars[index].start + 1), index * thick
        if start + len(text) + 2 <= end:
            line[start : start + len(text)] = text
    line[end : end + len(last)] = last
    return "".join(line).rstrip()


def _bracket(text: str, width: int) -> str:
    """Text in a bracket below the first `width` characters, or beside it if it is too narrow."""
    if width < len(text) + 4:
        return f"╰{'─' * (width - 2)}╯ {text}" if width > 1 else f"↑ {text}"
    return f"╰{f' {text} '.center(width - 2, '─')}╯"

"""Numbers for the page: thinned and rounded for the plots, written out for the reader."""

from typing import Any

import numpy as np

MINUS, SUPERSCRIPT = "−", str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def thin(count: int, most: int) -> np.ndarray:
    """At most `most` indices out of `count`, evenly spread, the first and the last among them.

    Examples
    --------
    >>> thin(10, 4)
    array([0, 3, 6, 9])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def plain(values: Any) -> Any:
    """Nested lists with five significant digits; what is not finite becomes None, which JSON can hold.

    Examples
    --------
    >>> plain(np.array([[1 / 3, np.nan], [2.0, 1e-9]]))
    [[0.33333, None], [2, 1e-09]]
    """
    if np.ndim(values):
        return [plain(value) for value in values]
    if not np.isfinite(values):
        return None
    rounded = float(f"{values:.5g}") if abs(values) < 1e5 else float(values)
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def written(value: float | None, digits: int = 3) -> str:
    """A number as a reader expects it in a table.

    Examples
    --------
    >>> written(1234.5678), written(0.02513), written(3.2e-08), written(None)
    ('1,235', '0.0251', '3.20·10⁻⁸', '–')
    """
    if value is None or not np.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}·10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", MINUS)
    size = float(f"{size:.{digits - 1}e}")  # 0.9999 has as many digits as 1
    decimals = 0 if size == 0 else max(0, digits - 1 - int(np.floor(np.log10(size))))
    return f"{value:,.{decimals}f}".replace("-", MINUS)

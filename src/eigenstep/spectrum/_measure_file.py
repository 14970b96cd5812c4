"""Spectrum, measures and verdict of embeddings in a file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from eigenstep.analysis.verdicts import Verdict, judge_snapshot
from eigenstep.embeddings import Rows, nonfinite_rows, open_rows, rows_in_words
from eigenstep.machine import available_memory
from eigenstep.spectrum._spectrum import Spectrum, spectrum_of
from eigenstep.spectrum.moments import LeadingDirections, Moments, PairMoments

# Numbers of a block, and how many eigenvalues are computed where there are too many for all.
NUMBERS_IN_BLOCK, LEADING_EIGENVALUES = 2**21, 128


@dataclass(frozen=True)
class FileSpectrum:
    """What a file of embeddings holds.

    Attributes
    ----------
    first, second
        Where the embeddings lie; `second`, the other views, or None.
    spectrum : Spectrum
        Eigenvalues and measures, as a `SpectrumMonitor` gives them.
    verdict : Verdict
        Of this one moment: "full", "dimensional collapse" or "complete collapse".
    left_out : list[int]
        Rows that hold a NaN or an infinity, or have no value, in either view; counted from 0.
    """

    first: Rows
    second: Rows | None
    spectrum: Spectrum
    verdict: Verdict
    left_out: list[int]


def measure_file(
    path: str | Path,
    column: str | None = None,
    *,
    second: str | Path | None = None,
    second_column: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FileSpectrum:
    """Read embeddings a block at a time and measure their spectrum; they need not fit into memory.

    Rows that hold a NaN or an infinity, or have no value, are left out and named. Above 2,048 dimensions the
    leading 128 eigenvalues are computed, unless fewer rows span fewer directions.

    Parameters
    ----------
    column : str | None
        As in `open_rows`.
    second, second_column
        The same images' other views: another file, or another column, or both; row i belongs to row i.
    progress : Callable[[int, int], None] | None
        Called with the rows done and the rows in all.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line for files that cannot be read as embeddings or do not fit together, if fewer than two rows
        are finite, and if the covariance does not fit into memory.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> path = tempfile.mkdtemp() + "/embeddings.npy"
    >>> np.save(path, np.random.default_rng(0).normal(size=(500, 4)) @ np.diag([1, 1, 0, 0]))
    >>> print(measure_file(path).verdict.sentence)
    Dimensional collapse: 2 of 4 directions carry 99 % of the variance, and 2 are empty.
    """
    first = open_rows(path, column)
    other = None
    if second is not None or second_column is not None:
        other = open_rows(second or path, second_column, default=first.column)
        if (other.count, other.dim) != (first.count, first.dim):
            shapes = f"{first.count}×{first.dim} and {other.count}×{other.dim}"
            raise ValueError(f"expected two views of one shape, got {shapes}")
    left_out: list[int] = []
    pairs = _read(first, other, progress or (lambda *_: None), left_out)
    if pairs.count < 2:
        raise ValueError(
            f"{path}: expected two or more rows of finite numbers, got {pairs.count} of {first.count}; found"
            f" missing or non-finite values in {rows_in_words(left_out)}"
        )
    kept = first.dim if pairs.is_complete else LEADING_EIGENVALUES
    spectrum = spectrum_of(pairs, step=0, time=0.0, center=True, kept=kept)
    verdict = judge_snapshot(
        spectrum.covariance,
        dim=first.dim,
        rows=pairs.count,  # two views of a sample may be almost the same
        trace=pairs.trace,
        cosine_concentration=spectrum.measures["cosine_concentration"],
    )
    return FileSpectrum(first, other, spectrum, verdict, left_out)


def _read(
    first: Rows, second: Rows | None, tell: Callable[[int, int], None], left_out: list[int]
) -> PairMoments:
    views = 1 if second is None else 2
    blocks = _floating(first, second, max(NUMBERS_IN_BLOCK // first.dim, 1), tell, left_out)
    leading = LeadingDirections(LEADING_EIGENVALUES)
    if views * first.count <= first.dim:
        return leading.of_rows(torch.cat(list(blocks), dim=1))
    _check_memory(first.dim, views)
    moments = Moments(first.dim, views)
    for block in blocks:
        moments.update(*block)
    return leading.of_moments(moments)


def _floating(
    first: Rows, second: Rows | None, size: int, tell: Callable[[int, int], None], left_out: list[int]
) -> Iterator[Tensor]:
    """Blocks (views, n, d) of a floating type; rows that are not finite are noted."""
    done = 0
    both = [rows.blocks(size) for rows in (first, second) if rows is not None]
    for block in zip(*both, strict=True):
        kind = torch.float64 if any(part.dtype != torch.float32 for part in block) else torch.float32
        left_out += sorted({done + row for part in block for row in nonfinite_rows(part)})
        yield torch.stack([part.to(kind) for part in block])
        done += len(block[0])
        tell(done, first.count)


def _check_memory(dim: int, views: int) -> None:
    """Sums of the covariance, and of the cross-correlation of two views, and as much again to decompose."""
    needed, available = 8 * dim**2 * 3 * views, available_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"the covariance of {dim:,} dimensions needs {needed / 1e9:.0f} GB, and {available / 1e9:.0f} GB"
            " of memory are free; expected fewer dimensions, or fewer rows than dimensions"
        )

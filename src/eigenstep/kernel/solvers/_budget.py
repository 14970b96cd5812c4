"""What dense algebra and landmarks hold in memory at most, and what of it fits the budget that was given."""

from __future__ import annotations

from math import prod

from eigenstep.kernel.solvers._problem import Problem, SolverSettings
from eigenstep.machine import size_in_words

# Bytes of a number in float64, in which both solvers compute.
_DOUBLE = 8
# Arrays of N views by N that dense algebra holds at once, centred or not: the kernel, its factor, LAPACK's.
_DENSE_ARRAYS = 9
# The same of m landmarks by m, besides what holds other numbers of rows.
_LANDMARK_ARRAYS = 14
# Arrays of a block of rows by m: the features of both sides of its pairs, and what each is computed from.
_BLOCK_ARRAYS = 5
# Bytes that BLAS and the allocator set aside besides, which landmarks' few arrays do not hide.
_SET_ASIDE = 8 * 2**20
# Rows that a block has at most and, within a small budget, at least.
MOST_ROWS, LEAST_ROWS = 8192, 512


def fits_dense(problem: Problem, settings: SolverSettings) -> bool:
    """Whether dense algebra fits the budget."""
    return settings.memory_budget is None or _dense_bytes(problem) <= settings.memory_budget


def check_dense(problem: Problem, settings: SolverSettings) -> None:
    """Raise MemoryError, with the bytes it takes, if it does not."""
    what = f"the kernel of {problem.n_views:,} views and its factors take"
    instead = "solver='krylov' with a number of n_components"
    _refuse_above(_dense_bytes(problem), settings, what, instead)


def rows_in_block(problem: Problem, settings: SolverSettings, candidates: int, sampled: int) -> int:
    """How many rows a pass over the views takes at a time; MemoryError if the budget is too small for it.

    Parameters
    ----------
    candidates, sampled : int
        Among how many rows landmarks are chosen, and from how many residuals are estimated.
    """
    if settings.memory_budget is None:
        return MOST_ROWS
    size = _row_size(problem)
    candidates, sampled = (min(count, problem.n_views) for count in (candidates, sampled))
    landmarks = min(settings.n_landmarks, candidates)
    square = _LANDMARK_ARRAYS * landmarks**2
    kept = sampled * (size + landmarks) + landmarks * size
    choosing = candidates * (2 * landmarks + 3 * size)
    estimating = sampled * (3 * landmarks + 2 * size) + 3 * 1024 * sampled
    row = _BLOCK_ARRAYS * landmarks + 3 * size
    kept += _SET_ASIDE / _DOUBLE
    least = square + kept + max(choosing, estimating, LEAST_ROWS * row)
    _refuse_above(_DOUBLE * least, settings, f"{landmarks:,} landmarks take", "fewer n_landmarks")
    return min(MOST_ROWS, int((settings.memory_budget / _DOUBLE - square - kept) / row))


def _dense_bytes(problem: Problem) -> float:
    rows = 0 if problem.kernel is None else 3 * problem.n_views * _row_size(problem)
    return _DOUBLE * (_DENSE_ARRAYS * problem.n_views**2 + rows)


def _refuse_above(needed: float, settings: SolverSettings, what: str, instead: str) -> None:
    budget = settings.memory_budget
    if budget is not None and needed > budget:
        raise MemoryError(
            f"expected memory_budget of at least {needed:.0f} bytes ({size_in_words(needed)}), which {what},"
            f" got {size_in_words(budget)}; raise it, or use {instead}"
        )


def _row_size(problem: Problem) -> float:
    """Numbers in a row; of a sparse one its entries and their places, in the mean."""
    part = problem.rows.parts[0]
    return 2 * part.nnz / part.shape[0] if problem.rows.is_sparse else prod(part.shape[1:])

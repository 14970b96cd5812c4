"""Half squared distances between rows, by one matrix product over rows with two columns more."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from eigenstep.kernel.functions._kernel_blocks import in_double

_GATHERED = 1 << 20


def with_half_norms(points: Iterable[tuple[slice, Tensor]], like: Tensor, p: int, extra: int = 0) -> Tensor:
    """Return rows [w, |w|^2/2, 1] for points w, (n, p + 2 + extra), of the dtype and length of `like`.

    `points` yields (slice, w of those rows), in float64 as a rule; the extra columns are left to the caller.

    Raises
    ------
    ValueError : |w|^2 too large for the dtype
    """
    prepared = like.new_ones(len(like), p + 2 + extra)
    for part, values in points:
        prepared[part, :p] = values
        # Of the points as they were rounded: equal rows shall be at distance zero.
        prepared[part, p] = prepared[part, :p].to(values.dtype).square().sum(dim=1) / 2
    if not bool(torch.isfinite(prepared[:, p]).all()):
        raise ValueError(
            f"expected rows whose squared distances fit {like.dtype}, got larger ones; scale the features or "
            "pass float64"
        )
    return prepared


def operands(a: Tensor, b: Tensor, p: int, sign: int) -> tuple[Tensor, Tensor]:
    """Return left and right, (n_a, p + 2 + extra) and (n_b, ...), for `half_distances`.

    One of them, the shorter, is copied and becomes sign * [-w, 1, |w|^2/2].
    """
    turned = (b if len(b) <= len(a) else a).clone()
    turned[:, p + 1] = turned[:, p] * sign
    turned[:, p] = sign
    if sign > 0:
        turned[:, :p].neg_()
    return (a, turned) if len(b) <= len(a) else (turned, b)


def half_distances(
    tile: Tensor, left: Tensor, right: Tensor, p: int, sign: int, exact_below: float = 0.0
) -> None:
    """Write sign * |w_i - w_j|^2 / 2 into `tile`, (n_left, n_right), for slices of `operands`.

    A matrix product leaves an error of a few eps |w|^2, whatever the distance. Values nearer to zero than
    `exact_below` are computed again from differences of rows, with an error relative to themselves: a few
    pairs as a rule, such as duplicates.
    """
    torch.mm(left[:, : p + 2], right[:, : p + 2].T, out=tile)
    if exact_below > 0 and float(tile.amin() if sign > 0 else -tile.amax()) < exact_below:
        _from_differences(tile, left[:, :p], right[:, :p], sign, exact_below)


def _from_differences(tile: Tensor, left: Tensor, right: Tensor, sign: int, exact_below: float) -> None:
    rows, columns = (tile < exact_below if sign > 0 else tile > -exact_below).nonzero(as_tuple=True)
    if 16 * len(rows) > tile.numel():
        distances = torch.cdist(left, right * -sign, compute_mode="donot_use_mm_for_euclid_dist")
        tile.copy_(distances.square_().mul_(sign / 2))
        return
    # `operands` turned the sign of one side, so the difference is this sum.
    for part in torch.arange(len(rows), device=rows.device).split(max(1, _GATHERED // left.shape[1])):
        i, j = rows[part], columns[part]
        tile[i, j] = (left[i] + right[j] * sign).square_().sum(dim=1) * (sign / 2)


def central_row(rows: Tensor, of: Callable[[Tensor], Tensor] = lambda sample: sample) -> Tensor:
    """Return the median of each feature over at most 512 rows (n, p), or of what `of` makes of them, float64.

    As the origin it makes |w|^2 no larger than the rows' spread asks for; a mean would follow outliers.
    """
    sample = rows[:: -(-len(rows) // 512)]
    return of(torch.cat([part for _, part in in_double(sample)])).median(dim=0).values

"""Rows as points of a map: along their principal axes, or by a layout that keeps neighbours together."""

import importlib.util
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.export._nearest import Blocks
from eigenstep.spectrum.moments import Moments

MapName = Literal["principal", "umap"]
Points = NDArray[np.float32]

AXES = 3
# Neighbours that the layout keeps together, its library's default.
NEIGHBOURS = 15


def principal_points(blocks: Blocks) -> Points:
    """Coordinates (n, 3) of centred rows along the directions in which they vary most, in their own unit.

    From the covariance, which one reading of the rows gives; another one gives the coordinates. The largest
    component of each axis is positive. Rows of fewer than 3 dimensions are 0 along what they lack.

    Parameters
    ----------
    blocks : Callable[[], Iterable[Tensor]]
        Gives all rows (n, p) anew, a block after the other.

    Examples
    --------
    >>> rows = torch.tensor([[0.0, 1.0], [0.0, 5.0], [0.0, 3.0]])
    >>> principal_points(lambda: [rows]).tolist()
    [[-2.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    moments: Moments | None = None
    for block in blocks():
        moments = moments or Moments(block.shape[1], views=1)
        moments.update(block)
    assert moments is not None
    scatter, _ = moments.scatters()
    axes = torch.linalg.eigh(scatter).eigenvectors.flip(1)[:, :AXES]
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    axes = torch.nn.functional.pad(axes * largest.sign(), (0, AXES - axes.shape[1]))
    return _numpy(torch.cat([(block.double() - moments.mean) @ axes for block in blocks()]))


def umap_points(blocks: Blocks) -> Points:
    """UMAP's layout (n, 2) of all rows, by cosine distance and from seed 0; it holds them all.

    McInnes, Healy, Melville 2018, arXiv:1802.03426, by the library umap-learn with its defaults. What is near
    was near; distances and sizes of groups, and where they lie, say little.

    Parameters
    ----------
    blocks : Callable[[], Iterable[Tensor]]
        Gives all rows (n, p), a block after the other.

    Raises
    ------
    ValueError
        In one line for fewer than 4 rows, of which it has no layout.

    Examples
    --------
    >>> rows = torch.randn(200, 16)
    >>> umap_points(lambda: [rows]).shape  # doctest: +SKIP
    (200, 2)
    """
    from umap import UMAP

    rows = _numpy(torch.cat(list(blocks())))
    if len(rows) < 4:
        raise ValueError(f"--map umap: expected at least 4 images, got {len(rows)}; use --map principal")
    layout = UMAP(
        n_neighbors=min(NEIGHBOURS, len(rows) - 1),
        metric="cosine",
        init="spectral" if len(rows) > NEIGHBOURS else "random",
        random_state=0,
        n_jobs=1,
    )
    return np.asarray(layout.fit_transform(rows), dtype=np.float32)


MAPS: dict[MapName, Callable[[Blocks], Points]] = {"principal": principal_points, "umap": umap_points}


def check_map(name: MapName | None) -> None:
    """Raise a ValueError in one line if there is no such map, or its library is missing."""
    if name is not None and name not in MAPS:
        raise ValueError(f"expected one of {', '.join(MAPS)} as map, got {name!r}")
    if name == "umap" and importlib.util.find_spec("umap") is None:
        raise ValueError("--map umap needs the package umap-learn; pip install 'eigenstep[map]'")


def _numpy(rows: Tensor) -> Points:
    return rows.float().numpy()

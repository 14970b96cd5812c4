"""The growing basis of block Krylov iteration, with every small matrix that Rayleigh-Ritz needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.kernel._processes import Processes

# Rows turned to float64 at a time where tall blocks are multiplied in it.
_CHUNK = 1024
# Directions below this multiple of the data's eps, relative to the largest, are rounding errors.
_NOISE = 50


@dataclass(frozen=True, eq=False)
class RitzPairs:
    """Approximate modes within the basis.

    Attributes
    ----------
    eigenvalues : NDArray[np.float64]
        (k,) descending.
    coordinates : NDArray[np.float64]
        (m, k) in the basis, with a^T K~ a = 1.
    residuals : NDArray[np.float64]
        (k,) ||A K~ a - gamma a||_K~, estimated.
    indefiniteness : float
        The size of the most negative eigenvalue of K~ in the bases so far over the largest.
    largest : float
        That largest eigenvalue.

    Examples
    --------
    >>> pairs = RitzPairs(np.array([2.0, 1.0]), np.eye(2), np.array([0.001, 0.1]), 0.0, 2.0)
    >>> pairs.worst(), pairs.worst(n_wanted=1)
    (0.1, 0.0005)
    """

    eigenvalues: NDArray[np.float64]
    coordinates: NDArray[np.float64]
    residuals: NDArray[np.float64]
    indefiniteness: float
    largest: float

    def worst(self, n_wanted: int | None = None) -> float:
        """Return the worst residual relative to its eigenvalue, or to the first if that is not positive."""
        gamma = self.eigenvalues[:n_wanted]
        if not (gamma.size and gamma[0] > 0):
            return 0.0
        return float((self.residuals[:n_wanted] / np.where(gamma > 0, gamma, gamma[0])).max())


class KrylovBasis:
    """Blocks B, orthonormal in the Euclidean product, with K~ B and the projections of both operators.

    Kept throughout, with R the block that the basis does not hold yet:

        G = B^T K~ B,   T = B^T K~ A K~ B,   H = B^T A K~ B,   A K~ B = B H + R E

    Only this process's rows of B and K~ B are here; the small matrices are the same in every process.

    Parameters
    ----------
    n_rows, capacity : int
        The basis's largest shape on this process.
    like : Tensor
        a tensor of the data's type and device.
    processes : Processes
        Who shares the rows.

    Examples
    --------
    >>> kernel = torch.diag(torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64))
    >>> basis, block = KrylovBasis(3, 3, kernel, Processes()), torch.ones(3, 1, dtype=torch.float64) / 3**0.5
    >>> while block.shape[1]:
    ...     basis.append(block, kernel @ block, kernel @ block)  # A is the identity
    ...     block = basis.next_block()
    >>> basis.ritz(2).eigenvalues.round(6)
    array([3., 2.])
    """

    def __init__(self, n_rows: int, capacity: int, like: Tensor, processes: Processes) -> None:
        self.n_columns = 0
        self.capacity = capacity
        self._processes = processes
        self._eps = torch.finfo(like.dtype).eps
        self._cutoff = _NOISE * self._eps
        self._basis = like.new_empty(n_rows, capacity)
        self._images = like.new_empty(n_rows, capacity)
        self._g, self._t, self._h = np.zeros((3, capacity, capacity))
        self._remainder = like.new_empty(n_rows, 0)
        self._tail = np.zeros((0, 0))
        self._roughness = 0.0
        self._extremes = 0.0, 0.0

    def append(self, block: Tensor, image: Tensor, paired: Tensor) -> None:
        """Take in an orthonormal block W (n, b), its image K~ W, and A K~ W, which becomes the remainder."""
        # From the strongest direction to the weakest: rounding of the strong then spares the weak.
        order = self._on_device(_eigh(self._product(block, image))[1][:, ::-1])
        block, image, paired = block @ order, image @ order, paired @ order
        before, after = self.n_columns, self.n_columns + block.shape[1]
        self._basis[:, before:after] = block
        self._images[:, before:after] = image
        self.n_columns = after
        basis, images = self._basis[:, :after], self._images[:, :after]
        if before:
            coupling = self._product(block, self._remainder)
            self._h[before:after, :before] = coupling @ self._tail
        both, t = self._products((basis, torch.cat((image, paired), dim=1)), (images, paired))
        g, h = np.hsplit(both, 2)
        for matrix, column in ((self._g, g), (self._t, t)):
            matrix[:after, before:after] = column
            matrix[before:after, :after] = column.T
        self._h[:after, before:after] = h
        size = self._processes.same(self._processes.sum(paired.square().sum().cpu()))
        self._floor = (_NOISE * self._eps) ** 2 * float(size)
        self._remainder = torch.addmm(paired, basis, self._on_device(h), alpha=-1)
        self._tail = np.eye(after)[before:]
        self._roughness = float(_eigh(g[before:after])[0].max(initial=0.0))

    def next_block(self) -> Tensor:
        """Return an orthonormal basis (n, b') of the remainder without noise; b' = 0 when all is found."""
        block = self.orthonormal(self._remainder, self._floor)
        if block.shape[1]:
            # Normalising the remainder has enlarged what rounding left of the basis in it. A direction that
            # loses most of itself was rounding altogether.
            basis = self._basis[:, : self.n_columns]
            along = self._processes.same(self._processes.sum(basis.T @ block))
            block = self.orthonormal(torch.addmm(block, basis, along, alpha=-1), floor=0.1)
        return block

    def orthonormal(self, block: Tensor, floor: float = 0.0) -> Tensor:
        """Return an orthonormal basis of a block's columns, without squared norms below the floor."""
        for _ in range(2):
            squares, vectors = _eigh(self._product(block, block))
            kept = squares > max(floor, (_NOISE * self._eps) ** 2 * squares.max(initial=0.0))
            block = block @ self._on_device(vectors[:, kept] / np.sqrt(squares[kept]))
            floor = 0.0
        return block

    def ritz(self, n_modes: int) -> RitzPairs:
        """Return the Ritz pairs of the largest eigenvalues, at most n_modes of them.

        The residual lies in the span of the basis and the remainder R; the part along R is taken at the
        largest Rayleigh quotient of K~ in the last block, since K~ R is not known.
        """
        m = self.n_columns
        g, t, h, tail, gram = (
            torch.from_numpy(part)
            for part in (
                self._g[:m, :m],
                self._t[:m, :m],
                self._h[:m, :m],
                self._tail,
                self._product(self._remainder, self._remainder),
            )
        )
        scaled, indefiniteness = self._inverse_root()
        projected = scaled.T @ t @ scaled
        gamma, rotation = torch.linalg.eigh((projected + projected.T) / 2)
        gamma = gamma.flip(0)[:n_modes]
        coordinates = scaled @ rotation.flip(1)[:, :n_modes]
        inside = h @ coordinates - gamma * coordinates
        outside = tail @ coordinates
        squared = (inside * (g @ inside)).sum(dim=0).clamp(min=0.0)
        beyond = (outside * (gram @ outside)).sum(dim=0).clamp(min=0.0)
        residuals = squared.sqrt() + (self._roughness * beyond).sqrt()
        return RitzPairs(
            gamma.numpy(), coordinates.numpy(), residuals.numpy(), indefiniteness, self._extremes[1]
        )

    def raise_cutoff(self, n_modes: int, n_wanted: int | None = None) -> RitzPairs:
        """Leave more of G's small eigenvalues out, if the Ritz pairs are the better for it, and return those.

        Rounding of T is divided by them: where the top of the spectrum is much larger than what is asked for,
        noise can pass for a mode, with a residual of its own size.
        """
        before, best = self._cutoff, self.ritz(n_modes)
        for factor in (1e2, 1e4):
            self._cutoff, cutoff = before * factor, self._cutoff
            ritz = self.ritz(n_modes)
            if len(ritz.eigenvalues) == len(best.eigenvalues) and ritz.worst(n_wanted) < best.worst(n_wanted):
                best = ritz
            else:
                self._cutoff = cutoff
        return best

    def _inverse_root(self) -> tuple[Tensor, float]:
        """Return S (m, r) with S^T G S = I on all of G but rounding, and how negative G's eigenvalues are."""
        squares, vectors = torch.linalg.eigh(torch.from_numpy(self._g[: self.n_columns, : self.n_columns]))
        largest = max(float(squares[-1]), np.finfo(np.float64).tiny)
        kept = squares > self._cutoff * largest
        # A restart may leave out the extreme directions, whose quotients are K~'s all the same.
        self._extremes = min(self._extremes[0], float(squares[0])), max(self._extremes[1], largest)
        least, most = self._extremes
        return vectors[:, kept] / squares[kept].sqrt(), max(0.0, -least / most)

    def restart(self, n_modes: int) -> None:
        """Keep the span of the best Ritz vectors alone, and of the remainder what continues it.

        Ritz vectors y have A K~ B y = gamma B y + R' E y, where R' is the remainder made orthogonal to the
        basis in the K~ product, not in the Euclidean one: R' = R - B S S^T (K~ B)^T R with S S^T = G^-1.
        """
        m = self.n_columns
        basis, images = self._basis[:, :m], self._images[:, :m]
        scaled = self._inverse_root()[0].numpy()
        along = scaled @ (scaled.T @ self._product(images, self._remainder))
        coordinates = self.ritz(n_modes).coordinates
        turn = np.linalg.qr(coordinates)[0]
        k = turn.shape[1]
        # Of B S S^T (K~ B)^T R the part within the new basis goes, as that of R has gone before.
        beyond = along - turn @ (turn.T @ along)
        self._remainder = torch.addmm(self._remainder, basis, self._on_device(beyond), alpha=-1)
        on_device = self._on_device(turn)
        for tall in (self._basis, self._images):
            tall[:, :k] = tall[:, :m] @ on_device
        for small in (self._g, self._t, self._h):
            kept = turn.T @ small[:m, :m] @ turn
            small[:] = 0.0
            small[:k, :k] = kept
        self._tail = self._tail @ turn
        self.n_columns = k

    def combine(self, coordinates: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Return B y and K~ B y (n, k) for coordinates y (m, k)."""
        on_device, m = self._on_device(coordinates), self.n_columns
        return self._basis[:, :m] @ on_device, self._images[:, :m] @ on_device

    def _on_device(self, matrix: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(matrix.copy()).to(self._basis)

    def _product(self, left: Tensor, right: Tensor) -> NDArray[np.float64]:
        return self._products((left, right))[0]

    def _products(self, *pairs: tuple[Tensor, Tensor]) -> list[NDArray[np.float64]]:
        """Return left^T right in float64 for each pair, over the rows of every process, in one sum."""
        parts = [transposed_product(left, right) for left, right in pairs]
        total = self._processes.same(self._processes.sum(torch.cat([part.ravel() for part in parts])))
        split = total.split([part.numel() for part in parts])
        return [flat.reshape(part.shape).numpy() for flat, part in zip(split, parts, strict=True)]


def _eigh(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # By torch, whose threads are the ones in use: a second library's would fight them for the cores.
    values, vectors = torch.linalg.eigh(torch.from_numpy((matrix + matrix.T) / 2))
    return values.numpy(), vectors.numpy()


def transposed_product(left: Tensor, right: Tensor) -> Tensor:
    """Return left^T right (a, b) of tall blocks (n, a) and (n, b), in float64 and on the CPU.

    Float32 products lose the small eigenvalues of the basis's Gram matrices, whatever the blocks' precision.

    Examples
    --------
    >>> transposed_product(torch.ones(3, 2), torch.ones(3, 1)).ravel()
    tensor([3., 3.], dtype=torch.float64)
    """
    # Apple's GPUs have no float64.
    exact = torch.device("cpu") if left.device.type == "mps" else left.device
    total = torch.zeros(left.shape[1], right.shape[1], dtype=torch.float64, device=exact)
    for start in range(0, len(left), _CHUNK):
        part = slice(start, start + _CHUNK)
        total.addmm_(left[part].to(exact, torch.float64).T, right[part].to(exact, torch.float64))
    return total.cpu()

"""A kernel function as the solvers see it, values between blocks of prepared rows, and the names of all."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import Any, ClassVar, TypeAlias, TypeVar

import torch
from torch import Tensor

Fill: TypeAlias = Callable[[Tensor, Tensor, Tensor], None]

# Every kernel that has a name, by its name; `named` enters them.
KERNELS: dict[str, "type[Kernel]"] = {}

# Parameters that `make_kernel` has by these names.
_OF_THE_ESTIMATOR = ("gamma", "degree", "coef0", "depth")

_Kind = TypeVar("_Kind", bound="type[Kernel]")


def named(*names: str) -> Callable[[_Kind], _Kind]:
    """Make a class of kernels known as `kernel="name"`: all that a kernel in this folder needs to be used.

    The keyword arguments of its `__init__` are the kernel's parameters. `gamma`, `degree`, `coef0` and
    `depth` are the estimator's, others, which have defaults, come by `kernel_params`; an argument `rows`
    receives the training rows, (n, p), from which a shift can be taken.

    Raises
    ------
    ValueError
        For a name that another kernel has, or a parameter that would never get a value.

    Examples
    --------
    >>> KERNELS["poly"].__name__
    'PolynomialKernel'
    """

    def enter(kind: _Kind) -> _Kind:
        for parameter, default in parameters_of(kind).items():
            if default is inspect.Parameter.empty and parameter not in _OF_THE_ESTIMATOR:
                raise ValueError(f"expected a default of {parameter} of {kind.__name__}, got none")
        for name in names:
            if name in KERNELS:
                raise ValueError(f"expected a new name for {kind.__name__}, got {name!r}, another kernel's")
            KERNELS[name] = kind
        return kind

    return enter


def parameters_of(kind: type["Kernel"]) -> dict[str, Any]:
    """Return a kernel's parameters, the arguments of its `__init__` but the rows, with their defaults."""
    arguments = inspect.signature(kind).parameters.values()
    return {argument.name: argument.default for argument in arguments if argument.name != "rows"}


def takes_rows(kind: type["Kernel"]) -> bool:
    """Whether a kernel is made from the training rows."""
    return "rows" in inspect.signature(kind).parameters


class Kernel(ABC):
    """A kernel function k(x, y), evaluated on blocks of rows.

    `prepare` is called once for a set of rows; slices and index arrays of what it returns stand for the same
    rows, so that a solver takes any block without preparing it again. Rows are tensors (n, p), or
    `scipy.sparse` CSR matrices for a kernel made from such; blocks are always dense tensors, of the rows'
    dtype and on their device. A kernel holds its parameters and at most one row's worth of data (a shift), so
    it is cheap to copy and to pickle.

    Attributes
    ----------
    name : str
        What errors and reports call it.
    gamma_by_default : ClassVar[float | None]
        What gamma=None is; None is 1 / p.
    takes_zero_gamma : ClassVar[bool]
        Whether gamma = 0 is a kernel too.
    takes_negative_rows : ClassVar[bool]
        Whether rows may have negative values.
    """

    name: str
    gamma_by_default: ClassVar[float | None] = None
    takes_zero_gamma: ClassVar[bool] = False
    takes_negative_rows: ClassVar[bool] = True

    @classmethod
    def check_parameters(cls, name: str, parameters: Mapping[str, Any]) -> None:
        """Raise ValueError if a parameter is out of range for the kernel of this name."""
        for parameter, value in parameters.items():
            if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
                raise ValueError(f"kernel {name!r} expects a finite {parameter}, got {value!r}")
        gamma = parameters.get("gamma", 1.0)
        if gamma < 0 or (gamma == 0 and not cls.takes_zero_gamma):
            bound = ">= 0" if cls.takes_zero_gamma else "> 0"
            raise ValueError(f"kernel {name!r} expects gamma {bound}, got {gamma!r}")
        if parameters.get("degree", 1) < 1:
            raise ValueError(f"kernel {name!r} expects degree >= 1, got {parameters['degree']!r}")

    @abstractmethod
    def prepare(self, rows: Any) -> Any:
        """Return the rows in the form that `block` takes, one prepared row for each; may be `rows` itself.

        Raises
        ------
        ValueError
            For rows that this kernel cannot take.
        """

    @abstractmethod
    def block(self, a: Any, b: Any, out: Tensor | None = None) -> Tensor:
        """Return the values k(a_i, b_j), (n_a, n_b), of prepared rows; the caller may overwrite the result.

        When `a` and `b` are the same rows in memory, the result is exactly symmetric and its diagonal is
        `diagonal(a)`. `out`, of that shape, receives the values in place of a fresh tensor: the pages of a
        fresh one can cost as much as a cheap kernel.
        """

    @abstractmethod
    def diagonal(self, a: Any) -> Tensor:
        """Return k(a_i, a_i), (n_a,), of prepared rows."""

    def kernel_matrix(self, rows: Any, storage: float, processes: Any) -> Any:
        """Return the matrix over prepared rows as an operator of this kernel's own, or None for panels of it.

        Parameters
        ----------
        storage : float
            Bytes that it may keep.
        processes : Any
            Who calls this with the same rows.
        """
        return None


class TiledKernel(Kernel):
    """A kernel of dense rows, evaluated in tiles that stay in the cache while they are worked on.

    Between the same rows only the tiles on and above the diagonal are evaluated; the others are their mirror
    image.
    """

    @abstractmethod
    def _plan(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Fill]:
        """Return the operands of a block, and fill(tile, left, right) for slices of their rows.

        `fill` writes kernel values into `tile`, (len(left), len(right)), which may be a strided view.
        """

    def block(self, a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        if out is None:
            out = a.new_empty(len(a), len(b))
        same = same_rows(a, b)
        lefts, rights, fill = self._plan(a, b)
        height, width = _tile_shape(len(a), a.shape[-1], same, a.device)
        for top in range(0, len(a), height):
            rows = slice(top, top + height)
            for start in range(top if same else 0, len(b), width):
                columns = slice(start, start + width)
                tile = out[rows, columns]
                fill(tile, lefts[rows], rights[columns])
                if same and start == top:
                    above = tile.triu(1)
                    torch.add(above, above.T, out=tile)
                elif same:
                    _transpose(tile, out[columns, rows])
        if same:
            out.diagonal().copy_(self.diagonal(a))
        return out


def same_rows(a: Any, b: Any) -> bool:
    """Whether `a` and `b` are the same rows in memory, not merely equal ones."""
    if a is b:
        return True
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        return False
    return a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride()


def in_double(rows: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (slice, those rows in float64) for parts of rows (n, p) that fit the cache.

    A device without float64 (MPS) gets float32.
    """
    dtype = torch.float32 if rows.device.type == "mps" else torch.float64
    elements = 1 << 18 if rows.device.type == "cpu" else 1 << 24
    height = max(1, elements // rows.shape[1])
    for start in range(0, len(rows), height):
        part = slice(start, start + height)
        yield part, rows[part].to(dtype)


def squared_norms(rows: Tensor) -> Tensor:
    """Return |row|^2, (n,), in float64."""
    return torch.cat([part.square().sum(dim=1) for _, part in in_double(rows)])


def _transpose(tile: Tensor, mirror: Tensor) -> None:
    # Strips whose columns fit the first-level cache: half the time of one copy.
    height = 64 if tile.device.type == "cpu" else len(tile)
    for top in range(0, len(tile), height):
        mirror[:, top : top + height] = tile[top : top + height].T


def _tile_shape(n_a: int, n_columns: int, same: bool, device: torch.device) -> tuple[int, int]:
    # 512 x 512 float32 is 1 MB, half of a usual second-level cache; short products want larger tiles, and a
    # GPU wants few launches.
    side = (512 if n_columns > 512 else 1024) if device.type == "cpu" else 8192
    if same or n_a >= side:
        return side, side
    return n_a, side * side // n_a

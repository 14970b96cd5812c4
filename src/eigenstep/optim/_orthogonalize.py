"""The orthogonal factor of matrices, nearly, by matrix products alone."""

import torch
from torch import Tensor

# Jordan and others' quintic, a triple (a, b, c) an iteration: X <- a X + (b A + c A^2) X with A = X X^T.
_COEFFICIENTS = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
_LEAST_NORM = 1e-7
# Where one side is so many times the other, iterating the small Gram matrix takes fewer products. Per m^3 and
# r = n/m that is 4 r + 34 of them, or 8 r + 28 with one restart, beside 20 r + 10.
_WIDE = 1.5
# In bfloat16 the rounding of a Gram matrix grows 16-fold an iteration; after two it is formed anew.
_RESTART = 2
# Of a CPU with AMX: smaller matrices pass sooner in float32.
_LEAST_SIDE_IN_BFLOAT16 = 128


def orthogonalize(matrices: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Matrices with the same singular vectors, whose singular values are all near 1.

    Five Newton-Schulz iterations of degree 5 take the singular values of M / ||M||_F, of M = U S V^T, to
    within about 0.15 of 1 where they were above 0.003, and raise smaller ones about 490-fold: U V^T but for
    that. Of wide matrices (m, n) the Gram matrix A = X X^T (m, m) is iterated alone, A <- P A P and Q <- P Q
    with P = a + b A + c A^2, and the result is Q X: these matrices commute, so that it is the same but for
    rounding, with 2.7 times fewer operations for a convolution of 3 x 3 and as many channels in as out.
    Iteration: K. Jordan et al., Muon (2024), with the coefficients of the modded-nanogpt speed runs.

    Parameters
    ----------
    matrices : Tensor
        (..., m, n), floating point; those of one call pass as one batch. A matrix of zeros stays one.
    dtype : torch.dtype | None
        In which to compute; default: `compute_dtype`.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Raises
    ------
    ValueError
        For what is not a floating-point matrix.

    Examples
    --------
    >>> turned = torch.tensor([[0.0, -3.0, 0.0], [0.5, 0.0, 0.0]], dtype=torch.float64)
    >>> orthogonalize(turned).round(decimals=1).abs()
    tensor([[0., 1., 0.],
            [1., 0., 0.]], dtype=torch.float64)
    """
    if matrices.ndim < 2 or not matrices.is_floating_point():
        raise ValueError(
            f"expected floating-point matrices (..., m, n), got {matrices.dtype} {tuple(matrices.shape)}"
        )
    *_, rows, columns = matrices.shape
    if dtype is None:
        dtype = compute_dtype(matrices.dtype, matrices.device, min(rows, columns))
    x = matrices.reshape(-1, rows, columns).to(dtype)
    x = x.mT if rows > columns else x
    wide = max(rows, columns) > _WIDE * min(rows, columns)
    x = _by_gram_matrix(x) if wide else _directly(x)
    return (x.mT if rows > columns else x).to(matrices.dtype).reshape(matrices.shape)


def compute_dtype(dtype: torch.dtype, device: torch.device, smaller_side: int) -> torch.dtype:
    """In which type `orthogonalize` computes, where it is told none.

    float64 for float64. bfloat16 where the hardware multiplies matrices in it faster: CUDA from compute
    capability 8 on, and CPUs with AMX for sides of 128 and more; AVX-512 BF16 without AMX was two to three
    times slower here than float32. Otherwise float32.

    Examples
    --------
    >>> compute_dtype(torch.float64, torch.device("cpu"), 512)
    torch.float64
    """
    if dtype == torch.float64:
        return dtype
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        large = smaller_side >= _LEAST_SIDE_IN_BFLOAT16
        fast = device.type == "cpu" and large and torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def _directly(x: Tensor) -> Tensor:
    gram = torch.bmm(x, x.mT)
    shrink = _inverse_norms(gram)
    x, gram = x * shrink, gram * shrink.square()
    for step, (a, b, c) in enumerate(_COEFFICIENTS):
        gram = torch.bmm(x, x.mT) if step else gram
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _by_gram_matrix(x: Tensor) -> Tensor:
    """Likewise, with two or four products that involve x itself, and none of its numbers read otherwise."""
    restart = _RESTART if x.dtype == torch.bfloat16 else len(_COEFFICIENTS)
    gram = torch.bmm(x, x.mT)
    shrink = _inverse_norms(gram)
    x = torch.bmm(_polynomial(gram * shrink.square(), _COEFFICIENTS[:restart]) * shrink, x)
    if restart < len(_COEFFICIENTS):
        x = torch.bmm(_polynomial(torch.bmm(x, x.mT), _COEFFICIENTS[restart:]), x)
    return x


def _inverse_norms(gram: Tensor) -> Tensor:
    """1 / ||X||_F of matrices whose Gram matrices these are, (k, 1, 1)."""
    wide = gram if gram.dtype == torch.float64 else gram.float()
    squares = wide.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(_LEAST_NORM**2)
    return squares.rsqrt()[:, None, None].to(gram.dtype)


def _polynomial(gram: Tensor, coefficients: tuple[tuple[float, float, float], ...]) -> Tensor:
    """The product Q of the iterations' P, of a Gram matrix before the first of them, (k, m, m) both."""
    product: Tensor | None = None
    for left, (a, b, c) in enumerate(coefficients, start=1 - len(coefficients)):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else torch.bmm(factor, product)
        if left:
            gram = torch.bmm(torch.bmm(gram, factor), factor)
    assert product is not None
    return product

"""Step-by-step simulation of a kernel model: the ground truth that the kernel solvers are held against."""

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from eigenstep.theory._eigenmodes import matching_weights, symmetric_operator
from eigenstep.theory._integrate_flow import integrate_flow
from eigenstep.theory._mode_trajectories import loss_curve
from eigenstep.theory._simulation import Simulation


def kernel_gradient_flow(
    kernel: ArrayLike,
    pair_graph: Any,
    coefficients: ArrayLike,
    times: ArrayLike,
    *,
    rtol: float = 1e-10,
) -> Simulation:
    """Integrate f(x) = a k(x) under un-normalised Barlow Twins, by Dormand and Prince's order 8.

        F = a K                 embeddings of the N views, k(x) = (K(x_1, x) .. K(x_N, x))
        C = F A F^T             d x d, their cross-correlation over positive pairs
        L = ||C - I||_F^2
        da/dt = -4 (C - I) F A

    It is the gradient in the kernel's own space, df/dt = -sum_k dL/dF_k K(x_k, .), in which a linear kernel
    gives the flow of W = a X. (The Euclidean gradient in a has one more K, and is another flow.) K enters by
    products alone: nothing is factored, inverted or truncated. Source: arXiv:2303.15438, sections 3 and 5.

    Parameters
    ----------
    kernel : ArrayLike
        (N, N) K over all views, symmetric and positive semi-definite; it may be singular.
    pair_graph : Any
        (N, N) A, symmetric, dense or SciPy sparse; n pairs stacked x_1 .. x_n, x'_1 .. x'_n have 1/(2n) at
        the places of partners.
    coefficients : ArrayLike
        (d, N) a(0).
    times : ArrayLike
        (T,) increasing and finite, t >= 0, at which to record.
    rtol : float
        Relative tolerance of a step; the absolute one is rtol times the largest initial coefficient.

    Returns
    -------
    Simulation
        Simulation, whose final_weights are the coefficients (d, N) at the last time

    Raises
    ------
    ValueError
        Shapes that do not match, a kernel or graph that is not symmetric, times that do not increase.
    FloatingPointError
        The integration failed; names the time.

    Examples
    --------
    Two pairs on a line, the second view twice the first: gamma = (1 x 2 + 3 x 6) / 2 = 10.

    >>> views = np.array([1.0, 3.0, 2.0, 6.0])
    >>> graph = np.kron([[0, 1], [1, 0]], np.eye(2)) / 4
    >>> run = kernel_gradient_flow(np.outer(views, views), graph, [[1e-4, 0, 0, 0]], [0.0, 0.2, 0.4])
    >>> run.eigenvalues.T.round(3)
    array([[0.   , 0.471, 1.   ]])
    """
    gram, pairs = symmetric_operator(kernel), _matching_graph(pair_graph, len(np.asarray(kernel)))
    start = matching_weights(coefficients, len(gram))
    identity = np.eye(len(start))

    def velocity(functions: NDArray[np.float64]) -> NDArray[np.float64]:
        embeddings = functions @ gram
        partners = (pairs @ embeddings.T).T
        return -4 * (partners @ embeddings.T - identity) @ partners

    moments, path = integrate_flow(velocity, start, times, _largest_gamma(gram, pairs), rtol)
    embeddings = path @ gram
    correlations = [each @ (pairs @ each.T) for each in embeddings]
    eigenvalues = np.linalg.eigvalsh(correlations)[:, ::-1]
    return Simulation(
        times=moments, eigenvalues=eigenvalues, loss=loss_curve(eigenvalues), final_weights=path[-1]
    )


def _matching_graph(pair_graph: Any, size: int) -> Any:
    """Return the graph as float64, sparse if it was; ValueError unless it is symmetric and (size, size)."""
    sparse = scipy.sparse.issparse(pair_graph)
    pairs = symmetric_operator(pair_graph.toarray() if sparse else pair_graph)
    if len(pairs) != size:
        raise ValueError(f"expected a pair graph of the kernel's shape ({size}, {size}), got {pairs.shape}")
    return scipy.sparse.csr_array(pairs) if sparse else pairs


def _largest_gamma(gram: NDArray[np.float64], pairs: Any, iterations: int = 50) -> float:
    """Return max |gamma| of A K, from below, by power iteration in the kernel's inner product."""
    vector = np.random.default_rng(0).normal(size=len(gram))
    largest = 0.0
    for _ in range(iterations):
        image = gram @ vector
        norm = np.sqrt(max(float(vector @ image), 0.0))
        if norm == 0:
            break
        vector = pairs @ (image / norm)
        largest = max(largest, np.sqrt(max(float(vector @ (gram @ vector)), 0.0)))
    return float(largest)

"""Several probes at once, by name."""

from collections.abc import Callable, Sequence

from torch import Tensor

from eigenstep.probes._knn import knn_probe
from eigenstep.probes._logistic import logistic_probe
from eigenstep.probes._ridge import ridge_probe
from eigenstep.probes._task import ProbeResult

_PROBES: dict[str, Callable[..., ProbeResult]] = {
    "knn": knn_probe,
    "ridge": ridge_probe,
    "logistic": logistic_probe,
}


def probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    kinds: Sequence[str] = ("knn", "ridge"),
    *,
    neighbours: int = 200,
) -> dict[str, float]:
    """Return the test accuracy of several probes, each at its defaults: "knn", "ridge", "logistic".

    Parameters
    ----------
    train_features, train_labels, test_features, test_labels : Tensor
        As of `knn_probe`.
    neighbours : int
        How many vote in the k-NN probe.

    Raises
    ------
    TypeError, ValueError
        An unknown kind, or what the probes refuse: see `knn_probe`.

    Examples
    --------
    >>> import torch
    >>> features, labels = torch.eye(4).repeat(5, 1), torch.arange(4).repeat(5)
    >>> probe(features, labels, features, labels, kinds=("ridge", "logistic"))
    {'ridge': 1.0, 'logistic': 1.0}
    """
    unknown = [kind for kind in kinds if kind not in _PROBES]
    if isinstance(kinds, str) or unknown:
        raise ValueError(f"expected kinds out of {', '.join(_PROBES)}, as a tuple, got {kinds!r}")
    split = (train_features, train_labels, test_features, test_labels)
    options = {"knn": {"k": neighbours}}
    return {kind: _PROBES[kind](*split, **options.get(kind, {})).accuracy for kind in kinds}

"""The vote of the nearest neighbours."""

import torch
from torch import Tensor

from eigenstep.probes._task import ProbeResult, ProbeTask, probe_task

# Similarities held at a time: 64 MB in float32. Fixed, so that a result does not depend on free memory.
_BLOCK_ENTRIES = 2**24


@torch.no_grad()
def knn_probe(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    k: int = 200,
    temperature: float = 0.1,
) -> ProbeResult:
    """Classify by the weighted vote of the k nearest training features.

        score of class c = sum of exp(s_i / T) over the nearest k with y_i = c,   s_i: cosine similarity

    Wu et al. 2018, arXiv:1805.01978, section 3.4 (who take T = 0.07); k and T default to those of lightly's
    `knn_predict`, and so do the predictions. Features are taken as they are, not centred. A row of zeros has
    similarity 0 with every other. Half-precision features are compared in float32, also under autocast.

    Of equally similar rows at the end of the k nearest the earlier ones vote, of equal scores the smaller
    label wins. The similarities are held in blocks of test rows, 16 million at a time.

    Parameters
    ----------
    train_features, test_features : Tensor
        (n, p) and (n_test, p), floating point, any device.
    train_labels, test_labels : Tensor
        (n,) and (n_test,), any integers.
    k : int
        Neighbours that vote; if there are fewer training rows all of them vote, and no error is raised.
    temperature : float
        T, positive; the smaller, the more the nearest count.

    Raises
    ------
    TypeError
        Features that are not floating point, labels that are not integers.
    ValueError
        Shapes that do not fit, no rows, NaN or infinite features, one class only to learn, k < 1 or a
        temperature that is not positive.

    Examples
    --------
    >>> train, labels = torch.eye(3), torch.tensor([4, 7, 7])
    >>> knn_probe(train, labels, torch.eye(3)[:2], labels[:2], k=1).predictions
    tensor([4, 7])
    """
    task = probe_task(train_features, train_labels, test_features, test_labels)
    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if not temperature > 0:
        raise ValueError(f"expected a positive temperature, got {temperature}")
    with torch.autocast(task.train.device.type, enabled=False):
        return task.score(_predict(task, min(k, len(task.train)), temperature))


def _predict(task: ProbeTask, k: int, temperature: float) -> Tensor:
    bank = _unit_rows(task.train).T
    predicted = []
    size = max(1, _BLOCK_ENTRIES // len(task.train))
    for start in range(0, len(task.test), size):
        block = task.test[start : start + size]
        similarity, rows = _nearest(_unit_rows(block).to(bank) @ bank, k)
        # Votes are counted on the CPU: there the sum has one order, and so ties have one winner.
        similarity, voters = similarity.cpu().double(), task.targets[rows.cpu()]
        # The largest weight is 1: no temperature is so low that it overflows.
        weight = ((similarity - similarity.amax(1, keepdim=True)) / temperature).exp()
        votes = weight.new_zeros(len(block), len(task.classes)).scatter_add_(1, voters, weight)
        predicted.append(votes.argmax(1))
    return torch.cat(predicted)


def _nearest(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row (b, n) and their places, both (b, k); the earlier places among equals."""
    values, places = similarity.topk(k, dim=1)
    last = values[:, -1:]
    # topk leaves open which of the equals it takes; where it had no choice its answer stands.
    crowded = ((similarity == last).sum(1) > (values == last).sum(1)).nonzero()[:, 0]
    if len(crowded):
        rows, last = similarity[crowded], last[crowded]
        above, equal = rows > last, rows == last
        kept = above | (equal & (equal.cumsum(1) <= k - above.sum(1, keepdim=True)))
        places[crowded] = kept.nonzero()[:, 1].view(-1, k)
        values[crowded] = rows[kept].view(-1, k)
    return values, places


def _unit_rows(features: Tensor) -> Tensor:
    """Rows of unit length; divided by their largest entry first, so that no square under- or overflows."""
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    largest = features.abs().amax(1, keepdim=True)
    scaled = features / largest.where(largest > 0, 1)
    lengths: Tensor = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / lengths.clamp(min=1)

import numpy as np
import pytest
import torch
from lightly.utils.benchmarking import knn_predict
from torch.nn.functional import normalize

from eigenstep.probes import knn_probe


def mixture(rows, width, classes, seed, noise=1.5):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(0, classes, (rows,), generator=generator)
    return centres[labels] + noise * torch.randn(rows, width, generator=generator), labels


def naive_votes(train, labels, row, k, temperature):
    """Scores of the classes 0, 1, ... for one row; the nearest by a stable sort, in plain NumPy."""
    lengths = np.linalg.norm(train, axis=1) * np.linalg.norm(row)
    similarity = (train @ row) / np.where(lengths > 0, lengths, 1)
    votes = np.zeros(labels.max() + 1)
    for place in np.argsort(-similarity, kind="stable")[:k]:
        votes[labels[place]] += np.exp(similarity[place] / temperature)
    return votes


@pytest.mark.parametrize(("k", "temperature"), [(200, 0.1), (1, 0.1), (17, 0.02), (900, 1.0)])
def test_predictions_are_lightlys(k, temperature):
    train, labels = mixture(900, 12, 7, seed=0)
    test, test_labels = mixture(300, 12, 7, seed=1)
    expected = knn_predict(normalize(test), normalize(train).T, labels, 7, knn_k=k, knn_t=temperature)[:, 0]
    result = knn_probe(train, labels, test, test_labels, k, temperature)
    assert torch.equal(result.predictions, expected)
    assert result.accuracy == pytest.approx((expected == test_labels).double().mean().item())
    assert 0.3 < result.accuracy < 1


def test_the_defaults_are_lightlys():
    train, labels = mixture(900, 12, 7, seed=0, noise=3)
    test, test_labels = mixture(300, 12, 7, seed=1, noise=3)
    expected = knn_predict(normalize(test), normalize(train).T, labels, 7)[:, 0]
    assert torch.equal(knn_probe(train, labels, test, test_labels).predictions, expected)


def test_more_neighbours_than_rows_means_all_rows():
    train, labels = mixture(50, 4, 2, seed=0)[0], torch.arange(50) % 2
    test, test_labels = mixture(200, 4, 2, seed=1)
    # So warm that every row weighs about the same: the farthest one decides often.
    expected = [
        naive_votes(train.double().numpy(), labels.numpy(), row, 50, 5.0).argmax()
        for row in test.double().numpy()
    ]
    assert knn_probe(train, labels, test, test_labels, 200, 5.0).predictions.tolist() == expected


@pytest.mark.parametrize("k", [1, 2, 5, 11, 30])
def test_of_equally_similar_rows_the_earlier_vote_and_of_equal_scores_the_smaller_label_wins(k):
    generator = torch.Generator().manual_seed(0)
    # Few distinct directions with exact cosines of 0 and 1, zero rows among them.
    train = torch.eye(4)[torch.randint(0, 4, (60,), generator=generator)]
    train[::7] = 0
    labels = torch.randint(0, 3, (60,), generator=generator)
    test = torch.cat([torch.eye(4), torch.zeros(1, 4)])
    votes = [naive_votes(train.numpy(), labels.numpy(), row, k, 0.1).round(6) for row in test.numpy()]
    predictions = knn_probe(train, labels, test, torch.zeros(5, dtype=int), k).predictions
    assert predictions.tolist() == [vote.argmax() for vote in votes]


def test_blocks_change_nothing(monkeypatch):
    train, labels = mixture(300, 6, 4, seed=0)
    test, test_labels = mixture(101, 6, 4, seed=1)
    whole = knn_probe(train, labels, test, test_labels, k=20)
    for entries in (1, 7 * 300 + 5):
        monkeypatch.setattr("eigenstep.probes._knn._BLOCK_ENTRIES", entries)
        assert torch.equal(knn_probe(train, labels, test, test_labels, k=20).predictions, whole.predictions)


def test_no_block_holds_more_similarities_than_the_bound(monkeypatch):
    train, labels = mixture(300, 6, 4, seed=0)
    held, topk = [], torch.Tensor.topk
    monkeypatch.setattr("eigenstep.probes._knn._BLOCK_ENTRIES", 1000)
    monkeypatch.setattr(torch.Tensor, "topk", lambda s, k, dim: held.append(s.numel()) or topk(s, k, dim=dim))
    knn_probe(train, labels, train, labels, k=5)
    assert sum(held) == 300 * 300
    assert max(held) <= 1000


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_length_of_a_row_does_not_count(scale):
    train, labels = mixture(200, 6, 4, seed=0)
    test, test_labels = mixture(100, 6, 4, seed=1)
    lengths = torch.linspace(0.5, 2, 200)[:, None]
    expected = knn_probe(train, labels, test, test_labels, k=9).predictions
    assert torch.equal(
        knn_probe(scale * lengths * train, labels, test, test_labels, k=9).predictions, expected
    )


def test_a_very_low_temperature_gives_the_nearest_neighbours_label():
    train, labels = mixture(200, 6, 4, seed=0)
    test, test_labels = mixture(100, 6, 4, seed=1)
    nearest = labels[(normalize(test) @ normalize(train).T).argmax(1)]
    found = knn_probe(train, labels, test, test_labels, k=50, temperature=1e-6).predictions
    assert torch.equal(found, nearest)


def test_half_precision_features_are_compared_in_float32_under_autocast_too():
    train, labels = mixture(400, 6, 4, seed=0)
    test, test_labels = mixture(200, 6, 4, seed=1)
    train, test = train.bfloat16(), test.bfloat16()
    expected = knn_probe(train.float(), labels, test.float(), test_labels, k=9).predictions
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for features in (train, train.float()):
            assert torch.equal(knn_probe(features, labels, test, test_labels, k=9).predictions, expected)


def test_features_that_have_all_collapsed_to_one_point_are_no_better_than_chance():
    labels = torch.arange(5).repeat(20)
    assert knn_probe(torch.ones(100, 3), labels, torch.ones(50, 3), labels[:50], k=10).accuracy == 0.2


def test_impossible_k_and_temperature_are_refused():
    train, labels = mixture(20, 3, 2, seed=0)
    with pytest.raises(ValueError, match="k of at least 1, got 0"):
        knn_probe(train, labels, train, labels, k=0)
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="positive temperature"):
            knn_probe(train, labels, train, labels, temperature=temperature)

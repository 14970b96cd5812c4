"""Word embeddings of a text of known topics: counts, target, what is learned and when."""

import numpy as np
import pytest
import torch

from eigenstep.theory import WordEmbeddings, cooccurrence, subspace_overlap, word_target

TOPICS, WORDS = 4, 9


@pytest.fixture(scope="module")
def text():
    """A chain over 4 topics of 9 words each; topics last, some longer, and their first words are frequent."""
    rng = np.random.default_rng(0)
    stays, topics = (0.98, 0.95, 0.9, 0.8), [0]
    for chance, leap in zip(rng.random(40000), rng.integers(1, TOPICS, 40000), strict=True):
        topics.append((topics[-1] + int(leap) * (chance > stays[topics[-1]])) % TOPICS)
    said = rng.choice(WORDS, size=len(topics), p=np.arange(WORDS, 0, -1) / 45)
    return np.array(topics) * WORDS + said


def literal_counts(tokens, window):
    counts = np.zeros((max(tokens) + 1,) * 2)
    for here, one in enumerate(tokens):
        for there, other in enumerate(tokens):
            if 0 < abs(here - there) <= window:
                counts[one, other] += window + 1 - abs(here - there)
    return counts


@pytest.mark.parametrize("window", [1, 5, 1000])
def test_counts_are_those_of_every_pair_of_places(text, window):
    words, counts = cooccurrence(text[:300], window)
    positions = np.searchsorted(words, text[:300])
    np.testing.assert_array_equal(counts, literal_counts(positions, window))
    named = cooccurrence([f"w{word:02d}" for word in text[:300]], window)
    assert [int(word[1:]) for word in named[0]] == words.tolist()
    np.testing.assert_array_equal(named[1], counts)


def test_the_target_is_what_words_say_of_one_another(text):
    _, counts = cooccurrence(text, 4)
    target, shares = word_target(counts), counts / counts.sum()
    for i, j in ((0, 0), (0, 1), (3, 30)):
        chance = shares[i].sum() * shares[:, j].sum()
        np.testing.assert_allclose(target[i, j], 2 * (shares[i, j] - chance) / (shares[i, j] + chance))
    # Independent words have none, those that are never together -2.
    np.testing.assert_allclose(word_target(np.outer([1, 2, 3], [1, 2, 3])), 0, atol=1e-12)
    np.testing.assert_allclose(word_target(np.diag([1.0, 1.0])), [[2 / 3, -2], [-2, 2 / 3]])


def test_the_loss_is_word2vecs_to_second_order(text, rng):
    _, counts = cooccurrence(text, 4)
    family, shares = WordEmbeddings(word_target(counts)), torch.tensor(counts / counts.sum())
    chance = torch.outer(shares.sum(0), shares.sum(1))
    scale = 1e-2
    weights = torch.tensor(scale * rng.normal(size=(5, len(counts))), requires_grad=True)
    inner = weights.T @ weights
    together = -torch.nn.functional.logsigmoid(inner) - np.log(2)
    apart = -torch.nn.functional.logsigmoid(-inner) - np.log(2)
    # Twice the logistic loss, whose second-order terms are s^2 / 8 and -s / 2.
    loss = 2 * ((shares * together + chance * apart) / (shares + chance)).sum()
    loss.backward()
    np.testing.assert_allclose(family.loss(weights.detach().numpy()), loss.item(), rtol=1e-4)
    run = family.gradient_flow(weights.detach().numpy(), [0.0, 1e-6])
    moved = (weights.detach().numpy() - run.weights) / 1e-6
    np.testing.assert_allclose(moved, weights.grad.numpy(), atol=1e-4 * np.abs(moved).max())


def test_topics_are_learned_first_one_after_the_other_when_foretold(text, rng):
    words, counts = cooccurrence(text, 4)
    assert words.tolist() == list(range(TOPICS * WORDS))
    family, weights = WordEmbeddings(word_target(counts)), 1e-6 * rng.normal(size=(3, TOPICS * WORDS))
    solution = family.solve(weights)
    # Three directions tell four topics apart; words within a topic come much later.
    topics = np.kron(np.eye(TOPICS), np.ones((WORDS, 1))) / np.sqrt(WORDS)
    assert (np.linalg.norm(topics.T @ solution.modes, axis=0) > 0.99).all()
    assert solution.drives[2] > 4 * family.solve(rng.normal(size=(4, 36))).drives[3]
    run = family.gradient_flow(weights, np.geomspace(0.2, 3 * solution.half_times[2], 800))
    np.testing.assert_allclose(solution.half_times / run.times_to(solution.ends / 2), 1, atol=0.01)
    np.testing.assert_allclose(run.sizes[-1] / solution.ends, 1, atol=1e-4)
    assert subspace_overlap(solution.modes, run.weights.T) > 0.9999
    inner = run.weights.T @ run.weights
    together = np.kron(np.eye(TOPICS), np.ones((WORDS, WORDS))) > 0
    assert inner[together].min() > inner[~together].max()


@pytest.mark.slow
def test_descent_on_the_words_pairs_learns_when_foretold(text, rng):
    _, counts = cooccurrence(text, 4)
    shares = torch.tensor(counts / counts.sum())
    chance = torch.outer(shares.sum(0), shares.sum(1))
    start, rate, sizes = 1e-6 * rng.normal(size=(3, 36)), 4e-4, []
    solution = WordEmbeddings(word_target(counts)).solve(start)
    weights = torch.tensor(start, requires_grad=True)
    for _ in range(2800):
        s = weights.T @ weights
        loss = ((shares * (s**2 / 4 - s) + chance * (s**2 / 4 + s)) / (shares + chance)).sum()
        (gradient,) = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            weights -= rate * gradient
        sizes.append(((weights.detach().numpy() @ solution.modes) ** 2).sum(axis=0))
    halfway = np.array(sizes) >= solution.ends / 2
    reached = rate * halfway.argmax(axis=0)
    np.testing.assert_allclose(solution.half_times / reached, 1, atol=0.01)


def test_modes_that_are_not_positive_are_never_learned(text, rng):
    _, counts = cooccurrence(text, 4)
    family, weights = WordEmbeddings(word_target(counts)), 0.1 * rng.normal(size=(36, 36))
    solution = family.solve(weights)
    negative = solution.drives <= 0
    assert 0 < negative.sum() < 36
    np.testing.assert_array_equal(solution.half_times == np.inf, negative)
    np.testing.assert_allclose(solution.ends, np.maximum(solution.drives, 0), rtol=1e-12)
    run = family.gradient_flow(weights, [0.0, 3.0, 6.0])
    strong = solution.drives > 2
    assert strong.sum() > 3
    np.testing.assert_allclose(run.sizes[-1, strong], solution.ends[strong], rtol=1e-3)
    assert (np.diff(run.sizes[:, negative], axis=0) < 0).all()
    assert (run.sizes[-1, negative] < run.sizes[0, negative] / 3).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cooccurrence("a text"), r"flat sequence of strings or integers, got shape \(\)"),
        (lambda: cooccurrence([1.0, 2.0]), "of float64; split the text"),
        (lambda: cooccurrence([1]), r"at least two tokens .* shape \(1,\)"),
        (lambda: cooccurrence([1, 2], window=0), "window of at least 1 place, got 0"),
        (lambda: word_target(np.ones((2, 3))), r"\(2, 3\)"),
        (lambda: word_target([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (lambda: word_target([[1.0, 0.0], [0.0, 0.0]]), "none near word 1; leave it out"),
        (lambda: word_target([[1.0, -1.0], [-1.0, 3.0]]), "not negative, got -1"),
    ],
)
def test_bad_input_is_refused_in_a_line_with_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

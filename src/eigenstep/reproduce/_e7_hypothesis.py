"""E7, beyond the paper: whether ways of learning that share nothing but the images come to agree."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.comparison import agreement_map
from eigenstep.encoders import (
    as_stored,
    encode,
    initial_encoder,
    load_encoder,
    prepare_images,
    settle_statistics,
)
from eigenstep.images import ImagesConfig, load_images
from eigenstep.modes import ClosedForm, modes_on
from eigenstep.reproduce._choices import Choices
from eigenstep.reproduce._e2_three_losses import train_or_go_on
from eigenstep.reproduce._e7_figure import hypothesis_figure
from eigenstep.reproduce._e7_tables import judged
from eigenstep.reproduce._e7_verdicts import WaysAgreement, family_pairs, together
from eigenstep.reproduce._e7_ways import (
    HELD_OUT,
    RATE,
    SEEDS,
    SNAPSHOTS,
    Way,
    hypothesis_images,
    way_configuration,
    ways_for,
    why_unlabelled,
)
from eigenstep.reproduce._outcome import Outcome, Row
from eigenstep.training import load_config

# Verdicts go by the first; the second is told beside it.
CKA, KNN = MEASURES = ("cka_linear_debiased", "mutual_knn_cosine")
# Of the closed form so many modes, from so many of the images that the networks are trained on.
MODES, MODE_IMAGES = 16, 2000
CLOSED_FORMS = {
    "gamma-modes": ClosedForm(components=MODES),
    "rho-modes": ClosedForm(components=MODES, order="invariance"),
}


def hypothesis(choices: Choices, folder: Path) -> Outcome:
    """Train every way with every seed, and compare all of them with all on images that none has seen."""
    reading = hypothesis_images(choices)
    unlabelled = why_unlabelled(choices, reading)
    ways, seeds = ways_for(unlabelled is None), range(choices.seed, choices.seed + SEEDS)
    for seed in seeds:
        for way in ways:
            config = way_configuration(way, seed, choices, reading)
            train_or_go_on(config, folder / way.run(seed), f"e7: {way.title}, seed {seed}")
    steps = [0, *(round(share * (config.steps or 0)) for share in SNAPSHOTS)]
    trained, held_out = _images(choices, reading)
    references = _references(trained, held_out, choices.seed)
    runs = [folder / way.run(seed) for seed in seeds for way in ways]
    untrained = [_features(run, 0, held_out) for run in runs]
    courses: dict[str, list[WaysAgreement]] = {measure: [] for measure in MEASURES}
    for step in steps:
        features = [_features(run, step, held_out) for run in runs] if step else untrained
        for measure, course in courses.items():
            course.append(ways_agreement(ways, features, untrained[:: len(ways)], references, measure))
    hypothesis_figure([way.title for way in ways], steps, courses[CKA], folder / "hypothesis")
    tables, notes = judged(ways, steps, courses[CKA], courses[KNN][-1])
    if unlabelled:
        notes.append(f"Ways that need labels are left out: {unlabelled}.")
    if choices.on_photographs:
        notes.append("Each seed is trained on its own patches; the comparison uses those of the first seed.")
    return Outcome(
        "e7",
        "Whether ways of learning come to agree",
        f"{config.backbone} on {reading.limit:,} images of {config.data}, {len(ways)} ways with {SEEDS}"
        f" seeds each, {config.steps} steps of batch {config.batch_size}, Muon at {RATE:g}. With the same"
        " seed all ways have the same first weights, images, batches and random views. The comparison is by"
        f" debiased linear CKA of the backbone's features of {HELD_OUT} other images, between networks of"
        " different seeds unless a column says otherwise.",
        _rows(courses[CKA][-1]),
        tables,
        notes,
        ["hypothesis.png"],
    )


def check_hypothesis(choices: Choices) -> None:
    """Open the images of E7; raises what reading them raises, ValueError if there are too few."""
    hypothesis_images(choices)


def _rows(found: WaysAgreement) -> list[Row]:
    verdicts = [together(found, *pair) for pair in family_pairs(found)]
    return [Row(f"{each.name}: agreement of other seeds", None, None, each.across) for each in verdicts]


def ways_agreement(
    ways: Sequence[Way],
    features: Sequence[NDArray[np.float32]],
    untrained: Sequence[NDArray[np.float32]],
    references: dict[str, NDArray[np.float32]],
    measure: str,
) -> WaysAgreement:
    """Compare features (n, p) of S seeds' networks, all ways of the first seed first, by one measure.

    Parameters
    ----------
    untrained : Sequence[NDArray[np.float32]]
        S features of the networks that each seed starts from.
    references : dict[str, NDArray[np.float32]]
        (n, k) of the same images, by name.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one, other, start = (rng.normal(size=(60, 4)).astype(np.float32) for _ in range(3))
    >>> ways, networks = [Way("simclr"), Way("autoencoder")], [one, other, one, other]
    >>> found = ways_agreement(ways, networks, [start, start], {"pixels": other}, "cka_linear_biased")
    >>> found.values[0, 1].round(1), found.references["pixels"][0].round(1)
    (array([[1., 0.],
           [0., 1.]]), array([0., 1.]))
    """
    count, seeds = len(features), len(untrained)
    beside = [*references.values(), *untrained]
    # One order of the images: what they agree by in disorder is not asked for here.
    values = agreement_map(features, [*features, *beside], measure, permutations=1).values
    by_seed = values.reshape(seeds, len(ways), -1)
    named = dict(zip(references, np.moveaxis(by_seed[..., count:], 2, 0), strict=False))
    starts = by_seed[..., -seeds:]
    others = starts.sum(axis=2) - starts[range(seeds), :, range(seeds)]
    return WaysAgreement(
        tuple(way.family for way in ways),
        values[:, :count].reshape(seeds, len(ways), seeds, len(ways)).transpose(0, 2, 1, 3),
        {"untrained": others / (seeds - 1), **named},
    )


def _images(choices: Choices, reading: ImagesConfig) -> tuple[Tensor, Tensor]:
    """Images that the networks are trained on, and those that they are judged by, as they are stored."""
    assert reading.limit is not None
    both = dataclasses.replace(reading, limit=reading.limit + HELD_OUT)
    images = load_images(choices.data_or("cifar10"), both, choices.seed).images
    return images[:MODE_IMAGES], images[reading.limit :]


def _references(trained: Tensor, held_out: Tensor, seed: int) -> dict[str, NDArray[np.float32]]:
    """The pixels of the images, and the first modes of the full set of augmentations in closed form."""
    found = {"pixels": held_out.flatten(1).numpy().astype(np.float32)}
    for name, form in CLOSED_FORMS.items():
        values, _ = modes_on(trained.numpy(), held_out.numpy(), form, seed)
        found[name] = (values / values.std(axis=0)).astype(np.float32)
    return found


def _features(run: Path, step: int, images: Tensor) -> NDArray[np.float32]:
    """(n, p) of a run's backbone after so many steps; untrained it is normalised by the images themselves."""
    config = load_config(run / "config.yaml")
    stored = as_stored(images, config)
    encoder = load_encoder(run, step) if step else initial_encoder(config)
    if not step:
        settle_statistics(encoder, prepare_images(stored, config))
    features, _ = encode(encoder, stored, config)
    return features.numpy()

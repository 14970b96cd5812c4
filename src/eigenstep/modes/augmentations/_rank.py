"""Which set of augmentations serves: what each leaves, sets side by side, and how they rank by labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenstep.comparison import principal_angles
from eigenstep.encoders.features import RandomConvFeatures
from eigenstep.modes.augmentations._agreement import correlation_with, view_agreement
from eigenstep.modes.augmentations._invariance import SetModes, set_modes
from eigenstep.modes.augmentations._options import ShortTraining
from eigenstep.modes.augmentations._outcomes import Outcomes
from eigenstep.modes.augmentations._parallel import in_parallel
from eigenstep.modes.augmentations._race import TIE_WITHIN, race
from eigenstep.modes.augmentations._readable import (
    check_classes,
    knn_readable,
    ridge_readable,
    says_nothing,
)
from eigenstep.modes.augmentations._result import AugmentationAdvice, Closed, Sides, Trained
from eigenstep.modes.augmentations._sets import AugmentationSet, check_names, standard_sets
from eigenstep.modes.augmentations._short_training import score_set
from eigenstep.modes.augmentations._standing import Standing
from eigenstep.modes.statistics import image_statistics
from eigenstep.views import ViewsConfig

Array = NDArray[np.float64]
Tell = Callable[[str, int, int], None]

# Modes that are compared between sets, that labels are read from, and beside them.
COMPARED, FEW, MORE = 8, 16, 32
# Images that rho-modes are made of, and that say what operations leave of statistics.
MODE_IMAGES, STATISTICS_IMAGES = 2000, 300
# Images by which features are standardised.
_FITTED = 500


def rank_augmentations(
    images: Tensor | NDArray[Any],
    labels: Tensor | NDArray[Any] | None = None,
    sets: Sequence[AugmentationSet] | None = None,
    *,
    base: ViewsConfig | None = None,
    class_names: Sequence[str] | None = None,
    train: bool = True,
    training: ShortTraining | None = None,
    trainings: int = 64,
    first_seeds: int = 2,
    tie_within: float = TIE_WITHIN,
    n_principal: int = 256,
    n_views: int = 3,
    seed: int = 0,
    workers: int | None = None,
    device: str = "cpu",
    folder: str | Path | None = None,
    progress: Tell | None = None,
) -> AugmentationAdvice:
    """Say what sets of augmentations leave of images, and which of them serve labels best.

    What each operation leaves of the statistics of an image needs no kernel (`view_agreement`). The modes by
    invariance of each set are of the features of an untrained network (`set_modes`); with labels they are a
    first look. The ranking is by short trainings (`score_set`), which are raced (`race`). Without labels
    nothing is ranked.

    Parameters
    ----------
    images : Tensor | NDArray[Any]
        (n, C, H, W), uint8, uint16 or floats in [0, 1], in random order.
    labels : Tensor | NDArray[Any] | None
        (n,) whole numbers 0 .. c - 1, and -1 for images without a label; a few hundred serve.
    sets : Sequence[AugmentationSet] | None
        To compare; default: `standard_sets` of the base.
    base : ViewsConfig | None
        The base set; default: SimCLR's of 32-pixel images.
    class_names : Sequence[str] | None
        Default: the numbers.
    train : bool
        Whether to rank by short trainings; otherwise only the first look is taken.
    training : ShortTraining | None
        How they are trained.
    trainings, first_seeds, tie_within
        See `race`.
    n_principal, n_views
        See `set_modes`.
    seed : int
        Of views, features and trainings.
    workers : int | None
        Jobs beside each other; default: the cores, 8 at most. It changes no number.
    folder : str | Path | None
        Where outcomes of short trainings are kept, and taken up again.
    progress : Callable[[str, int, int], None] | None
        Called with what is done, how much of it, and of how much.

    Returns
    -------
    AugmentationAdvice
        All of it, with its sentence, tables and page.

    Raises
    ------
    ValueError
        In one line: constant images, fewer than principal directions, labels of one class, features that are
        not finite, two sets of one name, or no set after which two views have anything in common.
    """
    tell: Tell = progress or (lambda what, done, total: None)
    pixels = torch.as_tensor(images)
    if pixels.ndim != 4 or not len(pixels):
        raise ValueError(f"images: expected (n, C, H, W), got shape {tuple(pixels.shape)}")
    channels, left_out = int(pixels.shape[1]), dict[str, str]()
    if sets is None:
        sets, left_out = standard_sets(base or ViewsConfig(), channels)
    chosen = check_names(sets)
    if not chosen:
        raise ValueError("expected at least one set of augmentations, got none")
    for each in chosen:
        try:
            each.views.for_channels(channels)
            each.views.refuse_crops("a set is of")
        except ValueError as error:
            raise ValueError(f"set {each.name!r}: {error}") from error
        if each.views.own is not None:
            raise ValueError(f"set {each.name!r}: views of one's own, {each.views.own}, have no set")
    used = 1 if workers is None else workers
    for name, number, least in (
        ("--principal", n_principal, 1),
        ("--first-seeds", first_seeds, 2),
        ("--workers", used, 1),
    ):
        if number < least:
            raise ValueError(f"{name}: expected at least {least}, got {number}")
    targets = None if labels is None else _checked_labels(labels, len(pixels))
    options = training or ShortTraining()
    if targets is not None and train:
        options.check_images(len(pixels))
    tell("what operations leave", 0, 1)
    agreement = view_agreement(pixels, chosen, count=STATISTICS_IMAGES, seed=seed)
    tell("what operations leave", 1, 1)
    modes = _modes(pixels, chosen, n_principal, n_views, seed, workers, tell)
    useless = {
        each.name: "two views of an image have nothing in common"
        for each, found in zip(chosen, modes, strict=True)
        if not found.in_common
    }
    if len(useless) == len(chosen):
        raise ValueError(
            f"after {chosen[0].name} two views of an image have nothing in common (held-out rho"
            f" {modes[0].rho_held_out.max():.2f}, by chance up to {modes[0].by_chance:.2f}), nor after any"
            " other set; weaken the operations, or use more images"
        )
    sides = _sides(pixels, modes)
    known = None if targets is None else targets[targets >= 0].numpy()
    closed = None if targets is None else _first_look(chosen, modes, targets)
    short = None
    if targets is not None and train:
        racing = [each for each in chosen if each.name not in useless]
        short = _trained(
            pixels, targets, racing, options, trainings, first_seeds, tie_within, seed, workers, device,
            None if folder is None else Path(folder), tell,
        )  # fmt: skip
    count = 0 if known is None else int(known.max()) + 1
    return AugmentationAdvice(
        sets=chosen,
        images=len(pixels),
        channels=channels,
        agreement=agreement,
        sides=sides,
        useless=useless,
        left_out=left_out,
        labels=known,
        class_names=list(class_names or map(str, range(count))),
        closed=closed,
        short=short,
    )


def _checked_labels(labels: Tensor | NDArray[Any], count: int) -> Tensor:
    targets = torch.as_tensor(labels).long()
    if targets.shape != (count,):
        raise ValueError(f"labels: expected one for each of {count} images, got shape {tuple(targets.shape)}")
    check_classes(targets[targets >= 0])
    return targets


def _modes(
    images: Tensor,
    sets: Sequence[AugmentationSet],
    n_principal: int,
    n_views: int,
    seed: int,
    workers: int | None,
    tell: Tell,
) -> list[SetModes]:
    some = images[:MODE_IMAGES]
    features = RandomConvFeatures(random_state=seed, device="cpu").fit(some[:_FITTED])
    plain = np.asarray(features.transform(some), dtype=np.float64)
    options: dict[str, Any] = {
        "n_principal": n_principal,
        "n_views": n_views,
        "seed": seed,
        "components": MORE,
    }
    jobs = [partial(set_modes, each.views, some, features, plain=plain, **options) for each in sets]
    done: list[int] = []

    def count(place: int, found: SetModes) -> None:
        done.append(place)
        tell("modes by invariance", len(done), len(sets))

    return in_parallel(jobs, workers, count)


def _sides(images: Tensor, modes: Sequence[SetModes]) -> Sides:
    """Which statistics come first under each set, and the angles between the first modes of two."""
    statistics = image_statistics(images[: len(modes[0].values)])
    firsts = []
    for each in modes:
        told = correlation_with(each.values[:, :COMPARED], statistics.values)
        firsts.append([(statistics.names[int(row.argmax())], float(row.max())) for row in np.abs(told)])
    angles = np.zeros((len(modes), len(modes)))
    for i, first in enumerate(modes):
        for j in range(i):
            count = min(COMPARED, first.values.shape[1], modes[j].values.shape[1])
            both = principal_angles(first.values[:, :count], modes[j].values[:, :count])
            angles[i, j] = angles[j, i] = float(np.rad2deg(both).mean())
    return Sides(list(modes), firsts, angles)


def _first_look(sets: Sequence[AugmentationSet], modes: Sequence[SetModes], targets: Tensor) -> Closed | None:
    """Labels read from few modes, from more, and by neighbours; None where there are not two classes."""
    looked_at = [(each, found) for each, found in zip(sets, modes, strict=True) if found.in_common]
    modes = [found for _, found in looked_at]
    some = targets[: len(modes[0].values)]
    labelled = (some >= 0).numpy()
    known = some[some >= 0]
    if (torch.unique(known, return_counts=True)[1] > 1).sum() < 2:
        return None
    values = [torch.from_numpy(each.values[labelled]) for each in modes]
    few = [ridge_readable(each[:, :FEW], known) for each in values]
    more = [ridge_readable(each[:, :MORE], known) for each in values]
    neighbours = [knn_readable(torch.from_numpy(each.weighted[labelled][:, :FEW]), known) for each in modes]
    standing = Standing([[each.right] for each in few])
    best = max(each.accuracy for each in few)
    return Closed(
        [each for each, _ in looked_at],
        standing,
        [each.accuracy for each in more],
        [each.accuracy for each in neighbours],
        says_nothing(best, known.numpy()),
        known.numpy(),
        [each.right for each in few],
    )


def _trained(
    images: Tensor,
    targets: Tensor,
    sets: Sequence[AugmentationSet],
    training: ShortTraining,
    trainings: int,
    first_seeds: int,
    tie_within: float,
    seed: int,
    workers: int | None,
    device: str,
    folder: Path | None,
    tell: Tell,
) -> Trained:
    outcomes = Outcomes(folder, images, targets, training)
    began, done = len(outcomes), 0
    most = max(trainings, first_seeds * len(sets))
    tell("short trainings", 0, most)
    by_set: list[list[Array]] = [[] for _ in sets]

    def score(pairs: Sequence[tuple[int, int]]) -> list[Array]:
        nonlocal done
        todo = [pair for pair in pairs if outcomes.get(sets[pair[0]], seed + pair[1]) is None]
        done += len(pairs) - len(todo)
        jobs = [
            partial(
                score_set,
                sets[place].views,
                images,
                targets,
                seed=seed + run,
                training=training,
                device=device,
            )
            for place, run in todo
        ]

        def keep(at: int, found: Any) -> None:
            nonlocal done
            done += 1
            place, run = todo[at]
            outcomes.add(sets[place], seed + run, found)
            tell("short trainings", done, most)

        in_parallel(jobs, workers, keep)
        found = []
        for place, run in pairs:
            outcome = outcomes.get(sets[place], seed + run)
            assert outcome is not None, "it was just trained"
            by_set[place].append(outcome.right)
            found.append(outcome.right)
        return found

    standing = race(score, len(sets), first_seeds=first_seeds, trainings=trainings, tie_within=tie_within)
    tell("short trainings", most, most)
    known = targets[targets >= 0].numpy()
    nothing = says_nothing(float(standing.means.max()), known)
    right = [np.mean(each, axis=0) for each in by_set]
    return Trained(list(sets), standing, nothing, right, training, len(outcomes) - began)

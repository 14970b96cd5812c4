"""The ways of learning that E7 compares: their families, and how a network is trained by each."""

import dataclasses

from eigenstep.images import ImagesConfig, find_source
from eigenstep.methods import METHODS, BYOLConfig
from eigenstep.modes.augmentations import standard_sets
from eigenstep.reproduce._choices import Choices
from eigenstep.training import CheckpointConfig, OptimizerConfig, ProjectorConfig, RecordConfig, TrainConfig
from eigenstep.training.recipes import load_recipe, recipe_names
from eigenstep.views import ViewsConfig

FAMILIES = {
    "joint embedding": ("barlow_twins", "simclr", "vicreg", "spectral_contrastive", "byol", "lejepa"),
    "supervision": ("cross_entropy", "supcon"),
    "reconstruction": ("autoencoder", "mae"),
    "pretext task": ("rotation",),
}
FULL, CROPS = "full set", "crops alone"
# Ways that are trained with a second set of augmentations as well, one of a family.
WITH_CROPS = ("simclr", "cross_entropy", "autoencoder")
SEEDS = 3
# Snapshots are compared untrained and after these shares of the steps.
SNAPSHOTS = (0.125, 0.25, 0.5, 1.0)
# Images that no network has seen, by which they are compared.
HELD_OUT = 512
# Images a step, of the small and of the full size.
BATCH = (128, 256)
# Of Muon, whose steps do not go with the size of a loss's gradient, so that one rate serves all ways. LeJEPA,
# the masked autoencoder, rotation and cross-entropy came to the same loss within 6 % by 0.1 and by 0.02 (100
# steps, 2,048 images).
RATE = 0.1


@dataclasses.dataclass(frozen=True)
class Way:
    """One of the networks of each seed: a loss, and the set of augmentations that it is trained with."""

    loss: str
    views: str = FULL

    @property
    def family(self) -> str:
        """Its loss's; ways with another set of augmentations are beside the families."""
        if self.views != FULL:
            return self.views
        return next(family for family, losses in FAMILIES.items() if self.loss in losses)

    @property
    def title(self) -> str:
        title = METHODS[self.loss].title
        for article in ("an ", "a ", "the "):
            title = title.removeprefix(article)
        return title if self.views == FULL else f"{title}, {self.views}"

    def run(self, seed: int) -> str:
        """The name of its run folder."""
        return f"{self.loss}-{seed}" if self.views == FULL else f"{self.loss}-crops-{seed}"


def ways_for(labelled: bool) -> list[Way]:
    """All ways, those that need labels only where there are some.

    Examples
    --------
    >>> [way.title for way in ways_for(labelled=False)][:3]
    ['Barlow Twins', 'SimCLR', 'VICReg']
    """
    full = [Way(loss) for losses in FAMILIES.values() for loss in losses]
    ways = full + [Way(loss, CROPS) for loss in WITH_CROPS]
    return [way for way in ways if labelled or not METHODS[way.loss].needs_labels]


def hypothesis_images(choices: Choices) -> ImagesConfig:
    """The images that E7 trains on: the first of the data, but for those that it is judged by, which follow.

    Raises
    ------
    ValueError
        If there are fewer than a batch and those; what reading them raises.

    Examples
    --------
    >>> hypothesis_images(Choices(data="photos")).limit
    8192
    """
    data, most = choices.data_or("cifar10"), 45_000 if choices.full else 8192
    images = ImagesConfig(patches=most + HELD_OUT, limit=most + HELD_OUT)
    opened = find_source(data).open(dataclasses.replace(images, stream="never"), choices.seed)
    least = BATCH[choices.full] + HELD_OUT
    if opened.count() < least:
        raise ValueError(
            f"expected at least {least} images, {HELD_OUT} of them to judge by, got {opened.count()} from"
            f" {data}"
        )
    return dataclasses.replace(images, limit=opened.count() - HELD_OUT)


def why_unlabelled(choices: Choices, images: ImagesConfig) -> str | None:
    """Why ways that need labels cannot be trained on these images; None where they can.

    Examples
    --------
    >>> why_unlabelled(Choices(), ImagesConfig())
    'photos have no labels'
    """
    source = find_source(choices.data_or("cifar10"))
    if "labels" in source.lacks:
        return f"{source.data} have no labels"
    try:
        numbers = source.labels(images).numbers[: images.limit]
    except ValueError as error:
        return str(error)
    if (numbers < 0).any():
        return f"{source.data}: {int((numbers < 0).sum()):,} of {len(numbers):,} images have no label"
    return None if len(set(numbers.tolist())) > 1 else f"{source.data}: all images have the same label"


def way_configuration(way: Way, seed: int, choices: Choices, images: ImagesConfig) -> TrainConfig:
    """A training of E7: of one seed all ways have the same backbone at the start, batches and views.

    Examples
    --------
    >>> config = way_configuration(Way("simclr"), 0, Choices(), ImagesConfig())
    >>> config.backbone, config.steps, config.optimizer.name
    ('convnet', 400, 'muon')
    """
    steps = 5000 if choices.full else 400
    config = TrainConfig(
        data=choices.data_or("cifar10"),
        loss=way.loss,
        backbone="resnet18" if choices.full else "convnet",
        steps=steps,
        batch_size=BATCH[choices.full],
        seed=seed,
        threads=choices.threads,
        views=_views(way.views),
        projector=ProjectorConfig(hidden=(256,), dim=128, batch_norm=True, init_scale=1.0),
        optimizer=OptimizerConfig(name="muon", lr=RATE, schedule="cosine", warmup_steps=steps // 10),
        record=RecordConfig(every=steps // 20),
        # A run that was stopped keeps a checkpoint of that step too: none may push a snapshot out.
        checkpoint=CheckpointConfig(every=steps // 8, keep=1000, best=False),
        images=images,
    )
    recipe = f"{way.loss}/cifar10-resnet18"
    if recipe not in recipe_names() or not hasattr(config, way.loss):
        return config
    options = getattr(load_recipe(recipe), way.loss)
    if isinstance(options, BYOLConfig):  # as wide as the projector's hidden layer
        options = dataclasses.replace(options, predictor_hidden=256)
    return dataclasses.replace(config, **{way.loss: options})


def _views(name: str) -> ViewsConfig:
    if name == FULL:
        return ViewsConfig()
    sets, _ = standard_sets(ViewsConfig())
    return next(each.views for each in sets if each.name == "crop alone")

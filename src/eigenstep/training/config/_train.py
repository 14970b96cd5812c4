"""A run's configuration: one tree of dataclasses, the same names in Python, in YAML and as options."""

from dataclasses import dataclass, field
from typing import Any, Literal

from eigenstep.encoders import FreezeWhat, ProjectorConfig, of_three_channels
from eigenstep.images import ImagesConfig
from eigenstep.methods import LossName, MethodNodes
from eigenstep.optim import EmbeddingPreconditionerConfig, OptimizerConfig
from eigenstep.views import ViewsConfig

Precision = Literal["32-true", "bf16-mixed", "16-mixed", "64-true", "auto"]


@dataclass(frozen=True)
class RecordConfig:
    """What is measured while training."""

    every: int = 10
    """Steps between two measurements."""
    probe: int | None = None
    """Images in the probe batch, whose embeddings are followed through training; default: 128, or the batch
    size if that is smaller."""
    directions: int = 8
    """Principal directions of the probe batch that are kept."""
    modes: Literal["eigenvalues", "singular_values"] = "eigenvalues"
    """What the spectrum consists of: eigenvalues of the cross-correlation C of both views, or singular values
    of their cross-covariance, each view about its own mean; two encoders of pairs always have the latter."""
    drift: bool = False
    """Follow how far the probe batch's features move from the start; a run that starts from weights always
    does."""


@dataclass(frozen=True)
class CheckpointConfig:
    """What a killed run resumes from."""

    every: int = 200
    """Steps between two checkpoints; one more is written at the end."""
    keep: int = 2
    """How many of the latest checkpoints are kept."""
    best: bool = True
    """Also keep the weights at which the k-nearest-neighbour probe was best (with probes.every)."""


@dataclass(frozen=True)
class ProbesConfig:
    """What the frozen features are worth: probes on labelled images, which the encoder never learns from."""

    every: int | None = None
    """Steps between two probes during training; default: none."""
    data: str | None = None
    """Labelled images; default: the data set that is trained on."""
    train_split: str = "train"
    """The split that the probes are fitted to."""
    test_split: str | None = None
    """The split that they are tested on; default: test or validation, whichever there is."""
    train_limit: int | None = 10_000
    """Use at most this many images to fit them."""
    test_limit: int | None = 2_000
    """Use at most this many images to test them."""
    neighbours: int = 200
    """How many neighbours vote."""


@dataclass(frozen=True)
class LoggerConfig:
    """Where measurements go besides the run folder."""

    kinds: tuple[Literal["csv", "tensorboard", "wandb", "mlflow"], ...] = ()
    """csv, tensorboard, wandb (offline too) or mlflow; default: none."""
    project: str = "eigenstep"
    """The project or experiment to which the run belongs there."""
    name: str | None = None
    """The run's name there; default: the run folder's."""


@dataclass(frozen=True)
class Setup:
    """What is trained on what, for how long and where: what a `TrainConfig` begins with."""

    data: str = "photos"
    """photos (patches of two photographs that come with scikit-learn), cifar10, a folder or a file of images,
    archives of them (zip, tar), tables (Parquet, Arrow) or paths (CSV, JSON), or OWNER/NAME on the Hugging
    Face hub."""
    loss: LossName = "barlow_twins"
    backbone: str = "convnet"
    """convnet (three small convolutions) or any model name of timm, such as resnet18."""
    backbone_weights: str | None = None
    """A file of the backbone's weights to start from, .safetensors or torch's, with the names of timm,
    torchvision, transformers, Lightning, MoCo, DINO and others; or a run folder; default: random weights."""
    weights_prefix: str | None = None
    """The prefix of the backbone's names in that file, such as teacher.backbone. ; default: the one with
    which most of them match."""
    pretrained: bool = False
    """Start from timm's pretrained weights of the backbone's NAME or NAME.TAG, fetched from the hub."""
    freeze: FreezeWhat = "none"
    """What part of the backbone is not trained: none; a number for the first stages or blocks, with the stem;
    norms for all but the norms; or all. Frozen batch norms use and keep their running statistics."""
    steps: int | None = None
    """Optimiser steps; default: 300, or as many as epochs says."""
    epochs: int | None = None
    """Passes over the data, instead of steps."""
    batch_size: int = 256
    """Images a step, over all processes; each gives two views."""
    micro_batch_size: int | None = None
    """How many images of a process pass through the encoder at once, to use less memory: the loss still sees
    the whole batch, and its gradient is exact; default: all of them."""
    seed: int = 0
    """Determines initial weights, batches and views."""
    threads: int | None = None
    """CPU threads of a process; default: all cores, shared among the machine's processes."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Precision = "32-true"
    """Numerical precision, in Lightning Fabric's words; auto: bf16-mixed where the hardware computes in it,
    32-true elsewhere."""
    compile: bool = False
    """Compile the encoder with torch.compile; where that fails, the run goes on uncompiled."""
    sync_batch_norm: bool = True
    """Batch normalisation sees the batch of all processes, not only that of its own."""
    images: ImagesConfig = field(default_factory=ImagesConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)


@dataclass(frozen=True)
class TrainConfig(MethodNodes, Setup):  # the fields of the last base come first, in files and help too
    """Train an encoder on unlabelled images and record the spectrum of its embeddings."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    embedding_preconditioner: EmbeddingPreconditionerConfig = field(
        default_factory=EmbeddingPreconditionerConfig
    )
    record: RecordConfig = field(default_factory=RecordConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    probes: ProbesConfig = field(default_factory=ProbesConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)

    @staticmethod
    def of_older(tree: dict[str, Any]) -> dict[str, Any]:
        """The tree of a configuration of an earlier release, see `of_three_channels`."""
        return of_three_channels(tree)

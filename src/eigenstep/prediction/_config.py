"""What a prediction is made of: a tree of dataclasses, with the names of `TrainConfig` where it has them."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from eigenstep.encoders import ProjectorConfig
from eigenstep.encoders.features import ImageKernel
from eigenstep.images import ImagesConfig
from eigenstep.methods import METHODS, SmallStartLoss, SmallStartNodes, predicted_losses
from eigenstep.optim import EmbeddingPreconditionerConfig
from eigenstep.record import is_run, read_record
from eigenstep.spelling import is_python
from eigenstep.training.config import OptimizerConfig, TrainConfig, load_config
from eigenstep.views import ViewsConfig


@dataclass(frozen=True)
class NTKConfig:
    """The network's tangent kernel (used with --kernel ntk).

    Examples
    --------
    >>> NTKConfig()
    NTKConfig(at='init', outputs='mean', chunk_size=None, dtype='float32')
    """

    at: str = "init"
    """With --run: at which of its checkpoints the kernel is taken: init, final or a step's number."""
    outputs: str = "mean"
    """mean over the embedding's dimensions, random (one random combination of them, cheaper), or the number
    of one of them."""
    chunk_size: int | None = None
    """Images that pass through the network at once; default: chosen automatically."""
    dtype: Literal["float32", "float64"] = "float32"
    """The precision of the network's gradients."""


@dataclass(frozen=True)
class Setup:
    """What is predicted of what, and how: what a `PredictConfig` begins with."""

    data: str = "photos"
    """Images, named as for train: photos, cifar10, a folder, or OWNER/NAME on the Hugging Face hub."""
    kernel: Literal[ImageKernel, "ntk"] = "rbf"
    """linear or rbf, on the pixels; a linear kernel of features: of the backbone as it is (features), of
    random convolutions (random_conv) or of similarity to random patches (patches); or ntk, the network's
    tangent kernel."""
    loss: SmallStartLoss = "barlow_twins"
    backbone: str = "convnet"
    """The network of ntk and of features: convnet or any model name of timm."""
    backbone_weights: str | None = None
    """A file of the backbone's weights to start from; default: random ones."""
    pairs: int = 500
    """How many pairs of views to compute the modes from; the loss sees them as one batch. With more pairs
    than images, some images are used again."""
    probe: int | None = None
    """Images whose embeddings are predicted; default: the probe batch of --run, or 256."""
    course: Literal["auto", "closed", "steps"] = "auto"
    """closed: each mode by itself, along its logistic curve. steps: the linear model of the kernel is trained
    step by step on all pairs, with the loss and optimiser as they are. auto: closed if the loss has a closed
    form (vicreg and lejepa do not) and no preconditioner changes the gradient of ntk."""
    steps: int | None = None
    """How far the course goes, in steps; default: as far as the run, or until a little after the closed form
    learns the last mode, and of a course in steps from 300 to 20,000."""
    init_scale: float = 1e-4
    """The initial size of each mode, s_j(0), where no network's embeddings give the start."""
    rbf_gamma: float | None = None
    """For rbf: exp(-gamma |x - y|^2); default: one over the number of pixel values."""
    seed: int = 0
    """Determines initial weights, views and the patches of photographs."""
    threads: int | None = None
    """CPU threads; default: all cores."""
    device: str = "auto"
    """Where the network computes: auto, cpu or cuda."""
    ntk: NTKConfig = field(default_factory=NTKConfig)
    images: ImagesConfig = field(default_factory=ImagesConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)


@dataclass(frozen=True)
class PredictConfig(SmallStartNodes, Setup):  # the fields of the last base come first, in files and help too
    """Predict which modes a loss learns from images, in which order and when, without training.

    Examples
    --------
    >>> PredictConfig(loss="simclr", kernel="rbf", pairs=200).pairs
    200
    """

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    embedding_preconditioner: EmbeddingPreconditionerConfig = field(
        default_factory=EmbeddingPreconditionerConfig
    )

    def __post_init__(self) -> None:
        self.views.refuse_crops("a prediction is of")

    @property
    def in_steps(self) -> bool:
        """Whether the course is that of the linear model trained step by step."""
        return self.course == "steps" or (self.course == "auto" and not self._closed_form_serves)

    @property
    def _closed_form_serves(self) -> bool:
        # A network's preconditioner has a running covariance, and its optimiser momentum: both bring modes
        # sooner than the closed form, which has neither, 1.2 to 2.3 times as measured.
        lags = self.kernel == "ntk" and self.embedding_preconditioner.power is not None
        return self.has_closed_form and not lags

    @property
    def has_closed_form(self) -> bool:
        """Whether the theory knows more of the loss than its first growth."""
        method = METHODS[self.loss]
        assert method.small_start is not None, "a loss that is predicted"
        return method.small_start(method.options_in(self), self.pairs).objective.closed_form


def config_of_run(run: str | Path) -> PredictConfig:
    """What a run trains on and how, as the configuration of a prediction of it.

    Raises
    ------
    FileNotFoundError
        If there is no run.
    ValueError
        If its loss is none that can be predicted, or it was given its data, views or encoder from Python.
    """
    trained = _trained(run)
    for name in (trained.data, trained.backbone, trained.views.own):
        if is_python(name):
            raise ValueError(
                f"{run} was given {name} from Python, which a prediction has not: expected a run whose data,"
                " views and encoder have names"
            )
    loss = trained.loss
    if loss not in METHODS or METHODS[loss].small_start is None:
        raise ValueError(
            f"{run} is trained by {loss}, whose learning is not predicted: expected {predicted_losses()}"
        )
    names = {each.name for each in dataclasses.fields(PredictConfig)} - {"probe", "steps"}
    shared = names & {each.name for each in dataclasses.fields(TrainConfig)}
    return PredictConfig(**{name: getattr(trained, name) for name in shared})


def training_config(config: PredictConfig, run: str | Path | None = None) -> TrainConfig:
    """The training that is predicted: the run's, with what the prediction says otherwise.

    Examples
    --------
    >>> training_config(PredictConfig(loss="vicreg")).loss
    'vicreg'
    """
    base = TrainConfig() if run is None else _trained(run)
    names = {each.name for each in dataclasses.fields(TrainConfig)} - {"probe", "steps"}
    shared = names & {each.name for each in dataclasses.fields(PredictConfig)}
    return dataclasses.replace(base, **{name: getattr(config, name) for name in shared})


def _trained(run: str | Path) -> TrainConfig:
    path = Path(run) / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no run in {run}: expected a folder that eigenstep train has written"
        )
    if is_run(run) and read_record(run).is_prediction:
        raise ValueError(f"{run} is a prediction itself: expected a run that eigenstep train has written")
    return load_config(path)

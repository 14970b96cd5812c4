"""What a step of training minimises: a file a method, and here the one registry of them.

A method is added by a file that ends in its `METHOD`, and here by a line in `METHODS` and a node of the
configuration tree: a field of `MethodNodes`, or of `SmallStartNodes` if the theory knows its small start.
The configuration, the trainer, predictions, reports and tests go through the registry.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typing_extensions import Doc

from eigenstep.lazy import lazily
from eigenstep.methods import (
    _autoencoder,
    _barlow_twins,
    _byol,
    _coding_rate,
    _corinfomax,
    _cross_entropy,
    _cross_view_autoencoder,
    _dcl,
    _frossl,
    _lejepa,
    _mae,
    _mmcr,
    _nscl,
    _rotation,
    _simclr,
    _simsiam,
    _spectral_contrastive,
    _supcon,
    _vicreg,
    _visreg,
    _w_mse,
)
from eigenstep.methods._autoencoder import AutoencoderConfig
from eigenstep.methods._barlow_twins import BarlowTwinsConfig
from eigenstep.methods._byol import BYOLConfig
from eigenstep.methods._coding_rate import CodingRateConfig
from eigenstep.methods._corinfomax import CorInfoMaxConfig
from eigenstep.methods._cross_view_autoencoder import CrossViewAutoencoderConfig
from eigenstep.methods._dcl import DCLConfig
from eigenstep.methods._frossl import FroSSLConfig
from eigenstep.methods._lejepa import LeJEPAConfig
from eigenstep.methods._mae import MAEConfig
from eigenstep.methods._method import Method, listed
from eigenstep.methods._mmcr import MMCRConfig
from eigenstep.methods._nscl import NSCLConfig
from eigenstep.methods._simclr import SimCLRConfig
from eigenstep.methods._simsiam import SimSiamConfig
from eigenstep.methods._small_start import SmallStart
from eigenstep.methods._spectral_contrastive import SpectralContrastiveConfig
from eigenstep.methods._supcon import SupConConfig
from eigenstep.methods._vicreg import VICRegConfig
from eigenstep.methods._visreg import VISRegConfig
from eigenstep.methods._w_mse import WMSEConfig
from eigenstep.spelling import PYTHON, is_python, nearest

if TYPE_CHECKING:  # what brings torch
    from eigenstep.methods._objective import Embeddings, Objective, check_outcome
    from eigenstep.methods._plugged import plugged
    from eigenstep.methods._target import TargetNetwork
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "AutoencoderConfig",
    "BYOLConfig",
    "BarlowTwinsConfig",
    "CodingRateConfig",
    "CorInfoMaxConfig",
    "CrossViewAutoencoderConfig",
    "DCLConfig",
    "Embeddings",
    "FroSSLConfig",
    "LeJEPAConfig",
    "LossName",
    "MAEConfig",
    "METHODS",
    "MMCRConfig",
    "Method",
    "MethodNodes",
    "NSCLConfig",
    "Objective",
    "SimCLRConfig",
    "SimSiamConfig",
    "SmallStart",
    "SmallStartLoss",
    "SmallStartNodes",
    "SpectralContrastiveConfig",
    "SupConConfig",
    "TargetNetwork",
    "VICRegConfig",
    "VISRegConfig",
    "WMSEConfig",
    "build_objective",
    "check_outcome",
    "check_views",
    "default_rate",
    "is_centered",
    "method_named",
    "plugged",
    "predicted_losses",
    "small_start",
    "title_of",
]

_FILES = (
    *(_barlow_twins, _simclr, _vicreg, _spectral_contrastive, _w_mse, _dcl),
    *(_lejepa, _visreg, _mmcr, _frossl, _corinfomax, _coding_rate, _simsiam, _byol),
    *(_autoencoder, _cross_view_autoencoder, _mae, _rotation),
    *(_supcon, _nscl, _cross_entropy),
)
METHODS: dict[str, Method[Any]] = {file.METHOD.name: file.METHOD for file in _FILES}


@dataclass(frozen=True, kw_only=True)
class SmallStartNodes:
    """The options of the methods whose learning is predicted, a node of the configuration tree each."""

    barlow_twins: BarlowTwinsConfig = field(default_factory=BarlowTwinsConfig)
    simclr: SimCLRConfig = field(default_factory=SimCLRConfig)
    vicreg: VICRegConfig = field(default_factory=VICRegConfig)
    lejepa: LeJEPAConfig = field(default_factory=LeJEPAConfig)


@dataclass(frozen=True, kw_only=True)
class MethodNodes(SmallStartNodes):
    """The options of all methods."""

    spectral_contrastive: SpectralContrastiveConfig = field(default_factory=SpectralContrastiveConfig)
    w_mse: WMSEConfig = field(default_factory=WMSEConfig)
    dcl: DCLConfig = field(default_factory=DCLConfig)
    visreg: VISRegConfig = field(default_factory=VISRegConfig)
    mmcr: MMCRConfig = field(default_factory=MMCRConfig)
    frossl: FroSSLConfig = field(default_factory=FroSSLConfig)
    corinfomax: CorInfoMaxConfig = field(default_factory=CorInfoMaxConfig)
    coding_rate: CodingRateConfig = field(default_factory=CodingRateConfig)
    simsiam: SimSiamConfig = field(default_factory=SimSiamConfig)
    byol: BYOLConfig = field(default_factory=BYOLConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    cross_view_autoencoder: CrossViewAutoencoderConfig = field(default_factory=CrossViewAutoencoderConfig)
    mae: MAEConfig = field(default_factory=MAEConfig)
    supcon: SupConConfig = field(default_factory=SupConConfig)
    nscl: NSCLConfig = field(default_factory=NSCLConfig)


def predicted_losses() -> str:
    """The losses whose learning is predicted, as a sentence has them.

    Examples
    --------
    >>> predicted_losses()
    'barlow_twins, simclr, vicreg or lejepa'
    """
    return listed([name for name, method in METHODS.items() if method.small_start])


def _all_losses() -> str:
    labelled = [name for name, method in METHODS.items() if method.needs_labels]
    others = [name for name in METHODS if name not in labelled]
    return f"{listed(others)}; with labels, to compare: {listed(labelled)}"


# The types of `--loss`, with what its help says.
LossName = Annotated[str, Doc(f"{_all_losses()}.")]
SmallStartLoss = Annotated[
    Literal["barlow_twins", "simclr", "vicreg", "lejepa"],
    Doc(f"{predicted_losses()}, not normalised: losses that small embeddings can grow under."),
]

_OPTIMIZER_RATES = {"adamw": 1e-3, "lars": 1.0, "muon": 0.1}
# Last layers that are scaled by less than this make a small start, from which Muon's step must be smaller: it
# moves the embeddings' scale by as much as it is, however small that is.
_SMALL_START, _SMALL_MUON_RATE = 0.1, 0.02


def method_named(loss: str) -> Method[Any]:
    """The method of a configuration's `loss`.

    Of an object that was plugged in from Python the name is known, as `python:NAME`, and not what to build.

    Raises
    ------
    ValueError
        For an unknown name, naming the nearest.

    Examples
    --------
    >>> method_named("w_mse").title
    'W-MSE'
    """
    if is_python(loss):
        from eigenstep.methods._plugged import absent

        return absent(loss)
    if loss not in METHODS:
        raise ValueError(f"unknown loss {loss!r}: expected {', '.join(METHODS)}." + nearest(loss, METHODS))
    return METHODS[loss]


def check_views(config: Any, objective: "Objective") -> None:
    """Refuse more than two views for an objective of two.

    Raises
    ------
    ValueError
        In one line that names the losses that take more.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> from eigenstep.views import ViewsConfig
    >>> config, mae = TrainConfig(loss="mae", views=ViewsConfig(local_views=4)), METHODS["mae"]
    >>> check_views(config, mae.build(mae.options(), 8, 2))
    Traceback (most recent call last):
        ...
    ValueError: ... is of two views; expected --loss ...
    """
    if not config.views.crops or objective.takes_crops:
        return
    takers = [name for name, method in METHODS.items() if method.build(method.options(), 8, 2).takes_crops]
    own = "; an Objective says that it takes more by takes_crops" if is_python(config.loss) else ""
    raise ValueError(
        f"{config.views.crops}: {config.loss.removeprefix(PYTHON)} is of two views; expected --loss"
        f" {listed(takers)}, or --views.global-views 2 --views.local-views 0{own}"
    )


def title_of(loss: str) -> str:
    """The loss's name as its authors write it; of an unknown one what it is called.

    Examples
    --------
    >>> title_of("w_mse"), title_of("python:my_loss")
    ('W-MSE', 'my_loss')
    """
    return METHODS[loss].title if loss in METHODS else loss.removeprefix(PYTHON)


def build_objective(config: Any, classes: int | None = None) -> "Objective":
    """The objective that `config.loss` names; of several processes it sees the joint batch.

    Parameters
    ----------
    classes : int | None
        How many the data set has, for objectives that need labels.

    Raises
    ------
    ValueError
        For an unknown name, naming the nearest, and for values that the loss refuses.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> build_objective(TrainConfig(loss="vicreg")).loss
    VICRegLoss(lambda_param=25.0, mu_param=25.0, nu_param=1.0, gather_distributed=True, eps=0.0001)
    """
    method = method_named(config.loss)
    objective = method.build(method.options_in(config), config.projector.dim, classes or 1)
    if objective.needs_views:
        objective.begin((config.images.channels or 3, config.images.size, config.images.size))
    return objective


def default_rate(config: Any) -> float:
    """The learning rate that is used where the configuration gives none.

    Examples
    --------
    >>> from eigenstep.training import OptimizerConfig, TrainConfig
    >>> default_rate(TrainConfig(loss="vicreg", optimizer=OptimizerConfig(name="muon")))
    0.02
    """
    if config.optimizer.name == "muon" and config.projector.init_scale < _SMALL_START:
        return _SMALL_MUON_RATE
    return _OPTIMIZER_RATES.get(config.optimizer.name, method_named(config.loss).rate)


def is_centered(config: Any) -> bool:
    """Whether the spectrum of C is recorded of embeddings from which the batch mean is subtracted.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> is_centered(TrainConfig(loss="vicreg"))
    True
    """
    method = method_named(config.loss)
    return method.is_centered(method.options_in(config))


def small_start(config: Any) -> SmallStart:
    """The loss of a training in batches of `config.batch_size`, as seen from small embeddings.

    Raises
    ------
    ValueError
        For losses that never see a small embedding as small: normalised ones.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> type(small_start(TrainConfig(loss="vicreg")).objective).__name__
    'VICReg'
    """
    if config.projector.batch_norm_output:
        raise ValueError(
            "projector.batch_norm_output standardises the embeddings, so that they are never small: nothing"
            " is known of their learning; expected it off"
        )
    method = method_named(config.loss)
    if method.small_start is None:
        raise ValueError(f"expected {predicted_losses()}, whose learning is predicted, got {config.loss}")
    return method.small_start(method.options_in(config), config.batch_size)

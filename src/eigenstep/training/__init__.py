"""Training an encoder on unlabelled images, with the spectrum of its embeddings recorded."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.encoders import Encoder, ProjectorConfig, build_encoder
    from eigenstep.images import ImagesConfig, ImageSet, load_images, photo_patches
    from eigenstep.methods import (
        BarlowTwinsConfig,
        BYOLConfig,
        DCLConfig,
        SimCLRConfig,
        SimSiamConfig,
        SpectralContrastiveConfig,
        SupConConfig,
        VICRegConfig,
        WMSEConfig,
    )
    from eigenstep.optim import (
        EmbeddingPreconditionerConfig,
        OptimizerConfig,
        build_optimizer,
        learning_rates,
    )
    from eigenstep.training._compile import compile_network
    from eigenstep.training._engine import Engine, OneProcess
    from eigenstep.training._health import Health
    from eigenstep.training._learner import Learner
    from eigenstep.training._loggers import build_loggers, check_loggers
    from eigenstep.training._loop import build_learner, train
    from eigenstep.training._preemption import Preempted
    from eigenstep.training._probing import Probe
    from eigenstep.training._processes import launch
    from eigenstep.training._progress import Progress
    from eigenstep.training._resolve import resolve
    from eigenstep.training._resolve_images import resolve_images, views_for
    from eigenstep.training._run import Unwritable
    from eigenstep.training._run_folder import check_folder
    from eigenstep.training._seeds import derived_seed
    from eigenstep.training._sync_batch_norm import SyncBatchNorm, synchronize_batch_norms
    from eigenstep.training.config import (
        CheckpointConfig,
        LoggerConfig,
        ProbesConfig,
        RecordConfig,
        TrainConfig,
        dump_config,
        load_config,
    )
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "BYOLConfig",
    "BarlowTwinsConfig",
    "CheckpointConfig",
    "DCLConfig",
    "EmbeddingPreconditionerConfig",
    "Encoder",
    "Engine",
    "Health",
    "ImageSet",
    "ImagesConfig",
    "Learner",
    "LoggerConfig",
    "OneProcess",
    "OptimizerConfig",
    "Preempted",
    "ProbesConfig",
    "Probe",
    "Progress",
    "ProjectorConfig",
    "RecordConfig",
    "SimCLRConfig",
    "SimSiamConfig",
    "SpectralContrastiveConfig",
    "SupConConfig",
    "SyncBatchNorm",
    "TrainConfig",
    "Unwritable",
    "VICRegConfig",
    "WMSEConfig",
    "build_encoder",
    "build_learner",
    "build_loggers",
    "build_optimizer",
    "check_folder",
    "check_loggers",
    "compile_network",
    "derived_seed",
    "dump_config",
    "launch",
    "learning_rates",
    "load_config",
    "load_images",
    "photo_patches",
    "resolve",
    "resolve_images",
    "synchronize_batch_norms",
    "train",
    "views_for",
]

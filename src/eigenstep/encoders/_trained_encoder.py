"""A run's encoder, loaded back, and images through an encoder that is not trained meanwhile."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from eigenstep.encoders._checkpoints import find_checkpoint
from eigenstep.encoders._config import EncoderConfig, EncoderSettings
from eigenstep.encoders._encoder import Encoder, build_encoder, fit_weights, read_weights
from eigenstep.images import stored_images
from eigenstep.record import SMALL_BYTES, TABLE_BYTES, as_dataclass, check_bounded, read_tree
from eigenstep.views import TwoViews, ViewsConfig

BATCH = 256


def load_encoder(run: str | Path, checkpoint: str | int = "last") -> "TrainedEncoder":
    """The encoder of a run folder, in evaluation mode, on the CPU, in float32.

    No random state is touched.

    Parameters
    ----------
    checkpoint : str | int
        "last", "best" (by the k-NN probe, if the run made one) or the number of its step.

    Raises
    ------
    FileNotFoundError
        If there is no run or no checkpoint yet.
    ValueError
        If there are only others, which it names, or if the weights do not fit the run's configuration.

    Examples
    --------
    >>> import tempfile
    >>> from eigenstep.images import ImagesConfig
    >>> from eigenstep.training import TrainConfig, train
    >>> run = tempfile.mkdtemp() + "/run"
    >>> config = TrainConfig(steps=1, batch_size=8, threads=1, images=ImagesConfig(size=8, patches=8))
    >>> _ = train(config, run)

    >>> encoder = load_encoder(run)
    >>> features, embeddings = encoder(encoder.prepare(torch.zeros(2, 3, 40, 50, dtype=torch.uint8)))
    >>> features.shape, embeddings.shape
    (torch.Size([2, 256]), torch.Size([2, 16]))
    """
    folder = find_checkpoint(run, checkpoint)
    config = _config_of(Path(run))
    with torch.random.fork_rng(devices=[]):
        try:
            built = build_encoder(config.backbone, config.images.size, config.projector)
        except RuntimeError as error:  # of torch, for sizes that nothing has
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"{run}/config.yaml describes no encoder that can be made ({reason})") from error
    for name, module in (("backbone", built.backbone), ("projector", built.projector)):
        path = folder / f"{name}.safetensors"
        if path.exists():
            check_bounded(path, TABLE_BYTES, Path(run))
        fit_weights(module, read_weights(path), f"{path} does not fit the run's config.yaml")
    return TrainedEncoder(built, config, folder).eval()


def initial_encoder(config: EncoderSettings) -> Encoder:
    """The encoder as `train` starts from it, in training mode. No random state is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_encoder(
            config.backbone, config.images.size, config.projector, weights=config.backbone_weights
        )


class TrainedEncoder(Encoder):
    """An encoder with what a run has learned, which also tells how images go in.

    Attributes
    ----------
    backbone, projector
        The modules; features (B, p) are what the first gives, embeddings (B, d) the second.
    num_features
        p.
    config : EncoderConfig
        What the run's configuration says of its encoder and images.
    checkpoint : Path
        The folder that the weights come from.
    """

    def __init__(self, encoder: Encoder, config: EncoderConfig, checkpoint: Path) -> None:
        nn.Module.__init__(self)
        self.backbone = encoder.backbone
        self.num_features = encoder.num_features
        self.projector = encoder.projector
        self.config = config
        self.checkpoint = checkpoint

    def prepare(
        self, images: Tensor | Image.Image | str | Path | Sequence[Image.Image | str | Path]
    ) -> Tensor:
        """Images as the encoder takes them: (n, 3, size, size), resized, centre cropped and normalised.

        They become what the run's own images are in evaluation, to the bit.

        Parameters
        ----------
        images : Tensor | Image.Image | str | Path | Sequence[Image.Image | str | Path]
            uint8 (n, 3, H, W), or paths and RGB images of PIL, one or several, of any sizes.

        Raises
        ------
        ValueError
            For anything else, and for a file that is no image.
        FileNotFoundError
            For a path where there is none.
        """
        size = self.config.images.stored_size or self.config.images.size
        return prepare_images(stored_images(images, size), self.config)


def encode(encoder: nn.Module, images: Tensor, config: EncoderSettings) -> tuple[Tensor, Tensor]:
    """Features (n, p) and embeddings (n, d) of stored images, uint8 (n, 3, H, W), on the encoder's device.

    In evaluation mode, without gradients, a batch at a time; float32 or wider.
    """
    weight = next(encoder.parameters())
    passed = []
    with torch.no_grad(), _frozen(encoder, weight.device):
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            prepared = prepare_images(batch.to(weight.device), config).to(weight.dtype)
            passed.append(encoder(prepared.contiguous(memory_format=torch.channels_last)))
    features, embeddings = (torch.cat(parts) for parts in zip(*passed, strict=True))
    wide = torch.promote_types(features.dtype, torch.float32)
    return features.to(wide), embeddings.to(wide)


def prepare_images(images: Tensor, config: EncoderSettings) -> Tensor:
    """Stored images (n, 3, H, W) as a run's encoder takes them, (n, 3, size, size) float32.

    Resized and normalised, not augmented otherwise.

    Examples
    --------
    >>> from eigenstep.encoders import EncoderConfig
    >>> prepare_images(torch.zeros(2, 3, 40, 40, dtype=torch.uint8), EncoderConfig()).shape
    torch.Size([2, 3, 32, 32])
    """
    plain = dataclasses.replace(
        ViewsConfig.none(config.views.normalize), mean=config.views.mean, std=config.views.std
    )
    views = TwoViews(plain, config.images.size)
    return views.apply(images, views.sample(images, torch.Generator()))


def _config_of(run: Path) -> EncoderConfig:
    check_bounded(run / "config.yaml", SMALL_BYTES, run)
    tree = read_tree(run / "config.yaml")
    names = {field.name for field in dataclasses.fields(EncoderConfig)}
    return as_dataclass(EncoderConfig, {name: value for name, value in tree.items() if name in names})


@contextmanager
def _frozen(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode; every module's own mode and the random state are as they were afterwards."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode

"""A run's encoder, loaded back."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from eigenstep.encoders._config import EncoderConfig, EncoderSettings
from eigenstep.encoders._encode import prepare_images
from eigenstep.encoders._encoder import Encoder, build_encoder
from eigenstep.encoders._find_checkpoint import find_checkpoint
from eigenstep.encoders._weights import fit_weights, read_weights
from eigenstep.images import stored_images
from eigenstep.record import as_dataclass, read_tree


def load_encoder(run: str | Path, checkpoint: str | int = "last") -> "TrainedEncoder":
    """The encoder of a run folder, in evaluation mode, on the CPU, in float32.

    No random state is touched.

    Parameters
    ----------
    checkpoint : "last", "best" (by the k-NN probe, if the run made one) or the number of its step

    Raises FileNotFoundError if there is no run or no checkpoint yet, ValueError if there are only others,
    which it names, or if the weights do not fit the run's configuration.

    >>> import tempfile
    >>> from eigenstep.images import ImagesConfig
    >>> from eigenstep.training import train
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
        built = build_encoder(config.backbone, config.images.size, config.projector)
    for name, module in (("backbone", built.backbone), ("projector", built.projector)):
        path = folder / f"{name}.safetensors"
        fit_weights(module, read_weights(path), f"{path} does not fit the run's config.yaml")
    return TrainedEncoder(built, config, folder).eval()


def _config_of(run: Path) -> EncoderConfig:
    tree = read_tree(run / "config.yaml")
    names = {field.name for field in dataclasses.fields(EncoderConfig)}
    return as_dataclass(EncoderConfig, {name: value for name, value in tree.items() if name in names})


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
    backbone, projector : the modules; features (B, p) are what the first gives, embeddings (B, d) the second
    num_features : p
    config : what the run's configuration says of its encoder and images
    checkpoint : the folder that the weights come from
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
        images : uint8 (n, 3, H, W), or paths and RGB images of PIL, one or several, of any sizes

        Raises ValueError for anything else, and for a file that is no image; FileNotFoundError for a path
        where there is none.
        """
        size = self.config.images.stored_size or self.config.images.size
        return prepare_images(stored_images(images, size), self.config)

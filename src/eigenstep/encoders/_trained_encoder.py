"""A run's encoder, loaded back, and how images go into it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.encoders._checkpoints import find_checkpoint
from eigenstep.encoders._config import EncoderConfig, EncoderSettings, channels_of
from eigenstep.encoders._encoder import Encoder, build_encoder, fit_weights
from eigenstep.encoders._own_encoder import OwnEncoder
from eigenstep.encoders.weights import Start, read_weights
from eigenstep.images import AnyImage, stored_images
from eigenstep.record import SMALL_BYTES, TABLE_BYTES, as_dataclass, check_bounded, read_tree
from eigenstep.spelling import PYTHON, is_python
from eigenstep.views import TwoViews, ViewsConfig


def load_encoder(
    run: str | Path, checkpoint: str | int = "last", *, encoder: nn.Module | None = None
) -> "TrainedEncoder":
    """The encoder of a run folder, in evaluation mode, on the CPU, in float32.

    No random state is touched.

    Parameters
    ----------
    checkpoint : str | int
        "last", "best" (by the k-NN probe, if the run made one) or the number of its step.
    encoder : nn.Module | None
        A module such as the run was given by `train(encoder=...)`, into which the weights go; for such runs
        alone.

    Raises
    ------
    FileNotFoundError
        If there is no run or no checkpoint yet.
    ValueError
        If there are only others, which it names, if the weights do not fit the run's configuration, or if the
        encoder is a Python object that is not given.

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
    built = _build(Path(run), config, encoder)
    parts = {"backbone": built.backbone, "projector": built.projector}
    # Of an encoder of one's own there is no projector.
    for name, module in parts.items() if encoder is None else [("backbone", built.backbone)]:
        path = folder / f"{name}.safetensors"
        if path.exists():
            check_bounded(path, TABLE_BYTES, Path(run))
        fit_weights(module, read_weights(path), f"{path} does not fit {_origin(config)}")
    return TrainedEncoder(built, config, folder).eval()


def initial_encoder(config: EncoderSettings, started: Start | None = None) -> Encoder:
    """The encoder as `train` starts from it, in training mode. No random state is touched.

    Parameters
    ----------
    started : Start | None
        What a run that goes on took from weights, which a checkpoint then takes the place of: they are not
        read again, and may be gone.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> type(initial_encoder(TrainConfig())).__name__
    'Encoder'
    """
    options: dict[str, Any] = {}
    if started is None:
        options = {
            "weights": config.backbone_weights,
            "weights_prefix": config.weights_prefix,
            "pretrained": config.pretrained,
        }
    if config.views.local_views:
        options["local_size"] = config.views.side_of_local(config.images.size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        encoder = build_encoder(
            config.backbone, config.images.size, config.projector, channels=channels_of(config), **options
        )
    encoder.start = started or encoder.start
    return encoder


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

    def prepare(self, images: Tensor | AnyImage | Sequence[AnyImage]) -> Tensor:
        """Images as the encoder takes them: (n, C, size, size), resized, centre cropped and normalised.

        They become what the run's own images are in evaluation, to the bit.

        Parameters
        ----------
        images : Tensor | AnyImage | Sequence[AnyImage]
            Stored images (n, C, H, W), uint8, uint16 or float32 within [0, 1]; or paths, images of PIL and
            arrays (H, W) and (H, W, C) with values as in files, one or several, of any sizes.

        Raises
        ------
        ValueError
            For anything else, and for a file that is no image.
        FileNotFoundError
            For a path where there is none.
        """
        _refuse_own_views(self.config)
        return prepare_images(as_stored(images, self.config), self.config)


def as_stored(images: Tensor | AnyImage | Sequence[AnyImage], config: EncoderSettings) -> Tensor:
    """Images as a run of this configuration stores its own, see `eigenstep.images.stored_images`.

    Examples
    --------
    >>> from eigenstep.training import TrainConfig
    >>> as_stored(torch.zeros(1, 3, 40, 40, dtype=torch.uint8), TrainConfig()).shape
    torch.Size([1, 3, 32, 32])
    """
    return stored_images(images, dataclasses.replace(config.images, channels=channels_of(config)))


def prepare_images(images: Tensor, config: EncoderSettings) -> Tensor:
    """Stored images (n, C, H, W) as a run's encoder takes them, (n, C, size, size) float32.

    Resized and normalised, not augmented otherwise.

    Raises
    ------
    ValueError
        If the run was given views of its own, which alone know.

    Examples
    --------
    >>> from eigenstep.encoders import EncoderConfig
    >>> prepare_images(torch.zeros(2, 3, 40, 40, dtype=torch.uint8), EncoderConfig()).shape
    torch.Size([2, 3, 32, 32])
    """
    _refuse_own_views(config)
    views = TwoViews(
        ViewsConfig.none(config.views.normalize, config.views.mean, config.views.std), config.images.size
    )
    return views.apply(images, views.sample(images, torch.Generator()))


def _refuse_own_views(config: EncoderSettings) -> None:
    if config.views.own:
        raise ValueError(
            f"the views {config.views.own} are a Python object of the program that began the run, and say how"
            " its encoder takes images: call it there with what their plain(batch) gives"
        )


def _build(run: Path, config: EncoderConfig, encoder: nn.Module | None) -> Encoder:
    """An encoder as the configuration describes it, with any weights."""
    if is_python(config.backbone):
        name = config.backbone.removeprefix(PYTHON)
        if encoder is None:
            raise ValueError(
                f"{run}: its encoder {config.backbone} is a Python object; give it from Python, by"
                f" load_encoder(run, encoder={name})"
            )
        return OwnEncoder(encoder.cpu().float())
    if encoder is not None:
        raise ValueError(f"{run}: its encoder is {config.backbone}, which has a name; leave out encoder=")
    with torch.random.fork_rng(devices=[]):
        try:
            return build_encoder(
                config.backbone, config.images.size, config.projector, channels=channels_of(config)
            )
        except RuntimeError as error:  # of torch, for sizes that nothing has
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"{run}/config.yaml describes no encoder that can be made ({reason})") from error


def _origin(config: EncoderConfig) -> str:
    return "the encoder that was given" if is_python(config.backbone) else "the run's config.yaml"


def _config_of(run: Path) -> EncoderConfig:
    check_bounded(run / "config.yaml", SMALL_BYTES, run)
    tree = read_tree(run / "config.yaml")
    names = {field.name for field in dataclasses.fields(EncoderConfig)}
    config = as_dataclass(EncoderConfig, {name: value for name, value in tree.items() if name in names})
    channels = channels_of(config)
    return dataclasses.replace(
        config,
        images=dataclasses.replace(config.images, channels=channels),
        views=config.views.for_channels(channels),
    )

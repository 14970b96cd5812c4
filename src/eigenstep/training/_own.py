"""Objects of Python that a run is given in place of names: its data set, its views, its encoder."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eigenstep.encoders import (
    Encoder,
    Start,
    channels_of,
    initial_encoder,
    own_projector,
    try_encoder,
    try_network,
)
from eigenstep.images import Images, Source, own_data
from eigenstep.spelling import PYTHON, absent_object, is_python, python_name
from eigenstep.training._engine import Engine
from eigenstep.training._resolve_images import resolve_images
from eigenstep.training._seeds import derived_seed
from eigenstep.training.config import TrainConfig, load_config
from eigenstep.views import Crops, OwnViews


@dataclass(frozen=True)
class Own:
    """What was given, ready to be used.

    Attributes
    ----------
    images : Source | None
        In the place of what `config.data` names.
    views : OwnViews | None
        In the place of those of `config.views`.
    encoder : nn.Module | None
        In the place of `config.backbone` and its projector.
    """

    images: Source | None = None
    views: OwnViews | None = None
    encoder: nn.Module | None = None

    @classmethod
    def of(cls, images: Any, views: Any, encoder: Any) -> "Own":
        """Raises TypeError if one is not a data set, a callable or a module."""
        if encoder is not None and not isinstance(encoder, nn.Module):
            raise TypeError(f"encoder: expected a torch.nn.Module, got {type(encoder).__name__}")
        return cls(
            None if images is None else own_data(images, as_tensors=views is not None),
            None if views is None else OwnViews(views),
            encoder,
        )

    def named_in(self, config: TrainConfig) -> TrainConfig:
        """The configuration with the names of what was given.

        Raises
        ------
        ValueError
            In one line if it names an object that was not given, or weights for an encoder that has its own.
        """
        data = config.data if self.images is None else self.images.data
        views = config.views.own if self.views is None else self.views.name
        backbone = config.backbone if self.encoder is None else python_name(self.encoder)
        if self.encoder is not None:
            _refuse_for_own_encoder(config)
        for what, name, given, keyword in (
            ("data set", data, self.images, "images"),
            ("views", views, self.views, "views"),
            ("encoder", backbone, self.encoder, "encoder"),
        ):
            if given is None and (is_python(name) or (keyword == "views" and name)):
                raise ValueError(absent_object(what, str(name), keyword))
        return dataclasses.replace(
            config, data=data, backbone=backbone, views=dataclasses.replace(config.views, own=views)
        )

    def with_projector_of(self, out: Path, config: TrainConfig) -> TrainConfig:
        """The configuration with the projector that a run in `out` has noted of an encoder of one's own.

        Its dimension is the encoder's, which is not known before it is tried.
        """
        if self.encoder is None:
            return config
        try:
            stored = load_config(out / "config.yaml")
        except (OSError, ValueError):
            return config
        if stored.backbone != config.backbone:
            return config
        return dataclasses.replace(config, projector=stored.projector)

    def resolve_images(self, config: TrainConfig, images: Images) -> TrainConfig:
        """The configuration with what the images tell of it; any tensors tell nothing."""
        return config if images.pixels is None else resolve_images(config, images)

    def build_encoder(self, config: TrainConfig, started: Start | None) -> Encoder | None:
        """The `initial_encoder` of the configuration; None where one of one's own is in its place."""
        return initial_encoder(config, started) if self.encoder is None else None

    def try_encoder(
        self, encoder: Encoder | None, engine: Engine, config: TrainConfig, images: Images
    ) -> tuple[Encoder, TrainConfig, tuple[int, ...]]:
        """The encoder that is trained, the configuration with its dimension, and the shape of one view.

        An encoder of one's own is tried on the views of two items, and so is any for views of one's own. In
        several processes they all have the first one's weights.

        Parameters
        ----------
        encoder : Encoder | None
            What `build_encoder` gave.

        Raises
        ------
        ValueError
            In one line if the views do not pass it.
        """
        if encoder is not None and self.views is None:
            return encoder, config, (channels_of(config), config.images.size, config.images.size)
        sample = torch.cat(self._views(engine, config, images)[:2])
        view = tuple(sample.shape[1:])
        if encoder is not None:
            try_network(encoder, sample, config.backbone)
            self._try_plain(encoder, engine, config, images)
            return encoder, config, view
        assert self.encoder is not None, "there is one of the two"
        own, dim = try_encoder(self.encoder, sample)
        if config.views.local_views:
            try_network(own, self._views(engine, config, images)[-1], config.backbone.removeprefix(PYTHON))
        self._try_plain(own, engine, config, images)
        if engine.world_size > 1:
            own.load_state_dict(engine.broadcast(own.state_dict()))
        return own, dataclasses.replace(config, projector=own_projector(dim)), view

    def _try_plain(self, encoder: Encoder, engine: Engine, config: TrainConfig, images: Images) -> None:
        """Refuse views whose plain view the encoder does not take, which is measured and probed."""
        if self.views is None or not (config.record.probe or config.probes.every):
            return
        plain = self.views.plain(images.probe(2).to(engine.device))
        try:
            try_network(encoder, plain, config.backbone.removeprefix(PYTHON))
        except ValueError as error:
            name = self.views.name.removeprefix(PYTHON)
            raise ValueError(
                f"views: the encoder takes the views of {name}, and not the plain view"
                f" {tuple(plain.shape)} by which the probe batch and probes are measured; give {name} a"
                " method plain(batch) that gives views which the encoder takes"
            ) from error

    def _views(self, engine: Engine, config: TrainConfig, images: Images) -> tuple[torch.Tensor, ...]:
        """The views of two items."""
        stored = images.probe(2).to(engine.device)
        views = self.views or Crops(config.views, config.images.size)
        with torch.random.fork_rng():
            generator = torch.Generator().manual_seed(derived_seed(config.seed, 1, 0))
            return views(stored, generator)


def _refuse_for_own_encoder(config: TrainConfig) -> None:
    """Refuse what is about backbones by name."""
    defaults = TrainConfig()
    for name in ("backbone_weights", "weights_prefix", "pretrained", "freeze"):
        if (value := getattr(config, name)) != getattr(defaults, name):
            raise ValueError(
                f"{name}: expected none with encoder=, got {value}; load weights into the module, and freeze"
                " them by requires_grad=False, before it is given"
            )
    for name in ("layer_decay", "projector_first"):
        if (value := getattr(config.optimizer, name)) != getattr(defaults.optimizer, name):
            raise ValueError(
                f"optimizer.{name}: expected none with encoder=, whose layers are not known, got {value}"
            )


def check_same_objects(out: Path, config: TrainConfig) -> None:
    """Refuse to go on without the objects that a run was begun with.

    Raises
    ------
    ValueError
        In one line that says by which keyword to give the object.
    """
    try:
        began = load_config(out / "config.yaml")
    except (OSError, ValueError):
        return  # what is wrong with the folder is told next
    for what, stored, now, keyword in (
        ("loss", began.loss, config.loss, "objective"),
        ("data set", began.data, config.data, "images"),
        ("views", began.views.own, config.views.own, "views"),
        ("encoder", began.backbone, config.backbone, "encoder"),
    ):
        if stored != now and is_python(stored):
            raise ValueError(absent_object(what, str(stored), keyword))

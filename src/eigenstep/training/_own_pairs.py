"""Pairs of two kinds of data and their two encoders, in place of images, views and one encoder."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from eigenstep.encoders import Encoder, OwnEncoder, Start, TwoEncoders, own_projector, try_encoder
from eigenstep.images import Images, Pairs
from eigenstep.methods import Method, Objective
from eigenstep.training._engine import Engine
from eigenstep.training._own import Own
from eigenstep.training.config import TrainConfig
from eigenstep.views import PairViews


@dataclass(frozen=True)
class OwnPairs(Own):
    """What was given of pairs; `images` are its pairs as rows of bytes, which `views` take apart."""

    encoder: TwoEncoders | None = None

    @classmethod
    def of(cls, images: Any, views: Any, encoder: Any) -> "OwnPairs":
        """Raises TypeError if the parts do not belong together."""
        if not isinstance(images, Pairs):
            raise TypeError(
                f"images: expected eigenstep.images.Pairs(x, y) for two encoders, got {type(images).__name__}"
            )
        if isinstance(encoder, tuple | list) and len(encoder) == 2:
            encoder = TwoEncoders(*encoder)
        if not isinstance(encoder, TwoEncoders):
            got = "none" if encoder is None else type(encoder).__name__
            raise TypeError(f"encoder: expected two for pairs, encoder=(of_first, of_second), got {got}")
        if views is not None and not (isinstance(views, tuple | list) and len(views) == 2):
            raise TypeError(
                "views: expected one for each side of the pairs, views=(of_first, of_second) with None for a"
                f" side that is not augmented, got {type(views).__name__}"
            )
        return cls(images.as_source(), PairViews(images.unpack, *(views or (None, None))), encoder)

    def named_in(self, config: TrainConfig) -> TrainConfig:
        """The configuration with the names of what was given, and singular values as its modes.

        Raises
        ------
        ValueError
            As `Own.named_in`, and for probes, which need labels.
        """
        if config.probes.every:
            raise ValueError("probes.every: expected none with Pairs, which have no labels; leave it out")
        if config.embedding_preconditioner.power is not None:
            raise ValueError(
                "embedding_preconditioner.power: expected none with Pairs, since it takes both views for"
                " those of one encoder"
            )
        record = dataclasses.replace(config.record, modes="singular_values")
        return super().named_in(dataclasses.replace(config, record=record))

    def with_projector_of(self, out: Path, config: TrainConfig) -> TrainConfig:
        """As `Own.with_projector_of`; encoders by name have the projector that the configuration says."""
        by_name = self.encoder is not None and self.encoder.has_names
        return config if by_name else super().with_projector_of(out, config)

    def check_objective(self, method: Method[Any], objective: Objective) -> None:
        """Raises ValueError in one line for a loss that needs more than two embeddings."""
        needs = {
            "labels": objective.needs_labels,
            "the views themselves": objective.needs_views,
            "a target network": objective.target_momentum is not None,
        }
        for what, needed in needs.items():
            if needed:
                raise ValueError(
                    f"{method.title} needs {what}, which two encoders of pairs do not have; use a loss of two"
                    " embeddings, such as objective=CLIPLoss()"
                )

    def build_encoder(self, config: TrainConfig, started: Start | None) -> None:
        return None

    def try_encoder(
        self, encoder: Encoder | None, engine: Engine, config: TrainConfig, images: Images
    ) -> tuple[Encoder, TrainConfig, tuple[int, ...]]:
        """Both encoders as one, the configuration with their dimension, and the shape of the first view.

        Raises
        ------
        ValueError
            In one line if a side's views do not pass its encoder, and for embeddings of two widths.
        """
        assert self.encoder is not None, "there are two"
        views = self._views(engine, config, images)
        shapes = (tuple(views[0].shape[1:]), tuple(views[1].shape[1:]))
        self.encoder.build(shapes, config.projector, config.seed)
        dims, widths = [], []
        sides = (("first", self.encoder.first), ("second", self.encoder.second))
        for (place, side), view, plain in zip(sides, views, self._plain(images), strict=True):
            try:
                tried, dim = try_encoder(side, view)
                if plain.shape[1:] != view.shape[1:]:
                    try_encoder(side, plain)
            except ValueError as error:
                raise ValueError(f"{error} (the {place} of two)") from error
            dims.append(dim)
            widths.append(tried.num_features)
        if dims[0] != dims[1]:
            raise ValueError(
                f"encoder: expected embeddings of one width from both, got {dims[0]} and {dims[1]}; set"
                " projector.dim for those by name, or the last layer of the modules"
            )
        if engine.world_size > 1:
            self.encoder.load_state_dict(engine.broadcast(self.encoder.state_dict()))
        projector = config.projector if self.encoder.has_names else own_projector(dims[0])
        joined = OwnEncoder(self.encoder, min(widths))
        return joined, dataclasses.replace(config, projector=projector), shapes[0]

    def _plain(self, images: Images) -> tuple[Tensor, Tensor]:
        assert isinstance(self.views, PairViews), "pairs have no others"
        return self.views.plain(images.probe(2))

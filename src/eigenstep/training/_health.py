"""What `eigenstep train` records of its steps' health."""

import torch
from torch import Tensor, nn

from eigenstep.encoders import Encoder, TwoEncoders
from eigenstep.spectrum.health import (
    BeforeUpdate,
    agreement_of_labels,
    are_images,
    as_numbers,
    of_embeddings,
    of_features,
    of_update,
    of_views,
    see_before_update,
    share_distinct,
    share_evaluating,
    some_pixels,
)
from eigenstep.training._engine import Engine
from eigenstep.training._learner import ForwardPass, Learner


class Health:
    """Measures single steps; nothing of it is carried from one to the next, so that resumed runs agree.

    Parts are the backbone, the projector and, where it is trained, the objective. docs/run-folder.md says
    what each number is.

    Examples
    --------
    >>> from eigenstep.encoders import OwnEncoder
    >>> from eigenstep.methods import METHODS
    >>> from eigenstep.training import Learner, OneProcess
    >>> method, engine = METHODS["vicreg"], OneProcess("cpu", "32-true")
    >>> learner = Learner(engine, OwnEncoder(nn.Linear(5, 3)), method.build(method.options(), 3, 2))
    >>> images = torch.randn(8, 5)
    >>> found = Health(learner, engine).of_batch(learner.forward(0, (images, images)), images)
    >>> found["views_equal"], found["images_distinct"], found["batch"]
    (1.0, 1.0, 8.0)
    """

    def __init__(self, learner: Learner, engine: Engine) -> None:
        encoder = learner.encoder
        parts: dict[str, nn.Module] = {"objective": learner.objective}
        if isinstance(encoder, Encoder):
            parts |= {"backbone": encoder.backbone, "projector": encoder.projector}
        self._parts = {name: list(part.parameters()) for name, part in parts.items()}
        self._parts = {name: weights for name, weights in self._parts.items() if weights}
        self._encoder = encoder
        self._of_pairs = isinstance(encoder.backbone, TwoEncoders)
        self._scaler = engine.scaler
        self._processes = engine.world_size

    @torch.no_grad()
    def of_batch(self, passed: ForwardPass, images: Tensor) -> dict[str, float]:
        """What a forward pass tells of its batch, in this process.

        Parameters
        ----------
        images : Tensor
            (b, ...) as they are stored, before the views.
        """
        z_a, z_b = (z.detach() for z in passed.embeddings[:2])
        found: dict[str, Tensor | float] = dict(of_embeddings(z_a, z_b))
        if not self._of_pairs:  # whose sides have features and views of two kinds
            a, b = passed.views[:2]
            found |= of_features(*passed.features) | of_views(some_pixels(a), some_pixels(b))
            found["views_are_images"] = are_images(a)
        if passed.batch.labels is not None:
            found["labels_agreement"] = agreement_of_labels(z_a, passed.batch.labels)
        if (evaluating := share_evaluating(self._encoder.modules())) is not None:
            found["norms_evaluating"] = evaluating
        found["images_distinct"] = share_distinct(images)
        found |= {"batch": len(images) * self._processes, "processes": self._processes}
        return as_numbers(found)

    def before_update(self) -> BeforeUpdate:
        """Once the gradient is there."""
        return see_before_update(self._parts, self._scaler.get_scale() if self._scaler else 1.0)

    def of_update(self, before: BeforeUpdate) -> dict[str, float]:
        """What a step did, once it is taken."""
        found: dict[str, Tensor | float] = dict(of_update(self._parts, before))
        if self._scaler:
            found["loss_scale"] = self._scaler.get_scale()
        return as_numbers(found)

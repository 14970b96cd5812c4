"""Faults of trainings injected for real, and sound trainings to inject them into, for `advice.py`.

A `Context` is a sound training of seconds; a `Fault` changes one thing of it, by a value that is mild or
strong. Values, data and methods of the half that thresholds are set on ("tune") and of the half that judges
("held") differ. What a configuration would say is set there; what is a bug of code is done by views, images,
an objective or a backbone of Python, of which the configuration says nothing.
"""

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from eigenstep.images import ImagesConfig, load_labelled
from eigenstep.methods import Embeddings, Objective, build_objective
from eigenstep.training import ProjectorConfig, RecordConfig, TrainConfig, build_encoder
from eigenstep.training.config import (
    BarlowTwinsConfig,
    BYOLConfig,
    OptimizerConfig,
    SimCLRConfig,
    SimSiamConfig,
)
from eigenstep.views import TwoViews, ViewsConfig

SIZE, STEPS, BATCH, EVERY = 16, 80, 64, 4
TRAINED, FITTED, TESTED = 3000, 2000, 2000
STRONG, MILD = "strong", "mild"


@register_model
def vit_16(pretrained: bool = False, img_size: int = SIZE, **options: Any) -> nn.Module:
    """Sixteen patches of 4 px, width 48, depth 2."""
    shape: dict[str, Any] = {"embed_dim": 48, "depth": 2, "num_heads": 3, "mlp_ratio": 2}
    return VisionTransformer(img_size=img_size, patch_size=4, num_classes=0, **shape)


@dataclass(frozen=True)
class Setup:
    """What `train` is given."""

    config: TrainConfig
    images: list[tuple[np.ndarray, int]]
    views: Callable[..., tuple[Tensor, Tensor]] | None = None
    objective: Objective | None = None

    def with_config(self, **changes: Any) -> "Setup":
        """The same with other values, by dotted names with "__" for the dot."""
        config = self.config
        for name, value in changes.items():
            node, _, leaf = name.rpartition("__")
            if node:
                config = replace(config, **{node: replace(getattr(config, node), **{leaf: value})})
            else:
                config = replace(config, **{leaf: value})
        return replace(self, config=config)


@dataclass(frozen=True)
class Context:
    """A sound training: data, network, method, optimiser, its rate and the seed."""

    data: str
    network: str
    loss: str
    optimizer: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        return "-".join([self.data, self.network, self.loss, self.optimizer, str(self.seed)])

    def setup(self) -> Setup:
        config = TrainConfig(
            loss=self.loss,
            backbone=self.network,
            steps=STEPS,
            batch_size=BATCH,
            seed=self.seed,
            threads=1,
            device="cpu",
            images=ImagesConfig(size=SIZE),
            projector=ProjectorConfig(hidden=(128,), dim=32, init_scale=1.0, batch_norm=True),
            optimizer=OptimizerConfig(name=self.optimizer, lr=self.rate),
            record=RecordConfig(every=EVERY, probe=64),
            barlow_twins=BarlowTwinsConfig(normalize="batch", lambda_param=0.02),
            simclr=SimCLRConfig(normalize="cosine", temperature=0.5),
            simsiam=SimSiamConfig(predictor_hidden=128),
            byol=BYOLConfig(predictor_hidden=128, momentum=0.98),
        )
        return Setup(config, pictures(self.data)[0])


TUNE = [
    Context("cifar10", "convnet", "barlow_twins", "sgd", 5e-3, 0),
    Context("cifar10", "vit_16", "barlow_twins", "adamw", 2e-3, 1),
    Context("cifar10", "convnet", "simclr", "adamw", 2e-3, 2),
    Context("cifar10", "vit_16", "simclr", "sgd", 0.1, 0),
    Context("cifar10", "convnet", "simsiam", "sgd", 0.05, 1),
    Context("cifar10", "convnet", "simsiam", "adamw", 2e-3, 2),
]
HELD = [
    Context("imagenette", "convnet", "vicreg", "sgd", 2e-3, 3),
    Context("imagenette", "vit_16", "vicreg", "adamw", 2e-3, 4),
    Context("imagenette", "convnet", "byol", "adamw", 2e-3, 5),
    Context("imagenette", "convnet", "byol", "sgd", 0.05, 3),
    Context("imagenette", "convnet", "spectral_contrastive", "adamw", 2e-3, 4),
    Context("imagenette", "vit_16", "spectral_contrastive", "sgd", 5e-3, 5),
]
# For faults of one method alone: a method that has the fault, on the data of either half.
SPECIAL = {
    "temperature": ([2], [Context("imagenette", "convnet", "dcl", "adamw", 2e-3, 3)]),
    "weights": ([0, 1], [HELD[0], HELD[1]]),
    "target": ([Context("cifar10", "convnet", "byol", "adamw", 2e-3, 0)], [HELD[2], HELD[3]]),
    "predictor": ([4, 5], [HELD[2], HELD[3]]),
    "labels": (
        [Context("cifar10", "convnet", "supcon", "adamw", 2e-3, 0)],
        [Context("imagenette", "convnet", "nscl", "adamw", 2e-3, 3)],
    ),
    "start": ([Context("cifar10", "convnet", "spectral_contrastive", "sgd", 5e-3, 0)], [HELD[5], HELD[0]]),
}


@dataclass(frozen=True)
class Fault:
    """One change to a training, and its value by half and severity; `cause` is what advice should name."""

    cause: str
    change: Callable[[Setup, Any], Setup]
    tune: tuple[Any, Any]
    held: tuple[Any, Any]
    special: str | None = None
    only: Callable[[Context], bool] = field(default=lambda context: True)

    def value(self, half: str, severity: str) -> Any:
        return (self.tune if half == "tune" else self.held)[severity == STRONG]

    def contexts(self, half: str) -> list[Context]:
        if self.special:
            found = SPECIAL[self.special][half == "held"]
            return [TUNE[each] if isinstance(each, int) else each for each in found]
        return [each for each in (TUNE if half == "tune" else HELD) if self.only(each)]


@cache
def pictures(data: str) -> tuple[list[tuple[np.ndarray, int]], list[tuple[np.ndarray, int]]]:
    """Images (16, 16, 3) uint8 with their classes, to train on and to test."""
    kept = Path("runs/advice") / f"{data}.pt"
    if not kept.exists():
        source = {"cifar10": ("cifar10", 32), "imagenette": ("imagenette96", 96)}[data]
        folder, size = Path("../shared/data") / source[0], source[1]
        found = load_labelled(str(folder), ImagesConfig(size=size), "train", TRAINED + TESTED)
        small = avg_pool2d(found.images.float(), size // SIZE).round().byte()
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save((small.permute(0, 2, 3, 1).contiguous(), found.labels), kept)
    images, labels = torch.load(kept)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    rows = [(images[each].numpy(), int(labels[each])) for each in order]
    return rows[TESTED:], rows[:TESTED]


def scaled_rate(setup: Setup, factor: float) -> Setup:
    return setup.with_config(optimizer__lr=float(setup.config.optimizer.lr or 0) * factor)


def decayed(setup: Setup, strength: float) -> Setup:
    """Of the whole run: rate x decay x steps is `strength`, SGD's through its momentum."""
    rate = float(setup.config.optimizer.lr or 0)
    pull = rate * STEPS * (10 if setup.config.optimizer.name == "sgd" else 1)
    return setup.with_config(optimizer__weight_decay=strength / pull)


class Views:
    """The sound views, changed by a function of both; batches are of the items as they are, (b, H, W, C)."""

    def __init__(
        self, config: ViewsConfig, change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
    ) -> None:
        self.sound = TwoViews(config.for_channels(3), SIZE)
        self.change = change or (lambda a, b: (a, b))

    def __call__(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.change(*self.sound(batch.permute(0, 3, 1, 2), generator))

    def plain(self, batch: Tensor) -> Tensor:
        off = ViewsConfig.none("imagenet").for_channels(3)
        view = TwoViews(off, SIZE)(batch.permute(0, 3, 1, 2), torch.Generator().manual_seed(0))[0]
        return self.change(view, view)[0]


def changed_views(change: Callable[..., tuple[Tensor, Tensor]]) -> Callable[[Setup, Any], Setup]:
    def apply(setup: Setup, value: Any) -> Setup:
        return replace(setup, views=Views(setup.config.views, lambda a, b: change(a, b, value)))

    return apply


def same_view(a: Tensor, b: Tensor, share: float) -> tuple[Tensor, Tensor]:
    count = round(share * len(a))
    return a, torch.cat([a[:count], b[count:]])


def other_image(a: Tensor, b: Tensor, share: float) -> tuple[Tensor, Tensor]:
    count = round(share * len(a))
    return a, torch.cat([b[:count].roll(1, 0), b[count:]])


def unscaled(a: Tensor, b: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    std = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
    return (a * std + mean) * factor, (b * std + mean) * factor


def repeated(setup: Setup, count: int) -> Setup:
    return replace(setup, images=[setup.images[row % count] for row in range(len(setup.images))])


def blank(setup: Setup, share: float) -> Setup:
    rng = np.random.default_rng(0)
    grey = np.full_like(setup.images[0][0], 128)
    return replace(setup, images=[(grey if rng.random() < share else x, y) for x, y in setup.images])


def shuffled_labels(setup: Setup, share: float) -> Setup:
    rng = np.random.default_rng(0)
    return replace(
        setup, images=[(x, int(rng.integers(10)) if rng.random() < share else y) for x, y in setup.images]
    )


def set_views(setup: Setup, options: dict[str, Any]) -> Setup:
    return replace(setup, config=replace(setup.config, views=ViewsConfig(**options)))


WEAK = (
    {"crop_scale": (0.9, 1.0), "jitter_probability": 0.0, "grayscale_probability": 0.0},
    {"crop_scale": (1.0, 1.0), "jitter_probability": 0.0, "grayscale_probability": 0.0},
)
WEAK_HELD = (
    {"crop_scale": (0.8, 1.0), "jitter_probability": 0.0, "grayscale_probability": 0.0},
    {"crop_scale": (0.98, 1.0), "brightness": 0.02, "contrast": 0.02, "saturation": 0.0, "hue": 0.0,
     "grayscale_probability": 0.0},
)  # fmt: skip
TOO_STRONG = (
    {"crop_scale": (0.02, 0.08), "brightness": 0.8, "contrast": 0.8, "hue": 0.5},
    {"crop_scale": (0.01, 0.02), "brightness": 1.5, "contrast": 1.5, "hue": 0.5, "noise_probability": 1.0,
     "noise_std": (0.4, 0.6)},
)  # fmt: skip
TOO_STRONG_HELD = (
    {"crop_scale": (0.02, 0.06), "noise_probability": 1.0, "noise_std": (0.2, 0.3)},
    {"crop_scale": (0.01, 0.02), "hue": 0.5, "grayscale_probability": 0.8, "brightness": 2.0,
     "solarize_probability": 0.5},
)  # fmt: skip


def option(name: str) -> Callable[[Setup, Any], Setup]:
    return lambda setup, value: setup.with_config(**{name: value})


def options(setup: Setup, values: dict[str, Any]) -> Setup:
    return setup.with_config(**values)


class Changed(Objective):
    """A sound objective behind a change of what it is given, or of what it gives."""

    def __init__(
        self,
        objective: Objective,
        given: Callable[[Embeddings], Embeddings] = lambda batch: batch,
        factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.inner, self.given, self.factor = objective, given, factor
        self.target_momentum, self.fixed_rate = objective.target_momentum, objective.fixed_rate
        self.needs_labels = objective.needs_labels

    def forward(self, batch: Embeddings) -> tuple[Tensor, dict[str, Tensor]]:
        loss, terms = self.inner(self.given(batch))
        return self.factor * loss, terms


def objective_of(setup: Setup) -> Objective:
    torch.manual_seed(setup.config.seed)
    return build_objective(setup.config, 10)


class Attached(nn.Module):
    """SimSiam's or BYOL's predictor and loss, the gradient through the target let through in part."""

    def __init__(self, objective: Objective, share: float) -> None:
        super().__init__()
        self.predictor, self.loss, self.share = objective.predictor, objective.loss, share

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        t_a, t_b = (self.share * z + (1 - self.share) * z.detach() for z in (z_a, z_b))
        return (self.loss(self.predictor(z_a), t_b) + self.loss(self.predictor(z_b), t_a)) / 2


def attached(setup: Setup, share: float) -> Setup:
    return replace(setup, objective=Attached(objective_of(setup), share))  # type: ignore[arg-type]


def backbone(
    name: str, change: Callable[[nn.Module, int, float], nn.Module]
) -> Callable[[Setup, Any], Setup]:
    """A backbone around the sound one, known to timm by a name that says nothing of the change."""

    def apply(setup: Setup, value: float) -> Setup:
        sound, label = setup.config.backbone, f"{setup.config.backbone}_{name}{value}".replace(".", "_")

        def build(pretrained: bool = False, **options: Any) -> nn.Module:
            encoder = build_encoder(sound, SIZE, ProjectorConfig())
            return change(encoder.backbone, encoder.num_features, value)

        build.__name__, build.__module__ = label, "timm.models.advice"
        sys.modules.setdefault("timm.models.advice", types.ModuleType("timm.models.advice"))
        register_model(build)
        return setup.with_config(backbone=label)

    return apply


class Still(nn.Module):
    """A network that is in evaluation mode always."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def train(self, mode: bool = True) -> "Still":
        super().train(mode)
        self.module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


has_sgd = lambda context: context.optimizer == "sgd"  # noqa: E731
is_convnet = lambda context: context.network == "convnet"  # noqa: E731

FAULTS: dict[str, Fault] = {
    "rate_high": Fault("rate_too_high", scaled_rate, (10, 100), (20, 300)),
    "rate_low": Fault("rate_too_low", scaled_rate, (1e-2, 1e-4), (3e-3, 1e-3)),
    "decay": Fault("decay_too_strong", decayed, (6, 40), (10, 80)),
    "same_view": Fault("same_view_twice", changed_views(same_view), (0.8, 1.0), (0.9, 1.0)),
    "weak_views": Fault("views_too_weak", set_views, WEAK, WEAK_HELD),
    "strong_views": Fault("views_too_strong", set_views, TOO_STRONG, TOO_STRONG_HELD),
    "other_images": Fault("views_of_other_images", changed_views(other_image), (0.6, 1.0), (0.8, 1.0)),
    "repeated": Fault("images_repeated", repeated, (16, 1), (40, 4)),
    "blank": Fault("blank_images", blank, (0.7, 1.0), (0.8, 0.97)),
    "unscaled": Fault("values_not_scaled", changed_views(unscaled), (30, 255), (60, 255)),
    "temperature_high": Fault("temperature", option("x"), (5.0, 50.0), (5.0, 50.0), "temperature"),
    "temperature_low": Fault("temperature", option("x"), (0.02, 0.002), (0.01, 0.001), "temperature"),
    "weights": Fault("term_weights", options, ({}, {}), ({}, {}), "weights"),
    "bottleneck": Fault(
        "bottleneck", option("projector__hidden"), ((128, 4), (128, 1)), ((128, 3), (128, 2))
    ),
    "small_batch": Fault("batch_too_small", option("batch_size"), (8, 4), (10, 5)),
    "stop_gradient": Fault("no_stop_gradient", attached, (0.5, 1.0), (0.7, 1.0), "predictor"),
    "target_still": Fault("target_momentum", option("byol__momentum"), (1.0, 1.0), (1.0, 1.0), "target"),
    "frozen": Fault("backbone_frozen", option("freeze"), (1, "all"), (2, "all"), only=is_convnet),
    "small_start": Fault(
        "start_too_small", option("projector__init_scale"), (1e-4, 1e-7), (1e-5, 1e-8), "start"
    ),
    "labels": Fault("labels_shuffled", shuffled_labels, (0.6, 1.0), (0.8, 1.0), "labels"),
    "warmup": Fault("schedule", option("optimizer__warmup_steps"), (1200, 12_000), (2400, 24_000)),
    "cosine_over": Fault(
        "schedule",
        lambda setup, steps: setup.with_config(
            optimizer__schedule="cosine", optimizer__cosine_steps=steps, optimizer__final_rate=1e-9
        ),
        (12, 2),
        (8, 3),
    ),
    "dropout": Fault(
        "dropout_too_strong",
        backbone("d", lambda module, features, p: nn.Sequential(module, nn.Dropout(p))),
        (0.8, 0.97),
        (0.9, 0.95),
    ),
    "eval_norm": Fault(
        "norms_in_evaluation", backbone("e", lambda module, features, _: Still(module)), (1, 1), (1, 1),
        only=is_convnet,
    ),
    "dead_units": Fault(
        "silent_units",
        backbone("s", lambda module, features, b: nn.Sequential(module, Biased(features, b), nn.ReLU())),
        (-1.0, -2.0),
        (-1.5, -3.0),
    ),
}  # fmt: skip


class Biased(nn.Module):
    """A standardised layer with a bias, after which ReLU lets little through."""

    def __init__(self, features: int, bias: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        nn.init.constant_(self.norm.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


def weighed(setup: Setup, wrong: tuple[float, dict[str, float]]) -> Setup:
    lambda_param, vicreg = wrong
    if setup.config.loss == "barlow_twins":
        return setup.with_config(barlow_twins__lambda_param=lambda_param)
    return setup.with_config(**{f"vicreg__{name}": value for name, value in vicreg.items()})


def cooled(setup: Setup, temperature: float) -> Setup:
    return setup.with_config(**{f"{setup.config.loss}__temperature": temperature})


FAULTS["weights"] = Fault(
    "term_weights", weighed, ((1e-3, {}), (1e-5, {})),
    ((0, {"nu_param": 0.0}), (0, {"mu_param": 0.0, "nu_param": 0.0})), "weights",
)  # fmt: skip
FAULTS["weights_off"] = Fault(
    "term_weights",
    weighed,
    ((2.0, {}), (20.0, {})),
    ((0, {"mu_param": 0.0}), (0, {"mu_param": 1.0})),
    "weights",
)
for _name in ("temperature_high", "temperature_low"):
    FAULTS[_name] = replace(FAULTS[_name], change=cooled)


# Not on the list of causes: advice should say that it does not know.
def scrambled(a: Tensor, b: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Each view's pixels in an order of its own."""
    order = torch.randperm(SIZE * SIZE)
    return a, b.flatten(2)[:, :, order].view_as(b)


def covered(a: Tensor, b: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The same grey over the upper part of one view, and over the lower part of the other."""
    a, b, rows = a.clone(), b.clone(), round(share * SIZE)
    a[:, :, :rows], b[:, :, SIZE - rows :] = 0, 0
    return a, b


def flipped_sign(setup: Setup, _: Any) -> Setup:
    return replace(setup, objective=Changed(objective_of(setup), factor=-1.0))


def noisy_embeddings(setup: Setup, scale: float) -> Setup:
    def given(batch: Embeddings) -> Embeddings:
        z = torch.cat([batch.z_a, batch.z_b])
        noise = scale * z.std().detach() * torch.randn_like(z)
        return replace(batch, z_a=batch.z_a + noise.chunk(2)[0], z_b=batch.z_b + noise.chunk(2)[1])

    return replace(setup, objective=Changed(objective_of(setup), given))


def quantised(setup: Setup, _: Any) -> Setup:
    def given(batch: Embeddings) -> Embeddings:
        cut = [torch.sign(z) * torch.relu(z.abs() - 3 * z.detach().std()) for z in (batch.z_a, batch.z_b)]
        return replace(batch, z_a=cut[0], z_b=cut[1])

    return replace(setup, objective=Changed(objective_of(setup), given))


def half_used(setup: Setup, _: Any) -> Setup:
    """The loss sees the batch's first rows alone, twice."""

    def given(batch: Embeddings) -> Embeddings:
        a, b = (torch.cat([z[:8]] * (len(z) // 8)) for z in (batch.z_a, batch.z_b))
        return replace(batch, z_a=a, z_b=b)

    return replace(setup, objective=Changed(objective_of(setup), given))


class Noisy(nn.Module):
    """Noise on the gradient at the features."""

    def __init__(self, module: nn.Module, scale: float) -> None:
        super().__init__()
        self.module, self.scale = module, scale

    def forward(self, x: Tensor) -> Tensor:
        features = self.module(x)
        if features.requires_grad:
            features.register_hook(lambda g: g + self.scale * g.std() * torch.randn_like(g))
        return features


class Saturated(nn.Module):
    """Features pressed against the ends of a tanh."""

    def __init__(self, module: nn.Module, factor: float) -> None:
        super().__init__()
        self.module, self.factor = module, factor

    def forward(self, x: Tensor) -> Tensor:
        features = self.module(x)
        return torch.tanh(self.factor * (features - features.mean(0).detach()))


UNKNOWN: dict[str, Fault] = {
    "scrambled": Fault("unknown", changed_views(scrambled), (0, 0), (0, 0)),
    "covered": Fault("unknown", changed_views(covered), (0.8, 0.8), (0.8, 0.8)),
    "flipped_sign": Fault("unknown", flipped_sign, (0, 0), (0, 0)),
    "noisy_embeddings": Fault("unknown", noisy_embeddings, (5.0, 5.0), (5.0, 5.0)),
    "cut_embeddings": Fault("unknown", quantised, (0, 0), (0, 0)),
    "half_used": Fault("unknown", half_used, (0, 0), (0, 0)),
    "noisy_gradient": Fault("unknown", backbone("n", lambda m, f, s: Noisy(m, s)), (20, 20), (20, 20)),
    "saturated": Fault("unknown", backbone("t", lambda m, f, s: Saturated(m, s)), (100, 100), (100, 100)),
}

PAIRS = [
    ("rate_high", "same_view"),
    ("decay", "bottleneck"),
    ("other_images", "small_batch"),
    ("unscaled", "weak_views"),
    ("frozen", "bottleneck"),
    ("rate_low", "blank"),
    ("strong_views", "decay"),
    ("repeated", "rate_high"),
    ("warmup", "other_images"),
    ("same_view", "bottleneck"),
]

UNUSUAL: dict[str, tuple[Callable[[Setup, Any], Setup], Any]] = {
    "small_start": (options, {"projector__init_scale": 0.05}),
    "no_batch_norm": (options, {"projector__batch_norm": False}),
    "large_batch": (options, {"batch_size": 256, "steps": 60}),
    "long": (options, {"steps": 360}),
    "half_rate": (scaled_rate, 0.4),
    "double_rate": (scaled_rate, 2.0),
    "wide": (options, {"projector__hidden": (256, 256), "projector__dim": 64}),
    "narrow_output": (options, {"projector__dim": 12}),
    "warmup_cosine": (options, {"optimizer__warmup_steps": 20, "optimizer__schedule": "cosine"}),
    "some_decay": (decayed, 0.1),
    "dropout": (backbone("d", lambda module, features, p: nn.Sequential(module, nn.Dropout(p))), 0.1),
    "batch_32": (options, {"batch_size": 32}),
    "lars": (options, {"optimizer__name": "lars", "optimizer__lr": 2.0}),
    "muon": (options, {"optimizer__name": "muon", "optimizer__lr": 0.02}),
    "linear_projector": (options, {"projector__hidden": ()}),
}

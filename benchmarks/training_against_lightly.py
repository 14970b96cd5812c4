"""SimCLR training, images a second: `eigenstep train` beside lightly's documented loop and the bare network.

    python benchmarks/training_against_lightly.py                                          # two CPU cores
    python benchmarks/training_against_lightly.py --device cuda --workers 16 --images 10000 --steps 60
    python benchmarks/training_against_lightly.py --device cuda --workers 16 --backbone resnet50 --size 96 \\
        --images 9000 --steps 60

Both train the same backbone (for small images with a 3×3 stem) and a projection head of one hidden layer with
batch normalisation, on the same images, batch and distributions of views. lightly's loop is the one of its
documentation: SimCLRTransform on PIL images in a DataLoader with workers, the views through the network one
after the other, NTXentLoss, SGD, float32. Eigenstep is `train` with a configuration, timed between two steps
by its progress and freed of the record's time, which is then added at its default cadence, every ten steps.
The bare network passes both views forward and backward at Eigenstep's precision, with neither loss nor
optimiser nor new images, and keeps its memory as `train` does: it is what the machine can do. It does so with
both views in one piece and one after the other, as torch has it, and in one piece with convolutions over
small maps as matrix products, as `train` has it. Eigenstep is held against the fastest of the three.

In between, lightly's loop is turned into the bare one in steps, and each step's saving is told as a share of
the whole: no new views (less what Eigenstep's views cost), lower precision, channels-last memory; the rest is
one pass for both views, and the loop itself. The methods take turns, so that other load on the machine meets
all of them; a ratio is the median over the turns.
"""

import argparse
import contextlib
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly_views import LightlyViews, views_config
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler

from eigenstep.encoders import small_maps_as_products
from eigenstep.machine import keep_memory, set_threads, share_cores
from eigenstep.training import (
    ImagesConfig,
    OptimizerConfig,
    Progress,
    ProjectorConfig,
    RecordConfig,
    SimCLRConfig,
    TrainConfig,
    build_encoder,
    load_images,
    train,
)
from eigenstep.views import TwoViews

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HIDDEN, EMBEDDING = 512, 128
DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2, help="timed steps a turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of each method")
    parser.add_argument("--batch", type=int, default=256, help="images a step, of two views each")
    parser.add_argument("--images", type=int, default=2048, help="images to train on")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--workers", type=int, default=2, help="workers of lightly's DataLoader")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", default="bf16-mixed", choices=[*DTYPES, "32-true"], help="Eigenstep's")
    parser.add_argument("--compile", action="store_true", help="let Eigenstep compile the network")
    parser.add_argument("--backbone", default="resnet18", help="any convolutional model of timm")
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--data", help="default: CIFAR-10 or Imagenette, if they are there, else photographs")
    options = parser.parse_args()

    share_cores()
    set_threads(options.threads)
    config = configuration(options)
    images = load_images(config.data, config.images, config.seed).images
    if len(images) < options.batch:
        parser.error(f"{config.data} has {len(images)} images, fewer than --batch {options.batch}")
    print(
        f"{options.backbone}, {options.size} px, batch {options.batch}, {len(images):,} images of"
        f" {config.data}\n{machine(options)}; medians over {options.turns} turns of {options.steps} steps\n"
    )
    fixed = fixed_views(config, images[: options.batch])
    loops = {
        "lightly, float32": LightlyLoop(options, images),
        "  without new views": LightlyLoop(options, fixed=fixed),
        f"  and in {options.precision}": LightlyLoop(options, fixed=fixed, precision=options.precision),
        "  and channels-last": LightlyLoop(
            options, fixed=fixed, precision=options.precision, channels_last=True
        ),
        "Eigenstep": EigenstepLoop(options, config),
        "bare, two passes": BareLoop(options, config, fixed, passes=2),
        "bare, one pass": BareLoop(options, config, fixed, passes=1),
        "  as `train` computes": BareLoop(options, config, fixed, passes=1, products=True),
    }
    views = ViewsAlone(options, config, images[: options.batch])
    seconds: dict[str, list[float]] = {name: [] for name in [*loops, "views"]}
    for turn in range(options.turns):
        for name, loop in [*loops.items(), ("views", views)]:
            seconds[name].append(loop.seconds_a_step())
            print(f"turn {turn + 1}: {name.strip()}, {seconds[name][-1]:.3g} s a step", flush=True)
    print()
    show(options.batch, seconds, list(loops))
    print(
        f"Eigenstep waits for data {loops['Eigenstep'].waiting:.1%} of its time, lightly"
        f" {loops['lightly, float32'].waiting:.1%}; Eigenstep's record, every 10 steps, takes"
        f" {loops['Eigenstep'].recording / statistics.median(seconds['Eigenstep']):.1%}"
    )


def show(batch: int, seconds: dict[str, list[float]], names: list[str]) -> None:
    print(f"{'':24} {'images/s':>9}  {'min - max':<15} {'s a step':>9}")
    for name in names:
        rates, median = [batch / value for value in seconds[name]], statistics.median(seconds[name])
        spread = f"{min(rates):.4g} - {max(rates):.4g}"
        print(f"{name:24} {batch / median:>9.4g}  {spread:<15} {median:>9.3g}")
    full, unviewed, lower, last, own, *bare = (seconds[name] for name in names)
    fastest, views = min(bare, key=statistics.median), seconds["views"]
    print(f"\nEigenstep is {ratio(full, own)} times as fast as lightly,")
    print(f"and reaches {ratio(fastest, own, percent=True)} of the fastest bare network")
    whole = medians(full, own)
    parts = {
        "views": medians(full, unviewed) - statistics.median(views),
        "precision": medians(unviewed, lower),
        "channels-last": medians(lower, last),
    }
    parts["the rest"] = whole - sum(parts.values())
    shares = ", ".join(f"{name} {saved / whole:.0%}" for name, saved in parts.items())
    print(f"of the {whole:.3g} s that it saves a step: {shares}")
    print(f"views take {ratio(views, own, percent=True)} of Eigenstep's step")


def medians(slow: list[float], fast: list[float]) -> float:
    """What is saved, paired by turns."""
    return statistics.median(a - b for a, b in zip(slow, fast, strict=True))


def ratio(upper: list[float], lower: list[float], percent: bool = False) -> str:
    """The median over the turns, and its spread."""
    found = [a / b for a, b in zip(upper, lower, strict=True)]
    form = ".0%" if percent else ".2f"
    return f"{statistics.median(found):{form}} ({min(found):{form}} - {max(found):{form}})"


def configuration(options: argparse.Namespace) -> TrainConfig:
    name = "cifar10" if options.size <= 32 else "imagenette96"
    data = options.data or (str(DATA / name) if (DATA / name).is_dir() else "photos")
    return TrainConfig(
        data=data,
        loss="simclr",
        backbone=options.backbone,
        batch_size=options.batch,
        threads=options.threads,
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        images=ImagesConfig(size=options.size, limit=options.images, patches=options.images),
        views=views_config(options.size),
        projector=ProjectorConfig(
            hidden=(HIDDEN,), dim=EMBEDDING, batch_norm=True, batch_norm_output=True, init_scale=1.0
        ),
        simclr=SimCLRConfig(normalize="cosine", temperature=0.5),
        optimizer=OptimizerConfig(lr=0.06, momentum=0.0),
    )


class LightlyLoop:
    """The documented loop; with `fixed` views instead of new ones, at another precision or memory format."""

    def __init__(
        self,
        options: argparse.Namespace,
        images: Tensor | None = None,
        fixed: tuple[Tensor, Tensor] | None = None,
        precision: str = "32-true",
        channels_last: bool = False,
    ) -> None:
        self.options, self.fixed = options, fixed
        self.dataset = None if images is None else LightlyViews(images, views_config(options.size))
        torch.manual_seed(0)
        backbone = build_encoder(options.backbone, options.size, ProjectorConfig())
        head = SimCLRProjectionHead(backbone.num_features, HIDDEN, EMBEDDING)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model = nn.Sequential(backbone.backbone, head).to(options.device, memory_format=layout)
        if fixed is not None:
            self.fixed = tuple(view.contiguous(memory_format=layout) for view in fixed)
        self.criterion = NTXentLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.06)
        self.precision = precision
        self.waited = self.timed = 0.0

    @property
    def waiting(self) -> float:
        """Share of the timed steps that was spent waiting for views."""
        return self.waited / self.timed

    def seconds_a_step(self) -> float:
        # What the workers have made ahead would be a gift, so it is used up before the clock starts. On a
        # CPU they are ahead all the time.
        ahead = 2 * self.options.workers if self.dataset is not None and self.options.device != "cpu" else 0
        warm_up, total = 1 + ahead, 1 + ahead + self.options.steps
        views = self._loaded(total) if self.dataset is not None else (self.fixed for _ in range(total))
        waited = 0.0
        for index in range(total):
            if index == warm_up:
                synchronize(self.options)
                start, waited = time.perf_counter(), 0.0
            asked = time.perf_counter()
            first, second = (view.to(self.options.device) for view in next(views))
            waited += time.perf_counter() - asked
            self._step(first, second)
        synchronize(self.options)
        seconds = time.perf_counter() - start
        self.waited += waited
        self.timed += seconds
        return seconds / self.options.steps

    def _step(self, first: Tensor, second: Tensor) -> None:
        with autocast(self.options, self.precision):
            loss = self.criterion(self.model(first), self.model(second))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _loaded(self, total: int):
        batch = self.options.batch
        sampler = RandomSampler(self.dataset, num_samples=total * batch)
        return iter(DataLoader(self.dataset, batch, sampler=sampler, num_workers=self.options.workers))


class EigenstepLoop:
    """`train`, from the end of its first steps to the end of the last timed one."""

    def __init__(self, options: argparse.Namespace, config: TrainConfig) -> None:
        self.options, self.config = options, config
        self.waiting = self.recording = 0.0

    def seconds_a_step(self) -> float:
        # On a CPU the second step is the first that keeps its memory.
        first = 2 if self.options.device == "cpu" else 10
        times: dict[int, float] = {}

        def follow(progress: Progress) -> None:
            if progress.stage == "training" and progress.done in (first, first + self.options.steps):
                synchronize(self.options)
                times[progress.done] = time.perf_counter()

        with tempfile.TemporaryDirectory() as folder:
            # One step more: a checkpoint is written at the last one.
            config = dataclasses.replace(self.config, steps=first + self.options.steps + 1)
            timings = train(config, Path(folder) / "run", progress=follow).timings
        cost = dict(zip(timings["step"].tolist(), timings["record_seconds"].tolist(), strict=True))
        within = [step for step in cost if first < step <= first + self.options.steps]
        before = max(step for step in cost if step <= first)
        spent = cost[within[-1]] - cost[before] if within else 0.0
        self.recording = (
            timings["record_seconds"][-1] - timings["record_seconds"][-2]
        ) / RecordConfig().every
        self.waiting = timings["data_seconds"][-1] / timings["seconds"][-1]
        window = times[first + self.options.steps] - times[first]
        return (window - spent) / self.options.steps + self.recording


class BareLoop:
    """The network forward and backward on the same views again and again, in so many passes."""

    def __init__(
        self,
        options: argparse.Namespace,
        config: TrainConfig,
        fixed: tuple[Tensor, Tensor],
        passes: int,
        products: bool = False,
    ) -> None:
        self.options, self.products = options, products
        torch.manual_seed(0)
        encoder = build_encoder(options.backbone, options.size, config.projector)
        self.encoder = encoder.to(options.device, memory_format=torch.channels_last)
        self.views = torch.cat(fixed).contiguous(memory_format=torch.channels_last).chunk(passes)
        self._step()

    def seconds_a_step(self) -> float:
        faster = small_maps_as_products(self.encoder) if self.products else contextlib.nullcontext()
        with faster, keep_memory() as keep:  # as `train` does
            if self.options.device == "cpu":
                keep()
            self._step()
            synchronize(self.options)
            start = time.perf_counter()
            for _ in range(self.options.steps):
                self._step()
            synchronize(self.options)
            return (time.perf_counter() - start) / self.options.steps

    def _step(self) -> None:
        for views in self.views:
            with autocast(self.options, self.options.precision):
                _, embeddings = self.encoder(views)
            embeddings.float().square().mean().backward()
        for parameter in self.encoder.parameters():
            parameter.grad = None


class ViewsAlone:
    """Eigenstep's two views of a batch that lies on the device."""

    def __init__(self, options: argparse.Namespace, config: TrainConfig, images: Tensor) -> None:
        self.options = options
        self.images = images.to(options.device)
        self.views = TwoViews(config.views, options.size)

    def seconds_a_step(self, repeats: int = 5) -> float:
        generator = torch.Generator().manual_seed(0)
        self.views(self.images, generator)
        synchronize(self.options)
        start = time.perf_counter()
        for _ in range(repeats):
            self.views(self.images, generator)
        synchronize(self.options)
        return (time.perf_counter() - start) / repeats


def fixed_views(config: TrainConfig, images: Tensor) -> tuple[Tensor, Tensor]:
    views = TwoViews(config.views, config.images.size)
    return views(images.to(config.device), torch.Generator().manual_seed(0))


def autocast(options: argparse.Namespace, precision: str) -> contextlib.AbstractContextManager:
    if precision not in DTYPES:
        return contextlib.nullcontext()
    return torch.autocast(torch.device(options.device).type, DTYPES[precision])


def synchronize(options: argparse.Namespace) -> None:
    if torch.device(options.device).type == "cuda":
        torch.cuda.synchronize()


def machine(options: argparse.Namespace) -> str:
    cores = f"{options.threads} CPU threads ({torch.backends.cpu.get_cpu_capability()})"
    if torch.device(options.device).type == "cuda":
        cores = f"{torch.cuda.get_device_name()}, {options.workers} workers, {cores}"
    return f"{cores}, torch {torch.__version__}"


if __name__ == "__main__":
    main()

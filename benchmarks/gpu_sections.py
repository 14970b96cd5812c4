"""One section of `on_a_gpu.sh`: what a device does there, a line a measurement, `what | value`.

    python benchmarks/gpu_sections.py ntk|kernel|collectives|stepwise|late_modes [--device cpu --tiny]

Images are scikit-learn's photographs and noise, so that no data set is needed. Values are of the device that
is named; on a CPU, and with --tiny, they only show that the section runs.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ntk_networks import convnet
from torch import distributed as dist
from torch import nn

from eigenstep import ContrastiveKernelPCA
from eigenstep.kernel import empirical_ntk
from eigenstep.losses import BarlowTwinsLoss, NTXentLoss
from eigenstep.optim import OptimizerConfig
from eigenstep.record import RunRecord
from eigenstep.training import TrainConfig, train
from eigenstep.training.recipes import load_recipe


def ntk(device: torch.device, tiny: bool) -> None:
    """The tangent kernel of a convnet, and what float32 of it is off from float64."""
    images = torch.randn(24 if tiny else 2000, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    model = convnet().to(device)
    seconds = timed(lambda: empirical_ntk(model, images, device=device), device)
    tell(f"tangent kernel of {len(images)} images, convnet", f"{seconds:.3g} s")
    few = images[:24]
    exact = empirical_ntk(model.double().cpu(), few.double()).matrix
    found = empirical_ntk(model.float().to(device), few, device=device).matrix
    off = (found.double().cpu() - exact).abs()
    tell("its largest error in float32, of the largest value", f"{off.max() / exact.abs().max():.2g}")


def kernel(device: torch.device, tiny: bool) -> None:
    """The kernel solver on pairs of rows, exact and by landmarks, and whether it agrees with the CPU."""
    count = 300 if tiny else 20_000
    rows = np.random.default_rng(0).normal(size=(2, count, 256)).astype(np.float32)
    rows[:] = np.cumsum(rows[0], axis=1) / 16 + 0.3 * rows
    for solver in ("krylov", "nystrom"):
        model = ContrastiveKernelPCA(20, solver=solver, y_is="view", device=str(device), random_state=0)
        seconds = timed(lambda model=model: model.fit(rows[0], rows[1]), device)
        tell(f"{solver}, 20 modes of {count:,} pairs", f"{seconds:.3g} s")
    few = rows[:, : min(count, 500)]
    found = [
        ContrastiveKernelPCA(5, solver="krylov", y_is="view", device=name, random_state=0).fit(*few).gamma_
        for name in (str(device), "cpu")
    ]
    tell("krylov's gamma, device beside CPU", f"{np.max(np.abs(found[0] / found[1] - 1)):.2g} apart")


def collectives(device: torch.device, tiny: bool) -> None:
    """NCCL, or gloo on a CPU, with one rank: losses that gather give what they give alone."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group(backend, f"file://{folder}/store", rank=0, world_size=1)
        z_a, z_b = torch.randn(2, 256, 64, device=device)
        for kind in (BarlowTwinsLoss, NTXentLoss):
            alone, gathered = kind()(z_a, z_b), kind(gather_distributed=True)(z_a, z_b)
            tell(f"{backend}, {kind.__name__} gathered beside alone", f"{abs(gathered - alone):.2g} apart")
        numbers = torch.ones(2**10 if tiny else 2**26, device=device)
        seconds = timed(lambda: dist.all_reduce(numbers), device)
        tell(f"{backend}, all_reduce of {numbers.nbytes / 2**20:.3g} MiB", f"{1e3 * seconds:.3g} ms")
        model = nn.parallel.DistributedDataParallel(nn.Linear(64, 8, device=device))
        model(z_a).square().mean().backward()
        tell(f"{backend}, DistributedDataParallel's backward", "ran")
        dist.destroy_process_group()


def stepwise(device: torch.device, tiny: bool) -> None:
    """The staircase of a ResNet-50 by its recipe, cut short: how long a step takes, and what was learned."""
    config = load_recipe("barlow_twins/stl10-resnet50-stepwise")
    steps, size = (4, 32) if tiny else (600, 96)
    config = dataclasses.replace(
        photographs(config, device, steps, size, 8 if tiny else 256),
        backbone="test_resnet" if tiny else config.backbone,
        precision="32-true" if tiny else config.precision,
    )
    report(f"stepwise {config.backbone}", train_in_scratch(config))


def late_modes(device: torch.device, tiny: bool) -> None:
    """The same steps by SGD, by the preconditioner at the embeddings and by Muon: modes and time a step."""
    base = load_recipe("barlow_twins/cifar10-resnet18-stepwise")
    base = photographs(base, device, 4 if tiny else 400, 32, 8 if tiny else 256)
    if tiny:
        base = dataclasses.replace(base, backbone="convnet", precision="32-true")
    preconditioner = dataclasses.replace(base.embedding_preconditioner, power=0.5)
    rules = {
        "sgd": base,
        "sgd, embeddings preconditioned": dataclasses.replace(base, embedding_preconditioner=preconditioner),
        "muon": dataclasses.replace(base, optimizer=OptimizerConfig(name="muon")),
    }
    for name, config in rules.items():
        report(f"late modes, {name}", train_in_scratch(config))


def photographs(config: TrainConfig, device: torch.device, steps: int, size: int, batch: int) -> TrainConfig:
    """The configuration on patches of the photographs."""
    patches = max(2 * batch, 64 if batch < 64 else 8192)
    images = dataclasses.replace(config.images, size=size, split="train", patches=patches)
    checkpoint = dataclasses.replace(config.checkpoint, every=steps)
    return dataclasses.replace(
        config, data="photos", images=images, steps=steps, epochs=None, batch_size=batch,
        device=device.type, checkpoint=checkpoint,
    )  # fmt: skip


def train_in_scratch(config: TrainConfig) -> RunRecord:
    with tempfile.TemporaryDirectory() as folder:
        return train(config, Path(folder) / "run")


def report(name: str, record: RunRecord) -> None:
    """Speed, share of the record and of waiting, and the modes that were learned."""
    last = {key: values[-1] for key, values in record.timings.items()}
    speed = last["images_per_second"]
    shares = [last[key] / last["seconds"] for key in ("record_seconds", "data_seconds")]
    tell(f"{name}: images a second", f"{speed:.4g}; record {shares[0]:.1%}, waiting for data {shares[1]:.1%}")
    loss = record.metrics["loss"]
    rises = (record.summary or {}).get("rises", [])
    tell(f"{name}: loss, modes learned", f"{loss[0]:.4g} to {loss[-1]:.4g}, {len(rises)}")


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the second call."""
    for _ in range(2):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
    return time.perf_counter() - began


def tell(what: str, value: str) -> None:
    print(f"{what} | {value}", flush=True)


SECTIONS = {each.__name__: each for each in (ntk, kernel, collectives, stepwise, late_modes)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", choices=list(SECTIONS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="only see that it runs")
    options = parser.parse_args()
    SECTIONS[options.section](torch.device(options.device), options.tiny)
    if options.device == "cuda":
        tell(f"{options.section}: most memory taken", f"{torch.cuda.max_memory_allocated() / 2**30:.3g} GiB")

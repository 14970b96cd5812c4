"""What share of a training step the embedding preconditioner adds.

    python benchmarks/embedding_preconditioner.py

The small convnet, 256 pairs of 32 × 32 images, Barlow Twins, one thread; processor time, least of some steps.
"""

import time
from collections.abc import Callable
from functools import partial

import torch

from eigenstep.encoders import build_encoder
from eigenstep.methods import build_objective
from eigenstep.optim import EmbeddingPreconditioner
from eigenstep.training import Learner, OneProcess, ProjectorConfig, TrainConfig

BATCH, SIZE = 256, 32


def main() -> None:
    torch.set_num_threads(1)
    engine = OneProcess("cpu")
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, BATCH, 3, SIZE, SIZE, generator=generator)
    for dim in (64, 256, 2048):
        config = TrainConfig(projector=ProjectorConfig(dim=dim))
        learner = Learner(engine, build_encoder("convnet", SIZE, config.projector), build_objective(config))
        step = least(partial(step_of, learner, (first, second)), 5)
        for power in (0.5, 1):
            every, due, other = seconds(dim, power)
            mean = (due + (every - 1) * other) / every
            print(
                f"dim {dim} power {power}: step {step * 1e3:.0f} ms, preconditioner {mean * 1e3:.1f} ms"
                f" ({due * 1e3:.1f} every {every} steps, else {other * 1e3:.1f}), {mean / step:.1%} of a step"
            )


def step_of(learner: Learner, views: tuple[torch.Tensor, torch.Tensor]) -> None:
    learner.backward(learner.forward(0, views))


def seconds(dim: int, power: float) -> tuple[int, float, float]:
    """Steps between two computations of the power, and what a step with and without one takes."""
    generator = torch.Generator().manual_seed(1)
    views = [torch.randn(BATCH, dim, generator=generator, requires_grad=True) for _ in range(2)]
    gradients = [torch.randn(BATCH, dim, generator=generator) for _ in range(2)]

    def pass_once(preconditioner: EmbeddingPreconditioner) -> None:
        torch.autograd.grad(preconditioner(*views), views, gradients)

    always, never = EmbeddingPreconditioner(power, every=1), EmbeddingPreconditioner(power, every=10**9)
    for _ in range(4):  # the next one that is due is the eighth
        pass_once(never)
    due = least(lambda: pass_once(always), 3)
    other = least(lambda: pass_once(never), 3)
    return EmbeddingPreconditioner(power).steps_between(dim), due, other


def least(work: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    main()

"""Three steps of training on a copy, and what was seen in them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from eigenstep.advice.checks._batches import BATCHES, Pair
from eigenstep.advice.checks._loop import Loop, Passed
from eigenstep.machine import gather_objects

# Seconds that the three steps may take, and the pairs that a step has at least and at most.
SECONDS, LEAST_ROWS, MOST_ROWS = 12.0, 16, 128
# A step of training costs about three forward passes.
PASSES_A_STEP = 3
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_RECTIFIERS = (nn.ReLU, nn.ReLU6)


@dataclass
class Trial:
    """What three steps on a copy showed.

    Attributes
    ----------
    failed_at, failure : str
        At which stage it broke off ("copy", "forward", "loss", "backward" or "step") and by what; both empty
        where all went well.
    rows : int
        Pairs of a batch that passed.
    passed : list[Passed]
        What each forward pass gave, without graph.
    gradients : tuple[Tensor, Tensor] | None
        Of the first batch's loss at its embeddings, each (n, d); None where they do not reach them.
    reached : dict[str, bool]
        By parameter: whether a gradient that is not zero reached it in any of the steps.
    held : set[str]
        Parameters that the optimiser holds at a rate above zero.
    updates : dict[str, float]
        Of each group of the optimiser, by its first weight: the largest change of its weights by a step, over
        their size, while all was finite. Weights are what has more than one dimension.
    non_finite : str
        The first tensor that was not finite.
    maps : dict[str, tuple[int, int]]
        Of each convolution with a kernel wider than a pixel: the smaller side of its input, and the kernel's.
    silent, units, rectifiers : int
        Units of rectifiers that were zero for every sample of all batches, of how many, in how many modules.
    """

    failed_at: str = ""
    failure: str = ""
    rows: int = 0
    passed: list[Passed] = field(default_factory=list)
    gradients: tuple[Tensor, Tensor] | None = None
    reached: dict[str, bool] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    updates: dict[str, float] = field(default_factory=dict)
    non_finite: str = ""
    maps: dict[str, tuple[int, int]] = field(default_factory=dict)
    silent: int = 0
    units: int = 0
    rectifiers: int = 0


def try_steps(loop: Loop, batches: Sequence[Pair]) -> Trial:
    """Train a copy of the loop on these batches, as far as it goes; the loop itself is not run."""
    trial = Trial()
    with _told(trial, "copy"):
        mine = loop.copied()
        if not loop.model.training:  # it will be when it is trained
            mine.model.train()
    if trial.failed_at:
        return trial
    seen = _Seen(mine.model)
    named = dict(mine.model.named_parameters())
    trial.reached = dict.fromkeys(named, False)
    trial.held = _held(mine, named)
    _begin(mine)
    with seen.hooked(), _told(trial, "forward"):
        trial.rows = _affordable(mine, batches[0])
        for index, (a, b) in enumerate(batches):
            _step(mine, (a[: trial.rows], b[: trial.rows]), index, trial, named, seen)
            if trial.failed_at:
                break
    trial.non_finite = trial.non_finite or seen.non_finite
    trial.maps = seen.maps
    zero = [mask for mask in seen.zero.values() if mask.numel()]
    trial.silent, trial.units = sum(int(mask.sum()) for mask in zero), sum(mask.numel() for mask in zero)
    trial.rectifiers = len(zero)
    return trial


def _step(
    loop: Loop, views: Pair, index: int, trial: Trial, named: dict[str, nn.Parameter], seen: "_Seen"
) -> None:
    passed = loop.forward(views, index)
    z_a, z_b, loss = passed.z_a, passed.z_b, passed.loss
    trial.passed.append(Passed(z_a.detach(), z_b.detach(), None if loss is None else loss.detach()))
    if loss is None:
        return
    with _told(trial, "loss"):
        if loss.ndim or not loss.requires_grad:
            raise ValueError(f"expected a scalar with a gradient, got {tuple(loss.shape)}")
    if trial.failed_at:
        return
    if not torch.isfinite(loss) and not (trial.non_finite or seen.non_finite):
        trial.non_finite = "the loss"
    with _told(trial, "backward"):
        for each in named.values():
            each.grad = None
        if loop.optimizer is not None:  # which may hold parameters of the loss too
            loop.optimizer.zero_grad()
        if index == 0 and z_a.requires_grad and z_b.requires_grad:
            found = torch.autograd.grad(loss, (z_a, z_b), retain_graph=True, allow_unused=True)
            if found[0] is not None and found[1] is not None:
                trial.gradients = (found[0], found[1])
        loss.backward()
        for name, each in named.items():
            if each.grad is None:
                continue
            if not (trial.non_finite or seen.non_finite) and not torch.isfinite(each.grad).all():
                trial.non_finite = f"the gradient of {name}"
            trial.reached[name] |= bool(each.grad.count_nonzero())
    if trial.failed_at or loop.optimizer is None:
        return
    with _told(trial, "step"):
        names = {id(each): name for name, each in named.items()}
        groups = [
            [each for each in group["params"] if each.ndim > 1 and id(each) in names]
            for group in loop.optimizer.param_groups
        ]
        before = [[each.detach().clone() for each in group] for group in groups]
        loop.optimizer.step()
        for now, was in zip(groups, before, strict=True):
            if now and not (trial.non_finite or seen.non_finite):
                change = _size([new.detach() - old for new, old in zip(now, was, strict=True)])
                name = names[id(now[0])]
                trial.updates[name] = max(trial.updates.get(name, 0.0), change / (_size(was) or 1.0))


def _begin(loop: Loop) -> None:
    """A rate of zero, as of the first step of a warm-up, becomes the one that is warmed up to."""
    for group in loop.optimizer.param_groups if loop.optimizer else ():
        group["lr"] = group["lr"] or group.get("initial_lr", 0.0)


def _held(loop: Loop, named: dict[str, nn.Parameter]) -> set[str]:
    groups = loop.optimizer.param_groups if loop.optimizer else []
    held = {id(each) for group in groups for each in group["params"]}
    return {name for name, each in named.items() if id(each) in held}


def _affordable(loop: Loop, views: Pair) -> int:
    """So many pairs that three steps keep to their time; of several processes the same in all."""
    total = min(len(views[0]), MOST_ROWS)
    few = min(LEAST_ROWS, total)
    warm = False
    while True:
        began = time.perf_counter()
        try:
            loop.forward((views[0][:few], views[1][:few]), 0)
        except Exception:  # some losses need more rows; what fails with all of them is told by the steps
            if few == len(views[0]):
                return few
            few = min(2 * few, len(views[0]))
            continue
        if warm:  # a first pass takes longer
            break
        warm = True
    each = (time.perf_counter() - began) / few
    rows = max(few, min(total, int(SECONDS / (BATCHES * PASSES_A_STEP * each))))
    return min(gather_objects(rows))


def _size(tensors: Sequence[Tensor]) -> float:
    return float(torch.stack([each.double().square().sum() for each in tensors]).sum().sqrt())


@contextmanager
def _told(trial: Trial, stage: str) -> Iterator[None]:
    """What breaks off here is noted; a loop of one's own may raise anything."""
    try:
        yield
    except Exception as error:
        trial.failed_at, trial.failure = stage, " ".join(f"{type(error).__name__}: {error}".split())[:300]


class _Seen:
    """What hooks see in the forward passes of a model."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.non_finite = ""
        self.maps: dict[str, tuple[int, int]] = {}
        self.zero: dict[str, Tensor] = {}

    @contextmanager
    def hooked(self) -> Iterator[None]:
        handles = [
            module.register_forward_hook(self._hook(name))
            for name, module in self.model.named_modules()
            if not any(True for _ in module.children())
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, name: str) -> Any:
        def see(module: nn.Module, given: Any, output: Any) -> None:
            came = given[0] if given and isinstance(given[0], Tensor) else None
            if not self.non_finite and isinstance(output, Tensor) and output.is_floating_point():
                if came is not None and not _is_finite(came):
                    self.non_finite = f"the input of {name or 'the model'}"
                elif not _is_finite(output):
                    self.non_finite = f"the output of {name or 'the model'}"
            if isinstance(module, _CONVOLUTIONS) and came is not None:
                kernel = max(int(size) for size in module.kernel_size)
                if kernel > 1:
                    self.maps[name] = (min(came.shape[-len(module.kernel_size) :]), kernel)
            if isinstance(module, _RECTIFIERS) and isinstance(output, Tensor) and output.ndim > 1:
                others = [axis for axis in range(output.ndim) if axis != 1]
                zero = output.detach().abs().amax(others).eq(0)
                self.zero[name] = zero & self.zero[name] if name in self.zero else zero

        return see


def _is_finite(values: Tensor) -> bool:
    return not values.is_floating_point() or bool(torch.isfinite(values).all())

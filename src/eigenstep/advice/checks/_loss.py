"""Checks of the loss: its sign, where its value stands, the weights of its terms, and several processes."""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from eigenstep.advice.checks._finding import Check, Finding, doubtful, not_checked, passed, wrong
from eigenstep.advice.checks._known import Known
from eigenstep.analysis import Landmark, place_loss
from eigenstep.machine import gather_rows, mean_over_processes, world_size

# The terms of two losses, the second's gradient over the first's, at the embeddings scaled to unit
# deviation, and the range in which it is sound. Barlow Twins: .3 to .4 sound, 8 to 10 and .005 to .02 ill;
# VICReg: about .05 sound.
SHARES = {"BarlowTwinsLoss": ("invariance", "redundancy"), "VICRegLoss": ("invariance", "covariance")}
SOUND_SHARES = {"BarlowTwinsLoss": (0.03, 4.0), "VICRegLoss": (0.002, 1.0)}
# So far, of the loss's own size, the joint batch's loss and gradient may differ between one process and
# several.
SAME = 1e-4
# Mean cosine of embeddings, of whatever images, above which they are next to equal.
ALIKE = 0.999
# Pairs and dimensions of the embeddings that a loss is tried on: more pairs than dimensions, as of few the
# coordinates of random rows are correlated by chance.
_ROWS, _DIM = 64, 16
# Methods in which something else than the loss keeps embeddings apart.
_KEPT_APART = ("NegativeCosineSimilarity",)

Loss = Callable[[Tensor, Tensor], Any]


def _sign(known: Known) -> Finding:
    """Whether partners that agree cost less than strangers, and embeddings that are all equal more."""
    loss = known.loop.loss
    if loss is None:
        return not_checked(known.loop.why_no_loss)
    z, near = (each.to(known.batches[0][0].device) for each in _spread_pairs())
    constant_rows = z[:1].expand_as(z)
    try:
        agreeing, strange, constant = (
            _value(loss, *pair) for pair in ((z, near), (z, near.roll(1, 0)), (constant_rows, constant_rows))
        )
    except (RuntimeError, ValueError, TypeError) as error:
        return not_checked(
            f"the loss does not take {_ROWS} pairs of {_DIM} dimensions that may be equal: {error}"
        )
    if not all(math.isfinite(value) for value in (agreeing, strange, constant)):
        return not_checked("the loss is not finite where it is tried")
    words = (
        f"{agreeing:.3g} where views agree, {strange:.3g} where they are of other images, {constant:.3g}"
        " where all embeddings are equal"
    )
    if not agreeing < strange:
        return wrong(
            f"{words}: to minimise it drives views apart", "turn the loss's sign, and see the labels of pairs"
        )
    if constant <= agreeing and known.loop.teacher is None and type(loss).__name__ not in _KEPT_APART:
        return wrong(
            f"{words}: equal embeddings cost least, and nothing keeps them apart",
            "add what keeps embeddings apart: negatives, variance or decorrelation, or a teacher with a"
            " predictor",
            "equal",
        )
    return passed(words)


def _place(known: Known) -> Finding:
    trial = known.trial
    loss = trial.passed[0].loss if trial.passed else None
    if loss is None:
        return not_checked(known.loop.why_no_loss if trial.passed else "nothing could be run")
    if not bool(torch.isfinite(loss)):
        return not_checked("the loss is not finite")
    values = [float(each.loss) for each in trial.passed if each.loss is not None]
    words = "the first steps' losses are " + ", ".join(f"{value:.4g}" for value in values)
    standing = place_loss(values[:1], _landmarks(known))
    if standing is not None:
        words += f"; {standing.sentence}"
    z = normalize(torch.cat([trial.passed[0].z_a, trial.passed[0].z_b]).double(), dim=1)
    alike = float((z @ z.T).mean())
    at_constant = of_constant_embeddings(known)
    if alike > ALIKE and at_constant is not None and abs(values[0] - at_constant) < 1e-3 * abs(at_constant):
        return doubtful(
            f"{words}: that of embeddings which are all equal, {at_constant:.4g}, and they nearly are"
            f" (mean cosine {alike:.5f})",
            known.option(
                "give --projector.batch-norm",
                "normalise in the head, and take away what adds the same to all embeddings",
            ),
        )
    return passed(words)


def _landmarks(known: Known) -> list[Landmark]:
    """The values that the loss has by itself; none of losses that do not say."""
    find: Any = getattr(known.loop.loss, "landmarks", None)
    if not callable(find) or known.embeddings is None:
        return []
    rows, dim = known.embeddings[0].shape
    try:
        return list(find(rows * world_size(), dim, processes=world_size()))
    except (RuntimeError, ValueError, TypeError):
        return []


def of_constant_embeddings(known: Known) -> float | None:
    """The loss where as many embeddings as passed are all equal; None where it does not take them."""
    if known.loop.loss is None or known.embeddings is None:
        return None
    z = torch.ones_like(known.trial.passed[0].z_a)
    try:
        return _value(known.loop.loss, z, z)
    except (RuntimeError, ValueError, TypeError):
        return None


def _shares(known: Known) -> Finding:
    loss: Any = known.loop.loss
    name = type(loss).__name__
    if name not in SHARES or not callable(getattr(loss, "terms", None)):
        return not_checked(
            "sound shares of terms were measured of this package's Barlow Twins and VICReg alone"
        )
    if name == "BarlowTwinsLoss" and loss.normalize != "batch":
        return not_checked("of embeddings that are not normalised the shares change as modes are learned")
    if known.embeddings is None:
        return not_checked("no embeddings could be computed")
    rows, dim = known.embeddings[0].shape
    if rows < min(dim, known.batch_size):
        return not_checked(
            f"{rows} pairs passed in the time; of {dim} dimensions it takes as many, or a whole batch"
        )
    first, second = SHARES[name]
    z_a, z_b = (each.clone().requires_grad_() for each in _scaled(*known.embeddings))
    terms: Mapping[str, Tensor] = _alone(loss).terms(z_a, z_b)
    sizes = {}
    for term in (first, second):
        parts = torch.autograd.grad(loss.weights[term] * terms[term], (z_a, z_b), retain_graph=True)
        sizes[term] = float(sum(part.square().sum() for part in parts) ** 0.5)
    if not all(math.isfinite(size) for size in sizes.values()) or sizes[first] < sizes[second] * 1e-6:
        return not_checked("the embeddings are not finite, or those of the two views are equal")
    share = sizes[second] / sizes[first]
    low, high = SOUND_SHARES[name]
    words = f"{second} pulls on the embeddings {share:.3g} times as much as {first}"
    if low <= share <= high:
        return passed(words)
    weight = {"BarlowTwinsLoss": "lambda_param", "VICRegLoss": "nu_param"}[name]
    option = {"BarlowTwinsLoss": "barlow-twins.lambda-param", "VICRegLoss": "vicreg.nu-param"}[name]
    direction = "lower" if share > high else "raise"
    return doubtful(
        f"{words} (sound: {low:g} to {high:g})",
        known.option(f"{direction} --{option}", f"{direction} {weight}= of {name}"),
    )


def _processes(known: Known) -> Finding:
    """Whether several processes minimise what one would of the joint batch."""
    loss = known.loop.loss
    count = world_size()
    if count == 1:
        return not_checked(
            "there is one process; under torchrun the joint loss is compared with one process's"
        )
    if loss is None:
        return not_checked(known.loop.why_no_loss)
    generator = torch.Generator().manual_seed(0)
    place = known.batches[0][0].device
    rows = torch.randn(2, count * _ROWS, _DIM, generator=generator).to(place)
    rows[1] = rows[0] + 0.5 * rows[1]
    own = slice(torch.distributed.get_rank() * _ROWS, (torch.distributed.get_rank() + 1) * _ROWS)
    mine = rows[:, own].clone().requires_grad_()
    value = copy.deepcopy(loss)(mine[0], mine[1])
    (gradient,) = torch.autograd.grad(value, mine)
    joint = rows.clone().requires_grad_()
    expected = _alone(loss)(joint[0], joint[1])
    (wanted,) = torch.autograd.grad(expected, joint)
    # DistributedDataParallel averages over processes.
    found = gather_rows(gradient.transpose(0, 1).contiguous()).transpose(0, 1) / count
    of_loss = float((mean_over_processes(value.detach()) - expected.detach()).abs() / expected.detach().abs())
    of_gradient = float((found - wanted).norm() / wanted.norm())
    words = (
        f"over {count} processes the loss differs by {of_loss:.1e} from one process's of the joint batch,"
        f" the gradient by {of_gradient:.1e}"
    )
    if max(of_loss, of_gradient) > SAME:
        return wrong(
            f"{words}: each process sees its own rows only, or gathered rows carry no gradient",
            "give the loss gather_distributed=True, or gather embeddings by eigenstep.losses.gather_batch",
        )
    return passed(words)


def _spread_pairs() -> tuple[Tensor, Tensor]:
    """Uncorrelated coordinates of mean 0 and deviation 1, (n, d), and second views near them."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(_ROWS, _DIM, generator=generator)
    z = torch.linalg.qr(drawn - drawn.mean(0))[0] * math.sqrt(_ROWS)
    return z, z + 0.3 * torch.randn(_ROWS, _DIM, generator=generator)


def _value(loss: Loss, z_a: Tensor, z_b: Tensor) -> float:
    with torch.no_grad():
        return float(_alone(loss)(z_a, z_b))


def _alone(loss: Any) -> Any:
    """A copy of a loss that sees the rows that it is given, of whatever process."""
    own = copy.deepcopy(loss)
    for module in own.modules() if isinstance(own, nn.Module) else [own]:
        if getattr(module, "gather_distributed", False):
            module.gather_distributed = False
    return own


def _scaled(z_a: Tensor, z_b: Tensor) -> tuple[Tensor, Tensor]:
    """Both views at a mean deviation of 1, so that shares say what the weights do."""
    both = torch.cat([z_a, z_b])
    spread = both.var(0).mean().sqrt().clamp(min=torch.finfo(both.dtype).tiny)
    return (z_a - both.mean(0)) / spread, (z_b - both.mean(0)) / spread


CHECKS = (
    Check("sign", "loss", _sign),
    Check("place", "loss", _place),
    Check("shares", "loss", _shares),
    Check("processes", "loss", _processes),
)

"""Checks of the numbers: types, ranges, and what is not finite."""

import copy
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from eigenstep.advice.checks._finding import Check, Finding, doubtful, not_checked, passed, wrong
from eigenstep.advice.checks._known import Known


def _types(known: Known) -> Finding:
    weights = sorted({str(each.dtype).removeprefix("torch.") for each in known.loop.model.parameters()})
    views = str(known.batches[0][0].dtype).removeprefix("torch.")
    words = f"weights of {', '.join(weights) or 'no type'}, views of {views}"
    low = [name for name in weights if name in ("float16", "bfloat16") or name.startswith("float8")]
    if low:
        digits = {
            "float16": "its small gradients and updates vanish",
            "bfloat16": "it keeps 3 digits, so small updates vanish",
        }
        return doubtful(
            f"{words}: of {low[0]}, {digits.get(low[0], 'small updates vanish')}",
            known.option(
                "give --precision bf16-mixed", "keep weights in float32, and compute under torch.autocast"
            ),
        )
    if views not in weights and known.trial.failed_at == "forward" and weights:
        return wrong(f"{words}: the network does not take them", f"convert them: view.to(torch.{weights[0]})")
    return passed(words)


def _logit(known: Known) -> Finding:
    """Whether the loss is finite where it is sharpest: of unit vectors whose partners are equal."""
    if known.loop.loss is None:
        return not_checked(known.loop.why_no_loss)
    if known.embeddings is None:
        return not_checked("no embeddings could be computed")
    first = known.trial.passed[0].z_a
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(first.shape, generator=generator)
    z = normalize(drawn, dim=1).to(first.device, first.dtype).requires_grad_()
    try:
        loss = copy.deepcopy(known.loop.loss)(z, z.detach().clone())
        (gradient,) = torch.autograd.grad(loss, z)
    except (RuntimeError, ValueError, TypeError) as error:
        return not_checked(f"the loss does not take embeddings that agree: {error}")
    kind = str(first.dtype).removeprefix("torch.")
    bound = math.log(torch.finfo(first.dtype).max)
    temperature = _temperature(known.loop.loss)
    words = f"embeddings of {kind}, whose exponential ends at {bound:.0f}"
    if temperature:
        words = f"the largest logit is 1/T = {1 / temperature:.3g}; {words}"
    if not (bool(torch.isfinite(loss)) and bool(torch.isfinite(gradient).all())):
        return wrong(
            f"the loss of embeddings whose views agree is not finite: {words}",
            "compute it in float32, by torch.logsumexp or cross_entropy in the place of exp and log, or"
            " raise the temperature",
        )
    return passed(f"{words}; the loss is finite where views agree")


def _anchors(known: Known) -> Finding:
    found = known.trial.gradients
    if found is None:
        return not_checked(
            known.loop.why_no_loss if known.loop.loss is None else "no gradient at the embeddings"
        )
    still = sum(int((gradient == 0).all(1).sum()) for gradient in found)
    total = sum(len(gradient) for gradient in found)
    if still == len(found[1]) and bool((found[1] == 0).all()):
        return passed("one view is the other's target, without gradient; every row of the other is pulled")
    if still:
        return wrong(
            f"{still} of {total} embeddings feel no gradient: anchors without a positive",
            "give every row a partner: no padding, no masked or unlabelled rows, drop_last=True",
        )
    return passed(f"each of {total} embeddings feels a gradient")


def _finite(known: Known) -> Finding:
    trial = known.trial
    if trial.non_finite:
        return wrong(
            f"not finite first: {trial.non_finite}",
            known.option(
                "give --precision 32-true, or a smaller --optimizer.lr",
                "look at what feeds this tensor, and lower the rate if it came after a step",
            ),
        )
    if not trial.passed:
        return not_checked("nothing could be run")
    return passed(f"outputs, losses and gradients of {len(trial.passed)} steps are finite")


def _temperature(loss: Any) -> float:
    value = getattr(loss, "temperature", 0.0)
    value = float(value.detach()) if isinstance(value, Tensor) and value.numel() == 1 else value
    return float(value) if isinstance(value, int | float) else 0.0


CHECKS = (
    Check("types", "numbers", _types),
    Check("logit", "numbers", _logit),
    Check("anchors", "numbers", _anchors),
    Check("finite", "numbers", _finite),
)

"""Checks of what updates the network: rates, and what is decayed or rescaled."""

from eigenstep.advice.checks._finding import Check, Finding, doubtful, not_checked, passed, wrong
from eigenstep.advice.checks._known import Known

# A step's change of a group's weights over the weights themselves. Sound first steps lie between 2e-7 (a
# small start of resnet18 at a small rate) and .2 (test_resnet, BYOL); below 1e-8 they vanish in float32.
LEAST_UPDATE, LARGE_UPDATE, LARGEST_UPDATE = 1e-8, 0.3, 1.0
# Adam moves each weight by about its rate, and weights are a few hundredths: published rates end at .01.
# LARS moves a layer by its rate times the trust coefficient, usually .001 to .02, times the layer's size:
# published ones begin at .2.
LARGEST_ADAM_RATE, LEAST_LARS_RATE = 0.03, 0.01


def _kind(known: Known) -> str:
    return type(known.loop.optimizer).__name__


def _peak(known: Known) -> float:
    """The rate, or the one that is warmed up to."""
    assert known.loop.optimizer is not None
    rates = [
        max(float(g.get("lr", 0.0)), float(g.get("initial_lr", 0.0)))
        for g in known.loop.optimizer.param_groups
    ]
    return max(rates)


def _rate(known: Known) -> Finding:
    if known.loop.optimizer is None:
        return not_checked("no optimizer was given")
    kind, rate = _kind(known), _peak(known)
    words = f"{kind} at a rate of {rate:g}"
    if "adam" in kind.lower() and rate > LARGEST_ADAM_RATE:
        return wrong(
            f"{words}: a rate of SGD or LARS; Adam moves every weight by about that much a step",
            known.option("give --optimizer.lr 0.001", f"torch.optim.{kind}(..., lr=1e-3)"),
            "high",
        )
    if "lars" in kind.lower() and rate < LEAST_LARS_RATE:
        return doubtful(
            f"{words}: a rate of Adam; LARS moves a layer by its rate times a trust coefficient of about"
            " .001",
            known.option(
                "give --optimizer.lr 1", "give LARS the published rate, such as 0.3 times batch size / 256"
            ),
            "low",
        )
    return passed(words)


def _update(known: Known) -> Finding:
    updates = known.trial.updates
    if not updates:
        finite = not known.trial.non_finite
        return not_checked("no step could be run with an optimizer" if finite else "not everything is finite")
    slow, least = min(updates.items(), key=lambda each: each[1])
    name, largest = max(updates.items(), key=lambda each: each[1])
    span = f"{least:.2g}" if least == largest else f"{least:.2g} to {largest:.2g}"
    words = f"a step changes the weights by {span} of their size"
    if largest > LARGE_UPDATE:
        judge = wrong if largest > LARGEST_UPDATE else doubtful
        return judge(
            f"{words}: too much (the group of {name})",
            known.option("give a smaller --optimizer.lr", "lower the rate of this group, or warm it up"),
            "large",
        )
    if least < LEAST_UPDATE:
        return doubtful(
            f"{words}: next to nothing (the group of {slow})",
            known.option(
                "give a larger --optimizer.lr", "raise the rate of this group; see what scales its gradient"
            ),
            "small",
        )
    return passed(words)


def _decay(known: Known) -> Finding:
    loop = known.loop
    if loop.optimizer is None:
        return not_checked("no optimizer was given")
    names = {id(each): name for name, each in loop.model.named_parameters()}
    flat = [
        names[id(each)]
        for group in loop.optimizer.param_groups
        if group.get("weight_decay")
        for each in group["params"]
        if each.ndim <= 1 and id(each) in names
    ]
    if not flat:
        return passed("biases and norms are not decayed")
    groups = (
        "two groups of parameters: [{'params': [p for p in ps if p.ndim > 1]},"
        " {'params': [p for p in ps if p.ndim <= 1], 'weight_decay': 0}]"
    )
    words = f"{len(flat)} biases and weights of norms are decayed ({flat[0]})"
    if "lars" in _kind(known).lower():
        return wrong(f"{words}, and LARS rescales their steps to their size, which is 0 for biases", groups)
    return doubtful(words, groups)


CHECKS = (
    Check("rate", "network", _rate),
    Check("update", "network", _update),
    Check("decay", "network", _decay),
)

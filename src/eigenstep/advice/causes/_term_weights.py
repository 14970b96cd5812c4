"""Weights of a loss's terms that leave one of them without a say."""

from dataclasses import dataclass

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, below


@dataclass(frozen=True)
class Range:
    """Of a weight: what is published, widened tenfold, and the usual value."""

    least: float
    most: float
    usual: float


# Barlow Twins at d = 8,192: 0.005, of a few dozen dimensions 0.02 to 0.1; VICReg 25, 25, 1.
BATCH_NORMALISED = {"barlow_twins.lambda_param": Range(2e-3, 0.5, 0.02)}
RANGES = {
    "vicreg.lambda_param": Range(2.5, 250, 25.0),
    "vicreg.mu_param": Range(2.5, 250, 25.0),
    "vicreg.nu_param": Range(0.1, 10, 1.0),
}


def _outside(signs: Signs) -> dict[str, tuple[float, Range]]:
    ranges = dict(RANGES)
    if signs.option("barlow_twins.normalize") == "batch":
        ranges |= BATCH_NORMALISED
    found = {}
    for name, span in ranges.items():
        value = signs.number(name)
        if name.startswith(f"{signs.loss}.") and not span.least <= value <= span.most and value == value:
            found[name] = (value, span)
    return found


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    found = [
        Evidence(f"{name} is {value:g}, usual is {span.usual:g}", 0.7)
        for name, (value, span) in _outside(signs).items()
    ]
    if found and ill:
        found.append(Evidence("and the run is ill", 0.6))
    if found and below(signs["rank_now"], 0.5 * signs["rank_first"]):
        found.append(
            Evidence(
                f"the effective rank fell from {signs['rank_first']:.1f} to {signs['rank_now']:.1f}", 0.5
            )
        )
    return found


def _act(signs: Signs) -> Action:
    changes = {name: span.usual for name, (_, span) in _outside(signs).items()}
    if not changes:  # what a batch tells is not of which weight
        return Action("Set the loss's weights to the published ones", expected="an effective rank that grows")
    options = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in changes.items())
    line = ", ".join(f"{name.partition('.')[2]}={value:g}" for name, value in changes.items())
    return Action(f"Set {options}", changes, "an effective rank that grows", f"Set {line}")


CAUSE = Cause(
    "term_weights",
    "a term of the loss has a weight that leaves it, or the others, no influence",
    _weigh,
    _act,
    checks=("shares",),
)

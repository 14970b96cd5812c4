"""Whether a run that went wrong can go on with the change, or should begin anew."""

from eigenstep.advice._signs import PARTS, Signs
from eigenstep.advice.causes._cause import above, below

# Norm of a part's weights beside its start, and share of silent features, within which a run was cured as it
# went on: right for 20 of 22 runs of a trial. A restart cured 25 of 25, a change without one 11 of 23.
LEAST_NORM, MOST_NORM, MOST_SILENT = 0.9, 1.2, 0.2


def cannot_go_on(signs: Signs) -> str | None:
    """Why a restart is better; None where the change may be made in the running training.

    Examples
    --------
    >>> cannot_go_on(Signs({"weight_backbone": 1.5}, {}, "growing"))
    "the backbone's weights have grown to 1.5 times their start"
    >>> cannot_go_on(Signs({"weight_backbone": 1.05, "features_silent_now": 0.0}, {}, "growing"))
    """
    if signs.diverged:
        return "weights are no longer finite"
    for part in PARTS[:2]:
        norm = signs[f"weight_{part}"]
        if above(norm, MOST_NORM) or below(norm, LEAST_NORM):
            how = "grown" if norm > 1 else "shrunk"
            return f"the {part}'s weights have {how} to {norm:.2g} times their start"
    silent = signs["features_silent_now"]
    if above(silent, MOST_SILENT):
        return f"{silent:.0%} of the features are silent"
    return None

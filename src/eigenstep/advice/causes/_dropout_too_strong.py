"""Noise within the network hides what two views have in common."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below
from eigenstep.advice.causes._silent_units import AT_REST, IN_COMMON

APART, AGREEMENT = 0.75, 0.07


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    apart, first = signs["views_apart"], signs["features_agreement_first"]
    if not (below(apart, APART) and below(first, AGREEMENT)) or signs["views_blank"] > 0.1:
        return []
    found = [
        Evidence(
            f"the views are alike ({apart:.2f} of the distance of two images), but their features are not"
            f" (mean cosine {first:.2f})",
            1.0,
        )
    ]
    if above(signs["features_at_rest"], AT_REST) and above(signs["features_agreement"], IN_COMMON):
        found.append(Evidence("but most features are at rest for every image", -0.6))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Turn dropout and stochastic depth down to 0.1 or less: nn.Dropout(0.1), drop_path_rate=0.1",
        expected="features of two views that agree at the start (mean cosine above .2)",
    )


CAUSE = Cause(
    "dropout_too_strong", "noise within the network hides what two views have in common", _weigh, _act
)

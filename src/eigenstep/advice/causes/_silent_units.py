"""Features that are zero for every image."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above

SILENT = 0.4
# Share of values that ReLU holds back; where dropout does, features of two views have nothing in common.
AT_REST, IN_COMMON = 0.75, 0.08


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    silent = signs["features_silent_now"]
    found = []
    if above(silent, SILENT):
        found.append(Evidence(f"{silent:.0%} of the features are the same for every image", 1.0))
    if above(signs["features_at_rest"], AT_REST) and above(signs["features_agreement"], IN_COMMON):
        found.append(Evidence(f"{signs['features_at_rest']:.0%} of the features' values are at rest", 1.1))
    if not found:
        return []
    if above(signs["views_blank"], 0.8) or signs["images_distinct"] < 0.05:
        found.append(Evidence("but so are the images", -1.0))
    if above(signs["update_backbone_most"], 0.15):
        found.append(Evidence("but large steps kill units", -0.5))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Begin anew with biases at 0 and batch norm before each ReLU, or GELU in its place",
        expected="features that all vary (features_silent 0)",
    )


CAUSE = Cause(
    "silent_units", "many features are silent", _weigh, _act, restart=True, checks=("silent: units",)
)

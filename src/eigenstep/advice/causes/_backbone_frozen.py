"""No gradient reaches the backbone, or it is not in the optimiser."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    update, gradient = signs["update_backbone_most"], signs["gradient_backbone_most"]
    if update != 0 or not above(signs["steps"], 0) or signs.diverged:
        return []
    found = [Evidence("no step has changed the backbone's weights", 0.8)]
    if gradient == 0:
        found.append(Evidence("no gradient reaches the backbone", 0.4))
    if above(signs["update_projector_most"], 0):
        found.append(Evidence("the projector's weights do change", 0.3))
    if signs.option("freeze") == "all":
        found.append(Evidence("--freeze all is set", 0.3))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Set --freeze none",
        {"freeze": "none"},
        "an update_backbone above 0",
        "Unless it is meant, give the optimiser model.parameters(), all with requires_grad_(True), and run"
        " the backbone without no_grad or detach",
    )


CAUSE = Cause("backbone_frozen", "the backbone is not trained", _weigh, _act, checks=("moves",))

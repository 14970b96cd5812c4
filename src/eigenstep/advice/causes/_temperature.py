"""A temperature at which the loss tells nothing apart, or sees only the hardest pair."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

# Published for cosines: 0.05 to 1. Outside of the wider range the option speaks by itself.
LOWEST, HIGHEST, TOGETHER = 0.03, 2.0, 0.8
USUAL = {"simclr": 0.5, "dcl": 0.1, "supcon": 0.1, "nscl": 0.1}


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    temperature = signs.number(f"{signs.loss}.temperature")
    if signs.option(f"{signs.loss}.normalize") != "cosine" or not (
        below(temperature, LOWEST) or above(temperature, HIGHEST)
    ):
        return []
    said = f"{signs.loss}.temperature is {temperature:g}, published ones are 0.05 to 1"
    found = [Evidence(said, 0.6)]
    if ill:
        found.append(Evidence("and the run is ill", 0.5))
    if below(signs["loss_fall"], 0.02):
        found.append(Evidence(f"the loss has fallen by {max(signs['loss_fall'], 0):.1%}", 0.5))
    if above(signs["mean_cosine"], TOGETHER):
        found.append(Evidence(f"embeddings draw together (mean cosine {signs['mean_cosine']:.2f})", 0.4))
    if below(signs["embeddings_agreement"], 0.25):
        found.append(Evidence(f"views agree little (mean cosine {signs['embeddings_agreement']:.2f})", 0.4))
    return found


def _act(signs: Signs) -> Action:
    usual = USUAL.get(signs.loss, 0.5)
    return Action(
        f"Set --{signs.loss.replace('_', '-')}.temperature {usual:g}",
        {f"{signs.loss}.temperature": usual},
        "a loss that falls from the first steps on",
        f"Set temperature={usual:g}",
    )


CAUSE = Cause(
    "temperature", "the temperature is out of the range in which the loss tells pairs apart", _weigh, _act
)

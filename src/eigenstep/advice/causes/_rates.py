"""Learning rates that are published for self-supervised training, by optimiser."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import below
from eigenstep.methods import METHODS

OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "lars": "LARS", "muon": "Muon"}
# SimCLR, VICReg, Barlow Twins, SimSiam, DINO and MAE, for the batches that they give (256 to 4,096).
LARGEST = {"adamw": 5e-3, "adam": 5e-3, "sgd": 1.0, "lars": 10.0, "muon": 0.2}
SMALLEST = {"adamw": 2e-5, "adam": 2e-5, "sgd": 5e-4, "lars": 0.05, "muon": 1e-3}
_USUAL = {"adamw": 1e-3, "sgd": 0.05, "lars": 1.0, "muon": 0.02}
# Losses that are sums of large terms want smaller steps of SGD.
_USUAL_OF_SGD = {"vicreg": 5e-3, "spectral_contrastive": 5e-3}


# Below this variance a direction a start is small; then each method's own rate of SGD was found for it.
SMALL_START = 1e-2


def usual_rate(signs: Signs) -> float:
    """A rate that serves where nothing else is known: AdamW's 0.001 for an optimiser that is not known."""
    name = str(signs.option("optimizer.name") or "adamw")
    if name == "sgd" and below(signs["variance_first"], SMALL_START) and signs.loss in METHODS:
        return METHODS[signs.loss].rate
    if name == "sgd":
        return _USUAL_OF_SGD.get(signs.loss, _USUAL["sgd"])
    return _USUAL.get(name, _USUAL["adamw"])


def gentlest_rate(signs: Signs) -> float:
    """The least of the usual rates of the run's optimiser, for a loop whose loss is not known."""
    usual = usual_rate(signs)
    return min(usual, *_USUAL_OF_SGD.values()) if signs.option("optimizer.name") == "sgd" else usual

"""Whether a run is ill at all, whatever the cause: what no sound run shows."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import above, below
from eigenstep.analysis.verdicts import ALARMS

# How much nearer two views of an image are than views of two images, as a difference of mean cosines about
# the mean: where a run has learned nothing of its images, after so many measurements.
NO_AGREEMENT, MEASUREMENTS = 0.05, 5
# An effective rank: sound runs that a verdict alone called collapsed had more.
FEW = 2.2
# How much it should have grown after so many measurements, unless it was there at the start.
GREW, TO_STALL, AGREED = 0.03, 10, 0.6
# How far features' agreement may fall since the start: of 37 sound runs the worst fell by .05.
FELL = 0.06
# Rise of the loss above its start beside which it is no noise.
LOSS_ROSE = 0.5


def symptoms_of(signs: Signs) -> list[str]:
    """What is wrong with a run, in words; nothing of a sound one.

    Examples
    --------
    >>> symptoms_of(Signs({"diverged": 1.0}, {}, "exploding"))
    ['the loss is no longer finite']
    """
    found = []
    if signs.diverged:
        found.append("the loss is no longer finite")
    elif signs.verdict == "exploding":
        found.append("the embeddings explode")
    elif signs.verdict in ALARMS and not above(signs["rank_now"], FEW):
        found.append(f"{signs.verdict}: an effective rank of {signs['rank_now']:.1f}")
    if signs["measurements"] >= MEASUREMENTS and below(signs["embeddings_agreement"], NO_AGREEMENT):
        found.append(
            "two views of an image are embedded no nearer to each other than views of two images"
            f" (difference of mean cosines {signs['embeddings_agreement']:.2f})"
        )
    first, now = signs["embeddings_agreement_first"], signs["embeddings_agreement"]
    if signs["measurements"] >= TO_STALL and below(first, AGREED) and below(now - first, GREW):
        found.append(
            f"two views of an image hardly agree more than at the start ({first:.2f}, now {now:.2f})"
        )
    first, now = signs["features_agreement_first"], signs["features_agreement"]
    if signs["measurements"] >= TO_STALL and below(now - first, -FELL):
        found.append(
            f"two views of an image agree less in features than at the start ({first:.2f}, now {now:.2f})"
        )
    if above(signs["loss_worst"], LOSS_ROSE) and below(signs["loss_fall"], 0):
        found.append("the loss is higher than it was at the start")
    return found

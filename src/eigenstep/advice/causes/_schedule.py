"""The schedule keeps the rate small: a warm-up that outlasts the run, or a decay that was over at once."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, below

# The mean rate so far beside the one that is set.
MEAN_RATE = 0.25
# A cosine that ends before this share of the run, at less than this share of the rate.
EARLY, LITTLE = 0.3, 0.05


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    rate, mean = signs.number("optimizer.lr"), signs["rate_mean"]
    end, planned = signs.number("optimizer.cosine_steps"), signs.number("steps")
    if below(end, EARLY * planned) and below(signs.number("optimizer.final_rate"), LITTLE * rate):
        final = signs.number("optimizer.final_rate")
        return [Evidence(f"from step {end:,.0f} of {planned:,.0f} on the rate is {final:.1g}", 1.3)]
    if not below(mean, MEAN_RATE * rate):
        return []
    steps, warmup = signs["steps"], signs.number("optimizer.warmup_steps")
    found = [Evidence(f"the rate was {mean:.2g} on average, {rate:g} is set", 0.5)]
    if warmup > signs.number("steps"):
        found.append(
            Evidence(
                f"the warm-up of {warmup:,.0f} steps outlasts the run of {signs.number('steps'):,.0f}", 0.8
            )
        )
    elif warmup > steps:
        found.append(Evidence(f"the warm-up of {warmup:,.0f} steps still goes on", -0.5))
    if below(signs["rate_now"], 0.01 * rate) and warmup <= steps < 0.9 * signs.number("steps"):
        found.append(Evidence(f"the rate is {signs['rate_now']:.1g} before the run's end", 0.8))
    return found


def _act(signs: Signs) -> Action:
    steps = signs.number("steps")
    warmup = int(steps // 10) if steps == steps else 0
    changes = {
        "optimizer.warmup_steps": warmup,
        "optimizer.warmup_epochs": 0,
        "optimizer.cosine_steps": None,
        "optimizer.final_rate": None,
    }
    return Action(
        f"Set --optimizer.warmup-steps {warmup} and let the cosine end with the run",
        changes,
        "a rate that reaches what is set within a tenth of the run",
        "Make the schedule as long as the training, with a warm-up of a tenth of it, and step it in the"
        " unit in which it counts: once a step, or once an epoch",
    )


CAUSE = Cause("schedule", "the schedule keeps the learning rate far below the one that is set", _weigh, _act)

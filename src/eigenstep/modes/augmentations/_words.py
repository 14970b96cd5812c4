"""What a comparison of sets found, in one line and in tables."""

from __future__ import annotations

from collections.abc import Sequence

from eigenstep.comparison import TextTable
from eigenstep.modes.augmentations._agreement import listed
from eigenstep.modes.augmentations._result import AugmentationAdvice
from eigenstep.modes.augmentations._sets import AugmentationSet
from eigenstep.modes.augmentations._standing import Difference, Standing

# The correlation from which a mode is called by a statistic: half of its variance.
CALLED = 0.5**0.5
# Worse sets that the line names.
NAMED = 2
NOT_RANKED = (
    "not ranked, for there are no labels: scores without labels prefer ever stronger operations and miss the"
    " too strong ones, or go against accuracy, so they are shown and not ranked by"
)


def sentence(advice: AugmentationAdvice) -> str:
    """What the ranking says, in one line; or why there is none."""
    if advice.labels is None:
        return NOT_RANKED
    found = advice.ranked
    if found is None:
        stage = "short trainings read" if advice.short else "modes of an untrained network carry"
        return (
            f"not ranked: {stage} hardly anything of these labels (chance {advice.chance:.0%}), which says"
            " nothing of how sets differ" + ("" if advice.short else "; short trainings may tell")
        )
    standing, sets = found
    tied = standing.tied
    alike = "all" if len(tied) == len(sets) > 2 else listed([sets[place].name for place in tied], len(tied))
    parts = [f"{alike} cannot be told apart" if len(tied) > 1 else f"{sets[tied[0]].name} is best"]
    behind = [place for place in standing.order if place not in tied]
    shown = behind[:NAMED]
    told = [f"{sets[place].name} is worse ({signed(standing.behind(place))})" for place in shown]
    if len(behind) > NAMED:
        told.append(f"and so are {len(behind) - NAMED} more")
    if told:
        parts.append(", ".join(told))
    parts += _what_costs(standing, sets)
    by = (
        f" (by {len(advice.labels):,} labelled images)"
        if advice.short
        else " (a first look, without training)"
    )
    return "; ".join(parts) + by


def signed(found: Difference) -> str:
    """A difference with its standard error, as -.03 ± .01.

    Examples
    --------
    >>> signed(Difference(-0.031, 0.008, True))
    '-.031 ± .008'
    """
    value, error = (f"{each:.3f}" for each in (found.value, found.error))
    return f"{value.replace('0.', '.', 1)} ± {error.replace('0.', '.', 1)}"


def tables(advice: AugmentationAdvice) -> list[TextTable]:
    """For the terminal: with labels how the sets rank, best first, without the scores that need none.

    Examples
    --------
    >>> from eigenstep.images import ImagesConfig
    >>> from eigenstep.modes.augmentations import load_for_sets, rank_augmentations
    >>> from eigenstep.views import ViewsConfig
    >>> photos = load_for_sets("photos", ImagesConfig(size=16, patches=128), 128)
    >>> sets = [AugmentationSet("full", ViewsConfig()), AugmentationSet("no hue", ViewsConfig(hue=0.0))]
    >>> (table,) = tables(rank_augmentations(photos.images, sets=sets, n_principal=16, workers=1))
    >>> [row[0] for row in table.rows], table.header[:3]
    (['full', 'no hue'], ['set', 'rho 1', 'sum of 16'])
    """
    rows, order = [], range(len(advice.sets))
    found = advice.ranked
    if found is not None:
        names = [each.name for each in advice.sets]
        ranked = [names.index(found[1][place].name) for place in found[0].order]
        order = [*ranked, *(place for place in order if place not in ranked)]  # type: ignore[assignment]
    for place in order:
        rows.append(_row(advice, place))
    if advice.labels is None:
        header = ["set", "rho 1", "sum of 16", "tr Γ/tr Σ", "dim.", "first modes"]
    else:
        header = ["set", "accuracy", "beside the best", "seeds", "16 modes", "32", "k-NN"]
    return [TextTable("Sets of augmentations", header, rows, table_note(advice))]


def table_note(advice: AugmentationAdvice) -> str:
    """How the table's numbers were come by."""
    notes = ["± standard error over images and seeds"] if advice.short else []
    if advice.chance is not None:
        notes.append(f"always guessing the commonest class gives {advice.chance:.1%}")
    if advice.short and advice.short.standing.seeds:
        seeds = sum(advice.short.standing.seeds)
        options = advice.short.training
        notes.append(f"{seeds} trainings of {options.steps} steps, {options.loss}")
    if advice.closed is not None and advice.closed.nothing:
        notes.append("without training nothing is said of these labels: the modes hardly carry them")
    return "; ".join(notes)


def calls(first: tuple[str, float]) -> str:
    """What a mode is called by the statistic that it goes with best."""
    return first[0] if first[1] >= CALLED else "unnamed"


def _row(advice: AugmentationAdvice, place: int) -> list[str]:
    one = advice.sets[place]
    modes, firsts = advice.sides.modes[place], advice.sides.firsts[place]
    trained = beside = seeds = "–"
    if advice.short is not None and one.name not in advice.useless:
        at = place_of(one, advice.short.sets)
        standing = advice.short.standing
        trained = f"{standing.means[at]:.3f} ± {standing.error(at):.3f}"
        seeds = str(standing.seeds[at])
        behind = standing.behind(at)
        if advice.short.nothing:
            beside = "near chance"
        elif at == standing.leader:
            beside = "best"
        else:
            beside = signed(behind) if behind.told_apart else f"tie ({signed(behind)})"
    elif one.name in advice.useless:
        beside = "nothing in common"
    few = more = votes = "–"
    if advice.closed is not None and one.name not in advice.useless:
        at = place_of(one, advice.closed.sets)
        few = f"{advice.closed.standing.means[at]:.3f}"
        more, votes = f"{advice.closed.more[at]:.3f}", f"{advice.closed.neighbours[at]:.3f}"
    if advice.labels is not None:
        return [one.name, trained, beside, seeds, few, more, votes]
    named = list(dict.fromkeys(calls(each) for each in firsts[:4]))
    return [
        *(one.name, f"{modes.rho_held_out[0]:.2f}", f"{modes.rho[:16].clip(0).sum():.1f}"),
        *(f"{modes.invariance:.2f}", f"{modes.effective_rank:.0f}"),
        advice.useless.get(one.name, ", ".join(named)),
    ]


def place_of(one: AugmentationSet, sets: Sequence[AugmentationSet]) -> int:
    """Where a set is among others."""
    return [each.name for each in sets].index(one.name)


def _what_costs(standing: Standing, sets: list[AugmentationSet]) -> list[str]:
    """What leaving out one operation of the full set costs most, where it is told apart."""
    names = [each.name for each in sets]
    if "full" not in names:
        return []
    full = names.index("full")
    costs = [
        (standing.difference(place, full), name)
        for place, name in enumerate(names)
        if name.startswith("no ") and name != "no colour at all"
    ]
    told = [(found, name) for found, name in costs if found.told_apart]
    said = []
    worst = min(told, key=lambda each: each[0].value, default=None)
    if worst is not None and worst[0].value < 0:
        said.append(f"leaving out the {worst[1].removeprefix('no ')} costs most ({signed(worst[0])})")
    gain = max(told, key=lambda each: each[0].value, default=None)
    if gain is not None and gain[0].value > 0:
        said.append(f"leaving out the {gain[1].removeprefix('no ')} gains most (+{signed(gain[0])})")
    return said

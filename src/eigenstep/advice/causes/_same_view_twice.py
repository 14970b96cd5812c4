"""Both views are the same tensor, wholly or for many images."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above

EQUAL = 0.1


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    equal = signs["views_equal"]
    if not above(equal, EQUAL):
        return []
    found = [Evidence(f"both views are equal, pixel by pixel, for {equal:.0%} of the images", 1.5)]
    if above(signs["views_blank"], 0.5 * equal):
        found.append(Evidence("but blank images are equal whatever is done to them", -1.2))
    elif _is_plain(signs):
        found.append(Evidence("but the configuration asks for views that hardly differ", -1.0))
    return found


def _is_plain(signs: Signs) -> bool:
    """Whether the configured augmentation leaves images as they are."""
    scale = signs.option("views.crop_scale")
    return (
        isinstance(scale, list | tuple)
        and not signs.option("views.own")
        and scale[0] >= 0.9
        and not signs.number("views.jitter_probability") > 0
    )


def _act(signs: Signs) -> Action:
    return Action(
        "Draw the second view anew: view_b = augment(image), not view_b = view_a, and no random"
        " state that is set between the two",
        expected="views that differ by .4 to .8 of the distance of two images (views_apart)",
    )


CAUSE = Cause(
    "same_view_twice",
    "both views of an image are the same",
    _weigh,
    _act,
    restart=True,
    checks=("agreement: one view",),
)

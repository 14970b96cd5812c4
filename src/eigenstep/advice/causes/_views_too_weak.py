"""Augmentation so weak that the views agree before anything is learned."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below
from eigenstep.advice.causes._same_view_twice import EQUAL

# Mean square distance of two views of an image, beside that of views of two images.
APART, APART_SOUND = 0.3, 0.45


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    apart = signs["views_apart"]
    if not below(apart, APART) or signs["views_are_images"] == 0:  # of other data no range is known
        return []
    found = [Evidence(f"two views of an image are {apart:.2f} times as far apart as two images", 0.8)]
    if above(signs["features_agreement_first"], 0.75):
        agreement = signs["features_agreement_first"]
        found.append(Evidence(f"they agreed before the first step (mean cosine {agreement:.2f})", 0.4))
    if above(signs["views_equal"], EQUAL):
        found.append(Evidence("but they are equal, which no augmentation makes them", -0.8))
    scale = signs.option("views.crop_scale")
    if isinstance(scale, list | tuple) and not signs.option("views.own"):
        weak = scale[0] >= 0.5
        said = f"views.crop_scale is {scale[0]:g} to {scale[1]:g}"
        found.append(Evidence(said, 0.4 if weak else -0.8))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Set --views.crop-scale 0.2 1, --views.jitter-probability 0.8 and --views.grayscale-probability 0.2",
        {
            "views.crop_scale": (0.2, 1.0),
            "views.jitter_probability": 0.8,
            "views.brightness": 0.4,
            "views.contrast": 0.4,
            "views.saturation": None,
            "views.hue": None,
            "views.grayscale_probability": None,
        },
        "views that differ by .4 to .8 of the distance of two images (views_apart)",
        "Augment by RandomResizedCrop(size, scale=(0.2, 1)), ColorJitter(.4, .4, .4, .1) and"
        " RandomGrayscale(.2)",
    )


CAUSE = Cause(
    "views_too_weak",
    "the augmentation is so weak that two views are almost the same image",
    _weigh,
    _act,
    checks=("agreement: weak",),
)

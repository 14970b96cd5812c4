"""Augmentation so strong that the views have little of the image in common."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

APART, SMALL_CROP, NOISE = 0.85, 0.2, 0.15


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    found: list[Evidence] = []
    if signs["views_are_images"] == 0:  # of other data no range is known
        return found
    if above(signs["views_apart"], APART):
        found.append(Evidence(f"views are {signs['views_apart']:.2f} times as far apart as two images", 0.4))
    if below(signs["features_agreement_first"], 0.2):
        agreement = signs["features_agreement_first"]
        found.append(Evidence(f"they had little in common at the start (mean cosine {agreement:.2f})", 0.3))
    scale = signs.option("views.crop_scale")
    if found and isinstance(scale, list | tuple) and not signs.option("views.own"):
        if scale[1] <= SMALL_CROP:
            found.append(Evidence(f"views.crop_scale ends at {scale[1]:g} of the image", 0.8))
        elif signs.number("views.noise_probability") > 0.5:
            found.append(Evidence("every view is noisy", 0.5))
        else:
            found.append(Evidence("the configured augmentation is no stronger than published ones", -0.5))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Set --views.crop-scale 0.2 1, --views.brightness 0.4, --views.contrast 0.4, --views.hue 0.1"
        " and no noise",
        {
            "views.crop_scale": (0.2, 1.0),
            "views.brightness": 0.4,
            "views.contrast": 0.4,
            "views.saturation": None,
            "views.hue": None,
            "views.grayscale_probability": None,
            "views.solarize_probability": 0.0,
            "views.noise_probability": 0.0,
        },
        "views that differ by .4 to .8 of the distance of two images (views_apart)",
        "Augment by RandomResizedCrop(size, scale=(0.2, 1)) and ColorJitter(.4, .4, .4, .1)",
    )


CAUSE = Cause(
    "views_too_strong",
    "the augmentation leaves two views little of the image in common",
    _weigh,
    _act,
    restart=True,
    checks=("agreement: strong", "crops"),
)

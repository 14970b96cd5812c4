"""Row i of the two views is not the same image: a shuffle, a roll or a sampler between them."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above, below

APART, NO_AGREEMENT = 0.8, 0.1


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    apart, first = signs["views_apart"], signs["features_agreement_first"]
    if not above(apart, APART):
        return []
    found = [
        Evidence(f"two views of an image are {apart:.2f} times as far apart as views of two images", 0.7)
    ]
    if below(first, NO_AGREEMENT):
        found.append(Evidence(f"the untrained features see nothing in common (mean cosine {first:.2f})", 0.4))
    elif above(first, 0.3):
        found.append(Evidence(f"the untrained features see much in common (mean cosine {first:.2f})", -0.6))
    scale = signs.option("views.crop_scale")
    if isinstance(scale, list | tuple) and not signs.option("views.own"):
        if scale[1] <= 0.2 or signs.number("views.noise_probability") > 0.5:
            found.append(Evidence("the configured augmentation alone would do that", -1.0))
        else:
            found.append(Evidence("Eigenstep's own views are of one image", -0.8))
    return found


def _act(signs: Signs) -> Action:
    return Action(
        "Make both views from one image: views = [(augment(x), augment(x)) for x in batch], one"
        " loader, one shuffle",
        expected="views that are nearer to each other than to other images (views_apart .4 to .8)",
    )


CAUSE = Cause(
    "views_of_other_images",
    "row i of the two views is not the same image",
    _weigh,
    _act,
    restart=True,
    checks=("agreement: strangers",),
)

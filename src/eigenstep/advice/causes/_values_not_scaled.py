"""Pixel values that are not near 0 and 1 in mean and spread, such as 0 to 255."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above

STD = 5.0


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    mean, std = signs["views_mean"], signs["views_std"]
    if not above(std, STD):
        return []
    return [Evidence(f"the views' values have mean {mean:.3g} and standard deviation {std:.3g}", 1.2)]


def _act(signs: Signs) -> Action:
    return Action(
        "Set --views.normalize data",
        {"views.normalize": "data", "views.mean": None, "views.std": None},
        "views of mean about 0 and standard deviation about 1",
        "Give the network (image / 255 - mean) / std, as transforms.ToTensor() and Normalize(mean, std) do",
    )


CAUSE = Cause(
    "values_not_scaled",
    "the images' values are not scaled",
    _weigh,
    _act,
    restart=True,
    checks=("range: scale",),
)

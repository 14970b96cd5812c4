"""Checks of the views: whether two belong together, differ enough, and are as a network expects."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from eigenstep.advice.checks._batches import repeated_rows, same_rows
from eigenstep.advice.checks._finding import Check, Finding, doubtful, not_checked, passed, wrong
from eigenstep.advice.checks._known import Known

# How much closer two views of an image are than views of two images, see `agreement`. In pixels, by
# benchmarks/agreement_of_views.py on CIFAR-10 and Imagenette: SimCLR's augmentation .29 to .31, .18 with blur
# and colours at full strength; a flip alone .76, crops of .95 to 1 alone .95; solarised crops of .02 to .05
# -.03 to .06, and partners of other images 0.
AGREEMENT_OF_STRANGERS, AGREEMENT_OF_STRONG_VIEWS, AGREEMENT_OF_WEAK_VIEWS = 0.03, 0.12, 0.9
# In the embeddings of untrained networks .12 to .6 of these; they are those of fewer pairs, so chance
# reaches higher.
AGREEMENT_OF_STRANGERS_IN_EMBEDDINGS = 0.06
# Views that agree so far are one view.
AGREEMENT_OF_ONE_VIEW = 0.9999
# Values of images that were normalised lie within a few deviations; those of bytes do not.
LARGEST_VALUE, LARGEST_MEAN, LEAST_SPREAD, LARGEST_SPREAD = 20.0, 2.0, 0.05, 3.0
# Sides, in pixels of the image as it is stored, below which a crop shows no object (SimCLR at 32 px: 9).
LEAST_CROP = 8.0
# Up to this side SimCLR blurs nothing (appendix B.9), and other published settings at most half of the views.
SIDE_WITHOUT_BLUR, MOST_BLUR = 32, 0.5


def agreement(a: Tensor, b: Tensor) -> tuple[float, float]:
    """The mean cosine of partners and of strangers, rows (n, p) of two views less the mean of all.

    Examples
    --------
    >>> a = torch.eye(4)
    >>> [round(value, 3) for value in agreement(a, a)]
    [1.0, -0.333]
    """
    mean = torch.cat([a, b]).mean(0)
    cosines = normalize(a - mean, dim=1) @ normalize(b - mean, dim=1).T
    count = len(cosines)
    partners = cosines.diagonal()
    strangers = (cosines.sum() - partners.sum()) / max(count * (count - 1), 1)
    return float(partners.mean()), float(strangers)


def _agreement(known: Known) -> Finding:
    if len(known.pixels[0]) < 4:
        return not_checked("there are fewer than four pairs to compare")
    partners, strangers = agreement(*known.pixels)
    found = partners - strangers
    words = f"partners agree by {partners:.2f}, strangers by {strangers:.2f} in pixels"
    in_embeddings = [agreement(each.z_a.double(), each.z_b.double()) for each in known.trial.passed]
    shared = 0.0
    if in_embeddings and all(math.isfinite(value) for pair in in_embeddings for value in pair):
        near, far = (sum(values) / len(in_embeddings) for values in zip(*in_embeddings, strict=True))
        shared = near - far
        words += f"; by {near:.2f} and {far:.2f} in the network's embeddings"
    if partners > AGREEMENT_OF_ONE_VIEW:
        return wrong(
            f"{words}: both views are one",
            known.option(
                "give --views.crop-scale 0.08 1 or other --views", "augment the two views each by itself"
            ),
            "one view",
        )
    # Of shifted series and the like only features agree.
    if found < AGREEMENT_OF_STRANGERS and shared < AGREEMENT_OF_STRANGERS_IN_EMBEDDINGS:
        return wrong(
            f"{words}: the two views of a row have no more in common than those of two rows",
            known.option(
                "give milder --views, and see by eigenstep images whether the images differ",
                "see that row i of both views is made of the same image, and that the images differ",
            ),
            "strangers",
        )
    if not known.is_images:
        return passed(words)
    if found < AGREEMENT_OF_STRONG_VIEWS:
        return doubtful(
            f"{words}: the augmentation leaves little in common (sound ones .2 to .4)",
            known.option(
                "raise the first number of --views.crop-scale", "augment less: larger crops, milder colours"
            ),
            "strong",
        )
    if found > AGREEMENT_OF_WEAK_VIEWS:
        return doubtful(
            f"{words}: the augmentation changes little (sound ones agree by .2 to .4)",
            known.option("give --views.crop-scale 0.08 1", "augment more: random resized crops and colours"),
            "weak",
        )
    return passed(words)


def _repetition(known: Known) -> Finding:
    again = known.again
    if again.first is None or again.second is None:
        return not_checked(again.by)
    same = same_rows(again.first, again.second)
    if bool(same.all()):
        return wrong(
            f"{again.by} gave the same views of the same {len(same)} samples, bit by bit",
            known.option(
                "give --views that draw at random",
                "draw views from torch's random state in the data set, not from a generator that workers"
                " copy, or seed that one in worker_init_fn by torch.initial_seed()",
            ),
        )
    return passed(f"{again.by} gave {len(same) - int(same.sum())} of {len(same)} views anew")


def _duplicates(known: Known) -> Finding:
    if known.images:
        repeated = max(repeated_rows(batch) for batch in known.images)
        count, what = len(known.images[0]), "images"
    else:
        repeated = max(repeated_rows(batch[0]) for batch in known.batches)
        count, what = len(known.batches[0][0]), "views"
    if not repeated:
        return passed(f"all {count} {what} of a batch differ")
    sentence = f"{repeated} of {count} {what} of a batch are there more than once"
    action = known.option(
        "find them by eigenstep images DATA and take them out; a batch must not be larger than the data set",
        "sample without replacement (shuffle=True), and take duplicates out of the data set",
    )
    # A few are usual in data that were gathered; a quarter is no accident.
    return wrong(sentence, action) if repeated >= count / 4 else doubtful(sentence, action)


def _range(known: Known) -> Finding:
    views = torch.cat([torch.cat(batch) for batch in known.batches])
    if not views.is_floating_point():
        return wrong(
            f"views are {str(views.dtype).removeprefix('torch.')}; networks take floating-point numbers",
            "convert them: view.float() / 255, then subtract the mean and divide by the deviation",
        )
    if not bool(torch.isfinite(views).all()):
        return wrong(
            "some values of the views are not finite", "find the images that they are of and leave them out"
        )
    low, high, mean, spread = (
        float(value) for value in (views.min(), views.max(), views.mean(), views.std())
    )
    words = f"values from {low:.3g} to {high:.3g}, mean {mean:.2g}, deviation {spread:.2g}"
    if spread == 0:
        return wrong(f"{words}: all views are one colour", "see what the loader reads", "one colour")
    if max(abs(low), abs(high)) > LARGEST_VALUE and known.is_images:
        return wrong(
            f"{words}: these are not normalised",
            known.option(
                "give --views.normalize data", "divide by 255, subtract the mean, divide by the deviation"
            ),
            "scale",
        )
    if abs(mean) > LARGEST_MEAN * max(spread, 1) or not LEAST_SPREAD <= spread <= LARGEST_SPREAD:
        return doubtful(
            f"{words}: networks expect about mean 0 and deviation 1",
            known.option(
                "give --views.normalize data", "subtract the mean and divide by the deviation of the data"
            ),
            "scale",
        )
    wanted = _of_pretrained(known)
    if wanted and low >= 0 and high <= 1:
        return doubtful(
            f"{words}: the weights were trained on images of mean {wanted} subtracted",
            known.option("give --views.normalize imagenet", "normalise as the weights' configuration says"),
        )
    return passed(words)


def _of_pretrained(known: Known) -> str:
    """The mean that a model of timm says its images are normalised by."""
    for module in known.loop.model.modules():
        cfg = getattr(module, "pretrained_cfg", None)
        if isinstance(cfg, dict) and cfg.get("mean") and any(cfg["mean"]):
            return ", ".join(f"{value:g}" for value in cfg["mean"])
    return ""


def _crops(known: Known) -> Finding:
    if known.config is None or known.config.views.own is not None:
        return not_checked("the sizes of crops are known of a configuration's own views only")
    side = known.images[0].shape[-1] if known.images else known.config.images.size
    least = math.sqrt(known.config.views.crop_scale[0]) * side
    words = f"the smallest crop is {least:.0f} px wide, of images of {side} px"
    if least < LEAST_CROP:
        share = min(1.0, (LEAST_CROP / side) ** 2)
        return doubtful(
            f"{words}: too few to show what an image is of", f"give --views.crop-scale {share:.2f} 1"
        )
    return passed(words)


def _blur(known: Known) -> Finding:
    if known.config is None or known.config.views.own is not None:
        return not_checked("whether views are blurred is known of a configuration's own views only")
    size, chance = known.config.images.size, known.config.views.blur_probability
    if chance > MOST_BLUR and size <= SIDE_WITHOUT_BLUR:
        return doubtful(
            f"views of {size} px are blurred with probability {chance:g}; at this size published settings"
            f" blur none or up to {MOST_BLUR:g}",
            "give --views.blur-probability 0",
        )
    return passed(f"blurred with probability {chance:g} at {size} px")


CHECKS = (
    Check("agreement", "views", _agreement),
    Check("repetition", "views", _repetition),
    Check("duplicates", "views", _duplicates),
    Check("range", "views", _range),
    Check("crops", "views", _crops),
    Check("blur", "views", _blur),
)

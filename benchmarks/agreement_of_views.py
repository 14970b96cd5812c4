"""How much closer two views of an image are than views of two images, in pixels, of sound views and ill.

    python benchmarks/agreement_of_views.py FOLDER [--size 32] [--images 256]

Prints, for each kind of views, the agreement of `eigenstep check`: the mean cosine of partners, and that of
strangers. The table in docs/advice.md is from CIFAR-10 and Imagenette.
"""

import argparse
import dataclasses

import torch

from eigenstep.advice.checks import agreement
from eigenstep.images import ImagesConfig, load_images
from eigenstep.views import TwoViews, ViewsConfig

STILL = ViewsConfig.none("imagenet")
VIEWS = {
    "SimCLR's, colours at half strength": ViewsConfig(),
    "SimCLR's, colours at full strength, blur": ViewsConfig(
        brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur_probability=0.5
    ),
    "crops of .2 to 1, brightness and contrast .2": dataclasses.replace(
        STILL,
        crop_scale=(0.2, 1.0),
        flip_probability=0.5,
        jitter_probability=0.8,
        brightness=0.2,
        contrast=0.2,
    ),
    "a flip alone": dataclasses.replace(STILL, flip_probability=0.5),
    "crops of .95 to 1 alone": dataclasses.replace(STILL, crop_scale=(0.95, 1.0)),
    "noise alone": dataclasses.replace(STILL, noise_probability=1.0),
    "one view twice": STILL,
    "crops of .02 to .05, solarised, colours at 1": ViewsConfig(
        crop_scale=(0.02, 0.05), brightness=1.0, contrast=1.0, solarize_probability=0.5
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=256)
    options = parser.parse_args()
    images = load_images(options.folder, ImagesConfig(size=options.size, limit=options.images)).images
    images = torch.as_tensor(images)
    print(f"{options.folder}, {len(images)} images at {options.size} px{'':6}partners  strangers")
    for name, config in VIEWS.items():
        _print(name, images, config, options.size)
    _print("partners of other images", images, ViewsConfig(), options.size, shift=1)
    _print("one image for all", images[:1].expand_as(images).contiguous(), ViewsConfig(), options.size)


def _print(name: str, images: torch.Tensor, config: ViewsConfig, size: int, shift: int = 0) -> None:
    draw = TwoViews(config.for_channels(images.shape[1]), size)
    a, b = (view.flatten(1).double() for view in draw(images, torch.Generator().manual_seed(0)))
    partners, strangers = agreement(a, b.roll(shift, 0))
    print(f"{name:48}{partners:8.2f}{strangers:10.2f}")


if __name__ == "__main__":
    main()

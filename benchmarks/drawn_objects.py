"""Draws pictures of one object each, whose hue, shape, orientation, size and place are known.

    python benchmarks/drawn_objects.py [--picture sheet.png]

Row i of `draw(n)` is the same whatever n is. Each of the five wants other augmentations: hue no jitter of
colours, orientation neither turns nor flips, size no crop, place neither crop nor flip, shape all of them.
The object is a bar, an ellipse, a wedge or two discs on a shaded, noisy ground, with a second, fainter one
somewhere in the way.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLASSES = {
    "hue": ("red", "yellow", "green", "cyan", "blue", "magenta"),
    "shape": ("bar", "ellipse", "wedge", "two discs"),
    "orientation": ("flat", "rising", "upright", "falling"),
    "size": ("small", "medium", "large"),
    "place": ("top left", "top right", "bottom left", "bottom right"),
}
# Half the length of an object, in parts of the picture's side; its width is less by this factor.
_LENGTHS, _SLENDER = (0.14, 0.21, 0.31), 0.38
# Centres of places from the middle; how far hue (in turns), angle (in radians), length and place wander.
_OFF_CENTRE, _WANDER = 0.19, {"hue": 0.035, "angle": 0.17, "length": 0.06, "place": 0.06}
Array = NDArray[np.float64]


def draw(count: int, size: int = 32, seed: int = 0) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
    """Pictures (n, 3, size, size), and of each label (n,) numbers of its classes, independent and even."""
    pictures = np.empty((count, 3, size, size), dtype=np.uint8)
    labels = {name: np.empty(count, dtype=np.int64) for name in CLASSES}
    for row in range(count):
        rng = np.random.default_rng([seed, row])
        chosen = {name: int(rng.integers(len(classes))) for name, classes in CLASSES.items()}
        for name, number in chosen.items():
            labels[name][row] = number
        pictures[row] = _picture(chosen, size, rng)
    return pictures, labels


def _picture(chosen: dict[str, int], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    fine = (np.arange(2 * size) + 0.5) / (2 * size) - 0.5  # two samples a pixel each way
    y, x = np.meshgrid(fine, fine, indexing="ij")
    slope = rng.normal(size=2) * 0.25
    ground = (0.45 + 0.12 * rng.normal() + slope[0] * x + slope[1] * y)[None] + rng.normal(
        size=(3, 1, 1)
    ) * 0.04
    other = {name: int(rng.integers(len(classes))) for name, classes in CLASSES.items()}
    for each, strength in ((other, 0.25), (chosen, 1.0)):
        inside = _mask(each, x, y, rng, wide=each is other)
        ground = ground + strength * inside * (_colour(each["hue"], rng)[:, None, None] - ground)
    small = ground.reshape(3, size, 2, size, 2).mean(axis=(2, 4)) + rng.normal(size=(3, size, size)) * 0.03
    return np.clip(np.round(255 * small), 0, 255).astype(np.uint8)


def _mask(each: dict[str, int], x: Array, y: Array, rng: np.random.Generator, wide: bool) -> Array:
    """1 inside the object; a faint one lies anywhere."""
    if wide:
        centre = rng.uniform(-0.5, 0.5, size=2)
    else:
        sides = np.array([each["place"] % 2, each["place"] // 2]) * 2 - 1
        centre = _OFF_CENTRE * sides + rng.uniform(-1, 1, size=2) * _WANDER["place"]
    angle = each["orientation"] * np.pi / 4 + rng.uniform(-1, 1) * _WANDER["angle"]
    angle += np.pi * rng.integers(2)  # which end comes first says nothing
    length = _LENGTHS[each["size"]] * (1 + rng.uniform(-1, 1) * _WANDER["length"])
    width = _SLENDER * length
    dx, dy = x - centre[0], centre[1] - y  # upwards
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    shape = CLASSES["shape"][each["shape"]]
    if shape == "bar":
        inside = (np.abs(along) < length) & (np.abs(across) < 0.8 * width)
    elif shape == "ellipse":
        inside = (along / length) ** 2 + (across / width) ** 2 < 1
    elif shape == "wedge":
        inside = (np.abs(along) < length) & (np.abs(across) < 0.7 * width * (1 + along / length))
    else:
        inside = (np.abs(along) - 0.6 * length) ** 2 + across**2 < width**2
    return inside.astype(np.float64)


def _colour(number: int, rng: np.random.Generator) -> Array:
    """Of a hue of six, not quite even, in light and saturation."""
    hue = (number / 6 + rng.uniform(-1, 1) * _WANDER["hue"]) % 1
    saturation, value = rng.uniform(0.55, 0.95), rng.uniform(0.55, 0.95)
    ramp = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    colour: Array = value * (1 - saturation * (1 - ramp))
    return colour


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path, default=Path("runs/drawn-objects.png"))
    options = parser.parse_args()
    from PIL import Image

    pictures, labels = draw(60)
    sheet = pictures.reshape(6, 10, 3, 32, 32).transpose(0, 3, 1, 4, 2).reshape(192, 320, 3)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).resize((1280, 768), Image.Resampling.NEAREST).save(options.picture)
    for row in range(10):
        print(", ".join(CLASSES[name][labels[name][row]] for name in CLASSES))
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()

"""Two SimCLR views of each image of a batch: Eigenstep beside lightly (PIL) and kornia (batched).

Prints, for 32- and 96-pixel photographs and 1 and 2 threads, how many views a second each makes (two views
of one image count as two), and where Eigenstep's time goes. All three draw from the same distributions; blur
is on at 96 pixels only. The methods take turns, so that other load on the machine meets all of them, and a
ratio is the median over the turns. On one thread the rate by CPU time is given too, which other load hardly
changes. lightly works image by image, so its second thread is a DataLoader's second worker.

    python benchmarks/views.py [--repeats 9] [--batch 256]
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import kornia.augmentation as kornia
import numpy as np
import torch
from lightly_views import LightlyViews, views_config
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.utils.data import DataLoader

from eigenstep.machine import set_threads
from eigenstep.views import TwoViews, ViewsConfig, _two_views

LIGHTLY_IMAGES = 64
STAGES = ("crop_taps", "resized_crop_into", "color_jitter_", "grayscale_", "gaussian_blur_", "normalize_")


def photograph_patches(count: int, size: int) -> Tensor:
    """(count, 3, size, size) uint8, cut at random from scikit-learn's two photographs."""
    rng = np.random.default_rng(0)
    photographs = load_sample_images().images
    patches = []
    for _ in range(count):
        photograph = photographs[rng.integers(len(photographs))]
        top, left = (rng.integers(extent - size + 1) for extent in photograph.shape[:2])
        patches.append(photograph[top : top + size, left : left + size])
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).contiguous()


def lightly_method(images: Tensor, config: ViewsConfig, threads: int) -> Callable[[], int]:
    dataset = LightlyViews(images, config)
    if threads == 1:
        loader = DataLoader(dataset, batch_size=LIGHTLY_IMAGES)
    else:
        batch = LIGHTLY_IMAGES // threads
        loader = DataLoader(dataset, batch_size=batch, num_workers=threads, persistent_workers=True)
    return lambda: sum(len(view) for views in loader for view in views)


def kornia_method(images: Tensor, config: ViewsConfig) -> Callable[[], int]:
    size = images.shape[-1]
    augment = nn.Sequential(
        kornia.RandomResizedCrop((size, size), scale=config.crop_scale, ratio=config.crop_ratio),
        kornia.RandomHorizontalFlip(p=config.flip_probability),
        kornia.ColorJitter(
            config.brightness, config.contrast, config.saturation, config.hue, p=config.jitter_probability
        ),
        kornia.RandomGrayscale(p=config.grayscale_probability),
    )
    if config.blur_probability:
        augment.append(kornia.RandomGaussianBlur((9, 9), config.blur_sigma, p=config.blur_probability))
    augment.append(kornia.Normalize(torch.tensor(config.mean), torch.tensor(config.std)))

    def make() -> int:
        with torch.no_grad():
            floats = images.float() / 255
            return sum(len(augment(floats)) for _ in range(2))

    return make


def eigenstep_method(images: Tensor, config: ViewsConfig) -> Callable[[], int]:
    views, generator = TwoViews(config, images.shape[-1]), torch.Generator().manual_seed(0)
    return lambda: sum(len(view) for view in views(images, generator))


def views_per_second(make: Callable[[], int]) -> tuple[float, float]:
    """By the clock, and by the CPU time of this process."""
    start, cpu_start = time.perf_counter(), time.process_time()
    count = make()
    return count / (time.perf_counter() - start), count / (time.process_time() - cpu_start)


def shares(make: Callable[[], int], repeats: int) -> dict[str, float]:
    """Fraction of the time of `make` that each operation takes."""
    spent: dict[str, float] = defaultdict(float)
    originals = {stage: getattr(_two_views, stage) for stage in STAGES}

    def timed(stage: str) -> Callable[..., object]:
        def run(*args: object) -> object:
            start = time.perf_counter()
            result = originals[stage](*args)
            spent[stage.removesuffix("_into").strip("_")] += time.perf_counter() - start
            return result

        return run

    for stage in STAGES:
        setattr(_two_views, stage, timed(stage))
    start = time.perf_counter()
    for _ in range(repeats):
        make()
    total = time.perf_counter() - start
    for stage, original in originals.items():
        setattr(_two_views, stage, original)
    spent["the rest"] = total - sum(spent.values())
    return {stage: seconds / total for stage, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9, help="turns of each method")
    parser.add_argument("--batch", type=int, default=256, help="images a batch")
    arguments = parser.parse_args()

    header = (
        "size",
        "threads",
        "method",
        "views/s",
        "min - max",
        "Eigenstep is",
        "by CPU time",
        "Eigenstep is",
    )
    row = "{:>4} {:>7}  {:<10} {:>8}  {:<15} {:<13} {:>11}  {}"
    print(row.format(*header))
    for size in (32, 96):
        for threads in (1, 2):
            set_threads(threads)
            images, config = photograph_patches(arguments.batch, size), views_config(size)
            methods = {
                "Eigenstep": eigenstep_method(images, config),
                "kornia": kornia_method(images, config),
                "lightly": lightly_method(images[:LIGHTLY_IMAGES], config, threads),
            }
            rates: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
            for repeat in range(arguments.repeats + 1):
                for name, make in methods.items():
                    rate = views_per_second(make)
                    if repeat:  # the first turn warms up
                        rates[name].append(rate)
            own = rates["Eigenstep"]
            for name, measured in rates.items():
                cells = []
                for clock in range(2):
                    ours, theirs = ([rate[clock] for rate in turns] for turns in (own, measured))
                    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
                    cells += [f"{statistics.median(theirs):.0f}", f"{min(theirs):.0f} - {max(theirs):.0f}"]
                    cells += ["" if name == "Eigenstep" else f"{ratio:.1f} x as fast"]
                by_cpu = cells[3::2] if threads == 1 else ["", ""]
                print(row.format(size, threads, name, *cells[:3], *by_cpu))
            parts = shares(methods["Eigenstep"], arguments.repeats)
            print(" " * 14 + ", ".join(f"{stage} {share:.0%}" for stage, share in parts.items()), flush=True)


if __name__ == "__main__":
    main()

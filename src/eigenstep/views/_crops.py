"""More than two views of a batch: several global ones, and local ones of small crops."""

import dataclasses

import torch
from torch import Tensor

from eigenstep.views._config import ViewsConfig
from eigenstep.views._two_views import TwoViews


class Crops:
    """Global and local views of each image of a batch, as many as the configuration says.

    The first two are those of `TwoViews`, from the same draws, whatever follows. Then come the other global
    ones, which are drawn alike, and the local ones: smaller crops, of `config.local_area` instead of
    `config.crop_scale`, as smaller images. All else is as of `TwoViews`. Multi-crop: Caron et al. 2020,
    arXiv:2006.09882.

    Parameters
    ----------
    config : ViewsConfig
        How many views there are, and what may differ between them.
    image_size : int
        Side of the global views in pixels; that of the local ones is `config.side_of_local(image_size)`.

    Raises
    ------
    ValueError
        `image_size` below 1.

    Examples
    --------
    >>> crops = Crops(ViewsConfig(local_views=2), image_size=32)
    >>> images = torch.randint(256, (16, 3, 40, 48), dtype=torch.uint8)
    >>> [tuple(view.shape[2:]) for view in crops(images, torch.Generator().manual_seed(0))]
    [(32, 32), (32, 32), (14, 14), (14, 14)]
    """

    def __init__(self, config: ViewsConfig, image_size: int) -> None:
        self.config = config
        self._global = TwoViews(config, image_size)
        small = dataclasses.replace(config, crop_scale=config.local_area)
        self._local = TwoViews(small, config.side_of_local(image_size))

    def __call__(
        self, images: Tensor, generator: torch.Generator, part: int = 0, parts: int = 1
    ) -> tuple[Tensor, ...]:
        """The views of each image, the global ones first; arguments and errors as of `TwoViews`.

        Returns
        -------
        tuple[Tensor, ...]
            Tensors (B, C, side, side), float32, on the images' device.
        """
        views = [*self._global(images, generator, part, parts)]
        further = [self._global] * (self.config.global_views - 2) + [self._local] * self.config.local_views
        for kind in further:
            views.append(kind.apply(images, kind.sample(images, generator, part, parts)))
        return tuple(views)

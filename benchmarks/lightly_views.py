"""lightly's SimCLR views, and Eigenstep's settings that draw from the same distributions."""

from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from eigenstep.views import ViewsConfig


def views_config(size: int) -> ViewsConfig:
    """As SimCLR has them: weaker colours and no blur for small images."""
    if size <= 32:
        return ViewsConfig().for_channels(3)
    return ViewsConfig(
        brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur_probability=0.5
    ).for_channels(3)


class LightlyViews(Dataset):
    """lightly's two views of PIL images, one image at a time."""

    def __init__(self, images: Tensor, config: ViewsConfig) -> None:
        self.images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        self.transform = SimCLRTransform(
            input_size=images.shape[-1],
            cj_strength=config.brightness / 0.8,
            gaussian_blur=config.blur_probability,
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> list[Tensor] | list[Image.Image]:
        return self.transform(self.images[index])

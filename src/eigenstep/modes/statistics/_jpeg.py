"""How many bytes an image takes as JPEG: how much there is in it."""

import io

import torch

from eigenstep.modes.statistics._block import Block, Found

# Pillow's own default.
QUALITY = 75


def jpeg(block: Block) -> Found:
    """Bits a pixel as JPEG of 8 bits, of images of one or three channels."""
    channels = block.colour.shape[1]
    if channels not in (1, 3):
        return {"JPEG size": f"needs one or three channels, and the images have {channels}"}
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return {"JPEG size": "needs Pillow; install it by pip install 'eigenstep[train]'"}
    stored = (block.colour.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    sizes = []
    for pixels in stored:
        content = io.BytesIO()
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(content, "JPEG", quality=QUALITY)
        sizes.append(8 * content.tell() / (pixels.shape[0] * pixels.shape[1]))
    return {"JPEG size": torch.tensor(sizes)}

"""Labels that lie beside the images in an .npz file."""

import numpy as np

from eigenstep.images._config import ImagesConfig
from eigenstep.images.decoding import FileImage, array_shapes, count_images
from eigenstep.images.sources._samples import Value

# What the labels beside an array of images are called.
LABELS = ("labels", "label", "y", "targets")


def array_labels(path: str, config: ImagesConfig) -> list[Value] | None:
    """Labels of the images in an .npz file of one array of them: what another one says of each.

    Its name is `config.label`, or "labels", "label", "y" or "targets". None if there is no such array of
    whole numbers, truth values or text. A file that cannot be read is one image, which has no label.
    """
    try:
        shapes = {
            name: shape for name, shape in array_shapes(FileImage(path), config).items() if len(shape) > 2
        }
    except Exception:  # zipfile and NumPy raise many kinds
        return [None]
    if len(shapes) != 1 or not path.lower().endswith(".npz"):
        return None
    names = (config.label,) if config.label else LABELS
    with np.load(path, allow_pickle=False) as file:
        try:
            found = [file[name].reshape(-1) for name in names if name in file.files]
        except Exception:  # damaged, or Python's objects, which are not unpickled
            return None
    count = count_images(next(iter(shapes.values())), config)
    if not found or len(found[0]) != count or found[0].dtype.kind not in "biuU":
        return None
    values: list[Value] = (found[0].astype(int) if found[0].dtype.kind == "b" else found[0]).tolist()
    return values

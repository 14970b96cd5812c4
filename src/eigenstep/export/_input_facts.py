"""How images go into an exported encoder, as the metadata of its file."""

from eigenstep.encoders import TrainedEncoder, channels_of


def input_facts(encoder: TrainedEncoder) -> dict[str, str]:
    """What whoever has the file alone must know, numbers apart by spaces.

    `backbone`, `checkpoint`, `channels` and `image_size`; `take`, which of a file's channels they are,
    counted from 1, where that was set; `range`, the values in files that become 0 and 1, unless these are
    all that 8 or 16 bits can say; then `mean` and `std` of each channel, in [0, 1], unless nothing is
    subtracted or views of one's own did the scaling.
    """
    config, views = encoder.config, encoder.config.views
    known: dict[str, tuple[object, ...] | None] = {
        "take": config.images.take,
        "range": config.images.range,
        "mean": views.mean,
        "std": views.std,
    }
    if views.normalize == "none" or views.own:
        del known["mean"], known["std"]
    return {
        "backbone": config.backbone,
        "checkpoint": encoder.checkpoint.name,
        "channels": str(channels_of(config)),
        "image_size": str(config.images.size),
        **{name: " ".join(map(str, values)) for name, values in known.items() if values},
    }

"""Settings of other libraries, made before they are imported, so that they send and leave nothing unasked."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Each library's own switch.
NO_TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime: a device's id and events, below the user's cache
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets: a request for each folder that it opens
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and through it timm and transformers
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}


def switch_off_telemetry() -> None:
    """Switch off what libraries tell their makers; what the environment says of it already stands.

    They read their switches when they are imported.

    Examples
    --------
    >>> switch_off_telemetry()
    """
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)


def lend_font_cache() -> None:
    """Let matplotlib list its fonts in a temporary folder, unless the user has used it before.

    Lightning's engine imports it where torchmetrics is installed, whether or not anything is drawn.

    Examples
    --------
    >>> lend_font_cache()
    """
    home = Path.home()
    places = [
        Path(os.environ.get(variable) or home / folder) / "matplotlib"
        for variable, folder in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    ]
    if "MPLCONFIGDIR" not in os.environ and not any(place.is_dir() for place in places):
        os.environ["MPLCONFIGDIR"] = lent = tempfile.mkdtemp(prefix="eigenstep-")
        atexit.register(shutil.rmtree, lent, ignore_errors=True)

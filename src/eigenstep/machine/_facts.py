"""What a bug report needs of a machine: versions, devices, threads, precision, folders, optional parts."""

import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from eigenstep.machine._memory import available_memory, size_in_words
from eigenstep.machine._threads import usable_cores

# Distributions that every part needs, and what each optional part is for, by the extra that brings it.
NEEDED = ("numpy", "scipy", "scikit-learn", "torch")
TRAIN = (
    *("torchvision", "timm", "safetensors", "lightning-fabric", "datasets", "pillow", "simplejpeg"),
    *("tifffile", "tyro", "rich", "pyyaml", "plotly", "starlette", "uvicorn", "matplotlib"),
)
OPTIONAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "train": ("the command line, training, reports", TRAIN),
    "tiff": ("compressed TIFF", ("imagecodecs",)),
    "heif": ("HEIC and AVIF photographs", ("pillow-heif",)),
    "dicom": ("DICOM", ("pydicom",)),
    "onnx": ("eigenstep export", ("onnx", "onnxscript", "onnxruntime")),
    "tensorboard": ("--logger.kinds tensorboard", ("tensorboard",)),
    "map": ("eigenstep embed --map umap", ("umap-learn",)),
    "wandb": ("--logger.kinds wandb", ("wandb", "pytorch-lightning")),
    "mlflow": ("--logger.kinds mlflow", ("mlflow-skinny", "sqlalchemy", "alembic", "pytorch-lightning")),
}
VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"),
    *("CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_OFFLINE", "WORLD_SIZE", "RANK"),
)
LITTLE_SPACE = 2**30


def machine_facts(here: Path | None = None) -> dict[str, dict[str, str]]:
    """What is known of this machine, by group and name; a line that starts with "!" is trouble.

    Nothing is changed, sent or left behind: whether a folder can be written to is tried by a temporary file.

    Parameters
    ----------
    here : Path | None
        The folder that runs would be written into; default: the current one.

    Examples
    --------
    >>> import torch
    >>> facts = machine_facts()
    >>> sorted(facts)
    ['devices', 'folders', 'optional parts', 'precision', 'threads', 'versions']
    >>> facts["versions"]["torch"] == torch.__version__.partition("+")[0]
    True
    """
    return {
        "versions": _versions(),
        "devices": _devices(),
        "threads": _threads(),
        "precision": _precision(),
        "folders": _folders(here or Path.cwd()),
        "optional parts": {name: _part(name) for name in OPTIONAL},
    }


def _versions() -> dict[str, str]:
    own = {
        "eigenstep": _version("eigenstep"),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
    }
    return own | {name: _version(name) for name in NEEDED} | {"torch and torchvision": _torchvision()}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution).partition("+")[0]
    except metadata.PackageNotFoundError:
        return "not installed"


def _torchvision() -> str:
    """Whether the two were built for each other; of different builds the import fails."""
    if importlib.util.find_spec("torchvision") is None:
        return "torchvision is not installed"
    try:
        import torchvision
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return f"! do not go together: {str(error).splitlines()[0]}; install both by one command"
    return f"go together ({torchvision.__version__})"


def _devices() -> dict[str, str]:
    import torch

    memory = available_memory()
    found = {"cpu": f"{platform.machine()}, {usable_cores()} of {os.cpu_count()} cores may be used"}
    found["memory"] = "unknown" if memory is None else f"{size_in_words(memory)} can be had"
    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        found["cuda"] = f"none that torch can use (built for {built})" if built else "torch is built without"
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        found[f"cuda:{index}"] = f"{name}, {size_in_words(free)} of {size_in_words(total)} free"
    if torch.backends.mps.is_available():
        found["mps"] = "can be used"
    return found


def _threads() -> dict[str, str]:
    import torch
    from threadpoolctl import threadpool_info

    found = {"torch": str(torch.get_num_threads())}
    for pool in threadpool_info():
        found[f"{pool['internal_api']} of {Path(pool['filepath']).name}"] = str(pool["num_threads"])
    if hasattr(os, "getloadavg"):
        load, cores = os.getloadavg()[0], usable_cores()
        busy = load > cores + 0.5
        found["load"] = f"{load:.1f}" + (f" on {cores} cores: other work slows threads down" if busy else "")
    return found | {name: os.environ[name] for name in VARIABLES if name in os.environ}


def _precision() -> dict[str, str]:
    import torch

    found = {}
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        found["bfloat16 on cuda"] = "in hardware" if fast else "emulated, so slow"
    tiles, vectors = torch.cpu._is_amx_tile_supported(), torch.cpu._is_avx512_bf16_supported()
    found["bfloat16 on the cpu"] = (
        "in hardware (AMX)" if tiles else "in hardware (AVX-512)" if vectors else "emulated, so slow"
    )
    found["float32 products"] = torch.get_float32_matmul_precision()
    return found


def _folders(here: Path) -> dict[str, str]:
    cache = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return {
        "here": _writable(here),
        "temporary": _writable(Path(tempfile.gettempdir())),
        "data sets of the hub": _writable(cache) if cache.is_dir() else f"{cache}: not made yet",
    }


def _writable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"! {folder}: cannot be written to ({error.strerror})"
    return f"{'! ' if free < LITTLE_SPACE else ''}{folder}: writable, {size_in_words(free)} free"


def _part(name: str) -> str:
    purpose, distributions = OPTIONAL[name]
    missing = [each for each in distributions if _version(each) == "not installed"]
    if missing:
        return f"{purpose}: missing {', '.join(missing)}; pip install 'eigenstep[{name}]'"
    versions = ", ".join(f"{each} {_version(each)}" for each in distributions)
    return f"{purpose}: {versions}"

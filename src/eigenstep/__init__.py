"""Eigenstep: watch, predict and explain how self-supervised networks learn one eigenmode at a time."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["ContrastiveKernelPCA", "SpectrumMonitor", "load_encoder", "watch"]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are used, so that `import eigenstep` costs nothing."""
    if name in ("SpectrumMonitor", "watch"):
        from eigenstep import spectrum

        return getattr(spectrum, name)
    if name == "ContrastiveKernelPCA":
        from eigenstep.kernel import ContrastiveKernelPCA

        return ContrastiveKernelPCA
    if name == "load_encoder":
        from eigenstep.encoders import load_encoder

        return load_encoder
    raise AttributeError(f"module 'eigenstep' has no attribute {name!r}")

"""What a trained encoder is taken away for: loading it back, timm and ONNX files, embeddings, probes."""

from eigenstep.encoders import TrainedEncoder, find_checkpoint, initial_encoder, load_encoder
from eigenstep.export._embed import Embedded, embed
from eigenstep.export._onnx import export_onnx
from eigenstep.export._probe_run import probe_run
from eigenstep.export._timm import export_timm

__all__ = [
    "Embedded",
    "TrainedEncoder",
    "embed",
    "export_onnx",
    "export_timm",
    "find_checkpoint",
    "initial_encoder",
    "load_encoder",
    "probe_run",
]

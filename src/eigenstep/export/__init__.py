"""What a trained encoder is taken away for: loading it back, timm and ONNX files, embeddings, probes."""

from typing import TYPE_CHECKING

from eigenstep.lazy import lazily

if TYPE_CHECKING:
    from eigenstep.encoders import TrainedEncoder, find_checkpoint, initial_encoder, load_encoder
    from eigenstep.export._columns import Columns, open_columns
    from eigenstep.export._embed import Embedded, embed
    from eigenstep.export._maps import MAPS, MapName, principal_points, umap_points
    from eigenstep.export._mode_directions import ModeDirections, network_name
    from eigenstep.export._nearest import nearest_rows
    from eigenstep.export._new_file import new_file
    from eigenstep.export._onnx import export_onnx, trace_network
    from eigenstep.export._probe_run import probe_run
    from eigenstep.export._timm import export_timm
    from eigenstep.export._viewers import VIEWERS, Viewer, ViewerName
else:
    __getattr__, __dir__ = lazily(__name__)

__all__ = [
    "Columns",
    "Embedded",
    "MAPS",
    "MapName",
    "ModeDirections",
    "TrainedEncoder",
    "VIEWERS",
    "Viewer",
    "ViewerName",
    "embed",
    "export_onnx",
    "export_timm",
    "find_checkpoint",
    "initial_encoder",
    "load_encoder",
    "nearest_rows",
    "network_name",
    "new_file",
    "open_columns",
    "principal_points",
    "probe_run",
    "trace_network",
    "umap_points",
]

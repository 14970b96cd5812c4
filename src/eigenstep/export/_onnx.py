"""A run's encoder as an ONNX file."""

import importlib.util
import logging
import re
import warnings
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from eigenstep.encoders import TrainedEncoder, channels_of, load_encoder
from eigenstep.export._input_facts import input_facts
from eigenstep.export._model_card import card_path, check_new_card, model_card
from eigenstep.export._new_file import check_new_file, new_file
from eigenstep.record import atomic_write

TOLERANCE = 1e-4
_TERMINAL_CODE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def export_onnx(
    run: str | Path,
    out: str | Path,
    checkpoint: str | int = "last",
    output: Literal["features", "embeddings"] = "features",
    *,
    overwrite: bool = False,
    card: bool = True,
) -> float | None:
    """Write a run's encoder as ONNX: `images`, float32 (batch, C, size, size), to `features` or `embeddings`.

    The batch is of any size. Images go in resized and normalised, as `load_encoder(run).prepare` gives them;
    the file's metadata tell how that is, see `input_facts`. Where onnxruntime is
    installed the file is run beside the encoder before it is kept. Unless `card` is False, a model card is
    written beside it, `out` with .md.

    Returns
    -------
    float | None
        The largest difference between onnxruntime's output and the encoder's, relative to the largest output,
        or None without onnxruntime.

    Raises
    ------
    FileExistsError
        If the file or its card is there and `overwrite` is not given.
    ValueError
        If the difference is above 1e-4 (then no file is written), if the backbone cannot be exported, or if
        onnx and onnxscript are not installed; and what `load_encoder` raises.
    """
    out = Path(out)
    check_new_file(out, overwrite)
    if card:
        check_new_card(out, overwrite)
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"ONNX files need {' and '.join(missing)}; install by pip install {' '.join(missing)}"
        )
    encoder = load_encoder(run, checkpoint)
    network = _OneOutput(encoder, output)
    shape = channels_of(encoder.config), encoder.config.images.size
    program = trace_network(network, shape[1], output, encoder.config.backbone, shape[0])
    program.model.metadata_props.update(input_facts(encoder))
    with new_file(out, overwrite) as aside:
        program.save(aside, external_data=False)
        difference = _difference(aside, network, *shape)
        if difference is not None and not difference <= TOLERANCE:
            raise ValueError(
                f"onnxruntime computes other {output} than the encoder: they differ by {difference:.1e},"
                f" expected at most {TOLERANCE}; no file was written"
            )
    if card:
        _write_card(encoder, Path(run), out, output)
    return difference


def _write_card(encoder: TrainedEncoder, run: Path, out: Path, output: str) -> None:
    width = encoder.num_features if output == "features" else encoder.config.projector.dim
    lines = [
        "import onnxruntime",
        "",
        f"session = onnxruntime.InferenceSession({out.name!r})",
        f'({output},) = session.run(None, {{"images": images}})  # float32 (1, {width})',
    ]
    gives = f"`{output}`, float32 (batch, {width}), of the input `images`, for any size of batch"
    atomic_write(card_path(out), model_card(encoder, run, "onnx", "\n".join(lines), gives))


class _OneOutput(nn.Module):
    """The encoder with the one output that is asked for, so that the projector is left out of features."""

    def __init__(self, encoder: TrainedEncoder, output: str) -> None:
        super().__init__()
        if output not in ("features", "embeddings"):
            raise ValueError(f"expected the output to be features or embeddings, got {output!r}")
        self.backbone = encoder.backbone
        self.projector = encoder.projector if output == "embeddings" else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.projector(self.backbone(images))
        return output


def trace_network(
    network: nn.Module, size: int, output: str, backbone: str, channels: int = 3
) -> torch.onnx.ONNXProgram:
    """A network from images (batch, C, size, size) as an ONNX program; `backbone` is its name in errors.

    Raises
    ------
    ValueError
        In one line, if PyTorch cannot export it.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 2)).eval()
    >>> program = trace_network(network, 4, "features", "linear")
    >>> [str(each.shape) for each in program.model.graph.inputs]
    ['[batch,3,4,4]']
    """
    # More than one image: a batch of one would be taken for a constant.
    example = torch.zeros(2, channels, size, size)
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch's own parts, which nobody here can act on
            program = torch.onnx.export(
                network,
                (example,),
                input_names=["images"],
                output_names=[output],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(f"{backbone} cannot be exported as ONNX: {_reason(error)}") from error
    finally:
        exporter.setLevel(level)
    assert program is not None
    return program


def _reason(error: BaseException) -> str:
    """What an exporter says in one line, as plain text: its step, and all that its causes say."""
    step, _, _ = str(error).partition("Next steps:")  # for developers of torch
    causes, cause = [], error.__cause__
    while cause is not None:
        causes.append(str(cause) or type(cause).__name__)
        cause = cause.__cause__
    said = " ".join([step, *causes] if causes else [str(error)])
    return " ".join(_TERMINAL_CODE.sub("", said).split())


def _difference(path: Path, network: nn.Module, channels: int, size: int) -> float | None:
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = []
    for batch in (1, 5):
        images = torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = network(images)
        (found,) = session.run(None, {"images": images.numpy()})
        largest = expected.abs().max().clamp(min=1e-30)
        differences.append((torch.from_numpy(found) - expected).abs().max() / largest)
    return float(torch.stack(differences).max())

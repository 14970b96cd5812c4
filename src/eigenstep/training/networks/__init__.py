"""Networks: backbones by name, projectors, and the encoder that they make."""

from eigenstep.training.networks._backbones import convnet
from eigenstep.training.networks._encoder import Encoder, build_encoder, build_projector
from eigenstep.training.networks._weights import fit_weights, read_weights

__all__ = ["Encoder", "build_encoder", "build_projector", "convnet", "fit_weights", "read_weights"]

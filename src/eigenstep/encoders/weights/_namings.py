"""How other libraries name a backbone's tensors."""

import re
from collections.abc import Iterable, Mapping

# Of each of a backbone's tensors the names that a library has for it; several are parts of it, one below the
# other, as the query, key and value of an attention.
Naming = Mapping[str, tuple[str, ...]]
# From timm's names, as patterns, to another library's.
Table = tuple[tuple[str, tuple[str, ...]], ...]

_QKV = ("query", "key", "value")


def _transformer(block: str, embeddings: Table, rules: Mapping[str, tuple[str, ...]], norm: str) -> Table:
    """A table of a vision transformer: of its blocks, what comes before them, and the norm after them."""
    inner = tuple(
        (rf"blocks\.(\d+)\.{re.escape(timm)}\.(\w+)", tuple(rf"{block}.{name}" for name in names))
        for timm, names in rules.items()
    )
    return (*embeddings, *inner, (r"(?:fc_)?norm\.(\w+)", (rf"{norm}.\1",)))


_HF_EMBEDDINGS: Table = (
    (r"cls_token", ("embeddings.cls_token",)),
    (r"reg_token", ("embeddings.register_tokens",)),
    (r"pos_embed", ("embeddings.position_embeddings",)),
    (r"patch_embed\.proj\.(\w+)", (r"embeddings.patch_embeddings.projection.\1",)),
)
_HF_VIT: Mapping[str, tuple[str, ...]] = {
    "norm1": (r"layernorm_before.\2",),
    "attn.qkv": tuple(rf"attention.attention.{part}.\2" for part in _QKV),
    "attn.proj": (r"attention.output.dense.\2",),
    "norm2": (r"layernorm_after.\2",),
    "mlp.fc1": (r"intermediate.dense.\2",),
    "mlp.fc2": (r"output.dense.\2",),
}
_HF_DINOV2: Mapping[str, tuple[str, ...]] = {
    "norm1": (r"norm1.\2",),
    "norm2": (r"norm2.\2",),
    "attn.qkv": _HF_VIT["attn.qkv"],
    "attn.proj": _HF_VIT["attn.proj"],
    "mlp.fc1": (r"mlp.fc1.\2",),
    "mlp.fc2": (r"mlp.fc2.\2",),
    "ls1": ("layer_scale1.lambda1",),
    "ls2": ("layer_scale2.lambda1",),
}
# Names of attention since version 5 of transformers.
_HF_5: Mapping[str, tuple[str, ...]] = {
    "attn.qkv": tuple(rf"attention.{part}_proj.\2" for part in "qkv"),
    "attn.proj": (r"attention.o_proj.\2",),
}
_HF_MLP_5: Mapping[str, tuple[str, ...]] = {"mlp.fc1": (r"mlp.fc1.\2",), "mlp.fc2": (r"mlp.fc2.\2",)}
_TORCHVISION_VIT: Mapping[str, tuple[str, ...]] = {
    "norm1": (r"ln_1.\2",),
    "norm2": (r"ln_2.\2",),
    "attn.qkv": (r"self_attention.in_proj_\2",),
    "attn.proj": (r"self_attention.out_proj.\2",),
    "mlp.fc1": (r"mlp.0.\2",),
    "mlp.fc2": (r"mlp.3.\2",),
}

# `{-1}` after a group stands for the number less one; `{*2}` for twice it, `{*2+1}` for one more than that.
TABLES: Mapping[str, Table] = {
    "transformers' ViT": _transformer(r"encoder.layer.\1", _HF_EMBEDDINGS, _HF_VIT, "layernorm"),
    "transformers 5's ViT": _transformer(
        r"layers.\1", _HF_EMBEDDINGS, {**_HF_VIT, **_HF_5, **_HF_MLP_5}, "layernorm"
    ),
    "transformers' DINOv2": _transformer(r"encoder.layer.\1", _HF_EMBEDDINGS, _HF_DINOV2, "layernorm"),
    "transformers 5's DINOv2": _transformer(
        r"encoder.layer.\1", _HF_EMBEDDINGS, {**_HF_DINOV2, **_HF_5}, "layernorm"
    ),
    "transformers' ResNet": (
        (r"conv1\.(\w+)", (r"embedder.embedder.convolution.\1",)),
        (r"bn1\.(\w+)", (r"embedder.embedder.normalization.\1",)),
        (
            r"layer(\d+)\.(\d+)\.conv(\d+)\.(\w+)",
            (r"encoder.stages.\1{-1}.layers.\2.layer.\3{-1}.convolution.\4",),
        ),
        (
            r"layer(\d+)\.(\d+)\.bn(\d+)\.(\w+)",
            (r"encoder.stages.\1{-1}.layers.\2.layer.\3{-1}.normalization.\4",),
        ),
        (
            r"layer(\d+)\.(\d+)\.downsample\.0\.(\w+)",
            (r"encoder.stages.\1{-1}.layers.\2.shortcut.convolution.\3",),
        ),
        (
            r"layer(\d+)\.(\d+)\.downsample\.1\.(\w+)",
            (r"encoder.stages.\1{-1}.layers.\2.shortcut.normalization.\3",),
        ),
    ),
    "transformers' ConvNeXt": (
        (r"stem\.0\.(\w+)", (r"embeddings.patch_embeddings.\1",)),
        (r"stem\.1\.(\w+)", (r"embeddings.layernorm.\1",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.gamma", (r"encoder.stages.\1.layers.\2.layer_scale_parameter",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.(\w+)", (r"encoder.stages.\1.layers.\2.dwconv.\3",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.norm\.(\w+)", (r"encoder.stages.\1.layers.\2.layernorm.\3",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc(\d)\.(\w+)", (r"encoder.stages.\1.layers.\2.pwconv\3.\4",)),
        (r"stages\.(\d+)\.downsample\.(\d)\.(\w+)", (r"encoder.stages.\1.downsampling_layer.\2.\3",)),
        (r"(?:head\.norm|norm_pre)\.(\w+)", (r"layernorm.\1",)),
    ),
    "torchvision's ViT": _transformer(
        r"encoder.layers.encoder_layer_\1",
        (
            (r"cls_token", ("class_token",)),
            (r"pos_embed", ("encoder.pos_embedding",)),
            (r"patch_embed\.proj\.(\w+)", (r"conv_proj.\1",)),
        ),
        _TORCHVISION_VIT,
        "encoder.ln",
    ),
    "torchvision's ConvNeXt": (
        (r"stem\.(\d)\.(\w+)", (r"features.0.\1.\2",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.gamma", (r"features.\1{*2+1}.\2.layer_scale",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.(\w+)", (r"features.\1{*2+1}.\2.block.0.\3",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.norm\.(\w+)", (r"features.\1{*2+1}.\2.block.2.\3",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc1\.(\w+)", (r"features.\1{*2+1}.\2.block.3.\3",)),
        (r"stages\.(\d+)\.blocks\.(\d+)\.mlp\.fc2\.(\w+)", (r"features.\1{*2+1}.\2.block.5.\3",)),
        (r"stages\.(\d+)\.downsample\.(\d)\.(\w+)", (r"features.\1{*2}.\2.\3",)),
        (r"(?:head\.norm|norm_pre)\.(\w+)", (r"classifier.0.\1",)),
    ),
}
OWN = "the backbone's own names"


def namings(names: Iterable[str]) -> dict[str, Naming]:
    """By library, how it names the tensors that have these names in timm; the backbone's own come first.

    Examples
    --------
    >>> namings(["layer1.0.bn1.bias"])["transformers' ResNet"]
    {'layer1.0.bn1.bias': ('encoder.stages.0.layers.0.layer.0.normalization.bias',)}
    >>> namings(["blocks.3.attn.qkv.bias"])["transformers 5's ViT"]["blocks.3.attn.qkv.bias"][0]
    'layers.3.attention.q_proj.bias'
    """
    names = list(names)
    found: dict[str, Naming] = {OWN: {name: (name,) for name in names}}
    for library, table in TABLES.items():
        naming = {name: there for name in names if (there := _translated(name, table))}
        if naming:
            found[library] = naming
    return found


def _translated(name: str, table: Table) -> tuple[str, ...]:
    for pattern, templates in table:
        match = re.fullmatch(pattern, name)
        if match:
            return tuple(_filled(match.expand(template)) for template in templates)
    return ()


def _filled(name: str) -> str:
    """The numbers that a table computes: `3{-1}` is 2, `3{*2+1}` is 7."""

    def number(match: re.Match[str]) -> str:
        value = int(match[1])
        return str({"-1": value - 1, "*2": 2 * value, "*2+1": 2 * value + 1}[match[2]])

    return re.sub(r"(\d+)\{([^}]*)\}", number, name)

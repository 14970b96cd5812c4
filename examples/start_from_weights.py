"""A run starts from another one's weights, as six libraries would have written them, and is fine-tuned.

    python examples/start_from_weights.py [--data DATA] [--out FOLDER] [--steps 100]

It trains timm's small vision transformer; writes its weights as timm, torchvision, transformers, Lightning,
MoCo and DINO do, of which torchvision's and transformers' own networks are asked for the same features; and
starts from each file. Then it fine-tunes from those weights with the first blocks frozen, with all but the
norms, and with decayed rates after the projector has come first, and says how far features have moved and
what they are worth. Last, it trains three of timm's networks from given weights on images of one and of five
channels.
"""

import argparse
import dataclasses
import re
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import VisionTransformer
from transformers import ViTConfig, ViTModel

from eigenstep.encoders import ProjectorConfig, build_encoder, load_encoder
from eigenstep.images import ImagesConfig
from eigenstep.training import OptimizerConfig, ProbesConfig, TrainConfig, train

SIZE, WIDTH, BLOCKS, HEADS, MLP = 32, 64, 6, 2, 192
State = dict[str, Tensor]

# From timm's names to those of the other two; a query, a key and a value are three layers in transformers.
TORCHVISION = (
    (r"cls_token", "class_token"),
    (r"pos_embed", "encoder.pos_embedding"),
    (r"patch_embed\.proj", "conv_proj"),
    (r"blocks\.(\d+)", r"encoder.layers.encoder_layer_\1"),
    (r"norm(\d)\.", r"ln_\1."),
    (r"^norm\.", "encoder.ln."),
    (r"attn\.qkv\.", "self_attention.in_proj_"),
    (r"attn\.proj", "self_attention.out_proj"),
    (r"mlp\.fc1", "mlp.0"),
    (r"mlp\.fc2", "mlp.3"),
)
TRANSFORMERS = (
    (r"cls_token", "embeddings.cls_token"),
    (r"pos_embed", "embeddings.position_embeddings"),
    (r"patch_embed\.proj", "embeddings.patch_embeddings.projection"),
    (r"blocks\.(\d+)", r"encoder.layer.\1"),
    (r"norm1", "layernorm_before"),
    (r"norm2", "layernorm_after"),
    (r"^norm\.", "layernorm."),
    (r"attn\.proj", "attention.output.dense"),
    (r"attn\.", "attention.attention."),
    (r"mlp\.fc1", "intermediate.dense"),
    (r"mlp\.fc2", "output.dense"),
)


def renamed(state: State, rules: tuple[tuple[str, str], ...]) -> State:
    def new(name: str) -> str:
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        return name

    return {new(name): tensor for name, tensor in state.items()}


def split_attention(state: State) -> State:
    """Query, key and value as three layers."""
    found: State = {}
    for name, tensor in state.items():
        if ".qkv." in name:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            found |= {name.replace("qkv", part): rows.clone() for part, rows in parts}
        else:
            found[name] = tensor
    return found


def write_layouts(state: State, folder: Path) -> dict[str, Path]:
    """A file, or a folder, of each library; in MoCo's and DINO's stands another network beside it."""
    other = {name: torch.randn_like(tensor) for name, tensor in state.items()}

    def under(prefix: str, tensors: State) -> State:
        return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}

    paths = {
        "timm": folder / "timm.safetensors",
        "torchvision": folder / "torchvision.pth",
        "transformers": folder / "transformers",
        "Lightning": folder / "lightning.ckpt",
        "MoCo": folder / "moco.pth.tar",
        "DINO": folder / "dino.pth",
    }
    paths["transformers"].mkdir(parents=True)
    head = {"head.weight": torch.ones(10, WIDTH), "head.bias": torch.zeros(10)}
    save_file(state | head, paths["timm"])
    torch.save(renamed(state, TORCHVISION), paths["torchvision"])
    save_file(renamed(split_attention(state), TRANSFORMERS), paths["transformers"] / "model.safetensors")
    vit = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS}
    ViTConfig(
        **vit, intermediate_size=MLP, image_size=SIZE, patch_size=16, layer_norm_eps=1e-6
    ).save_pretrained(paths["transformers"])
    torch.save({"epoch": 3, "state_dict": under("model.backbone", state)}, paths["Lightning"])
    both = under("module.encoder_q", state) | under("module.encoder_k", other)
    torch.save({"epoch": 3, "arch": "vit", "state_dict": both}, paths["MoCo"])
    sides = {"student": under("module.backbone", other), "teacher": under("module.backbone", state)}
    torch.save(sides | {"epoch": 3}, paths["DINO"])
    return paths


def features_elsewhere(library: str, path: Path, images: Tensor) -> Tensor | None:
    """What the library's own network makes of its file; None where it has no network of its own."""
    if library == "torchvision":
        network: nn.Module = VisionTransformer(
            SIZE, 16, BLOCKS, HEADS, WIDTH, MLP, norm_layer=lambda width: nn.LayerNorm(width, eps=1e-6)
        )
        network.load_state_dict(torch.load(path, weights_only=True), strict=False)
        network.heads = nn.Identity()
        return network.eval()(images)
    if library == "transformers":
        return ViTModel.from_pretrained(path, add_pooling_layer=False).eval()(images).last_hidden_state[:, 0]
    return None


def write_waves(folder: Path, channels: int, count: int) -> Path:
    """Images of 16 bits, a fifth of them in test/: waves in noise, of three directions and two lengths."""
    rng = np.random.default_rng(channels)
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    for number in range(count):
        kind = number % 6
        angle, frequency = np.pi * (kind % 3) / 3 + rng.normal(0, 0.15), 2 + 2 * (kind // 3)
        along = (rows * np.sin(angle) + columns * np.cos(angle))[:, :, None]
        phases = rng.uniform(0, 2 * np.pi) + np.linspace(0, np.pi, channels)
        values = 20_000 * (1 + np.sin(2 * np.pi * frequency * along + phases))
        values += rng.normal(0, 10_000, values.shape)
        path = folder / ("test" if number % 5 == 0 else "train") / f"{kind}" / f"{number:04d}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = values.clip(0, 65_535).astype(np.uint16)
        tifffile.imwrite(
            path, values.squeeze(), photometric="minisblack", planarconfig="contig" if channels > 1 else None
        )
    return folder


def read_back(trained: State, folder: Path) -> None:
    print(f"{'layout':14} {'tensors':>8}  {'equal':5}  {'features there':14}  under")
    images = torch.randn(8, 3, SIZE, SIZE)
    for library, path in write_layouts(trained, folder).items():
        encoder = build_encoder("test_vit", SIZE, ProjectorConfig(), weights=path).eval()
        own = encoder.backbone.state_dict()
        equal = all(torch.equal(own[name], trained[name]) for name in trained)
        with torch.no_grad():
            theirs = features_elsewhere(library, path, images)
            error = None if theirs is None else (encoder(images)[0] - theirs).abs().max().item()
        assert encoder.start is not None
        found = f"{encoder.start.matched}/{encoder.start.expected}"
        place = re.search(r", under (\S+)", encoder.start.lines[0])
        said = "" if error is None else f"within {error:.0e}"
        print(
            f"{library:14} {found:>8}  {'yes' if equal else 'NO':5}  {said:14}  {place[1] if place else ''}"
        )


def fine_tune(start: TrainConfig, trained: State, folder: Path) -> None:
    print(f"\n{'fine-tuned with':48} {'still':>7}  {'CKA':>5}  {'overlap':>7}  {'k-NN':>14}")
    options = {
        "nothing frozen": start,
        "--freeze 4": dataclasses.replace(start, freeze=4),
        "--freeze norms": dataclasses.replace(start, freeze="norms"),
        "--layer-decay 0.5 --projector-first 30": dataclasses.replace(
            start,
            optimizer=dataclasses.replace(start.optimizer, layer_decay=0.5, projector_first=30),
        ),
    }
    for number, (name, config) in enumerate(options.items()):
        record = train(config, folder / str(number))
        end = load_encoder(folder / str(number)).backbone.state_dict()
        still = sum(tensor.numel() for key, tensor in end.items() if torch.equal(tensor, trained[key]))
        total = sum(tensor.numel() for tensor in end.values())
        cka, overlap = (record.metrics[f"drift/{what}"][-1] for what in ("cka", "overlap"))
        first, last = record.probes["knn_features"][[0, -1]]
        print(f"{name:48} {still / total:7.1%}  {cka:5.2f}  {overlap:7.2f}  {first:.1%} → {last:.1%}")
        print(f"  {(record.summary or {})['drift']['sentence']}")


def other_networks(folder: Path) -> None:
    print(f"\n{'backbone':18} {'channels':>8}  {'first layer':46}  {'loss':>14}  {'CKA':>5}")
    for backbone in ("test_vit", "test_convnext", "test_efficientnet"):
        torch.manual_seed(1)
        file = folder / f"{backbone}.pth"
        torch.save(timm.create_model(backbone, num_classes=10).state_dict(), file)
        for channels in (1, 5):
            record = train(
                TrainConfig(
                    data=str(write_waves(folder / f"{channels}-channels-{backbone}", channels, 120)),
                    backbone=backbone,
                    backbone_weights=str(file),
                    steps=20,
                    batch_size=32,
                    images=ImagesConfig(size=SIZE),
                    projector=ProjectorConfig(dim=8, init_scale=1.0),
                    optimizer=OptimizerConfig(name="adamw"),
                ),
                folder / f"{backbone}-{channels}",
            )
            adapted = [line for line in (record.summary or {})["start"]["said"] if " channels to " in line]
            said = adapted[0].partition(": adapted ")[2] if adapted else "as it was"
            loss = record.metrics["loss"]
            drift = record.metrics["drift/cka"][-1]
            print(f"{backbone:18} {channels:8}  {said:46}  {loss[0]:5.2f} → {loss[-1]:6.2f}  {drift:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--data", help="labelled images to train the transformer on; default: waves, made here"
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp())
    config = TrainConfig(
        data=arguments.data or str(write_waves(out / "waves", 3, 1_200)),
        backbone="test_vit",
        steps=arguments.steps,
        batch_size=64,
        images=ImagesConfig(size=SIZE, limit=2_000),
        projector=ProjectorConfig(dim=16, init_scale=1.0),
        optimizer=OptimizerConfig(name="adamw"),
        probes=ProbesConfig(every=arguments.steps, neighbours=20),
    )
    train(config, out / "first")
    trained = load_encoder(out / "first").backbone.state_dict()
    read_back(trained, out / "layouts")
    rate = OptimizerConfig(name="adamw", lr=0.001)
    again = dataclasses.replace(
        config, backbone_weights=str(out / "layouts" / "dino.pth"), seed=1, optimizer=rate, loss="simclr"
    )
    fine_tune(again, trained, out / "fine-tuned")
    (out / "others").mkdir()
    other_networks(out / "others")
    print(f"\neigenstep report {out / 'fine-tuned'}")


if __name__ == "__main__":
    main()

"""Which axes of a layer's output are samples and dimensions is found out or refused, never guessed."""

import numpy as np
import pytest
import torch
from torch import nn

from eigenstep import SpectrumMonitor, watch
from eigenstep.record import read_record

timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")


def swin():
    return timm.models.swin_transformer.SwinTransformer(
        img_size=32, patch_size=4, embed_dim=12, depths=(1, 1), num_heads=(1, 2), window_size=4, num_classes=0
    )


def torchvision_swin():
    return torchvision.models.SwinTransformer([4, 4], 12, [1, 1], [1, 2], [4, 4], num_classes=3)


class Mixer(nn.Module):
    """Feature maps to tokens: sizes alone tell that the output of `tokens` is (n, t, c)."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 8, 8)
        self.tokens = Tokens()
        self.block = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 12), nn.GELU())

    def forward(self, images):
        return self.block(self.tokens(self.patches(images)))


class Tokens(nn.Module):
    def forward(self, maps):
        return maps.flatten(2).transpose(1, 2)


class TokensFirst(nn.Module):
    """As DETR's and CLIP's: tokens before samples, by attention that is not batch_first, inside."""

    def __init__(self, width=12):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.attention = nn.MultiheadAttention(width, 2)
        self.norm = nn.LayerNorm(width)
        self.last = nn.LayerNorm(width)

    def forward(self, images):
        tokens = self.norm(self.patches(images).flatten(2).permute(2, 0, 1))
        return self.last((tokens + self.attention(tokens, tokens, tokens)[0]).permute(1, 0, 2))


def time_series():
    return nn.Sequential(
        nn.Conv1d(3, 8, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Flatten()
    )


def encoder(batch_first):
    layer = nn.TransformerEncoderLayer(12, 2, 16, dropout=0.0, batch_first=batch_first)
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


class ChannelsFirstNorm(nn.LayerNorm):
    """As transformers' ConvNextLayerNorm, whose name says nothing."""

    def forward(self, maps):
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Dense(nn.Module):
    """As DenseNet's blocks: what they give is as long in no axis as what a part gives, but in its sides."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 30, 1), nn.Conv2d(30, 32, 1)
        self.block = Joined()

    def forward(self, images):
        return self.block(self.first(images), self.second)


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = nn.Conv2d(30, 32, 1)

    def forward(self, maps, second):
        return torch.cat([maps, self.part(maps), second(maps)], 1)


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.grid = nn.Parameter(torch.randn(1, 3, 32, 32))
        self.positions = nn.Conv2d(3, 3, 1)

    def forward(self, images):
        return images + self.positions(self.grid)


def normed():
    return nn.Sequential(nn.Conv2d(3, 12, 2, 2), ChannelsFirstNorm(12), nn.Dropout(0.0))


IMAGES, SERIES, SEQUENCES = (7, 3, 32, 32), (7, 3, 30), (7, 5, 12)
CASES = [
    (swin, "norm", IMAGES, "nhwc"),
    (swin, "layers.0", IMAGES, "nhwc"),
    (swin, "patch_embed", IMAGES, "nhwc"),
    (swin, "patch_embed.proj", IMAGES, "nchw"),
    (torchvision_swin, "features.1", IMAGES, "nhwc"),
    (torchvision_swin, "permute", IMAGES, "nchw"),
    (lambda: timm.create_model("test_vit", img_size=32), "blocks.0", IMAGES, "ntc"),
    (lambda: timm.create_model("test_vit", img_size=32), "blocks.0.mlp.act", IMAGES, "ntc"),
    (lambda: timm.create_model("test_vit", img_size=32), "patch_embed", IMAGES, "nhwc"),
    (lambda: timm.create_model("test_resnet"), "layer2", IMAGES, "nchw"),
    (lambda: timm.create_model("test_resnet"), "act1", IMAGES, "nchw"),
    (lambda: timm.create_model("test_convnext"), "stages.1", IMAGES, "nchw"),
    (lambda: timm.create_model("test_convnext"), "stages.1.blocks.0.mlp.fc2", IMAGES, "nhwc"),
    (lambda: torchvision.models.resnet18(), "relu", IMAGES, "nchw"),
    (lambda: timm.create_model("densenet121"), "features.denseblock1", (2, 3, 128, 128), "nchw"),
    (Dense, "block", IMAGES, "nchw"),
    (normed, "1", IMAGES, "nchw"),
    (normed, "2", IMAGES, "nchw"),
    (Mixer, "tokens", IMAGES, "ntc"),
    (Mixer, "block.2", IMAGES, "ntc"),
    (TokensFirst, "norm", IMAGES, "tnc"),
    (TokensFirst, "last", IMAGES, "ntc"),
    (time_series, "0", SERIES, "nct"),
    (time_series, "1", SERIES, "nct"),
    (time_series, "2", SERIES, "nct"),
    (time_series, "3", SERIES, "nct"),
    (lambda: encoder(False), "layers.0", SEQUENCES, "tnc"),
    (lambda: encoder(False), "layers.0.linear2", SEQUENCES, "tnc"),
    (lambda: encoder(True), "layers.0", SEQUENCES, "ntc"),
    (lambda: encoder(True), "layers.0.norm1", SEQUENCES, "ntc"),
    (lambda: nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU()), "1", (7, 1, 6, 5, 4), "ncdhw"),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2)), "1", IMAGES, "nct"),
]


def measured(model, layer, batch, path, **options):
    """The record of one step, and the layer's output in it."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, i, out: kept.append(out.detach())
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with watch(model, layer, path, every=1, views=1, **options):
        model(batch).square().mean().backward()
        optimizer.step()
    handle.remove()
    return read_record(path), kept[0]


def pooled(output, layout):
    """By einsum, which sums over the axes that are not named."""
    sums = torch.einsum(f"{layout}->nc", output.double())
    return sums * sums.numel() / output.numel()


def of_hand(embeddings, path):
    monitor = SpectrumMonitor(path, every=1)
    monitor.update(embeddings)
    return read_record(path)


def equal(record, expected):
    assert record.metrics["count"].tolist() == expected.metrics["count"].tolist()
    found, wanted = (each.eigenvalues["covariance"] for each in (record, expected))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * wanted.max())


@pytest.mark.parametrize(("make", "layer", "shape", "layout"), CASES)
def test_the_axes_are_found_by_types_and_sizes(make, layer, shape, layout, tmp_path):
    torch.manual_seed(0)
    record, output = measured(make(), layer, torch.randn(shape), tmp_path / "watch")
    assert record.config["monitor"]["layout"] == layout
    equal(record, of_hand(pooled(output, layout), tmp_path / "hand"))


@pytest.mark.parametrize("layout", ["ntc", "tnc", "nct", "cnt"])
def test_a_layout_that_is_told_is_taken(layout, tmp_path):
    model = nn.Sequential(nn.Unflatten(0, (5, 6)), nn.Linear(4, 3))
    record, output = measured(model, "1", torch.randn(30, 4), tmp_path / "watch", layout=layout)
    equal(record, of_hand(pooled(output, layout), tmp_path / "hand"))


def test_each_layer_can_have_a_layout_of_its_own(tmp_path):
    model = nn.Sequential(nn.Unflatten(0, (5, 6)), nn.Linear(4, 3), nn.Flatten(0, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with watch(model, ["1", "2"], tmp_path, every=1, views=1, layout={"1": "tnc"}):
        model(torch.randn(30, 4)).square().mean().backward()
        optimizer.step()
    counts = [read_record(tmp_path / name).metrics["count"].tolist() for name in ("1", "2")]
    assert counts == [[6], [30]]
    with pytest.raises(ValueError, match="expected layouts of 1, got one of 2"):
        watch(model, "1", tmp_path / "other", layout={"2": "ntc"})


@pytest.mark.parametrize(
    ("make", "layer", "shape"),
    [
        # Nothing tells whether a plain module's sequences are (n, t, c) or (t, n, c).
        (lambda: nn.Sequential(nn.Linear(12, 4)), "0", SEQUENCES),
        # As many channels as tokens.
        (lambda: nn.Sequential(nn.Conv1d(3, 8, 1), nn.Linear(8, 8), nn.ReLU()), "2", (7, 3, 8)),
        # Windows of an image are not samples.
        (swin, "layers.0.blocks.0.attn", IMAGES),
        # Windows of as many tokens as there are samples are not tokens of samples.
        (swin, "layers.0.blocks.0.attn", (16, 3, 32, 32)),
        # Frames are not samples, and neither is one grid of positions for all.
        (lambda: nn.Sequential(nn.Flatten(0, 1), nn.Conv2d(3, 4, 3)), "1", (3, 4, 3, 9, 9)),
        (lambda: Positions(), "positions", IMAGES),
        # As many tokens as channels.
        (lambda: nn.Sequential(nn.Conv2d(3, 16, 8, 8), Tokens()), "1", IMAGES),
        # Samples and tokens are as many, and the attention inside is not batch_first.
        (TokensFirst, "last", (16, 3, 32, 32)),
        # A single map without an axis of samples.
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3)), "0", (3, 9, 9)),
    ],
)
def test_axes_that_nothing_tells_are_refused_with_the_option_that_says_them(make, layer, shape, tmp_path):
    model = make()
    before = {name: dict(module._forward_hooks) for name, module in model.named_modules()}
    watch(model, layer, tmp_path, views=1)
    with pytest.raises(ValueError, match=rf"layer {layer!r} gave the shape .* layout='"):
        model(torch.randn(shape))
    assert {name: dict(module._forward_hooks) for name, module in model.named_modules()} == before
    assert not list(tmp_path.iterdir())


class Parts(nn.Module):
    """Of its output (n, 12, 8, 8) sizes tell nothing, as a convolution gives 12 channels and a Linear 8."""

    def __init__(self, convolutions):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.convolutions = nn.Sequential(*(nn.Conv2d(12, 12, 1) for _ in range(convolutions)))

    def forward(self, maps):
        return self.convolutions(self.linear(maps))


@pytest.mark.parametrize(("convolutions", "layout"), [(4, None), (5, "nchw")])
def test_types_count_where_nearly_all_parts_are_of_one(convolutions, layout, tmp_path):
    model, maps = Parts(convolutions), torch.randn(7, 12, 8, 8)
    if layout is None:
        watch(model, "", tmp_path, views=1)
        with pytest.raises(ValueError, match=r"gave the shape \(7, 12, 8, 8\), and nothing tells"):
            model(maps)
    else:
        assert measured(model, "", maps, tmp_path)[0].config["monitor"]["layout"] == layout


@pytest.mark.parametrize("layout", ["nhw", "nnc", "n c", ""])
def test_a_layout_that_is_none_is_refused(layout, tmp_path):
    with pytest.raises(ValueError, match="expected a layout with a letter for each axis"):
        watch(Mixer(), "block", tmp_path, layout=layout)


def test_an_output_of_other_axes_than_its_layout_is_refused(tmp_path):
    model = Mixer()
    watch(model, "block", tmp_path, layout="nhwc")
    with pytest.raises(
        ValueError, match=r"gave the shape \(7, 16, 12\), expected the 4 axes of layout='nhwc'"
    ):
        model(torch.randn(IMAGES))


def test_the_probe_batch_is_averaged_over_the_same_axes(tmp_path):
    from eigenstep.spectrum import principal_projections

    torch.manual_seed(0)
    model, probe = encoder(False).train(), torch.randn(5, 9, 12)
    record, _ = measured(model, "layers.0", torch.randn(SEQUENCES), tmp_path, probe=probe)
    expected = principal_projections(model(probe).mean(0).detach(), 8)
    np.testing.assert_allclose(record.projections["points"][0], expected, atol=1e-5)


class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, input_ids, attention_mask=None, src_key_padding_mask=None):
        padding = ~attention_mask.bool() if attention_mask is not None else src_key_padding_mask
        return self.layer(self.words(input_ids), src_key_padding_mask=padding)


MASK = torch.arange(9) < torch.tensor([[9], [3], [5], [1], [7]])


@pytest.mark.parametrize("given", [{"attention_mask": MASK.long()}, {"src_key_padding_mask": ~MASK}])
@pytest.mark.parametrize("layer", ["words", "layer"])
def test_padded_tokens_are_left_out_of_the_mean(layer, given, tmp_path):
    torch.manual_seed(0)
    model, ids, kept = Padded(), torch.randint(20, (5, 9)), []
    model.get_submodule(layer).register_forward_hook(lambda module, i, out: kept.append(out.detach()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with watch(model, layer, tmp_path / "watch", every=1, views=1):
        model(ids, **given).sum().backward()
        optimizer.step()
    means = [tokens[there].double().mean(0) for tokens, there in zip(kept[0], MASK, strict=True)]
    equal(read_record(tmp_path / "watch"), of_hand(torch.stack(means), tmp_path / "hand"))


def test_a_pool_of_ones_own_can_see_the_mask(tmp_path):
    torch.manual_seed(0)
    model, ids, seen = Padded(), torch.randint(20, (5, 9)), []

    def last(output, attention_mask):
        seen.append(attention_mask)
        return output[torch.arange(5), attention_mask.sum(1) - 1]

    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with watch(model, "words", tmp_path / "watch", every=1, views=1, pool=last):
        model(input_ids=ids, attention_mask=MASK.long()).sum().backward()
        optimizer.step()
    assert torch.equal(seen[0], MASK)
    expected = model.words.weight.detach()[ids[torch.arange(5), MASK.sum(1) - 1]]
    equal(read_record(tmp_path / "watch"), of_hand(expected, tmp_path / "hand"))


def test_a_mask_that_does_not_fit_the_tokens_is_refused_unless_nothing_is_padded(tmp_path):
    class Prefixed(Padded):
        def forward(self, input_ids, attention_mask=None):
            tokens = self.words(input_ids)
            return self.layer(torch.cat([tokens[:, :1], tokens], 1))

    for name, mask in (("padded", MASK), ("whole", torch.ones_like(MASK))):
        model = Prefixed()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        watched = watch(model, "layer", tmp_path / name, every=1, views=1)
        if name == "padded":
            with pytest.raises(
                ValueError, match=r"5 sequences of 10 tokens, and the attention mask is of shape"
            ):
                model(torch.randint(20, (5, 9)), mask)
        else:
            model(torch.randint(20, (5, 9)), mask).sum().backward()
            optimizer.step()
            assert watched.monitors["layer"].last.count == 5
        watched.close()

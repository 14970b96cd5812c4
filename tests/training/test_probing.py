import dataclasses
import random

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from eigenstep.encoders import encode, prepare_images
from eigenstep.images import load_labelled
from eigenstep.probes import RIDGE_STRENGTHS, logistic_probe
from eigenstep.training import (
    ImagesConfig,
    Probe,
    ProbesConfig,
    ProjectorConfig,
    TrainConfig,
    build_encoder,
    train,
)
from eigenstep.views import ViewsConfig


@pytest.fixture
def labelled(write_parquet, encoded):
    """`labelled(seed)`: a folder of 60 + 30 images of noise in two splits, and labels in random order."""

    def write(seed=0, name="labelled"):
        generator = np.random.default_rng(seed)
        for split, start, count in (("train", 0, 60), ("test", 100, 30)):
            images = [{"bytes": encoded(start + number), "path": None} for number in range(count)]
            labels = [int(label) for label in generator.permutation(np.arange(count) % 3)]
            folder = write_parquet({"img": images, "label": labels}, ["img"], name, split)
        return str(folder)

    return write


@pytest.fixture
def config(labelled):
    return TrainConfig(
        data=labelled(),
        images=ImagesConfig(size=12, stored_size=16),
        views=ViewsConfig(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        projector=ProjectorConfig(hidden=(), dim=6),
        probes=ProbesConfig(neighbours=7),
    )


@pytest.fixture
def encoder():
    """An encoder in training mode, whose running statistics are not those of a new one."""
    torch.manual_seed(5)
    built = build_encoder("convnet", 12, ProjectorConfig(hidden=(), dim=6))
    with torch.no_grad():
        built(torch.randn(16, 3, 12, 12))
    return built


def expected_accuracies(kind, train_x, train_y, test_x, test_y):
    if kind == "logistic":  # scikit-learn chooses strengths in another way
        split = (torch.from_numpy(values) for values in (train_x, train_y, test_x, test_y))
        return logistic_probe(*split).accuracy
    if kind == "knn":
        model = KNeighborsClassifier(7, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.1))
    else:
        model = make_pipeline(StandardScaler(), RidgeClassifierCV(RIDGE_STRENGTHS))
    return model.fit(train_x, train_y).score(test_x, test_y)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["knn", "ridge", "logistic"])
def test_accuracies_are_sklearns_on_the_encoders_features_and_embeddings_and_on_pixels(config, encoder, kind):
    splits = []
    for name in ("train", "test"):
        split = load_labelled(config.data, config.images, name, None)
        with torch.no_grad():
            passed = encoder.eval()(prepare_images(split.images, config))
        pixels = split.images.flatten(1).float() / 255
        splits.append((*(x.double().numpy() for x in (*passed, pixels)), split.labels.numpy()))
    (*train_x, train_y), (*test_x, test_y) = splits
    probe = Probe(config)
    found = probe.measure(encoder, [kind]) | probe.measure_pixels([kind])
    assert list(found) == [f"{kind}_features", f"{kind}_embeddings", f"{kind}_pixels"]
    for accuracy, a, b in zip(found.values(), train_x, test_x, strict=True):
        assert accuracy == pytest.approx(expected_accuracies(kind, a, train_y, b, test_y), abs=1e-12)
    assert len(set(found.values())) > 1


def test_prepared_images_are_whole_images_resized_and_normalised(config):
    images = torch.randint(256, (3, 3, 12, 12), dtype=torch.uint8)
    mean, std = (torch.tensor(values)[:, None, None] for values in (config.views.mean, config.views.std))
    torch.testing.assert_close(prepare_images(images, config), (images / 255 - mean) / std)
    plain = dataclasses.replace(config, views=ViewsConfig(normalize="none"))
    torch.testing.assert_close(prepare_images(images, plain), images / 255)
    assert prepare_images(torch.zeros(2, 3, 30, 30, dtype=torch.uint8), config).shape == (2, 3, 12, 12)


def test_pixels_of_16_bits_are_worth_what_the_same_of_8_bits_are(config):
    probe = Probe(config)
    expected = probe.measure_pixels(["logistic"])
    for name in ("train", "test"):
        split = getattr(probe, name)
        deep = torch.from_numpy(split.images.numpy().astype(np.uint16) * 257)
        setattr(probe, name, dataclasses.replace(split, images=deep))
    assert probe.measure_pixels(["logistic"]) == expected


@pytest.mark.slow
def test_batches_give_what_all_images_at_once_give(config, encoder):
    images = torch.randint(256, (300, 3, 16, 16), dtype=torch.uint8)
    features, embeddings = encode(encoder, images, config)
    with torch.no_grad():
        expected = encoder.eval()(prepare_images(images, config))
    torch.testing.assert_close((features, embeddings), expected)
    assert not features.requires_grad


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_an_encoder_is_probed_in_its_own_precision(config, encoder, dtype):
    features, _ = encode(encoder.to(dtype), torch.zeros(2, 3, 16, 16, dtype=torch.uint8), config)
    assert features.dtype == torch.promote_types(dtype, torch.float32)
    assert Probe(config).measure(encoder, ["knn"]).keys() == {"knn_features", "knn_embeddings"}


@pytest.mark.slow
def test_measuring_changes_nothing(config, encoder):
    class Noisy(nn.Module):
        """Draws random numbers also in evaluation mode."""

        def forward(self, features):
            return features + 0 * torch.rand_like(features)

    encoder.projector = nn.Sequential(nn.Dropout(0.5), encoder.projector, Noisy())
    encoder.train()
    encoder.backbone[1].eval()  # a batch normalisation that is kept frozen
    probe = Probe(config)
    modes = [module.training for module in encoder.modules()]
    state = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    randomness = torch.get_rng_state(), random.getstate()
    first = probe.measure(encoder, ["knn", "ridge", "logistic"])
    assert torch.equal(torch.get_rng_state(), randomness[0])
    assert random.getstate() == randomness[1]
    assert [module.training for module in encoder.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in encoder.state_dict().items())
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert probe.measure(encoder, ["knn", "ridge", "logistic"]) == first


@pytest.mark.slow
def test_the_mode_comes_back_after_an_error(config, encoder):
    encoder.train()
    encoder.projector = nn.Linear(3, 3)
    with pytest.raises(RuntimeError):
        Probe(config).measure(encoder)
    assert all(module.training for module in encoder.modules())


@pytest.mark.slow
def test_limits_splits_and_neighbours_are_the_configurations(config, encoder):
    probes = ProbesConfig(train_limit=20, test_limit=10, train_split="test", test_split="train", neighbours=1)
    probe = Probe(dataclasses.replace(config, probes=probes))
    assert (len(probe.train.labels), len(probe.test.labels), probe.test_split) == (20, 10, "train")
    assert Probe(config).test_split == "test"
    nearest = Probe(dataclasses.replace(config, probes=ProbesConfig(test_split="train", neighbours=1)))
    assert nearest.measure(encoder, ["knn"])["knn_features"] == 1


@pytest.mark.slow
def test_other_data_than_the_runs_have_columns_of_their_own_names(config, labelled):
    named = dataclasses.replace(config.images, column="picture", label="kind")
    other = ProbesConfig(data=config.data)
    probe = Probe(dataclasses.replace(config, data="photos", images=named, probes=other))
    assert len(probe.train.labels) == 60
    with pytest.raises(ValueError, match="got picture"):
        Probe(dataclasses.replace(config, images=named))


@pytest.mark.slow
def test_photographs_without_labels_and_unknown_kinds_are_refused(config, encoder):
    with pytest.raises(ValueError, match="photos have no splits and no labels"):
        Probe(TrainConfig())
    with pytest.raises(ValueError, match="unknown probe 'svm': expected knn, ridge or logistic"):
        Probe(config).measure(encoder, ["svm"])


@pytest.mark.slow
def test_the_encoder_never_sees_labels(small_config, labelled, tmp_path):
    """Other labels give other accuracies and, to the bit, the same weights."""
    runs = []
    for seed in (0, 1):
        config = small_config(
            data=labelled(seed, f"labels{seed}"), steps=6, probes=ProbesConfig(every=2, neighbours=5)
        )
        runs.append(train(config, tmp_path / f"run{seed}"))
    first, second = runs
    assert not np.array_equal(first.probes["knn_features"], second.probes["knn_features"])
    for name in ("backbone", "projector"):
        files = [next(run.path.glob(f"checkpoints/step_00000006/{name}.safetensors")) for run in runs]
        assert files[0].read_bytes() == files[1].read_bytes()

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from eigenstep import SpectrumMonitor, watch
from eigenstep.record import read_record
from eigenstep.spectrum import Watch, principal_projections


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2))
        self.projector = nn.Sequential(nn.Linear(8, 5, bias=False), nn.ReLU(inplace=True), nn.Linear(5, 4))

    def forward(self, x):
        return self.projector(self.backbone(x))


def network(seed=0):
    torch.manual_seed(seed)
    return Network()


def images(step, count=16):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(count, 6, generator=generator)
    return x, x + 0.1 * torch.randn(count, 6, generator=generator)


def train(model, steps, optimizer=None, *, first=0, between=lambda step, loss: None, joint=False):
    """A plain loop; the loss and its gradients at each step."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    trace = []
    for step in range(first, steps):
        x_a, x_b = images(step)
        z_a, z_b = model(torch.cat([x_a, x_b])).chunk(2) if joint else (model(x_a), model(x_b))
        loss = (z_a - z_b).square().mean() + (z_a.square().mean() - 1).square()
        optimizer.zero_grad()
        loss.backward()
        between(step, loss)
        optimizer.step()
        trace.append([loss.detach().clone(), *[p.grad.clone() for p in model.parameters()]])
    return trace


def captured(model, layer, steps, **options):
    """What a layer gives in the loop, by a hook of the test's own."""
    outputs = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda m, i, out: outputs.append(out.detach().clone())
    )
    train(model, steps, **options)
    handle.remove()
    return outputs


def eigenvalues(path):
    return read_record(path).eigenvalues["cross_correlation"]


def by_hand(path, batches, **options):
    monitor = SpectrumMonitor(path, **options)
    for batch in batches:
        monitor.update(*batch)
    return eigenvalues(path)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["projector", "projector.0"])
def test_a_plain_loop_is_recorded_as_a_monitor_fed_by_hand_would(tmp_path, layer):
    outputs = captured(network(), layer, 4)
    expected = by_hand(tmp_path / "hand", zip(outputs[::2], outputs[1::2], strict=True), every=2)
    model = network()
    losses = []
    with watch(model, layer, tmp_path / "watch", every=2) as watched:
        train(model, 4, between=lambda step, loss: (watched.log(loss=loss), losses.append(float(loss))))
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), expected)
    record = read_record(tmp_path / "watch")
    assert record.metrics["step"].tolist() == [2, 4]
    np.testing.assert_allclose(record.metrics["time"], [0.2, 0.4])
    np.testing.assert_allclose(record.metrics["loss"], np.reshape(losses, (2, 2)).mean(1), rtol=1e-6)
    assert record.config["monitor"]["layer"] == layer
    assert record.summary["state"] == "finished"


def test_watching_changes_no_gradient_no_statistics_and_no_random_state(tmp_path):
    alone, watched = network(), network()
    torch.manual_seed(1)
    expected = train(alone, 4)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    probe = torch.randn(12, 6, generator=torch.Generator().manual_seed(5))
    with watch(watched, ["projector", "backbone.1"], tmp_path, every=1, probe=probe):
        found = train(watched, 4)
    assert torch.equal(torch.get_rng_state(), state)
    for expected_step, found_step in zip(expected, found, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(expected_step, found_step, strict=True))
    for name, value in alone.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert all(module.training for module in watched.modules())


def test_one_call_of_two_stacked_views_is_split(tmp_path):
    outputs = [output.chunk(2) for output in captured(network(), "projector", 3, joint=True)]
    expected = by_hand(tmp_path / "hand", outputs, every=1)
    model = network()
    with watch(model, ["projector"], tmp_path / "watch", every=1, views=2):
        train(model, 3, joint=True)
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), expected)


@pytest.mark.parametrize(("views", "joint"), [(None, True), (1, False)])
def test_single_views_are_measured_together(tmp_path, views, joint):
    outputs = captured(network(), "projector", 2, joint=joint)
    per_step = [outputs[:1], outputs[1:]] if joint else [outputs[:2], outputs[2:]]
    expected = by_hand(tmp_path / "hand", [[torch.cat(part)] for part in per_step], every=1)
    model = network()
    with watch(model, "projector", tmp_path / "watch", every=1, views=views):
        train(model, 2, joint=joint)
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), expected)


def test_micro_batches_of_a_step_are_joined_and_losses_averaged(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pairs = []
    with watch(model, "projector", tmp_path / "watch", every=1, calls=2) as watched:
        for step in range(3):
            x_a, x_b = images(step)
            z = model(x_a), model(x_b)
            pairs.append([view.detach() for view in z])
            (z[0] - z[1]).square().mean().backward()
            watched.log(loss=float(step))
        optimizer.step()
    joint = [[torch.cat(views) for views in zip(*pairs, strict=True)]]
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), by_hand(tmp_path / "hand", joint, every=1))
    assert read_record(tmp_path / "watch").metrics["loss"].tolist() == [1.0]


def test_whoever_runs_the_loop_can_tell_steps_and_micro_batches_of_one_view(tmp_path):
    model, outputs = network(), []
    watched = Watch(model, "projector", tmp_path / "watch", every=1)
    for _ in range(2):
        outputs.append(model(images(0)[0]).detach())
        watched.end_batch()
    watched.step(learning_rate=0.3)
    watched.step()  # nothing came: no step
    watched.close()
    expected = by_hand(tmp_path / "hand", [[torch.cat(outputs)]], every=1)
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), expected)
    assert read_record(tmp_path / "watch").metrics["time"].tolist() == [0.3]


def test_evaluation_and_passes_without_gradient_are_passed_over(tmp_path):
    model, reference = network(), network()
    expected = by_hand(
        tmp_path / "hand",
        (captured(reference, "projector", step + 1, first=step) for step in range(1)),
        every=1,
    )

    def look(step, loss):
        with torch.no_grad():
            model(images(7)[0])
        model.eval()
        model(images(8)[0])
        model.train()

    torch.manual_seed(0)
    model = network()
    with watch(model, "projector", tmp_path / "watch", every=1):
        train(model, 1, between=look)
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), expected)


@pytest.mark.parametrize("reentrant", [True, False])
def test_what_activation_checkpointing_computes_again_counts_once(tmp_path, reentrant):
    class Checkpointed(Network):
        def forward(self, x):
            return checkpoint(super().forward, x.requires_grad_(), use_reentrant=reentrant)

    torch.manual_seed(0)
    model = Checkpointed().eval()
    for module in model.modules():  # without the randomness of dropout, and in training mode
        module.training = not isinstance(module, nn.Dropout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "projector", tmp_path, every=1) as watched:
        z_a, z_b = (model(view) for view in images(0))
        (z_a - z_b).square().mean().backward()
        optimizer.step()
    found = watched.monitors["projector"].last
    assert found.count == 16
    assert found.measures["lidar"] > 0  # of two views


def test_only_optimizers_of_the_model_count_and_the_learning_rate_is_theirs(tmp_path):
    model, other = network(), nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.4)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    foreign = torch.optim.SGD(other.parameters(), lr=9.0)

    def between(step, loss):
        other(torch.ones(1, 2)).sum().backward()
        foreign.step()
        if step:
            schedule.step()

    with watch(model, "projector", tmp_path, every=1):
        train(model, 3, optimizer, between=between)
    np.testing.assert_allclose(read_record(tmp_path).metrics["time"], np.cumsum([0.4, 0.2, 0.1]))


def test_of_a_given_optimizer_the_steps_count_and_of_no_other(tmp_path):
    model = network()
    optimizers = [torch.optim.SGD(model.backbone.parameters(), lr=0.1) for _ in range(2)]
    with watch(model, "projector", tmp_path, every=1, calls=1, optimizer=optimizers[1]) as watched:
        train(model, 2, torch.optim.SGD(model.parameters(), lr=0.1))
        assert watched.monitors["projector"].step == 0
        model(images(0)[0])
        optimizers[1].step()
    assert watched.monitors["projector"].step == 1


def test_the_hooks_are_gone_after_closing(tmp_path):
    model = network()
    watched = watch(model, "projector", tmp_path, every=1)
    train(model, 1)
    watched.close()
    train(model, 2)
    assert watched.monitors["projector"].step == 1
    assert not model.projector._forward_hooks


def test_a_step_without_pairs_among_steps_with_them_is_left_out_and_told(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pairs = []
    with watch(model, "projector", tmp_path / "watch", every=3) as watched:
        for calls in (2, 1, 2):
            views = [model(x) for x in images(calls)[:calls]]
            pairs.append([view.detach() for view in views])
            sum(view.sum() for view in views).backward()
            if calls == 1:
                with pytest.warns(UserWarning, match=r"step 2: layer 'projector' gave no pairs.*views=1"):
                    optimizer.step()
            else:
                optimizer.step()
    assert watched.monitors["projector"].step == 3
    expected = by_hand(
        tmp_path / "hand", [[torch.cat(views) for views in zip(*pairs[::2], strict=True)]], every=1
    )
    np.testing.assert_array_equal(eigenvalues(tmp_path / "watch"), expected)


def test_a_layer_that_is_not_called_in_every_step_keeps_the_loops_count(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, ["backbone", "projector"], tmp_path, every=2) as watched:
        for step in range(4):
            (model if step % 2 else model.backbone)(images(step)[0]).sum().backward()
            optimizer.step()
    assert [monitor.step for monitor in watched.monitors.values()] == [4, 4]
    np.testing.assert_allclose(read_record(tmp_path / "projector").metrics["time"], [0.2, 0.4])
    assert read_record(tmp_path / "projector").metrics["count"].tolist() == [16, 16]


def test_several_layers_get_a_folder_each(tmp_path):
    model = network()
    with watch(model, ["backbone", "projector"], tmp_path, every=2):
        train(model, 2)
    assert eigenvalues(tmp_path / "backbone").shape == (1, 8)
    assert eigenvalues(tmp_path / "projector").shape == (1, 4)


@pytest.mark.slow
def test_a_run_goes_on_in_its_record_as_if_never_stopped(tmp_path):
    model = network()
    with watch(model, "projector", tmp_path / "whole", every=2):
        train(model, 6)
    model = network()
    watched = watch(model, "projector", tmp_path / "cut", every=2)
    train(model, 3)
    held = {"model": model.state_dict(), "watch": watched.state_dict(), "rng": torch.get_rng_state()}
    torch.save(held, tmp_path / "checkpoint.pt")
    train(model, 5, first=3)
    watched.close("interrupted")
    held = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    model = network()
    model.load_state_dict(held["model"])
    with watch(model, "projector", tmp_path / "cut", every=2, resume=True) as watched:
        watched.load_state_dict(held["watch"])
        torch.set_rng_state(held["rng"])
        train(model, 6, first=3)
    whole, cut = read_record(tmp_path / "whole"), read_record(tmp_path / "cut")
    np.testing.assert_array_equal(cut.eigenvalues, whole.eigenvalues)
    assert cut.summary == whole.summary


def test_the_probe_batch_is_embedded_in_evaluation_mode(tmp_path):
    probe = torch.randn(12, 6)
    model = network()
    with watch(model, "projector", tmp_path / "tensor", every=2, probe=probe):
        train(model, 2)
    model.eval()
    expected = principal_projections(model(probe), 8)
    found = read_record(tmp_path / "tensor").projections["points"][0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    model = network()
    with watch(model, "projector", tmp_path / "function", every=2, probe=lambda given: given(probe)):
        train(model, 2)
    points = read_record(tmp_path / "function").projections["points"][0]
    np.testing.assert_allclose(points, found, atol=1e-6)


def test_a_probe_that_draws_random_numbers_takes_none_from_the_loop(tmp_path):
    model = network()
    state = torch.get_rng_state()
    with watch(model, "projector", tmp_path, every=1, probe=lambda given: given(torch.randn(9, 6))):
        model.backbone[3].p = 0.0
        train(model, 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_probe_batch_of_images_is_kept_as_thumbnails(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2))
    probe = torch.linspace(-1, 1, 5 * 3 * 64 * 48).reshape(5, 3, 64, 48)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "0", tmp_path, every=1, probe=probe):
        model(probe).sum().backward()
        optimizer.step()
    thumbnails = read_record(tmp_path).probe
    assert (thumbnails.shape, thumbnails.dtype) == ((5, 32, 32, 3), np.uint8)
    assert thumbnails.min() < 3
    assert thumbnails.max() > 252


def test_feature_maps_are_averaged_over_their_positions_flattened_or_not(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(2))
    x = torch.randn(6, 3, 5, 5)
    features = model[0](x).detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    pools = {"map": ("0", None), "flat": ("1", None), "own": ("0", lambda out: out.amax((2, 3)))}
    watched = [
        watch(model, layer, tmp_path / name, every=1, pool=pool) for name, (layer, pool) in pools.items()
    ]
    model(x).sum().backward()
    optimizer.step()
    for one in watched:
        one.close()
    expected = by_hand(tmp_path / "hand", [[features.mean((2, 3))]], every=1)
    np.testing.assert_allclose(eigenvalues(tmp_path / "map"), expected, rtol=1e-6)
    own = by_hand(tmp_path / "hand-own", [[features.amax((2, 3))]], every=1)
    np.testing.assert_allclose(eigenvalues(tmp_path / "own"), own, rtol=1e-6)
    np.testing.assert_allclose(eigenvalues(tmp_path / "flat"), expected, rtol=1e-6)


def test_under_autocast_the_half_precision_outputs_are_measured(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "projector", tmp_path / "watch", every=1) as watched:
        with torch.autocast("cpu", torch.bfloat16):
            z = model(images(0)[0]), model(images(0)[1])
            loss = (z[0] - z[1]).square().mean()
        loss.backward()
        watched.log(loss=loss)
        optimizer.step()
    assert z[0].dtype == torch.bfloat16
    expected = by_hand(tmp_path / "hand", [[view.double() for view in z]], every=1)
    np.testing.assert_allclose(eigenvalues(tmp_path / "watch"), expected, rtol=1e-12)


@pytest.mark.slow
def test_a_compiled_model_is_watched_by_its_layers_own_names(tmp_path):
    expected = captured(network(), "projector", 2)
    model = network()
    compiled = torch.compile(model, backend="eager")
    torch.manual_seed(0)
    network()
    with watch(compiled, "projector", tmp_path / "watch", every=1):
        train(compiled, 2)
    hand = by_hand(tmp_path / "hand", zip(expected[::2], expected[1::2], strict=True), every=1)
    np.testing.assert_allclose(eigenvalues(tmp_path / "watch"), hand, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("projecter", r"Network has no layer 'projecter'; did you mean 'projector'"),
        ("encoder.2", r"did you mean 'backbone.2' or 'projector.2'"),
        ("zzz", r"did you mean 'backbone' or 'projector'"),
    ],
)
def test_a_layer_that_is_not_there_is_refused_with_its_like(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        watch(network(), ["projector", name], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_layer_that_gives_nothing_in_training_is_told_once(tmp_path):
    class Unused(Network):
        def __init__(self):
            super().__init__()
            self.spare = nn.Linear(2, 2)

    model = Unused()
    model.spare.requires_grad_(False)
    optimizer = torch.optim.SGD([*model.backbone.parameters(), *model.projector.parameters()], lr=0.1)
    watched = watch(model, ["spare"], tmp_path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(6):
            model(images(0)[0]).sum().backward()
            optimizer.step()
    assert [str(each.message)[:40] for each in told] == ["layer 'spare' gave nothing in 3 steps: i"]
    with pytest.warns(UserWarning, match="nothing was recorded of 'spare'"):
        watched.close()


@pytest.mark.parametrize(
    ("give", "error", "message"),
    [
        (
            lambda z: (z, z),
            TypeError,
            r"layer '1' gave tuple, expected a tensor.*pool=lambda output: output\[0\]",
        ),
        (lambda z: z.sum(1), ValueError, r"layer '1' gave torch.float32 of shape \(4,\), expected"),
        (lambda z: z.long(), ValueError, r"gave torch.int64 of shape \(4, 3\)"),
    ],
)
def test_outputs_that_are_no_embeddings_are_refused(tmp_path, give, error, message):
    class Giving(nn.Module):
        def forward(self, z):
            return give(z)

    model = nn.Sequential(nn.Linear(2, 3), Giving())
    watch(model, "1", tmp_path)
    with pytest.raises(error, match=message):
        model(torch.randn(4, 2))
    model(torch.randn(4, 2))  # which is no longer watched
    assert not model[1]._forward_hooks


def test_a_batch_that_does_not_split_into_its_views_is_refused(tmp_path):
    model = network()
    watched = Watch(model, "projector", tmp_path, views=2)
    model(images(0, count=5)[0])
    with pytest.raises(ValueError, match="gave 5 embeddings, expected 2 views of equal size"):
        watched.step()


@pytest.mark.slow
def test_a_loop_without_a_step_is_told_and_goes_on(tmp_path):
    model, x = network(), images(0, count=2)[0]
    watched = watch(model, "projector", tmp_path, every=1, views=1)
    for _ in range(4096):
        model(x)
    with pytest.warns(UserWarning, match=r"gave 4096 outputs and no optimizer that holds a parameter"):
        model(x)
    with pytest.warns(UserWarning, match="nothing was recorded: no optimizer that holds a parameter"):
        watched.close()


@pytest.mark.slow
def test_a_loop_that_was_left_without_a_word_lets_go_of_the_model(tmp_path):
    model, x = network(), images(0, count=2)[0]
    Watch(model, "projector", tmp_path)
    for _ in range(4096):
        model(x)
    with pytest.warns(
        UserWarning, match="gave 4096 outputs but no optimiser step was seen: it is no longer watched"
    ):
        model(x)
    assert not model.projector._forward_hooks


def test_an_optimizer_that_is_none_is_refused_and_leaves_no_hook(tmp_path):
    model = network()
    with pytest.raises(TypeError, match=r"optimizer to be a torch.optim.Optimizer, got object"):
        watch(model, "projector", tmp_path, optimizer=object())
    assert not model.projector._forward_hooks


def test_a_run_too_short_to_be_measured_is_told(tmp_path):
    model = network()
    with pytest.warns(UserWarning, match="nothing was recorded of 'projector' in 2 steps"):  # noqa: SIM117
        with watch(model, "projector", tmp_path, every=5):
            train(model, 2)


def test_models_that_run_in_copies_are_refused(tmp_path):
    with pytest.raises(ValueError, match="DistributedDataParallel"):
        watch(nn.DataParallel(network()), "projector", tmp_path)


def test_no_view_or_no_layer_at_all_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="views to be None, 1 or more, or a tuple of two numbers of calls, got 0"
    ):
        watch(network(), "projector", tmp_path, views=0)
    with pytest.raises(ValueError, match="at least one layer"):
        watch(network(), [], tmp_path)


def test_a_silent_loop_raises_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = network()
        with watch(model, "projector", tmp_path, every=1):
            train(model, 2)

"""Watching never ends a training, follows what the loop really does, and leaves nothing behind."""

import copy
import gc
import io
import pickle
import resource
import shutil
import subprocess
import sys
import warnings
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks

from eigenstep import SpectrumMonitor, watch
from eigenstep.record import read_record
from eigenstep.spectrum import Watch


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def step(model, optimizer, seed=0, *, count=32, calls=2, micro_batches=1):
    """One step of the loop; what the last layer gave, call by call."""
    generator, given = torch.Generator().manual_seed(seed), []
    for _ in range(micro_batches):
        x = torch.randn(count, 8, generator=generator)
        views = [model(x + 0.1 * torch.randn(count, 8, generator=generator)) for _ in range(calls)]
        sum((view - views[0]).square().mean() + view.square().mean() for view in views).backward()
        given += [view.detach().clone() for view in views]
    optimizer.step()
    optimizer.zero_grad()
    return given


def loop(path, steps, before=lambda number, model: None, model=None, **options):
    """A watched loop; the record, and what the last layer gave in each step."""
    model = model or network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    given = []
    with watch(model, "2", path, every=1, **options):
        for number in range(1, steps + 1):
            before(number, model)
            given.append(step(model, optimizer, number))
    return read_record(path), given


def by_hand(path, batches):
    monitor = SpectrumMonitor(path, every=1)
    for batch in batches:
        monitor.update(*batch)
    return read_record(path)


def equal(record, expected):
    for name in ("step", "cross_correlation", "covariance"):
        np.testing.assert_array_equal(record.eigenvalues[name], expected.eigenvalues[name])
    assert record.metrics["count"].tolist() == expected.metrics["count"].tolist()


@contextmanager
def told():
    """The warnings in it, as texts."""
    texts = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [str(warning.message) for warning in caught]


@pytest.mark.parametrize("rows", [2, 32])
@pytest.mark.parametrize("when", [1, 3])
def test_a_dry_run_is_no_view(rows, when, tmp_path):
    def dry_run(number, model):
        if number == when:
            model(torch.zeros(rows, 8))

    with told() as texts:
        record, given = loop(tmp_path / "watch", 4, dry_run)
    equal(record, by_hand(tmp_path / "hand", given))
    assert np.isfinite(record.metrics["measures/lidar"]).all()
    assert texts == []


def passes():
    export = pytest.param(
        lambda model: torch.export.export(model, (torch.randn(3, 8),), strict=False), id="export"
    )
    strict = pytest.param(
        lambda model: torch.export.export(model, (torch.randn(3, 8),), strict=True),
        id="strict export",
        marks=pytest.mark.slow,
    )
    return [
        export,
        strict,
        pytest.param(lambda model: torch.func.vmap(model)(torch.randn(5, 3, 8)), id="vmap"),
        pytest.param(lambda model: torch.func.jacrev(model)(torch.randn(3, 8)), id="jacrev"),
        pytest.param(lambda model: torch.jit.trace(model, torch.randn(3, 8), check_trace=False), id="trace"),
        pytest.param(lambda model: on_meta(model), id="meta"),
        pytest.param(lambda model: torch.fx.symbolic_trace(model), id="fx"),
        pytest.param(lambda model: model(torch.zeros(0, 8)), id="empty"),
    ]


def on_meta(model):
    shapes = {name: value.to("meta") for name, value in model.state_dict().items()}
    torch.func.functional_call(model, shapes, torch.randn(3, 8, device="meta"))


@pytest.mark.parametrize("other_pass", passes())
def test_passes_that_compute_no_values_of_training_are_passed_over(other_pass, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record, given = loop(tmp_path / "watch", 3, lambda number, model: other_pass(model))
    equal(record, by_hand(tmp_path / "hand", given))


def test_a_last_batch_of_another_size_is_a_pair_like_any(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "2", tmp_path / "watch", every=1):
        given = [step(model, optimizer, count=count) for count in (32, 32, 5)]
    equal(read_record(tmp_path / "watch"), by_hand(tmp_path / "hand", given))
    assert texts == []


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_pairing_follows_a_loop_that_changes_and_tells_it_once(first, then, tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "2", tmp_path, every=1):
        for number in range(10):
            step(model, optimizer, number, calls=first if number < 4 else then)
    record = read_record(tmp_path)
    paired = np.isfinite(record.metrics["measures/lidar"])
    kinds = {1: False, 2: True}
    # Of two more steps of the other kind pairs are measured as single views, single views not at all.
    expected = [kinds[first]] * (6 if first == 1 else 4) + [kinds[then]] * 4
    assert paired.tolist() == expected
    assert record.metrics["step"].tolist() == [*range(1, 7 if first == 1 else 5), 7, 8, 9, 10]
    assert sum("now, and is measured so from here on" in text for text in texts) == 1
    assert len(texts) <= 2


def test_one_even_count_of_single_views_makes_no_pairs(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "2", tmp_path, every=1):
        for number, calls in enumerate((1, 1, 2, 1)):
            step(model, optimizer, number, calls=calls)
    record = read_record(tmp_path)
    assert record.metrics["count"].tolist() == [32, 32, 64, 32]
    assert not np.isfinite(record.metrics["measures/lidar"]).any()


def test_which_calls_are_the_two_views_can_be_chosen(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "2", tmp_path / "watch", every=1, views=(0, 3), calls=4):
        given = [step(model, optimizer, number, calls=4, micro_batches=2) for number in range(2)]
    expected = [[torch.cat([calls[0], calls[4]]), torch.cat([calls[3], calls[7]])] for calls in given]
    equal(read_record(tmp_path / "watch"), by_hand(tmp_path / "hand", expected))
    assert texts == []


def test_which_of_several_calls_are_views_is_not_guessed_in_silence(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "2", tmp_path, every=1):
        for number in range(3):
            step(model, optimizer, number, calls=4)
    assert len(texts) == 1
    assert "gave 4 outputs before the step, taken for 2 micro-batches of two views" in texts[0]
    assert "views=(0, 1)" in texts[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": (0, 0)}, r"two numbers of calls, such as \(0, 1\), got \(0, 0\)"),
        ({"views": (0, 1, 2)}, "two numbers of calls"),
        ({"views": (0, 2), "calls": 2}, "expected calls to be 3 or more, got 2"),
        ({"calls": 0}, "expected calls to be 1 or more, got 0"),
    ],
)
def test_views_and_calls_that_cannot_be_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        watch(network(), "2", tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": (0, 2)}, r"was called 2 times, expected views=\(0, 2\) among its calls"),
        ({"calls": 3}, "was called 2 times, expected a multiple of calls=3"),
    ],
)
def test_calls_that_do_not_come_are_told_in_the_first_step(options, message, tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch(model, "2", tmp_path, **options)
    with pytest.raises(ValueError, match=message):
        step(model, optimizer)
    step(model, optimizer)
    assert not model[2]._forward_hooks


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "torch.save": lambda model: saved_and_loaded(model),
    "averaged": lambda model: torch.optim.swa_utils.AveragedModel(model),
}


def saved_and_loaded(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_can_be_made_and_trained_without_entering_the_record(make, tmp_path):
    def train_a_copy(number, model):
        other = make(model)
        for name, value in model.state_dict().items():
            assert torch.equal(
                dict(other.state_dict())[name if make is not COPIES["averaged"] else f"module.{name}"], value
            )
        optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
        for _ in range(2):
            step(other, optimizer)

    record, given = loop(tmp_path / "watch", 3, train_a_copy)
    equal(record, by_hand(tmp_path / "hand", given))


def test_a_saved_model_loads_where_there_is_no_eigenstep(tmp_path):
    model = network()
    watched = watch(model, "2", tmp_path / "run")
    torch.save(model, tmp_path / "model.pt")
    program = (
        "import sys, torch; sys.modules['eigenstep'] = None\n"
        "model = torch.load(sys.argv[1], weights_only=False)\n"
        "print(model(torch.ones(1, 8)).tolist())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "model.pt"], capture_output=True, text=True, check=True
    )
    assert eval(printed.stdout) == model(torch.ones(1, 8)).tolist()
    with pytest.warns(UserWarning, match="nothing was recorded"):
        watched.close()


@pytest.mark.slow
@pytest.mark.parametrize("fullgraph", [False, True])
def test_a_watched_model_can_be_compiled_and_a_compiled_one_watched(fullgraph, tmp_path):
    def compiled(model):
        torch.compiler.reset()
        return torch.compile(model, backend="eager", fullgraph=fullgraph)

    def trained(model, called):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return [step(called, optimizer, number) for number in range(3)]

    model = network()
    with watch(model, "2", tmp_path / "before", every=1):
        given = trained(model, compiled(model))
    model = network()
    called = compiled(model)
    with watch(called, "2", tmp_path / "after", every=1):
        trained(model, called)
    expected = by_hand(tmp_path / "hand", given)
    equal(read_record(tmp_path / "before"), expected)
    equal(read_record(tmp_path / "after"), expected)


def test_a_call_that_was_mended_is_not_met_by_the_error_of_the_first(tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x):
            return {"z": self.layer(x)}

    model = Named()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch(model, "", tmp_path / "run", every=1)
    with pytest.raises(TypeError, match="layer '' gave dict"):
        model(torch.randn(5, 8))
    with watch(model, "", tmp_path / "run", every=1, pool=lambda output: output["z"]) as watched:
        model(torch.randn(5, 8))["z"].sum().backward()
        optimizer.step()
    assert watched.monitors[""].step == 1
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


def test_trials_that_ended_by_an_exception_leave_no_model_and_no_hook_at_work(tmp_path):
    alive = []

    def trial(number):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        watched = watch(model, "2", tmp_path / str(number), every=1)
        step(model, optimizer)
        alive.extend([weakref.ref(model), weakref.ref(watched)])
        raise KeyboardInterrupt

    before = len(_global_optimizer_post_hooks)
    for number in range(3):
        with pytest.raises(KeyboardInterrupt):
            trial(number)
    gc.collect()
    assert [reference() for reference in alive] == [None] * 6
    loop(tmp_path / "next", 1)
    assert len(_global_optimizer_post_hooks) == before


def test_a_watch_without_a_name_lives_as_long_as_its_model(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch(model, "2", tmp_path, every=1)
    gc.collect()
    step(model, optimizer)
    assert read_record(tmp_path).metrics["step"].tolist() == [1]


def test_a_cell_that_is_run_again_goes_on_alone_in_its_folder(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    left = watch(model, "2", tmp_path, every=1)
    step(model, optimizer)
    with watch(model, "2", tmp_path, every=1, resume=True):
        step(model, optimizer)
    assert read_record(tmp_path).metrics["step"].tolist() == [1, 2]
    assert left.monitors["2"].step == 1
    assert not model[2]._forward_hooks


@pytest.mark.parametrize("names", [["module"], ["module", "module.module"]])
def test_layers_whose_names_are_those_of_wrappers_are_found(names, tmp_path):
    class Holder(nn.Module):
        def __init__(self, held):
            super().__init__()
            self.module = held

        def forward(self, x):
            return 2 * self.module(x)

    inner = nn.Linear(8, 4)
    model = Holder(inner) if len(names) == 1 else Holder(Holder(inner))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    kept = []
    inner.register_forward_hook(lambda module, i, out: kept.append(out.detach()))
    probe = torch.randn(6, 8)
    with watch(model, names, tmp_path, every=1, views=1, probe=probe):
        model(torch.randn(9, 8)).sum().backward()
        optimizer.step()
    path = tmp_path if len(names) == 1 else tmp_path / names[-1]
    np.testing.assert_allclose(
        read_record(path).eigenvalues["covariance"][0],
        np.linalg.eigvalsh(np.cov(kept[0].double().numpy().T, bias=True))[::-1],
        rtol=1e-6,
    )


@pytest.mark.slow
@pytest.mark.parametrize("fullgraph", [False, True])
def test_compiled_code_may_give_more_outputs_a_step_than_the_compiler_has_patience(fullgraph, tmp_path):
    torch.compiler.reset()
    model = network()
    compiled = torch.compile(model, backend="eager", fullgraph=fullgraph)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "2", tmp_path / "watch", every=1, views=(0, 11)):
        given = [step(compiled, optimizer, number, calls=12) for number in range(3)]
    expected = [[calls[0], calls[11]] for calls in given]
    equal(read_record(tmp_path / "watch"), by_hand(tmp_path / "hand", expected))


@pytest.mark.slow
def test_a_compiled_step_of_the_optimizer_counts(tmp_path):
    torch.compiler.reset()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    compiled = torch.compile(lambda: optimizer.step(), backend="eager")
    with watch(model, "2", tmp_path, every=1):
        for _ in range(3):
            x = torch.randn(16, 8)
            (model(x) - model(x + 0.1)).square().mean().backward()
            compiled()
    assert read_record(tmp_path).metrics["step"].tolist() == [1, 2, 3]


def test_what_checkpointing_makes_again_keeps_the_order_of_the_calls(tmp_path):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = network()

        def forward(self, x):
            return torch.utils.checkpoint.checkpoint(self.layers, x.requires_grad_(), use_reentrant=True)

    model = Checkpointed()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "layers.2", tmp_path / "watch", every=1, views=(0, 1), calls=4):
        given = [step(model, optimizer, number, calls=4, micro_batches=2) for number in range(2)]
    expected = [[torch.cat([calls[0], calls[4]]), torch.cat([calls[1], calls[5]])] for calls in given]
    record, wanted = read_record(tmp_path / "watch"), by_hand(tmp_path / "hand", expected)
    found, whole = (each.eigenvalues["cross_correlation"] for each in (record, wanted))
    np.testing.assert_allclose(found, whole, rtol=1e-6)


def test_a_layer_that_is_checkpointed_outside_of_the_model_counts_each_call(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "2", tmp_path, every=1, views=1):
        hidden = [model[:2](torch.randn(16, 8)) for _ in range(3)]
        total = sum(torch.utils.checkpoint.checkpoint(model[2], x, use_reentrant=True).sum() for x in hidden)
        total.backward()
        optimizer.step()
    assert read_record(tmp_path).metrics["count"].tolist() == [48]


def test_an_optimizer_that_is_given_counts_whatever_it_holds(tmp_path):
    model = network()
    masters = [parameter.detach().double().requires_grad_() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(masters, lr=0.1)
    with watch(model, "2", tmp_path, every=1, optimizer=optimizer):
        for _ in range(2):
            model(torch.randn(16, 8)).sum().backward()
            optimizer.step()
    assert read_record(tmp_path).metrics["step"].tolist() == [1, 2]


@pytest.mark.parametrize("loss", [None, "0.5", {"loss": 1.0}, torch.ones(2), 1j])
def test_a_loss_that_is_no_number_is_refused_in_the_first_step_and_told_later(loss, tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "2", tmp_path, every=1) as watched:
        with pytest.raises(TypeError, match="expected a loss"):
            watched.log(loss=loss)
        for number in range(3):
            if number == 1:
                watched.log(loss=loss)
            else:
                watched.log(loss=np.float32(number))
            step(model, optimizer, number)
    np.testing.assert_array_equal(read_record(tmp_path).metrics["loss"], [0.0, np.nan, 2.0])
    assert len(texts) == 1
    assert "step 2: no loss is recorded" in texts[0]


def test_a_learning_rate_that_is_not_finite_adds_no_time(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with told() as texts, watch(model, "2", tmp_path, every=1):
        for rate in (0.5, float("nan"), torch.tensor(0.25)):
            optimizer.param_groups[0]["lr"] = 0.0
            model(torch.randn(16, 8)).square().mean().backward()
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            optimizer.step()
    assert read_record(tmp_path).metrics["time"].tolist() == [0.5, 0.5, 0.75]
    assert len(texts) == 1


def test_a_run_folder_stays_where_it_is_when_the_loop_goes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    (tmp_path / "elsewhere").mkdir()
    with watch(model, "2", "run", every=1):
        step(model, optimizer)
        monkeypatch.chdir(tmp_path / "elsewhere")
        step(model, optimizer)
    assert read_record(tmp_path / "run").metrics["step"].tolist() == [1, 2]


def test_rows_that_are_more_than_the_samples_are_told(tmp_path):
    model = nn.Sequential(nn.Unflatten(1, (4, 2)), nn.Flatten(0, 1), nn.Linear(2, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for name, layout in (("guessed", None), ("told", "nc")):
        with told() as texts, watch(model, "2", tmp_path / name, every=1, views=1, layout=layout):
            model(torch.randn(6, 8)).sum().backward()
            optimizer.step()
        assert read_record(tmp_path / name).metrics["count"].tolist() == [24]
        assert ["gave 24 rows for 6 samples of the model" in text for text in texts] == [True] * (
            layout is None
        )


def test_losses_between_two_measurements_take_no_memory(tmp_path):
    monitor = SpectrumMonitor(tmp_path, every=10_000)
    monitor.update(torch.randn(8, 2), loss=1.0)
    before = len(pickle.dumps(monitor.state_dict()))
    for number in range(1000):
        monitor.skip(loss=torch.tensor(float(number)))
    assert len(pickle.dumps(monitor.state_dict())) <= before + 16


def test_chosen_calls_are_the_chosen_ones_however_many_come(tmp_path):
    model = nn.Sequential(nn.Identity(), nn.Linear(1 << 20, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    views = [torch.randn(4, 1 << 20) for _ in range(3)]
    with watch(model, "0", tmp_path, every=1, views=(0, 2), leading=2):
        for number in range(40):  # more than is held
            model(views[number % 3]).sum().backward()
        optimizer.step()
    expected = by_hand(tmp_path / "hand", [[views[0], views[2]]])
    found, wanted = (
        each.eigenvalues["cross_correlation"][:, :2] for each in (read_record(tmp_path), expected)
    )
    np.testing.assert_array_equal(found, wanted)


def test_tensors_in_several_lists_are_all_counted(tmp_path):
    class Crops(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Sequential(nn.Flatten(1), nn.Linear(12, 3))

        def forward(self, large, small):
            return self.layer(torch.cat([*large, *small]))

    model = Crops()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    crops = [torch.randn(4, 3, 2, 2) for _ in range(8)]
    with told() as texts, watch(model, "layer", tmp_path, every=1, views=8):
        model(crops[:2], crops[2:]).sum().backward()
        optimizer.step()
    assert texts == []
    assert read_record(tmp_path).metrics["count"].tolist() == [4]


def test_a_scripted_model_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(network())
    with pytest.raises(ValueError, match="a scripted model runs no hooks"):
        watch(scripted, "2", tmp_path)


def test_a_failure_after_the_step_was_counted_costs_the_next_one_nothing(tmp_path, monkeypatch):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    given = []
    with told() as texts, watch(model, "2", tmp_path / "watch", every=1) as watched:
        for number in range(4):
            if number == 1:
                monkeypatch.setattr(watched.monitors["2"], "_record", lambda *given: 1 / 0)
            given.append(step(model, optimizer, number))
            if number == 1:
                monkeypatch.undo()
                watched.monitors["2"].reset()
    record = read_record(tmp_path / "watch")
    assert record.metrics["step"].tolist() == [1, 3, 4]
    equal_rows = by_hand(tmp_path / "hand", [given[0], given[2], given[3]]).eigenvalues["cross_correlation"]
    np.testing.assert_array_equal(record.eigenvalues["cross_correlation"], equal_rows)
    assert len(texts) == 1
    assert "step 2: layer '2' is not measured (division by zero)" in texts[0]


@contextmanager
def files_no_longer_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_training_goes_on_and_is_recorded_again_when_there_is_room(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "2", tmp_path / "watch", every=1):
        given = [step(model, optimizer, number) for number in range(3)]
        size = (tmp_path / "watch" / "spectrum" / "eigenvalues.bin").stat().st_size
        with files_no_longer_than(size + 20):  # within a row
            for number in range(3, 6):
                step(model, optimizer, number)
        given += [step(model, optimizer, number) for number in range(6, 9)]
    record = read_record(tmp_path / "watch")
    assert record.metrics["step"].tolist() == record.eigenvalues["step"].tolist() == [1, 2, 3, 7, 8, 9]
    expected = by_hand(tmp_path / "hand", given)
    np.testing.assert_array_equal(
        record.eigenvalues["cross_correlation"], expected.eigenvalues["cross_correlation"]
    )
    assert len(texts) == 2
    assert f"step 4: nothing is recorded in {tmp_path / 'watch'} (File too large)" in texts[0]
    assert "recorded in again from step 7 on; 3 measurements from step 4 on are missing" in texts[1]
    assert record.summary["state"] == "finished"


def test_a_folder_that_is_gone_is_made_again_with_the_probe_batch(tmp_path):
    model, probe = nn.Sequential(nn.Conv2d(3, 8, 4), nn.Flatten()), torch.rand(5, 3, 4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "1", tmp_path / "watch", every=1, views=1, probe=probe):
        for number in range(6):
            model(torch.randn(6, 3, 4, 4)).square().mean().backward()
            optimizer.step()
            if number == 2:
                shutil.rmtree(tmp_path / "watch")
    record = read_record(tmp_path / "watch")
    assert record.metrics["step"].tolist() == record.projections["step"].tolist() == [5, 6]
    assert record.probe.shape == (5, 4, 4, 3)
    assert len(texts) == 2


def test_closing_on_a_full_disk_is_told(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = watch(model, "2", tmp_path, every=1)
    step(model, optimizer)
    with (
        files_no_longer_than(10),
        pytest.warns(UserWarning, match=r"no summary is written \(.*File too large"),
    ):
        watched.close()


def test_an_output_that_cannot_be_taken_later_leaves_its_step_out(tmp_path):
    class Growing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.width = nn.Linear(8, 4), 4

        def forward(self, x):
            return self.layer(x)[:, : self.width]

    model = Growing()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with told() as texts, watch(model, "", tmp_path, every=1) as watched:
        for number in range(6):
            model.width = 3 if number in (2, 3) else 4
            step(model, optimizer, number)
    assert read_record(tmp_path).metrics["step"].tolist() == [1, 2, 5, 6]
    assert watched.monitors[""].step == 6
    assert len(texts) == 1
    assert "step 3: layer '' is not measured (expected embeddings of shape (n, 4)" in texts[0]


def test_a_probe_that_fails_later_leaves_its_points_out(tmp_path):
    calls = []

    def probe(model):
        calls.append(1)
        if len(calls) in (3, 4):
            raise ZeroDivisionError("by the user's probe")
        model(torch.linspace(-1, 1, 40).reshape(5, 8))

    with told() as texts:
        record, given = loop(tmp_path / "watch", 5, probe=probe)
    equal(record, by_hand(tmp_path / "hand", given))
    assert len(record.projections) == 3
    assert len(texts) == 1
    assert "the probe batch was not measured (ZeroDivisionError: by the user's probe)" in texts[0]


@pytest.mark.parametrize("background", [False, True])
def test_a_measurement_that_fails_is_told_and_the_next_one_is_made(background, tmp_path, monkeypatch):
    monitor = SpectrumMonitor(tmp_path, every=1, background=background)
    batches = [torch.randn(20, 4) for _ in range(4)]
    eigvalsh = torch.linalg.eigvalsh
    monitor.update(batches[0])
    monitor.wait()

    def failing(*given, **options):
        raise torch.linalg.LinAlgError("did not converge")

    with told() as texts:
        monkeypatch.setattr(torch.linalg, "eigvalsh", failing)
        monitor.update(batches[1])
        monitor.update(batches[2])
        monitor.wait()
        monkeypatch.setattr(torch.linalg, "eigvalsh", eigvalsh)
        monitor.update(batches[3])
        monitor.close()
    assert read_record(tmp_path).metrics["step"].tolist() == [1, 4]
    assert [text.partition(";")[0] for text in texts] == [
        "step 2: nothing was measured (_LinAlgError: did not converge)"
    ]


def test_a_step_of_very_many_calls_is_one_step(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, "2", tmp_path / "watch", every=1, calls=2, window=10_000):
        given = step(model, optimizer, count=2, micro_batches=400)
    expected = [[torch.cat(given[::2]), torch.cat(given[1::2])]]
    equal(read_record(tmp_path / "watch"), by_hand_window(tmp_path / "hand", expected))


def by_hand_window(path, batches):
    monitor = SpectrumMonitor(path, every=1, window=10_000)
    for batch in batches:
        monitor.update(*batch)
    return read_record(path)


@pytest.mark.slow
def test_a_step_that_would_not_fit_into_memory_is_measured_by_its_last_calls(tmp_path):
    layer = nn.Identity()
    model = nn.Sequential(layer, nn.Linear(1 << 20, 1))
    watched = Watch(model, "0", tmp_path, every=1, views=1, leading=2)
    with told() as texts:
        for number in range(70):
            layer(torch.full((2, 1 << 20), float(number)) + torch.randn(2, 1))
        watched.step()
    assert 120 <= watched.monitors["0"].last.count <= 128  # 2^27 numbers
    assert len(texts) == 1
    assert "gave more than 134,217,728 numbers in one step" in texts[0]

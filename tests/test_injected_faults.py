"""Each call that changes the disk fails: nothing that was there, or was told as saved, is lost."""

import errno
import itertools
import os
import shutil
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eigenstep import SpectrumMonitor
from eigenstep.encoders import find_checkpoints, load_checkpoint
from eigenstep.images import ImagesConfig
from eigenstep.machine import Stopped
from eigenstep.record import read_record
from eigenstep.report import write_report
from eigenstep.training import ProbesConfig, TrainConfig, train

CALLS = (
    "open",
    "write",
    "pwrite",
    "fsync",
    "replace",
    "rename",
    "ftruncate",
    "unlink",
    "rmdir",
    "mkdir",
    "chmod",
)
# An errno, or "short": half of what is to be written, and then no room.
KINDS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EINTR, "short")
# Once, for a while, or from then on.
LASTING = {"once": 1, "for a while": 7, "from then on": 10**9}
# An interrupt is tried again, by Python itself and by its buffered files, so none lasts for ever.
WAYS = [way for way in itertools.product(KINDS, LASTING.values()) if way != (errno.EINTR, 10**9)]


class Faults:
    """Counts the calls of `os` below a folder that change it, and lets one of them and those after it fail.

    `lasting` is how many fail; those after them succeed.
    """

    def __init__(self, root, at=None, kind=errno.EIO, *, lasting=1):
        self.root, self.at, self.kind, self.lasting = str(root), at, kind, lasting
        self.calls, self.failed = [], None

    @contextmanager
    def injected(self):
        real = {name: getattr(os, name) for name in CALLS}
        for name, call in real.items():
            setattr(os, name, self._failing(name, call))
        try:
            yield self
        finally:
            for name, call in real.items():
                setattr(os, name, call)

    def _failing(self, name, call):
        def wrapper(*given, **named):
            place = self._place(given, named)
            reads = name == "open" and not given[1] & (os.O_WRONLY | os.O_RDWR)
            if reads or not place.startswith(self.root):
                return call(*given, **named)
            self.calls.append(name)
            number = len(self.calls) - 1
            if self.at is None or not self.at <= number < self.at + self.lasting:
                return call(*given, **named)
            self.failed = self.failed or f"{name} of {Path(place).name}"
            if self.kind == "short":
                if name in ("write", "pwrite") and number == self.at and len(given[1]) > 1:
                    self.at += 1  # and nothing more
                    return call(given[0], bytes(given[1])[: len(given[1]) // 2], *given[2:], **named)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)
            raise OSError(self.kind, os.strerror(self.kind), None if isinstance(given[0], int) else place)

        return wrapper

    def _place(self, given, named):
        first = given[0]
        if isinstance(first, int):
            return os.readlink(f"/proc/self/fd/{first}")
        within = named.get("dir_fd")
        base = os.readlink(f"/proc/self/fd/{within}") if within is not None else os.getcwd()
        return os.path.join(base, os.fsdecode(first))


def config(data):
    plain = TrainConfig()
    return replace(
        plain,
        steps=5,
        batch_size=4,
        threads=1,
        data=str(data),
        images=ImagesConfig(size=8),
        probes=ProbesConfig(every=2, test_split="train", neighbours=3),
        record=replace(plain.record, every=1, probe=4),
        checkpoint=replace(plain.checkpoint, every=3),
    )


def weights(run):
    return load_checkpoint(find_checkpoints(run / "checkpoints")[-1]).weights


def equal(run, expected):
    """The same record, but for the time that things took, and the same weights, bit by bit."""
    found, wanted = read_record(run), read_record(expected)
    assert found.problems == ()
    for name, values in wanted.metrics.items():
        np.testing.assert_array_equal(found.metrics[name], values, err_msg=name)
    assert "missing" not in found.metrics
    np.testing.assert_array_equal(found.eigenvalues, wanted.eigenvalues)
    np.testing.assert_array_equal(found.projections, wanted.projections)
    np.testing.assert_array_equal(found.timings["step"], wanted.timings["step"])
    for name, values in wanted.probes.items():
        np.testing.assert_array_equal(found.probes[name], values, err_msg=name)
    for part, tensors in weights(expected).items():
        for name, tensor in tensors.items():
            assert torch.equal(weights(run)[part][name], tensor)


def is_prefix(run, expected):
    """What is recorded is what was recorded in the run that nothing befell, as far as it goes."""
    found, wanted = read_record(run), read_record(expected)
    if found.eigenvalues is not None:
        np.testing.assert_array_equal(found.eigenvalues, wanted.eigenvalues[: len(found.eigenvalues)])
    for name, values in found.metrics.items():
        np.testing.assert_array_equal(values, wanted.metrics[name][: len(values)], err_msg=name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A whole run, one that was killed after its checkpoint of step 3, and the labelled images of both."""
    folder = tmp_path_factory.mktemp("runs")
    generator = np.random.default_rng(0)
    for number in range(16):
        image = folder / "data" / str(number % 2) / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(image)
    train(config(folder / "data"), folder / "whole")
    write_report(folder / "whole")

    def kill(progress):
        if progress.stage == "training" and progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(folder / "data"), folder / "half", progress=kill)
    return folder


def goes_on_after(point, kind, lasting, runs, begun, out):
    """Let a call of a run fail, and go on with it; what failed, if there was such a call."""
    if begun:
        shutil.copytree(runs / "half", out)
    with Faults(out, point, kind, lasting=lasting).injected() as faults:
        try:
            train(config(runs / "data"), out, resume=True)
        except (OSError, Stopped) as error:
            assert str(out) in str(error), faults.failed  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
    if (out / "metrics.jsonl").exists():
        is_prefix(out, runs / "whole")
    if begun:
        assert load_checkpoint(find_checkpoints(out / "checkpoints")[0]).step == 3, faults.failed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(config(runs / "data"), out, resume=True)
    equal(out, runs / "whole")
    shutil.rmtree(out)
    return faults.failed


@pytest.mark.slow
@pytest.mark.timeout(7200 if os.environ.get("EIGENSTEP_ALL_FAULTS") else 300)
@pytest.mark.parametrize("begun", [False, True], ids=["begins", "goes on"])
def test_a_training_goes_on_to_the_same_end_after_a_fault_at_any_call(runs, begun, tmp_path):
    """Here at each fifth call in one of fourteen ways; EIGENSTEP_ALL_FAULTS=1 tries each call in each way."""
    thorough = bool(os.environ.get("EIGENSTEP_ALL_FAULTS"))
    for point in itertools.count(step=1 if thorough else 5):
        tried = WAYS if thorough else [WAYS[point // 5 % len(WAYS)]]
        found = [goes_on_after(point, *way, runs, begun, tmp_path / "run") for way in tried]
        if None in found:
            break
    assert point > (80 if begun else 150)
    print(f"there are {point} calls")


@pytest.mark.parametrize(("kind", "lasting"), WAYS)
def test_a_report_is_whole_or_the_one_before_after_a_fault_at_any_call(runs, kind, lasting, tmp_path):
    page = tmp_path / "run" / "report.html"
    shutil.copytree(runs / "whole", tmp_path / "run")
    write_report(tmp_path / "run")
    before = page.read_text()
    for point in itertools.count():
        page.write_text("the one before")
        with Faults(tmp_path, point, kind, lasting=lasting).injected() as faults:
            try:
                write_report(tmp_path / "run")
            except OSError as error:
                assert str(page) in str(error), faults.failed  # noqa: PT017
        assert page.read_text() in ("the one before", before)
        if faults.failed is None:
            break
    assert page.read_text() == before


BATCHES = [torch.randn(20, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(6)]


def monitored(out, resume=False, before_the_last=lambda: None):
    monitor = SpectrumMonitor(out, every=1, resume=resume, probe=lambda: BATCHES[0], directions=2)
    for batch in BATCHES[monitor.step : -1]:
        monitor.update(batch)
    before_the_last()
    for batch in BATCHES[max(5, monitor.step) :]:
        monitor.update(batch)
    monitor.close()


@pytest.mark.parametrize("lasting", LASTING.values(), ids=LASTING)
@pytest.mark.parametrize("kind", KINDS, ids=[k if isinstance(k, str) else errno.errorcode[k] for k in KINDS])
def test_a_monitored_loop_is_never_ended_after_its_first_step_and_its_record_is_sound(
    kind, lasting, tmp_path
):
    monitored(tmp_path / "whole")
    whole = read_record(tmp_path / "whole")
    for point in itertools.count():
        out, calls = tmp_path / str(point), []
        with Faults(out, point, kind, lasting=lasting).injected() as faults, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                monitored(out, before_the_last=lambda: calls.append(len(faults.calls)))  # noqa: B023
            except OSError as error:  # where the folder is opened, before anything is recorded
                assert str(out) in str(error), faults.failed  # noqa: PT017
                assert not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").read_bytes()
        if (out / "metrics.jsonl").exists():
            record = read_record(out)
            assert record.problems == (), faults.failed
            steps = record.metrics.get("step", np.zeros(0, int))
            there = np.isin(whole.metrics["step"], steps)
            for name in ("rank_me", "effective_rank"):
                found = record.metrics.get(f"measures/{name}", np.zeros(0))
                np.testing.assert_array_equal(found, whole.metrics[f"measures/{name}"][there])
            if len(steps) and lasting == 1:
                assert len(steps) >= 5, faults.failed
            if len(steps) and faults.at + lasting < calls[0]:  # it comes back
                assert steps[-1] == 6, faults.failed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            monitored(out, resume=True)
        assert read_record(out).metrics["step"][-1] == 6
        if faults.failed is None:
            break
    assert point > 30

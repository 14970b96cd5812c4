import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch

KINDS = ["table", "tars", "hub"]
FEW = {2, 3, 17}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_broken_images_are_replaced_by_others_of_the_data_set(kind, data_of, open_data, take, rows_of):
    folder = data_of(kind, 22, broken=FEW)
    images = take(open_data(kind, folder), 20).flatten(0, 1)
    assert not FEW & set(rows_of(images))
    good = rows_of(take(open_data(kind, data_of(kind, 22, name="good")), 20).flatten(0, 1))
    differing = [there for there, here in zip(good, rows_of(images), strict=True) if there != here]
    assert set(differing) == FEW  # and no other place of a batch has changed


@pytest.mark.slow
def test_in_a_table_the_next_row_that_can_be_decoded_stands_in(
    data_of, open_data, take, rows_of, permutation
):
    broken = {2, 3, 4, 9, 20, 21}
    rows = rows_of(take(open_data("table", data_of("table", 22, broken=broken)), 10).flatten(0, 1))
    stands_in = {2: 5, 3: 5, 4: 5, 9: 10, 20: 0, 21: 0}
    order = np.concatenate([permutation(0, epoch, 22)[:20] for epoch in range(2)]).tolist()
    assert rows == [stands_in.get(row, row) for row in order]


@pytest.mark.slow
def test_in_a_stream_an_image_of_the_epochs_rest_stands_in_if_there_is_one(data_of, open_data, take, rows_of):
    broken = {row for row in range(40) if row % 5 == 0}
    options = {"batch_size": 8, "workers": 1}
    rows = rows_of(take(open_data("tars", data_of("tars", 40, broken=broken), **options), 5).flatten(0, 1))
    whole = data_of("tars", 40, name="good")
    order = rows_of(take(open_data("tars", whole, **options), 5).flatten(0, 1))
    for place, (row, drawn) in enumerate(zip(rows, order, strict=True)):
        batch = place // 8
        if drawn not in broken:
            assert row == drawn
        elif batch < 4:
            assert row in order[8 * (batch + 1) :]
        else:
            assert row in order[8 * batch :]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tars", "hub"])
def test_broken_images_of_a_streams_batch_have_different_stand_ins(kind, data_of, open_data, take, rows_of):
    broken = set(range(0, 60, 3))
    images = take(open_data(kind, data_of(kind, 60, broken=broken), batch_size=12), 4)
    whole = take(open_data(kind, data_of(kind, 60, name="good"), batch_size=12), 4)
    replaced = (images != whole).any(dim=(2, 3, 4))
    assert (replaced.sum(dim=1) > 2).any()
    for batch, places in zip(images, replaced, strict=True):
        assert places.sum() < 3 or len(set(rows_of(batch[places]))) > 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 1])
def test_broken_images_are_counted_and_named_once_over_the_first_epoch(
    kind, workers, data_of, open_data, take
):
    images = open_data(kind, data_of(kind, 20, broken=FEW), workers=workers)
    before = images.facts()
    assert not any(before[key] for key in ("used", "broken", "broken_names", "enlarged", "with_gaps"))
    take(images, 14)
    facts = images.facts()
    assert (facts["used"], facts["broken"], facts["enlarged"]) == (17, 3, 0)
    names = {
        "table": {"image 2", "image 3", "image 17"},
        "tars": {"train-0.tar/0002.png", "train-0.tar/0003.png", "train-2.tar/0017.png"},
        "hub": {f"image {row} of shard 0" for row in FEW},
    }
    reason = "its content is of no known format of images"
    assert set(facts["broken_names"]) == {f"{name} ({reason})" for name in names[kind]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_images_that_had_to_be_enlarged_are_counted(kind, data_of, open_data):
    images = open_data(kind, data_of(kind, 20, broken=FEW), stored_size=5)
    batches = images.batches(0)
    for _ in range(5):
        assert next(batches).images.shape == (4, 3, 5, 5)
    assert images.facts()["enlarged"] == 17


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_goes_on_counts_on(kind, data_of, open_data, take):
    folder = data_of(kind, 30, broken=FEW)
    whole = open_data(kind, folder)
    take(whole, 20)
    for step in (0, 3, 6, 12):
        interrupted = open_data(kind, folder)
        take(interrupted, step + 1)  # the step's batch was drawn when its checkpoint was written
        resumed = open_data(kind, folder)
        resumed.restore(json.loads(json.dumps(interrupted.state())))
        take(resumed, 20 - step, start=step)
        assert resumed.facts() == whole.facts()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_an_earlier_release_began_counts_on(kind, data_of, open_data, take):
    folder = data_of(kind, 30, broken=FEW)
    whole, interrupted, resumed = (open_data(kind, folder) for _ in range(3))
    take(whole, 20)
    take(interrupted, 4)
    state = json.loads(json.dumps(interrupted.state()))
    del state["tally"]["with_gaps"], state["damage"]
    resumed.restore(state)
    take(resumed, 17, start=3)
    assert resumed.facts() == whole.facts()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "table", "tars"])
def test_files_that_were_passed_over_are_found_and_named(kind, data_of, open_data, take):
    folder = data_of(kind, 20, broken=FEW)
    (folder / ".a.png").write_bytes(b"hidden")
    (folder / "notes.txt").write_text("notes")
    images = open_data(kind, folder)
    take(images, 14)
    facts = images.facts()
    labels = {"no image (.cls)": 20} if kind == "tars" else {}
    assert facts["passed_over"] == {"hidden": 1, "no image (.txt)": 1} | labels
    assert facts["passed_over_names"][:2] == [".a.png (hidden)", "notes.txt (no image (.txt))"]
    assert facts["found"] == facts["used"] + facts["broken"] + 2 + sum(labels.values())
    assert facts["used"] + facts["broken"] == 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_images_that_the_first_epoch_has_not_come_to_are_counted(kind, data_of, open_data, take):
    images = open_data(kind, data_of(kind, 20, broken=FEW), batch_size=6)
    for steps, left in ((1, 14), (2, 8), (4, 2)):
        take(images, steps)
        facts = images.facts()
        passed = sum(facts["passed_over"].values())
        is_known = kind == "table" or steps == 4  # a stream's length is, when it has been read once
        assert facts["used"] + facts["broken"] == 20 - left
        assert facts["not_looked_at"] == (left if is_known else None)
        assert facts["found"] == (20 + passed if is_known else None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", *KINDS])
def test_all_training_processes_have_the_same_statistics(kind, data_of, open_data):
    folder = data_of(kind, 20, broken=FEW)
    rows = np.array([row for row in range(20) if row not in FEW])
    for rank in range(2):
        found = open_data(kind, folder, rank=rank, processes=2).statistics()
        assert found.count == 17
        assert np.allclose(found.mean, [rows.mean() / 255, 0, 77 / 255], rtol=0, atol=1e-15)
        assert np.allclose(found.std, [rows.std() / 255, 0, 0], rtol=0, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_facts_of_all_processes_are_those_of_one(kind, data_of, open_data, take):
    folder = data_of(kind, 20, broken=FEW)
    parts = [open_data(kind, folder, rank=rank, processes=2) for rank in range(2)]
    whole = open_data(kind, folder)
    for images in (*parts, whole):
        take(images, 7)
    joint = whole.joint_facts([part.facts() for part in parts])
    assert sorted(joint.pop("broken_names")) == sorted(whole.facts()["broken_names"])
    assert joint.items() < whole.facts().items()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_refused_by_name_if_that_is_wished(kind, workers, data_of, open_data, take):
    images = open_data(kind, data_of(kind, 20, broken={7}), broken="refuse", workers=workers)
    with pytest.raises(ValueError, match=r"(image 7|0007\.png)\b.* be decoded \(.*\); .* --images\.broken"):
        take(images, 5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_in_which_nothing_can_be_decoded_ends_in_one_line(kind, workers, data_of, open_data, take):
    images = open_data(kind, data_of(kind, 20, broken=range(20)), workers=workers)
    for draw in (lambda: take(images, 1), lambda: images.probe(3)):
        with pytest.raises(ValueError, match=r"none of .* can be decoded, for example .*\d") as refused:
            draw()
        assert "\n" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "tars"])
def test_a_killed_worker_is_an_error_not_a_hang_and_the_rest_can_be_had_anew(kind, data_of, open_data, take):
    folder = data_of(kind, 22)
    images = open_data(kind, folder, workers=2)
    batches = images.batches(0)
    before = [next(batches).images for _ in range(3)]

    def draw_on():
        while True:
            before.append(next(batches).images)

    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="a process that decodes images ended unexpectedly"):
        draw_on()
    after = take(images, 12 - len(before), start=len(before))
    assert torch.equal(torch.cat([torch.stack(before), after]), take(open_data(kind, folder), 12))
    images.close()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_the_processes_end_with_the_iterator_and_with_the_images(data_of, open_data):
    images = open_data("table", data_of("table", 22), workers=2)
    batches = images.batches(0)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert multiprocessing.active_children() == []
    again = images.batches(0)
    next(again)
    images.close()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "local", "workers"), [(1, None, 8), (4, None, 5), (4, "2", 8), (64, "64", 1)]
)
def test_cores_are_shared_among_the_processes_of_a_machine(
    processes, local, workers, data_of, open_data, monkeypatch
):
    monkeypatch.setattr("eigenstep.images.opened._streamed.usable_cores", lambda: 20)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if local:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    options = {"workers": None, "processes": processes, "batch_size": 64}
    images = open_data("table", data_of("table", 64), **options)
    assert images._processes() == workers


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tars", "hub"])
def test_a_streams_length_is_told_when_its_second_epoch_begins_however_far_was_read(
    kind, data_of, open_data, monkeypatch
):
    folder = data_of(kind, 22)
    passes = []
    images = open_data(kind, folder, workers=1)
    epoch = images._epoch
    monkeypatch.setattr(images, "_epoch", lambda *about: passes.append(about) or epoch(*about))
    batches = images.batches(0)
    for step in range(7):
        next(batches)
        assert images.count == (None if step < 5 else 22)
    resumed = open_data(kind, folder)
    resumed.restore(images.state())
    epoch, passes[:] = resumed._epoch, []
    monkeypatch.setattr(resumed, "_epoch", lambda *about: passes.append(about) or epoch(*about))
    next(resumed.batches(11))
    assert passes == [(2, 22)]  # no pass to count


def test_a_stream_that_has_changed_is_refused(data_of, open_data, take):
    images = open_data("tars", data_of("tars", 22))
    take(images, 6)
    data_of("tars", 23)
    with pytest.raises(ValueError, match="has changed: it had 22 images, now it has 23"):
        take(images, 8, start=6)

import numpy as np
import pytest
import torch

KINDS = ["memory", "table", "tars", "hub"]
RANDOM_ACCESS = ["memory", "table"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_depends_on_its_step_alone(kind, data_of, open_data, take):
    folder = data_of(kind, 22)
    whole = take(open_data(kind, folder), 14)  # five batches an epoch, two images left out
    for start in (0, 1, 4, 5, 9, 10, 13):
        assert torch.equal(take(open_data(kind, folder), 14 - start, start), whole[start:])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "tars", "hub"])
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_a_batch(kind, workers, data_of, open_data, take):
    folder = data_of(kind, 22, broken={2, 3, 17})
    expected = take(open_data(kind, folder), 12)
    assert torch.equal(take(open_data(kind, folder, workers=workers), 12), expected)
    assert torch.equal(take(open_data(kind, folder, workers=workers), 5, start=7), expected[7:])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broken", [{}, {0, 5, 6, 21}])
def test_training_processes_see_together_what_one_would(kind, broken, data_of, open_data, take):
    folder = data_of(kind, 22, broken=broken)
    parts = [take(open_data(kind, folder, rank=rank, processes=2), 12) for rank in range(2)]
    assert parts[0].shape[1] == 2
    assert torch.equal(torch.cat(parts, dim=1), take(open_data(kind, folder), 12))


@pytest.mark.slow
@pytest.mark.parametrize("kind", RANDOM_ACCESS)
def test_in_random_access_an_epoch_is_the_generators_permutation(
    kind, data_of, open_data, take, rows_of, permutation
):
    rows = rows_of(take(open_data(kind, data_of(kind, 22), seed=3), 10).flatten(0, 1))
    expected = np.concatenate([permutation(3, epoch, 22)[:20] for epoch in range(2)])
    assert rows == expected.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tars", "hub"])
def test_a_streams_epoch_draws_every_image_at_most_once_and_each_in_another_order(
    kind, data_of, open_data, take, rows_of
):
    rows = rows_of(take(open_data(kind, data_of(kind, 40)), 30).flatten(0, 1))
    epochs = [rows[start : start + 40] for start in (0, 40, 80)]
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    other = rows_of(take(open_data(kind, data_of(kind, 40), seed=1), 10).flatten(0, 1))
    assert sorted(other) == sorted(epochs[0])
    assert other != epochs[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_labels_stay_with_their_images(kind, data_of, open_data, rows_of):
    folder = data_of(kind, 22, broken={4, 5, 21}, label=lambda row: (row * 7) % 5)
    images = open_data(kind, folder, labels=True)
    assert images.classes == 5
    batches = images.batches(2)
    for _ in range(9):
        batch = next(batches)
        assert batch.labels.dtype == torch.int64
        assert batch.labels.tolist() == [(row * 7) % 5 for row in rows_of(batch.images)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_nobody_asked_for_change_nothing(kind, data_of, open_data, take):
    one = open_data(kind, data_of(kind, 22))
    other = open_data(kind, data_of(kind, 22, label=lambda row: 5 - row % 2, name="relabelled"))
    assert torch.equal(take(one, 8), take(other, 8))
    assert one.classes is None
    assert next(one.batches(0)).labels is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_fewer_images_than_a_batch_are_refused_at_once(kind, data_of, open_data):
    folder = data_of(kind, 22)
    open_data(kind, folder, batch_size=22)
    with pytest.raises(
        ValueError, match="batch_size 23 is larger than the data set of 22 images; set a smaller --batch-size"
    ):
        open_data(kind, folder, batch_size=23)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_keeps_to_the_first_images(kind, data_of, open_data, take, rows_of):
    images = open_data(kind, data_of(kind, 22), limit=8)
    assert sorted(rows_of(take(images, 4).flatten(0, 1))) == sorted(2 * list(range(8)))
    assert sorted(rows_of(images.probe(20))) == list(range(8))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_probe_is_spread_over_the_data_where_that_can_be(kind, data_of, open_data, rows_of):
    images = open_data(kind, data_of(kind, 22))
    rows = rows_of(images.probe(5))
    assert rows == ([0, 4, 8, 13, 17] if kind in RANDOM_ACCESS else [0, 1, 2, 3, 4])
    assert len(images.probe(0)) == 0
    assert rows_of(images.probe(100)) == list(range(22))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_probe_has_no_broken_image_and_none_twice(kind, data_of, open_data, rows_of):
    rows = rows_of(open_data(kind, data_of(kind, 22, broken={0, 1, 2, 3, 21})).probe(11))
    assert len(rows) == len(set(rows)) > 5
    assert not {0, 1, 2, 3, 21} & set(rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_how_many_images_an_epoch_has_is_known_where_it_can_be(kind, data_of, open_data, take):
    images = open_data(kind, data_of(kind, 22))
    assert images.count == (22 if kind in RANDOM_ACCESS else None)
    take(images, 6)
    assert images.count == 22


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "tars"])
def test_the_time_that_the_caller_takes_is_not_waited_for(kind, data_of, open_data, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("eigenstep.images.opened._batches.time.perf_counter", lambda: now[0])
    images = open_data(kind, data_of(kind, 22))
    complete = images._complete

    def slow(*arguments):
        now[0] += 2
        complete(*arguments)

    images._complete = slow
    batches = images.batches(0)
    for done in range(1, 4):
        next(batches)
        now[0] += 50
        assert images.waited == 2 * done


@pytest.mark.slow
@pytest.mark.parametrize("kind", RANDOM_ACCESS)
@pytest.mark.parametrize("count", [1, 7, 100])
def test_the_rows_of_a_probe_are_spread_evenly(kind, count, data_of, open_data, rows_of):
    images = open_data(kind, data_of(kind, count), batch_size=1)
    for n in (1, 3, 7, 200):
        rows = rows_of(images.probe(n))
        assert len(rows) == min(n, count)
        gaps = np.diff([*rows, count + rows[0]])
        assert gaps.max() - gaps.min() <= 1
    assert len(images.probe(0)) == 0

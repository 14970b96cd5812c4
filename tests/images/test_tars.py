import io
import json
import tarfile

import datasets
import pytest

from eigenstep.images import ImagesConfig, find_source


def read(path, *, labels=False, **options):
    """The samples of the folder that holds this shard."""
    return list(find_source(str(path.parent)).open(ImagesConfig(**options), labels=labels).samples())


@pytest.fixture
def shard(write_tars):
    return lambda *samples: write_tars({"a.tar": list(samples)}) / "a.tar"


def test_samples_are_read_as_the_datasets_library_reads_them(write_tars, png):
    samples = [(f"deep/{row}", {"cls": b"1", "png": png(row), "txt": b"a word"}) for row in range(7)]
    folder = write_tars({"train-0.tar": samples[:4], "train-1.tar": samples[4:]})
    found = read(folder / "train-0.tar", labels=True)
    reference = datasets.load_dataset("webdataset", data_dir=str(folder), split="train", streaming=True)
    reference = list(reference.cast_column("png", datasets.Image(decode=False)))
    assert [(sample.record.content, sample.record.path) for sample in found] == [
        (expected["png"]["bytes"], expected["png"]["path"]) for expected in reference
    ]
    assert [sample.label for sample in found] == [expected["cls"] for expected in reference]
    assert found[5].name == "train-1.tar/deep/5.png"


def test_images_of_other_formats_and_samples_of_other_files_are_read_alike(shard, png):
    path = shard(
        ("a", {"png": png(1)}), ("b.c/d", {"JPEG": png(2), "json": b"{}"}), ("e", {"txt": b"no image"})
    )
    found = read(path)
    assert [sample.record.content for sample in found] == [png(1), png(2)]
    assert [sample.name for sample in found] == ["a.tar/a.png", "a.tar/b.c/d.JPEG"]


@pytest.mark.slow
def test_of_several_images_one_has_to_be_named(shard, png):
    path = shard(("a", {"png": png(1), "mask.png": png(2)}))
    with pytest.raises(
        ValueError, match=r"a\.tar/a has several images; .* --images\.column .* png, mask\.png"
    ):
        read(path)
    assert read(path, column="mask.png")[0].record.content == png(2)
    assert read(path, column="png")[0].record.content == png(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "label", "expected"),
    [
        ({"cls": b"3"}, None, 3),
        ({"cls": b" 12\n"}, None, 12),
        ({"cls": b"-1"}, None, -1),
        ({"cls": b"tench"}, None, "tench"),
        ({"json": json.dumps({"label": 4}).encode()}, None, 4),
        ({"json": json.dumps({"cls": "dog", "other": 1}).encode()}, None, "dog"),
        ({"json": json.dumps({"species": "dog", "label": 1}).encode()}, "species", "dog"),
        ({"cls": b"3", "txt": b"cat"}, "txt", "cat"),
        ({"json": json.dumps({"label": [1, 2]}).encode()}, None, None),
        ({"json": b"[1]"}, None, None),
        ({"txt": b"a picture"}, None, None),
    ],
)
def test_a_label_is_the_cls_file_or_a_key_of_the_json_file(shard, png, files, label, expected):
    path = shard(("a", {"png": png(0)} | files))
    assert read(path, labels=True, label=label)[0].label == expected
    assert read(path, label=label)[0].label is None


@pytest.mark.slow
def test_what_is_not_asked_for_is_not_read(shard, png, monkeypatch):
    """Of a file that is no image by its name the first bytes are looked at, for it may be one yet."""
    long = b"no json" + b" " * 5000
    path, seen = shard(("a", {"png": png(0), "cls": b"1", "json": long})), []
    read_file = tarfile.ExFileObject.read

    def seeing(file, size=-1):
        content = read_file(file, size)
        if size < 0:
            seen.append(content)
        assert len(content) < 5000 or size < 0
        return content

    monkeypatch.setattr(tarfile.ExFileObject, "read", seeing)
    assert read(path)[0].record.content == png(0)
    assert seen == [png(0)]
    seen.clear()
    assert find_source(str(path.parent)).labels(ImagesConfig()).numbers.tolist() == [1]
    assert sorted(seen) == [b"", long[-len(max(seen)) :]]  # what is left of them behind their first bytes
    assert len(max(seen)) > 3000
    seen.clear()
    assert find_source(str(path.parent)).count(ImagesConfig()) == 1
    assert seen == []
    with pytest.raises(ValueError, match=r"a\.tar/a\.json is no JSON"):
        read(path, labels=True, label="species")


def test_a_shard_can_be_compressed(tmp_path, png):
    with tarfile.open(tmp_path / "a.tar", "w:gz") as archive:
        member = tarfile.TarInfo("a.png")
        member.size = len(png(5))
        archive.addfile(member, io.BytesIO(png(5)))
    assert read(tmp_path / "a.tar")[0].record.content == png(5)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [100, 540, 1560])
def test_a_broken_archive_is_named_in_one_line(shard, png, keep):
    path = shard(("a", {"png": png(0)}), ("b", {"png": png(1)}))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        ValueError, match=r": a\.tar is damaged \(.*\); mend it, or use --images\.broken pass"
    ) as broken:
        read(path)
    assert "\n" not in str(broken.value)


def test_a_sample_that_has_a_file_twice_is_refused(shard, png):
    path = shard(("a", {"png": png(0)}), ("a", {"png": png(1)}))
    with pytest.raises(
        ValueError, match=r"a\.tar is damaged \(it holds a\.tar/a\.png twice\); .*--images\.broken"
    ):
        read(path)


def test_of_a_file_that_is_written_twice_the_later_one_is_read_if_damage_is_passed(shard, png):
    path = shard(("a", {"png": png(0)}), ("a", {"png": png(1)}))
    opened = find_source(str(path.parent)).open(ImagesConfig(broken="pass"))
    assert [sample.record.content for sample in opened.samples()] == [png(1)]
    assert opened.damage == ["a.tar (it holds a.tar/a.png twice)"]
    assert {reason: each.names for reason, each in opened.passed_over.reasons.items()} == {
        "written again later in its archive": ["a.tar/a.png"]
    }

"""Images of any depth and number of channels, beside readings by tifffile, NumPy and Pillow."""

import io
import itertools
import os
import zipfile
from pathlib import Path

import numpy as np
import PIL
import pytest
import tifffile
import torch
from PIL import Image, ImageOps

from eigenstep.images import (
    BytesImage,
    FileImage,
    ImagesConfig,
    RandomAccess,
    find_pixels,
    find_source,
    images_in,
    load_images,
    open_images,
    own_data,
    read_pixels,
    stored_images,
)

TYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]


class Arrays(RandomAccess):
    """A data set of the arrays that it is given."""

    data = "arrays"

    def __init__(self, arrays):
        self.arrays = arrays

    def count(self):
        return len(self.arrays)

    def records(self, rows):
        return [self.arrays[row] for row in rows]

    def name(self, row, record):
        return f"array {row}"


def values(shape, dtype, seed=0):
    """Random values from all over a type, floating-point ones of both signs."""
    generator, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "f":
        return generator.normal(0, 100, shape).astype(dtype)
    if dtype.kind == "b":
        return generator.random(shape) > 0.5
    about = np.iinfo(dtype)
    return generator.integers(about.min, about.max, shape, dtype=dtype, endpoint=True)


def tiff(array, **options) -> BytesImage:
    content = io.BytesIO()
    tifffile.imwrite(content, array, **options)
    return BytesImage(content.getvalue())


def read(record, **options):
    return read_pixels(record, ImagesConfig(**options))


# What is read: every type × channels × layout of a TIFF file.


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 12, 60])
@pytest.mark.parametrize("dtype", TYPES[1:])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_tiff_is_read_value_by_value(dtype, channels, planar):
    pixels = values((7, 9, channels), dtype)
    stored = pixels[..., 0] if channels == 1 else pixels if planar == "contig" else pixels.transpose(2, 0, 1)
    options = {} if channels == 1 else {"planarconfig": planar}
    found = read(tiff(np.ascontiguousarray(stored), photometric="minisblack", **options))
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "packbits"])
def test_a_tiffs_layout_and_compression_do_not_matter(options, compression):
    pixels = values((40, 50, 5), "uint16")
    record = tiff(pixels, photometric="minisblack", planarconfig="contig", compression=compression, **options)
    assert np.array_equal(read(record), pixels)


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        *itertools.product(
            ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"], [None, "tiff_lzw", "tiff_adobe_deflate"]
        ),
        *itertools.product(["L", "RGB", "CMYK", "YCbCr"], ["jpeg"]),
    ],
)
def test_an_8_bit_tiff_is_what_pillow_makes_of_it(mode, compression, noise):
    if (mode, compression) == ("YCbCr", None) and int(PIL.__version__.partition(".")[0]) < 13:
        pytest.skip(f"Pillow {PIL.__version__} cannot read what it writes of YCbCr without compression")
    image = Image.fromarray(noise(20, 30, 4)).convert(mode)
    content = io.BytesIO()
    image.save(content, "tiff", compression=compression)
    found, again = read(BytesImage(content.getvalue())), Image.open(content)
    if mode in ("LA", "RGBA"):
        white = Image.new("RGBA", image.size, "white")
        again = Image.alpha_composite(white, again.convert("RGBA")).convert("L" if mode == "LA" else "RGB")
    elif mode not in ("1", "L"):
        again = again.convert("RGB")
    expected = np.asarray(again)
    assert np.array_equal(found, expected if expected.ndim == 3 else expected[..., None])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_of_a_tiff_whose_lowest_value_is_white_the_values_are_inverted(dtype):
    pixels = values((7, 9), dtype)
    found = read(tiff(pixels, photometric="miniswhite"))
    assert np.array_equal(found[..., 0], np.iinfo(dtype).max - pixels)


def test_a_tiffs_16_bit_transparency_is_laid_on_white():
    pixels = values((7, 9, 4), "uint16")
    share = pixels[..., 3:] / 65535
    expected = share * pixels[..., :3] + (1 - share) * 65535
    found = read(tiff(pixels, photometric="rgb", extrasamples=["unassalpha"]))
    assert found.dtype == np.uint16
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_bands_that_are_no_transparency_are_channels(dtype):
    pixels = values((7, 9, 4), dtype)
    assert np.array_equal(read(tiff(pixels, photometric="rgb", extrasamples=["unspecified"])), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_is_turned_as_its_tag_says(dtype, orientation):
    pixels = values((7, 9), dtype)
    record = tiff(pixels, extratags=[(274, "H", 1, orientation, True)])
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(record.content)))
    assert np.array_equal(read(record)[..., 0], np.asarray(turned))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata": None},
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "ZYX"}},
    ],
)
def test_pages_are_channels_or_images(options):
    pixels = values((5, 7, 9), "uint16")
    record = tiff(pixels, **options)
    assert np.array_equal(read(record), pixels.transpose(1, 2, 0))
    config = ImagesConfig(pages="images")
    pages = images_in(record, config)
    assert len(pages) == 5
    for page, expected in zip(pages, pixels, strict=True):
        assert np.array_equal(read_pixels(page, config)[..., 0], expected)


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_named_channels_stay_together_where_pages_are_images(kind):
    pixels = values((2, 3, 7, 9), "uint16")
    record = tiff(pixels, **{kind: True}, metadata={"axes": "TCYX"})
    assert np.array_equal(read(record), pixels.reshape(6, 7, 9).transpose(1, 2, 0))
    config = ImagesConfig(pages="images")
    found = [read_pixels(page, config) for page in images_in(record, config)]
    assert np.array_equal(found, pixels.transpose(0, 2, 3, 1))


def test_pages_in_colours_are_images_of_three_channels():
    pixels = values((4, 7, 9, 3), "uint8")
    record, config = tiff(pixels, photometric="rgb"), ImagesConfig(pages="images")
    assert np.array_equal([read_pixels(page, config) for page in images_in(record, config)], pixels)
    assert read(record).shape == (7, 9, 12)


def test_a_preview_is_no_page_and_pages_of_different_sizes_are_refused():
    one, other = values((8, 10), "uint16"), values((5, 5), "uint16")
    for subfile, is_preview in ((1, True), (0, False)):
        content = io.BytesIO()
        with tifffile.TiffWriter(content) as writer:
            writer.write(one, metadata=None)
            writer.write(other, metadata=None, subfiletype=subfile)
        record = BytesImage(content.getvalue())
        if is_preview:
            assert np.array_equal(read(record)[..., 0], one)
            continue
        with pytest.raises(ValueError, match=r"pages of different sizes or depths; use --images\.pages"):
            read(record)
        config = ImagesConfig(pages="images")
        found = [read_pixels(page, config)[..., 0] for page in images_in(record, config)]
        assert np.array_equal(found[0], one)
        assert np.array_equal(found[1], other)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_values_that_a_raster_declares_as_none_are_nan(dtype):
    pixels = values((7, 9), dtype).clip(-5000)
    pixels[2, 3] = -9999
    found = read(tiff(pixels, extratags=[(42113, "s", 0, "-9999", True)]))[..., 0]
    assert np.isnan(found[2, 3])
    pixels[2, 3] = 0
    assert np.array_equal(np.nan_to_num(found), pixels.astype(np.float32))


def test_where_a_codec_is_missing_pillow_reads_what_it_can_and_the_package_is_named(monkeypatch):
    def refuse(self, *_, **__):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    grey, bands = values((20, 30), "uint16"), values((20, 30, 5), "uint16")
    one = tiff(grey, compression="lzw")
    other = tiff(bands, compression="lzw", photometric="minisblack", planarconfig="contig")
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", refuse)
    assert np.array_equal(read(one)[..., 0], grey)
    with pytest.raises(ValueError, match=r"compression LZW needs the package imagecodecs; pip install"):
        read(other)


# PNG, NumPy, DICOM, HEIF.


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_16_bits_is_read_at_16_bits(channels):
    import imagecodecs

    pixels = values((7, 9, channels), "uint16")
    if channels in (2, 4):
        pixels[..., -1] = 65535  # opaque
    record = BytesImage(imagecodecs.png_encode(pixels))
    expected = pixels[..., :-1] if channels in (2, 4) else pixels
    found = read(record)
    assert found.dtype == np.uint16
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("dtype", [*TYPES, "int64", ">u2"])
@pytest.mark.parametrize("channels", [None, 1, 3, 12])
def test_an_npy_file_is_read_value_by_value(tmp_path, dtype, channels):
    pixels = values((26, 24) if channels is None else (26, 24, channels), np.dtype(dtype).newbyteorder("="))
    np.save(tmp_path / "a.npy", pixels.astype(dtype))
    expected = pixels[..., None] if channels is None else pixels
    for record in (FileImage(str(tmp_path / "a.npy")), BytesImage((tmp_path / "a.npy").read_bytes())):
        assert np.array_equal(read(record), expected)
    if channels == 12:
        np.save(tmp_path / "b.npy", pixels.transpose(2, 0, 1))
        assert np.array_equal(read(FileImage(str(tmp_path / "b.npy"))), expected)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_rows_of_stacks_are_images(tmp_path, save):
    grey, colours = values((30, 9, 8), "uint16"), values((4, 9, 8, 3), "uint8")
    save(tmp_path / "a.npz", grey=grey, label=np.arange(30), colours=colours, one=grey[0])
    record, config = FileImage(str(tmp_path / "a.npz")), ImagesConfig()
    rows = images_in(record, config)
    assert len(rows) == 35
    assert all(np.array_equal(read(row)[..., 0], pixels) for row, pixels in zip(rows[:30], grey, strict=True))
    assert all(np.array_equal(read(row), pixels) for row, pixels in zip(rows[30:34], colours, strict=True))
    assert np.array_equal(read(rows[-1])[..., 0], grey[0])
    assert rows[3].path.endswith("a.npz[grey][3]")
    with pytest.raises(ValueError, match="holds 35 images"):
        read(record)


def test_rows_of_an_npy_file_are_read_where_they_lie(tmp_path, monkeypatch):
    stack = values((30, 40, 50), "float32")
    np.save(tmp_path / "a.npy", stack)
    rows = images_in(FileImage(str(tmp_path / "a.npy")), ImagesConfig())
    modes, load = [], np.load
    monkeypatch.setattr(np, "load", lambda *a, **k: modes.append(k.get("mmap_mode")) or load(*a, **k))
    assert np.array_equal(read(rows[7])[..., 0], stack[7])
    assert modes == ["r"]


def test_a_file_of_arrays_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "a.npy"
    for seed in range(2):
        stack = values((20, 9, 8), "uint16", seed)
        np.save(path, stack)
        os.utime(path, ns=(seed, seed))
        row = images_in(FileImage(str(path)), ImagesConfig())[3]
        assert np.array_equal(read(row)[..., 0], stack[3])


@pytest.mark.parametrize(
    ("shape", "layout", "expected"),
    [
        ((6, 9, 9), "CHW", (9, 9, 6)),
        ((9, 9, 6), "CHW", (9, 6, 9)),
        ((6, 3, 9, 9), "NCHW", (9, 9, 3)),
        ((6, 9, 9, 3), "NHWC", (9, 9, 3)),
        ((6, 7, 9), "NHW", (7, 9, 1)),
    ],
)
def test_the_layout_of_arrays_can_be_said(tmp_path, shape, layout, expected):
    np.save(tmp_path / "a.npy", values(shape, "uint8"))
    config = ImagesConfig(layout=layout)
    rows = images_in(FileImage(str(tmp_path / "a.npy")), config)
    assert len(rows) == (shape[0] if "N" in layout else 1)
    assert read_pixels(rows[0], config).shape == expected


def test_arrays_that_are_no_images_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(9))
    np.save(tmp_path / "b.npy", np.ones((9, 9), complex))
    for name, message in (("a", "no array of two to four axes"), ("b", "complex128")):
        with pytest.raises(ValueError, match=message):
            read(FileImage(str(tmp_path / f"{name}.npy")))


@pytest.fixture
def dicom():
    """`dicom(pixels, "MONOCHROME2", slope=2)`: a DICOM image."""
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")

    def encode(pixels, photometric, bits=16, **others) -> BytesImage:
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        frames = pixels.shape[0] if pixels.ndim == 3 and photometric != "RGB" else 1
        dataset.Rows, dataset.Columns = pixels.shape[-2:] if photometric != "RGB" else pixels.shape[:2]
        dataset.SamplesPerPixel = 3 if photometric == "RGB" else 1
        dataset.PhotometricInterpretation = photometric
        dataset.BitsAllocated, dataset.BitsStored = 8 * pixels.itemsize, bits
        dataset.HighBit = bits - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        if photometric == "RGB":
            dataset.PlanarConfiguration = 0
        if frames > 1:
            dataset.NumberOfFrames = frames
        for name, value in others.items():
            setattr(dataset, name, value)
        dataset.PixelData = pixels.tobytes()
        content = io.BytesIO()
        pydicom.dcmwrite(content, dataset, enforce_file_format=True)
        return BytesImage(content.getvalue())

    return encode


def test_dicom_values_are_rescaled_and_inverted(dicom):
    pixels = values((8, 10), "uint16") % 4096
    assert np.array_equal(read(dicom(pixels, "MONOCHROME2", 12))[..., 0], pixels)
    assert np.array_equal(read(dicom(pixels, "MONOCHROME1", 12))[..., 0], 4095 - pixels)
    whole = read(dicom(pixels, "MONOCHROME2", 12, RescaleSlope=2, RescaleIntercept=-1024))
    assert whole.dtype == np.int32
    assert np.array_equal(whole[..., 0], 2 * pixels.astype(int) - 1024)
    fraction = read(dicom(pixels, "MONOCHROME2", 12, RescaleSlope="0.5", RescaleIntercept=3))
    assert np.array_equal(fraction[..., 0], (pixels / 2 + 3).astype(np.float32))


def test_dicom_frames_are_pages(dicom):
    pixels, config = values((5, 8, 10), "uint16"), ImagesConfig(pages="images")
    record = dicom(pixels, "MONOCHROME2")
    assert np.array_equal(read(record), pixels.transpose(1, 2, 0))
    assert np.array_equal([read_pixels(page, config)[..., 0] for page in images_in(record, config)], pixels)
    colours = values((8, 10, 3), "uint8")
    assert np.array_equal(read(dicom(colours, "RGB", 8)), colours)


def test_packages_that_are_missing_are_named(dicom, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(ValueError, match=r"needs the package pydicom; pip install 'eigenstep\[dicom\]'"):
        read(dicom(values((8, 10), "uint16"), "MONOCHROME2"))
    monkeypatch.setattr("eigenstep.images.decoding._read_pillow._can_read_heif", lambda: False)
    with pytest.raises(ValueError, match="needs the package pillow-heif; pip install"):
        read(BytesImage(b"\0\0\0\x18ftypheic" + bytes(100)))


@pytest.mark.parametrize("kind", ["avif", "heif"])
def test_avif_and_heif_are_read_as_pillow_reads_them(kind, noise):
    if kind == "heif":
        pytest.importorskip("pillow_heif", reason="pillow-heif is not installed").register_heif_opener()
    content = io.BytesIO()
    Image.fromarray(noise(64, 64, 3) // 8 + 100).save(content, kind)
    expected = np.asarray(Image.open(content).convert("RGB"))
    assert np.array_equal(read(BytesImage(content.getvalue())), expected)


@pytest.mark.parametrize("is_zipped", [False, True])
def test_the_pages_of_a_file_are_found_once_for_all_of_them(is_zipped, tmp_path, monkeypatch):
    pages = np.random.default_rng(0).integers(0, 65535, (20, 4, 4)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, contiguous=False)
    if is_zipped:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(tmp_path / "a.tif", "a.tif")
        (tmp_path / "a.tif").unlink()
    opened, begin = [], tifffile.TiffFile.__init__
    monkeypatch.setattr(
        tifffile.TiffFile, "__init__", lambda *values, **more: opened.append(1) or begin(*values, **more)
    )
    found = load_images(str(tmp_path), ImagesConfig(size=4, pages="images"))
    assert (found.images[:, 0].numpy() == pages).all()
    assert len(opened) == 2  # to count them, and to read them


def test_a_look_at_pictures_opens_each_once(tmp_path, monkeypatch):
    for name, kind in (("a.png", "uint8"), ("b.tif", "uint8")):
        Image.fromarray(np.zeros((4, 4, 3), kind)).save(tmp_path / name)
    opened, open_ = [], FileImage.open
    monkeypatch.setattr(FileImage, "open", lambda file: opened.append(Path(file.path).name) or open_(file))
    config = ImagesConfig()
    assert find_pixels(find_source(str(tmp_path)).open(config), config).channels == 3
    assert opened == ["a.png", "b.tif"]


def test_a_large_image_is_an_image_up_to_the_limit(tmp_path):
    Image.new("L", (14000, 14000), 128).save(tmp_path / "slide.png")
    Image.new("RGB", (32, 32), "red").save(tmp_path / "a.png")
    limit = Image.MAX_IMAGE_PIXELS
    config = ImagesConfig(size=8, most_pixels=10**8)
    found = load_images(str(tmp_path), config)
    told = "slide.png (it has 196 million pixels, more than --images.most-pixels)"
    assert (len(found.images), found.broken) == (1, [told])
    assert len(load_images(str(tmp_path), ImagesConfig(size=8)).images) == 2
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("record", [tiff(np.zeros((20, 30), "u2")), np.zeros((20, 30), "f4")])
def test_the_limit_holds_for_rasters_and_arrays(record):
    assert read(record, most_pixels=600).shape == (20, 30, 1)
    with pytest.raises(ValueError, match=r"600 pixels, more than --images\.most-pixels"):
        read(record, most_pixels=599)


# How values are stored.


def store(arrays, **options):
    """Through a data set: stored images (n, C, S, S), and what they consist of."""
    config = ImagesConfig(**({"size": arrays[0].shape[0]} | options))
    pixels = find_pixels(Arrays(arrays), config)
    return stored_images(arrays, config, pixels).numpy(), pixels


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 12, 60])
@pytest.mark.parametrize("dtype", [*TYPES, "int64"])
def test_a_types_values_are_stored_within_its_range(dtype, channels):
    arrays = [values((6, 6, channels), dtype, seed) for seed in range(4)]
    found, pixels = store(arrays)
    every = np.array(arrays, np.float64).transpose(0, 3, 1, 2)
    kind = np.dtype(dtype)
    low, high = {"bool": (0, 1), "uint8": (0, 255), "uint16": (0, 65535)}.get(
        dtype, (every.min(), every.max())
    )
    assert pixels.dtype == (
        "float32" if kind.kind == "f" or kind.itemsize > 2 else "uint16" if kind.itemsize == 2 else "uint8"
    )
    assert found.dtype == pixels.dtype
    assert found.shape == (4, channels, 6, 6)
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[pixels.dtype]
    expected = (every - low) / (high - low) * top
    assert np.abs(found - expected).max() <= (1e-6 if top == 1 else 0.5 + 1e-2)
    assert bool(pixels.range) == (dtype not in ("bool", "uint8", "uint16"))
    assert any("--images.range" in note for note in pixels.notes) == bool(pixels.range)


@pytest.mark.parametrize(
    ("make", "levels"),
    [
        (lambda ramp: ramp.astype("f4"), 64),
        (lambda ramp: np.where(np.arange(64) == 0, np.nan, ramp).astype("f4"), 63),
        (lambda ramp: (1.0001 * ramp).astype("f4"), 64),
        (lambda ramp: (255 * ramp).astype("f4"), 64),
        (lambda ramp: (255 * ramp).astype("i4"), 64),
        (lambda ramp: (4095 * ramp).astype("u2"), 64),
    ],
)
def test_no_grey_turns_black(make, levels):
    array = make(np.tile(np.linspace(0, 1, 64), (64, 1)))
    found, pixels = store([array])
    assert len(np.unique(found)) >= levels
    if array.dtype != np.uint16:
        assert found.min() == 0
        assert found.max() == {"uint16": 65535, "float32": 1}[pixels.dtype]
    else:
        assert any("--images.range 0 4095" in note for note in pixels.notes)


def test_images_of_8_and_16_bits_use_each_their_own_type():
    eight, sixteen, one = (values((6, 6), dtype) for dtype in ("uint8", "uint16", "bool"))
    found, pixels = store([eight, sixteen, one])
    assert pixels.dtype == "uint16"
    assert np.array_equal(found[0, 0], eight.astype(int) * 257)
    assert np.array_equal(found[1, 0], sixteen)
    assert np.array_equal(found[2, 0], one * 65535)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_a_range_that_is_asked_for_holds_for_every_image(dtype):
    arrays = [values((6, 6), "uint8", seed).astype(dtype) for seed in range(3)]
    found, pixels = store(arrays, range=(50.0, 150.0))
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[pixels.dtype]
    expected = (np.clip(np.array(arrays, float), 50, 150) - 50) / 100 * top
    assert np.abs(found[:, 0] - expected).max() <= (1e-6 if top == 1 else 0.5)
    assert pixels.range == (50, 150)
    assert pixels.notes == ()


def test_percentiles_are_those_of_the_data_set():
    arrays = [values((20, 20), "float32", seed) for seed in range(5)]
    found, pixels = store(arrays, range=("percentile", 2.0, 90.0))
    low, high = np.percentile(np.array(arrays, float), [2, 90])
    assert pixels.range == pytest.approx((low, high))
    assert np.abs(found[:, 0] - (np.clip(arrays, low, high) - low) / (high - low)).max() < 1e-6
    assert "percentiles 2 and 90" in pixels.notes[0]


@pytest.mark.parametrize("asked", [(3.0, 3.0), (0.0, float("inf")), ("percentile", -1.0, 50.0)])
def test_a_range_that_is_none_is_refused(asked):
    with pytest.raises(ValueError, match=r"expected --images.range to be"):
        store([values((6, 6), "float32")], range=asked)


def test_the_range_is_that_of_the_data_set_and_not_of_one_image():
    arrays = [np.full((6, 6), level, np.float32) for level in (0, 5, 10)]
    found, _ = store(arrays)
    assert found[:, 0, 0, 0].tolist() == [0, 0.5, 1]


def test_nan_is_the_lowest_and_infinity_the_highest_value_and_they_are_counted(tmp_path):
    arrays = [values((6, 6), "float32", seed) for seed in range(5)]
    low, high = np.min(arrays), np.max(arrays)
    arrays[1][0, :3] = np.nan, np.inf, -np.inf
    for number, array in enumerate(arrays):
        tifffile.imwrite(tmp_path / f"{number}.tif", array)
    found = load_images(str(tmp_path), ImagesConfig(size=6))
    assert found.pixels.range == (low, high)
    assert found.images[1, 0, 0, :3].tolist() == [0, 1, 0]
    assert found.with_gaps == 1
    assert any(note.startswith("1 of 5 images looked at hold NaN") for note in found.pixels.notes)


def test_images_of_one_value_or_of_none_are_black():
    found, _ = store([np.full((6, 6), 7.0), np.full((6, 6), np.nan)])
    assert (found == 0).all()


# Channels.


def test_grey_and_colours_together_are_three_channels():
    grey, colours = values((6, 6), "uint8"), values((6, 6, 3), "uint8")
    found, pixels = store([grey, colours, grey])
    assert pixels.channels == 3
    assert np.array_equal(found[0], np.repeat(grey[None], 3, axis=0))
    assert np.array_equal(found[1], colours.transpose(2, 0, 1))
    assert pixels.notes[0].startswith("2 of 3 images looked at are grey")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_colours_become_grey_by_luma(dtype):
    colours = np.abs(values((6, 6, 3), dtype))
    found, _ = store([colours], channels=1, range=(0.0, float(colours.max())) if dtype == "float32" else None)
    expected = colours @ np.array([0.299, 0.587, 0.114])
    expected = expected / colours.max() if dtype == "float32" else expected
    assert np.abs(found[0, 0] - expected).max() <= (1e-6 if dtype == "float32" else 0.5)
    if dtype == "uint8":
        grey = np.asarray(Image.fromarray(colours).convert("L"))
        picture = stored_images(Image.fromarray(colours), ImagesConfig(size=6, channels=1))
        assert np.array_equal(picture[0, 0], grey)


def test_channels_are_taken_in_their_order():
    arrays = [values((6, 6, 12), "uint16", seed) for seed in range(3)]
    found, pixels = store(arrays, take=(4, 3, 2))
    assert pixels.channels == 3
    assert np.array_equal(found, np.array(arrays)[..., [3, 2, 1]].transpose(0, 3, 1, 2))


def test_the_range_is_that_of_the_channels_that_are_taken():
    array = values((6, 6, 3), "float32")
    array[..., 1] *= 1000
    assert store([array], take=(1, 3))[1].range == (array[..., ::2].min(), array[..., ::2].max())


@pytest.mark.parametrize("stream", ["never", "always"])
def test_what_an_image_beyond_those_looked_at_loses_is_told(stream, tmp_path):
    for row in range(300):
        Image.new("L", (4, 4), row % 256).save(tmp_path / f"{row:03d}.png")
    options = {"seed": 0, "batch_size": 100, "device": torch.device("cpu")}
    config = ImagesConfig(size=4, stream=stream, workers=0)

    def notes():
        images = open_images(str(tmp_path), config, **options)
        batches = images.batches(0)
        for _ in range(3):
            next(batches)
        return images.facts()["notes"]

    assert notes() == []
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "006.png")
    Image.fromarray(np.full((4, 4), 999, np.uint16)).save(tmp_path / "013.png")
    assert sorted(note.partition(",")[0] for note in notes()) == [
        "some images have colours", "some images have more than 8 bits"
    ]  # fmt: skip


def test_other_mixtures_of_channels_are_refused_with_their_counts():
    arrays = [values((6, 6, channels), "uint8") for channels in (3, 3, 12)]
    with pytest.raises(ValueError, match=r"^arrays: .* \(2 of 3, 1 of 12\); set .*channels .*--images.take"):
        store(arrays)
    assert store(arrays, take=(1, 2))[0].shape == (3, 2, 6, 6)
    with pytest.raises(ValueError, match="it has 12 channels, expected 3"):
        store(arrays, channels=3)
    with pytest.raises(ValueError, match=r"it has 3 channels, and --images\.take asks for 5"):
        store(arrays, take=(5,))


@pytest.mark.parametrize("options", [{"take": (0,)}, {"channels": 0}, {"take": (1, 2), "channels": 3}])
def test_channels_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match=r"expected --images\.(take|channels)"):
        store([values((6, 6, 3), "uint8")], **options)


def test_an_image_whose_channels_do_not_fit_is_broken_with_that_reason(tmp_path):
    for number in range(3):
        Image.fromarray(values((6, 6, 3), "uint8", number)).save(tmp_path / f"{number}.png")
    bands = values((6, 6, 12), "uint8")
    tifffile.imwrite(tmp_path / "bands.tif", bands, photometric="minisblack", planarconfig="contig")
    found = load_images(str(tmp_path), ImagesConfig(size=6, channels=3))
    assert (len(found.images), found.broken) == (3, ["bands.tif (it has 12 channels, expected 3)"])


# Squares.


@pytest.mark.parametrize("shape", [(50, 61), (61, 50), (9, 12), (16, 16), (16, 30)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 7, 12])
def test_several_channels_of_8_bits_are_resized_as_one_at_a_time(shape, channels):
    pixels = values((*shape, channels), "uint8")
    found, _ = store([pixels], size=16)
    for channel in range(channels):
        expected = ImageOps.fit(Image.fromarray(pixels[..., channel]), (16, 16), Image.Resampling.BILINEAR)
        assert np.array_equal(found[0, channel], np.asarray(expected))


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("shape", [(50, 61), (9, 12), (16, 16)])
def test_deeper_channels_are_resized_as_pillow_does_in_mode_f(dtype, shape):
    pixels = values((*shape, 5), dtype)
    found, about = store([pixels], size=16)
    low, high = about.range or (0, 1)
    for channel in range(5):
        image = Image.fromarray(
            ((pixels[..., channel].astype(float) - low) / (high - low)).astype(np.float32)
        )
        fitted = np.asarray(ImageOps.fit(image, (16, 16), Image.Resampling.BILINEAR))
        wanted = np.rint(fitted) if dtype == "uint16" else fitted
        assert np.abs(found[0, channel] - wanted).max() <= (0 if dtype == "uint16" else 1e-6)


def test_pictures_in_colours_are_stored_as_before(tmp_path, noise):
    Image.fromarray(noise(40, 57, 3)).save(tmp_path / "a.jpg")
    image = Image.open(tmp_path / "a.jpg").convert("RGB")
    expected = np.asarray(ImageOps.fit(image, (24, 24), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(load_images(str(tmp_path), ImagesConfig(size=24)).images[0], expected)


# Training on them.


@pytest.fixture
def rasters(tmp_path) -> Path:
    """22 images (6, 6) of 12 channels of 16 bits, one of them broken."""
    folder = tmp_path / "rasters"
    folder.mkdir()
    for number in range(22):
        pixels = values((6, 6, 12), "uint16", number)
        tifffile.imwrite(
            folder / f"{number:02d}.tif", pixels, photometric="minisblack", planarconfig="contig"
        )
    (folder / "05.tif").write_bytes((folder / "05.tif").read_bytes()[:500])
    return folder


def open_rasters(folder, stream, workers=0, size=6):
    return open_images(
        str(folder),
        ImagesConfig(size=size, stream=stream, workers=workers),
        seed=0,
        batch_size=5,
        device=torch.device("cpu"),
    )


@pytest.mark.slow
def test_deep_rasters_are_streamed_as_from_memory(rasters):
    expected = None
    order = np.random.default_rng([0, 0, 0]).permutation(22)[:20]
    for stream, workers in (("always", 0), ("always", 2)):
        images = open_rasters(rasters, stream, workers)
        assert (images.pixels.channels, images.pixels.dtype) == (12, "uint16")
        batches = images.batches(0)
        found = np.concatenate([next(batches).images.numpy() for _ in range(4)])
        assert found.dtype == np.uint16
        for row, image in zip(order.tolist(), found, strict=True):
            row = 6 if row == 5 else row
            assert np.array_equal(image, values((6, 6, 12), "uint16", row).transpose(2, 0, 1))
        assert expected is None or np.array_equal(found, expected)
        expected = found
        facts = images.facts()
        assert (facts["found"], facts["channels"], facts["dtype"]) == (22, 12, "uint16")
        assert all(name.startswith("05.tif (") for name in facts["broken_names"])
        batches.close()
        images.close()
    whole = open_rasters(rasters, "never")
    batch = next(whole.batches(0)).images
    assert batch.dtype == torch.uint16
    assert whole.facts()["found"] == whole.facts()["used"] + whole.facts()["broken"] == 22


@pytest.mark.parametrize("stream", ["always", "never"])
def test_statistics_are_those_of_all_values(rasters, stream):
    every = np.array([values((6, 6, 12), "uint16", row) for row in range(22) if row != 5]) / 65535
    found = open_rasters(rasters, stream).statistics()
    assert np.allclose(found.mean, every.mean(axis=(0, 1, 2)), rtol=0, atol=1e-14)
    assert np.allclose(found.std, every.std(axis=(0, 1, 2)), rtol=0, atol=1e-14)
    assert found.count == 21


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_stored_images_stay_as_they_are_and_are_resized_in_their_type(dtype):
    images = torch.from_numpy(np.random.default_rng(0).random((2, 5, 20, 20), np.float32))
    if dtype != torch.float32:
        images = (images * torch.iinfo(dtype).max).to(dtype)
    assert stored_images(images, ImagesConfig(size=20, channels=5)) is images
    smaller = stored_images(images, ImagesConfig(size=10))
    assert (smaller.dtype, smaller.shape) == (dtype, (2, 5, 10, 10))
    fitted = ImageOps.fit(Image.fromarray(images[1, 3].float().numpy()), (10, 10), Image.Resampling.BILINEAR)
    within = 1 if dtype == torch.uint8 else 0.5 if dtype == torch.uint16 else 1e-6
    assert np.abs(smaller[1, 3].float().numpy() - np.asarray(fitted)).max() <= within


def test_values_of_which_nothing_tells_the_range_are_refused():
    with pytest.raises(ValueError, match=r"are float32, whose range nothing says; set --images\.range"):
        stored_images(values((9, 9), "float32"), ImagesConfig(size=8, channels=1))
    with pytest.raises(ValueError, match=r"float32 images within \[0, 1\]"):
        stored_images(torch.full((1, 3, 8, 8), 2.0), ImagesConfig(size=8))


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", "int64"])
@pytest.mark.parametrize("highest", [255, 4095, 10**6])
def test_arrays_are_stored_in_the_depth_of_a_data_set_of_them(dtype, highest):
    rows = np.random.default_rng(0).integers(0, min(highest, 30_000), (6, 9, 9, 2)).astype(dtype)
    config = ImagesConfig(size=8, channels=2, range=(0, highest), layout="HWC")
    of_data = load_images(own_data(list(rows)), config).images
    assert torch.equal(stored_images(list(rows), config), of_data)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.2, 0.7, (0, 1)), (0.2, 1.1, (0.2, 1.1)), (-0.1, 0.7, (-0.1, 0.7))]
)
def test_floats_that_are_all_shares_are_not_stretched_and_others_are_by_the_whole_set(
    tmp_path, low, high, expected
):
    values = np.linspace(low, high, 2 * 64, dtype=np.float32).reshape(2, 8, 8)
    for number, each in enumerate(values):
        tifffile.imwrite(tmp_path / f"{number}.tif", each)
    found = load_images(str(tmp_path), ImagesConfig(size=8))
    assert found.pixels.range == pytest.approx(expected)
    bottom, top = expected
    assert np.allclose(found.images[:, 0], (values - bottom) / (top - bottom), rtol=0, atol=1e-6)
    assert any("set --images.range" in note for note in found.pixels.notes)

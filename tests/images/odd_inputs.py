"""Odd data sets and what is in them: written by NumPy, tifffile, Pillow and others, each array known before.

`python tests/images/odd_inputs.py [FOLDER]` prints what is found in each, and keeps them in the folder.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import tifffile
from PIL import Image

SIZE = 16
FULL = {"uint8": 255.0, "uint16": 65535.0}


@dataclass
class Expected:
    """What a data set holds.

    Attributes
    ----------
    images : list[np.ndarray]
        In the order of their names, each (C, H, W) with values between 0 and 1.
    broken, passed_over : int
        How many files cannot be decoded, and how many are no images to train on.
    options : dict
        Of `ImagesConfig`.
    labels : list[int] | None
        Of the images, where there are any.
    within : float
        How far a stored value may be from the true one: half a level of the stored type, or more where a
        format loses something.
    """

    images: list[np.ndarray]
    broken: int = 0
    passed_over: int = 0
    options: dict = field(default_factory=dict)
    labels: list[int] | None = None
    within: float = 1e-6


CASES: dict[str, Callable[[Path], Expected]] = {}


def case(name: str) -> Callable:
    def keep(make: Callable[[Path], Expected]) -> Callable:
        CASES[name] = make
        return make

    return keep


def levels(seed: int, channels: int | None, kind: str, top: int | None = None) -> np.ndarray:
    """Random whole numbers (H, W) or (H, W, C), up to `top` or the type's highest."""
    shape = (SIZE, SIZE) if channels is None else (SIZE, SIZE, channels)
    high = (top or np.iinfo(kind).max) + 1
    values = np.random.default_rng(seed).integers(0, high, shape).astype(kind)
    values.flat[0], values.flat[-1] = 0, high - 1
    return values


def scaled(values: np.ndarray, low: float = 0, high: float | None = None) -> np.ndarray:
    """(C, H, W) between 0 and 1; `high` is the type's where it is not given."""
    high = FULL[values.dtype.name] if high is None else high
    values = values[:, :, None] if values.ndim == 2 else values
    return ((values.astype(np.float64) - low) / (high - low)).transpose(2, 0, 1)


def png(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(values).save(content, "png")
    return content.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


RGB = [levels(seed, 3, "uint8") for seed in range(12)]
PNGS = [png(values) for values in RGB]


def rgb(*rows: int) -> list[np.ndarray]:
    return [scaled(RGB[row]) for row in rows]


def _tiffs(kind: str, channels: int | None, **options: object) -> Callable[[Path], Expected]:
    def make(folder: Path) -> Expected:
        images = [levels(seed, channels, kind) for seed in range(3)]
        for number, values in enumerate(images):
            tifffile.imwrite(folder / f"{number}.tif", values, **options)
        return Expected([scaled(values) for values in images])

    return make


for _channels in (2, 4, 5, 12, 60):
    for _kind in ("uint8", "uint16"):
        CASES[f"TIFF, {_channels} channels interleaved, {_kind}"] = _tiffs(
            _kind, _channels, photometric="minisblack", planarconfig="contig"
        )
CASES["TIFF, grey, uint16"] = _tiffs("uint16", None)
CASES["TIFF, RGB, uint16"] = _tiffs("uint16", 3, photometric="rgb")
CASES["TIFF, RGB, deflated in tiles"] = _tiffs(
    "uint8", 3, photometric="rgb", compression="zlib", tile=(16, 16)
)
CASES["BigTIFF, RGB, LZW with a predictor"] = _tiffs(
    "uint8", 3, photometric="rgb", bigtiff=True, compression="lzw", predictor=True
)


@case("TIFF, 12 channels in planes, uint16")
def _(folder: Path) -> Expected:
    images = [levels(seed, 12, "uint16") for seed in range(3)]
    for number, values in enumerate(images):
        planes = values.transpose(2, 0, 1)
        tifffile.imwrite(folder / f"{number}.tif", planes, photometric="minisblack", planarconfig="separate")
    return Expected([scaled(values) for values in images])


@case("TIFF of 5 pages, uint16")
def _(folder: Path) -> Expected:
    images = [levels(seed, 5, "uint16") for seed in range(3)]
    for number, values in enumerate(images):
        with tifffile.TiffWriter(folder / f"{number}.tiff") as file:
            for channel in range(5):
                file.write(values[:, :, channel], contiguous=False)
    return Expected([scaled(values) for values in images])


@case("TIFF of 5 pages, each an image")
def _(folder: Path) -> Expected:
    values = levels(0, 5, "uint8")
    with tifffile.TiffWriter(folder / "stack.tif") as file:
        for channel in range(5):
            file.write(values[:, :, channel], contiguous=False)
    return Expected([scaled(values[:, :, c]) for c in range(5)], options={"pages": "images"})


@case("OME-TIFF of 4 channels, uint16")
def _(folder: Path) -> Expected:
    images = [levels(seed, 4, "uint16") for seed in range(2)]
    for number, values in enumerate(images):
        tifffile.imwrite(folder / f"{number}.ome.tif", values.transpose(2, 0, 1), metadata={"axes": "CYX"})
    return Expected([scaled(values) for values in images])


@case("ImageJ hyperstack of 3 channels, uint16")
def _(folder: Path) -> Expected:
    images = [levels(seed, 3, "uint16") for seed in range(2)]
    for number, values in enumerate(images):
        tifffile.imwrite(
            folder / f"{number}.tif", values.transpose(2, 0, 1), imagej=True, metadata={"axes": "CYX"}
        )
    return Expected([scaled(values) for values in images])


@case("float32 greys 0 to 1, one pixel NaN")
def _(folder: Path) -> Expected:
    ramp = np.tile(np.linspace(0, 1, SIZE), (SIZE, 1)).astype("f4")
    hole = ramp.copy()
    hole[3, 3] = np.nan
    for name, values in (("a", ramp), ("b", hole)):
        tifffile.imwrite(folder / f"{name}.tif", values)
    return Expected([scaled(ramp, high=1), scaled(np.nan_to_num(hole, nan=0), high=1)])


@case("float32 with overshoot, --images.range 0 1")
def _(folder: Path) -> Expected:
    ramp = np.tile(np.linspace(-0.1, 1.1, SIZE), (SIZE, 1)).astype("f4")
    tifffile.imwrite(folder / "a.tif", ramp)
    return Expected([scaled(ramp.clip(0, 1), high=1)], options={"range": (0.0, 1.0)})


@case("float64, 5 channels, values -3 to 7")
def _(folder: Path) -> Expected:
    values = np.random.default_rng(0).uniform(-3, 7, (SIZE, SIZE, 5))
    values.flat[0], values.flat[-1] = -3, 7
    tifffile.imwrite(folder / "a.tif", values, photometric="minisblack", planarconfig="contig")
    return Expected([scaled(values, -3, 7)])


@case("int32 greys 0 to 255")
def _(folder: Path) -> Expected:
    values = levels(0, None, "int32", 255)
    Image.fromarray(values).save(folder / "a.tif")
    return Expected([scaled(values, 0, 255)])


@case("int16, -1,000 to 3,000 (tomography)")
def _(folder: Path) -> Expected:
    images = [levels(seed, None, "int16", 4000) - 1000 for seed in range(2)]
    for number, values in enumerate(images):
        tifffile.imwrite(folder / f"{number}.tif", values)
    return Expected([scaled(values, -1000, 3000) for values in images], within=1e-5)


@case("uint16 of 12 bits, --images.range 0 4095")
def _(folder: Path) -> Expected:
    images = [levels(seed, None, "uint16", 4095) for seed in range(2)]
    for number, values in enumerate(images):
        Image.fromarray(values).save(folder / f"{number}.png")
    return Expected(
        [scaled(values, 0, 4095) for values in images], options={"range": (0.0, 4095.0)}, within=1e-5
    )


@case("PNG of 16 bits beside one of 8 bits")
def _(folder: Path) -> Expected:
    deep, plain = levels(0, None, "uint16"), levels(1, None, "uint8")
    Image.fromarray(deep).save(folder / "a.png")
    Image.fromarray(plain).save(folder / "b.png")
    return Expected([scaled(deep), scaled(plain)], within=1e-5)


@case("grey PNGs")
def _(folder: Path) -> Expected:
    images = [levels(seed, None, "uint8") for seed in range(3)]
    write(folder, {f"{number}.png": png(values) for number, values in enumerate(images)})
    return Expected([scaled(values) for values in images])


@case("a grey PNG among coloured ones")
def _(folder: Path) -> Expected:
    grey = levels(20, None, "uint8")
    write(folder, {"0.png": PNGS[0], "1.png": png(grey), "2.png": PNGS[2]})
    return Expected([*rgb(0), scaled(np.repeat(grey[:, :, None], 3, 2)), *rgb(2)])


@case("bilevel, palette and transparent PNGs")
def _(folder: Path) -> Expected:
    bits = levels(0, None, "uint8", 1).astype(bool)
    Image.fromarray(bits).save(folder / "bits.png")
    palette = Image.fromarray(RGB[1]).quantize(8)
    palette.save(folder / "palette.png")
    seen = levels(2, 4, "uint8")
    Image.fromarray(seen, "RGBA").save(folder / "transparent.png")
    share = seen[:, :, 3:] / 255
    on_white = share * seen[:, :, :3] + (1 - share) * 255
    return Expected(
        [
            np.repeat(bits[None].astype(float), 3, 0),
            scaled(np.asarray(palette.convert("RGB"))),
            scaled(on_white, high=255),
        ],
        within=1.01 / 255,
    )


@case("12 channels, of which --images.take 4,3,2")
def _(folder: Path) -> Expected:
    values = levels(0, 12, "uint16")
    tifffile.imwrite(folder / "a.tif", values, photometric="minisblack", planarconfig="contig")
    return Expected([scaled(values[:, :, [3, 2, 1]])], options={"take": (4, 3, 2)})


@case("grey images, --images.channels 3")
def _(folder: Path) -> Expected:
    grey = levels(0, None, "uint8")
    write(folder, {"a.png": png(grey)})
    return Expected([scaled(np.repeat(grey[:, :, None], 3, 2))], options={"channels": 3})


@case("NumPy arrays, one image a file, 5 channels last")
def _(folder: Path) -> Expected:
    images = [levels(seed, 5, "uint16") for seed in range(3)]
    for number, values in enumerate(images):
        np.save(folder / f"{number}.npy", values)
    return Expected([scaled(values) for values in images])


@case("a stack of grey images in one NumPy array")
def _(folder: Path) -> Expected:
    stack = np.stack([levels(seed, None, "uint8") for seed in range(30)])
    np.save(folder / "stack.npy", stack)
    return Expected([scaled(values) for values in stack], options={"layout": "NHW"})


@case("channels first, four axes, in one NumPy array")
def _(folder: Path) -> Expected:
    stack = np.stack([levels(seed, 4, "uint16") for seed in range(7)])
    np.save(folder / "stack.npy", stack.transpose(0, 3, 1, 2))
    return Expected([scaled(values) for values in stack])


@case("images and labels in one .npz")
def _(folder: Path) -> Expected:
    stack = np.stack(RGB[:6])
    np.savez(folder / "set.npz", images=stack, labels=np.array([0, 1, 2, 0, 1, 2]))
    return Expected(rgb(*range(6)), labels=[0, 1, 2, 0, 1, 2])


@case("an .npz with labels (n, 1), and a damaged one")
def _(folder: Path) -> Expected:
    stack = np.stack([levels(seed, None, "uint8") for seed in range(40)])
    np.savez(folder / "a.npz", images=stack, labels=np.arange(40)[:, None] % 3)
    (folder / "b.npz").write_bytes((folder / "a.npz").read_bytes()[:-30])
    return Expected([scaled(each) for each in stack], broken=1, labels=[row % 3 for row in range(40)] + [-1])


@case("colours of 16 bits in PNG, PPM and JPEG 2000")
def _(folder: Path) -> Expected:
    import imagecodecs

    images = [levels(seed, 3, "uint16") for seed in range(3)]
    (folder / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(images[0], level=0, reversible=True))
    (folder / "b.png").write_bytes(imagecodecs.png_encode(images[1]))
    (folder / "c.ppm").write_bytes(b"P6\n16 16\n65535\n" + images[2].astype(">u2").tobytes())
    return Expected([scaled(values) for values in images])


def turned_png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits that is to be shown turned to the right."""
    import imagecodecs

    turn = Image.Exif()
    turn[274] = 6
    content = imagecodecs.png_encode(values)
    part = b"eXIf" + turn.tobytes().removeprefix(b"Exif\0\0")
    size, checksum = (value.to_bytes(4, "big") for value in (len(part) - 4, zlib.crc32(part)))
    return content[:33] + size + part + checksum + content[33:]


@case("PNGs of 16 bits that are to be turned")
def _(folder: Path) -> Expected:
    images = [levels(seed, channels, "uint16") for seed, channels in enumerate((3, 4, None))]
    write(folder, {f"{row}.png": turned_png(values) for row, values in enumerate(images)})
    share = images[1][:, :, 3:] / 65535
    on_white = share * images[1][:, :, :3] + (1 - share) * 65535
    greys = np.repeat(images[2][:, :, None], 3, 2)
    return Expected(
        [scaled(np.rot90(each, -1), high=65535) for each in (images[0], on_white, greys)], within=1e-5
    )


@case("PNG of 16 bits, of which one value is transparent")
def _(folder: Path) -> Expected:
    grey = levels(0, None, "uint16")
    clear = int(grey[3, 3])
    Image.fromarray(grey).save(folder / "a.png", transparency=clear)
    return Expected([scaled(np.where(grey == clear, 65535, grey), high=65535)])


@case("CMYK TIFF of 16 bits")
def _(folder: Path) -> Expected:
    inks = levels(0, 4, "uint16")
    tifffile.imwrite(folder / "a.tif", inks, photometric="separated")
    left = 1 - inks / 65535
    return Expected([(left[:, :, :3] * left[:, :, 3:]).transpose(2, 0, 1)], within=1e-5)


@case("truth values in three channels, --images.channels 1")
def _(folder: Path) -> Expected:
    values = RGB[0] > 99
    np.save(folder / "a.npy", values)
    return Expected([(values @ np.array([0.299, 0.587, 0.114]))[None]], options={"channels": 1})


@case("PostScript and FITS, which Pillow would run or read as other values")
def _(folder: Path) -> Expected:
    Image.fromarray(RGB[0]).save(folder / "a.eps")
    (folder / "a.eps").rename(folder / "a.jpg")
    header = {"SIMPLE": "T", "BITPIX": 16, "NAXIS": 2, "NAXIS1": SIZE, "NAXIS2": SIZE, "BZERO": 32768}
    cards = "".join(f"{name:8}= {value:>20}".ljust(80) for name, value in header.items()) + "END"
    (folder / "b.fits").write_bytes(cards.ljust(2880).encode() + bytes(2880))
    write(folder, {"c.png": PNGS[1]})
    return Expected(rgb(1), broken=2)


@case("DICOM of 12 bits, rescaled")
def _(folder: Path) -> Expected:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    images = [levels(seed, None, "uint16", 4095) for seed in range(2)]
    for number, values in enumerate(images):
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = (
            SecondaryCaptureImageStorage,
            ExplicitVRLittleEndian,
        )
        meta.MediaStorageSOPInstanceUID = generate_uid()
        file = pydicom.dataset.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        file.Rows, file.Columns, file.SamplesPerPixel = SIZE, SIZE, 1
        file.PhotometricInterpretation, file.PixelRepresentation = "MONOCHROME2", 0
        file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
        file.RescaleSlope, file.RescaleIntercept = 1, -1024
        file.PixelData = values.tobytes()
        file.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return Expected([scaled(values, 0, 4095) for values in images], within=1e-5)


def _lossy(kind: str, suffix: str) -> Callable[[Path], Expected]:
    def make(folder: Path) -> Expected:
        if kind == "heif":
            import pillow_heif

            pillow_heif.register_heif_opener()
        smooth = [
            np.asarray(Image.fromarray(values).resize((4, 4)).resize((SIZE, SIZE))) for values in RGB[:3]
        ]
        expected = []
        for number, values in enumerate(smooth):
            Image.fromarray(values).save(folder / f"{number}{suffix}", kind)
            expected.append(scaled(np.asarray(Image.open(folder / f"{number}{suffix}").convert("RGB"))))
        return Expected(expected)

    return make


CASES["JPEG"] = _lossy("jpeg", ".jpg")
CASES["AVIF"] = _lossy("avif", ".avif")
CASES["HEIC"] = _lossy("heif", ".heic")
CASES["JPEG without a suffix"] = _lossy("jpeg", "")
CASES["WebP called .jpg"] = _lossy("webp", ".jpg")


@case("CMYK JPEG")
def _(folder: Path) -> Expected:
    Image.fromarray(RGB[0]).convert("CMYK").save(folder / "a.jpg", quality=95)
    return Expected([scaled(np.asarray(Image.open(folder / "a.jpg").convert("RGB")))])


@case("14,000 x 14,000 pixels in one PNG")
def _(folder: Path) -> Expected:
    Image.new("L", (14000, 14000), 128).save(folder / "slide.png")
    Image.new("L", (SIZE, SIZE), 3).save(folder / "small.png")
    return Expected([np.full((1, SIZE, SIZE), value / 255) for value in (128, 3)])


def _named(*names: str, **options: object) -> Callable[[Path], Expected]:
    def make(folder: Path) -> Expected:
        order = sorted(range(len(names)), key=lambda row: names[row])
        write(folder, {names[row]: PNGS[row] for row in range(len(names))})
        return Expected(rgb(*order), **options)

    return make


CASES["classes bus, car, train"] = _named(
    "bus/0.png", "bus/1.png", "car/0.png", "train/0.png", labels=[0, 0, 1, 2]
)
CASES["classes dev, prod"] = _named("dev/0.png", "prod/0.png", labels=[0, 1])
CASES["photos and 'train station.png'"] = _named("0.png", "1.png", "train station.png", "test-tube.png")
CASES["folders train and test"] = _named("train/a/0.png", "train/b/0.png", labels=[0, 1])
CASES["names with [ ] :: * %20 # ? and a line's end"] = _named(
    "a[1].png", "b::c.png", "d*e.png", "f%20g.png", "h#i.png", "j?k=l.png", "m\nn.png", "zip:o.png"
)
CASES["names in other scripts and with spaces"] = _named("雪 山.png", "été/ü.png", "  x .png", "-y.png")
CASES["capital suffixes and several dots"] = _named("A.PNG", "b.tar.png", "c.train.0001.png")


@case("a name that is no text")
def _(folder: Path) -> Expected:
    name = os.fsencode(str(folder)) + b"/\xff\xfe.png"
    with open(name, "wb") as file:
        file.write(PNGS[0])
    return Expected(rgb(0))


@case("links to a file, to a folder, in a circle, to nothing")
def _(folder: Path) -> Expected:
    away = folder.parent / f"{folder.name}-away"
    write(away, {"0.png": PNGS[0], "sub/1.png": PNGS[1]})
    write(folder, {"c.png": PNGS[2]})
    (folder / "a.png").symlink_to(away / "0.png")
    (folder / "b").symlink_to(away / "sub")
    (folder / "d").symlink_to(folder)
    (folder / "e.png").symlink_to(away / "gone.png")
    return Expected(rgb(0, 1, 2), passed_over=2)


@case("hidden, empty, cut and foreign files beside images")
def _(folder: Path) -> Expected:
    write(
        folder,
        {
            "a.png": PNGS[0],
            ".hidden.png": PNGS[1],
            "empty.png": b"",
            "half.png": PNGS[2][: len(PNGS[2]) // 2],
            "words.png": b"no image at all, but words that go on for a while",
            "notes.txt": b"notes",
            "metadata.csv": b"file_name,label\na.png,1\n",
            "metadata.jsonl": b'{"file_name": "gone.png"}\n',
            "weights.pth": b"\x80\x02weights",
            "Thumbs.db": b"\xd0\xcf\x11\xe0",
        },
    )
    return Expected(rgb(0), broken=3, passed_over=6)


@case("a foreign Parquet table beside images")
def _(folder: Path) -> Expected:
    write(folder, {"a.png": PNGS[0], "b.png": PNGS[1]})
    parquet.write_table(pa.table({"score": [1.0, 2.0]}), folder / "scores.parquet")
    return Expected(rgb(0, 1), passed_over=1)


def zipped(files: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


@case("a zip beside photos")
def _(folder: Path) -> Expected:
    write(
        folder, {"a.png": PNGS[0], "b.zip": zipped({"x.png": PNGS[1], "y::z.png": PNGS[2]}), "c.png": PNGS[3]}
    )
    return Expected(rgb(0, 1, 2, 3))


@case("a zip of class folders with what macOS adds")
def _(folder: Path) -> Expected:
    files = {"cat/a.png": PNGS[0], "dog/b.png": PNGS[1], "__MACOSX/cat/._a.png": b"x", "cat/.DS_Store": b"x"}
    write(folder, {"pets.zip": zipped(files, zipfile.ZIP_LZMA)})
    return Expected(rgb(0, 1), passed_over=2, labels=[0, 1])


@case("archives whose paths begin with ./, / and ..")
def _(folder: Path) -> Expected:
    files = {"./cat/a.png": PNGS[0], "/dog/b.png": PNGS[1], "../dog/c.png": PNGS[2]}
    write(folder, {"a.zip": zipped(files), "b.tar": tarred(files)})
    return Expected(rgb(0, 1, 2, 0, 1, 2))


@case("a zip of class folders in a folder called .")
def _(folder: Path) -> Expected:
    write(folder, {"a.zip": zipped({"./cat/a.png": PNGS[0], "./dog/b.png": PNGS[1]})})
    return Expected(rgb(0, 1), labels=[0, 1])


@case("a zip file as --data")
def _(folder: Path) -> Expected:
    write(folder, {"only.zip": zipped({f"{row}.png": PNGS[row] for row in range(3)})})
    return Expected(rgb(0, 1, 2), options={"data": "only.zip"})


@case("tars named train and extra")
def _(folder: Path) -> Expected:
    write(
        folder,
        {"extra.tar": tarred({"y0.png": PNGS[0]}), "train.tar": tarred({"0.png": PNGS[1], "1.png": PNGS[2]})},
    )
    return Expected(rgb(0, 1, 2))


@case("compressed tars of each kind")
def _(folder: Path) -> Expected:
    packed = {
        "a.tar.gz": gzip.compress,
        "b.tgz": gzip.compress,
        "c.tar.bz2": bz2.compress,
        "d.tar.xz": lzma.compress,
    }
    write(
        folder, {name: pack(tarred({"0.png": PNGS[row]})) for row, (name, pack) in enumerate(packed.items())}
    )
    return Expected(rgb(0, 1, 2, 3))


@case("a tar, a zip and a photo in one folder")
def _(folder: Path) -> Expected:
    archives = {"a.tar": tarred({"0.png": PNGS[2]}), "b.zip": zipped({"0.png": PNGS[0]})}
    write(folder, archives | {"c.png": PNGS[1]})
    return Expected(rgb(0, 1, 2))  # files and zips by their names, then what is read in order


@case("a zip within a zip")
def _(folder: Path) -> Expected:
    inner = zipped({"deep.png": PNGS[1]})
    write(folder, {"a.zip": zipped({"0.png": PNGS[0], "inner.zip": inner})})
    return Expected(rgb(0), passed_over=1)


@case("Parquet, a column of raw bytes, uint64 labels")
def _(folder: Path) -> Expected:
    parquet.write_table(
        pa.table({"jpg": pa.array(PNGS[:3], pa.binary()), "label": pa.array([2**63 + 5, 3, 5], pa.uint64())}),
        folder / "part.parquet",
    )
    return Expected(rgb(0, 1, 2), labels=[2, 0, 1])


@case("Parquet, structs, bool labels with a gap")
def _(folder: Path) -> Expected:
    rows = [{"bytes": content, "path": None} for content in PNGS[:3]]
    parquet.write_table(
        pa.table({"image": rows, "ok": pa.array([True, None, False])}), folder / "part.parquet"
    )
    return Expected(rgb(0, 1, 2), labels=[1, -1, 0])


@case("Parquet, a null, an empty and a broken row")
def _(folder: Path) -> Expected:
    rows = [{"bytes": content, "path": None} for content in (PNGS[0], b"", b"junk")] + [None]
    parquet.write_table(pa.table({"image": rows}), folder / "part.parquet")
    return Expected(rgb(0), broken=3)


@case("Arrow stream and Feather files")
def _(folder: Path) -> Expected:
    for name, row in (("a.arrow", 0), ("b.arrow", 1)):
        table = pa.table({"image": [{"bytes": PNGS[row], "path": "x.png"}]})
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    feather.write_feather(pa.table({"image": [{"bytes": PNGS[2], "path": "x.png"}]}), folder / "c.feather")
    return Expected(rgb(0, 1, 2))


@case("Parquet, images and labels in dictionaries")
def _(folder: Path) -> Expected:
    labels = pa.array(["b", "a"]).dictionary_encode()
    encoded = pa.array(PNGS[:2]).dictionary_encode()
    parquet.write_table(pa.table({"image": encoded, "label": labels}), folder / "a.parquet")
    return Expected(rgb(0, 1), labels=[1, 0])


@case("Parquet, tensors of Arrow's")
def _(folder: Path) -> Expected:
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack(RGB[:3]))
    parquet.write_table(pa.table({"image": tensors}), folder / "a.parquet")
    return Expected(rgb(0, 1, 2))


@case("a save_to_disk folder of the datasets library")
def _(folder: Path) -> Expected:
    import datasets

    rows = {"image": [{"bytes": content, "path": None} for content in PNGS[:4]], "label": [0, 1, 1, 0]}
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(folder / "saved"))
    return Expected(rgb(0, 1, 2, 3), labels=[0, 1, 1, 0], options={"data": "saved"}, passed_over=2)


@case("a CSV list of paths with labels")
def _(folder: Path) -> Expected:
    write(folder, {f"img/{row}.png": PNGS[row] for row in range(4)})
    (folder / "list.csv").write_text("path,label\nimg/2.png,cat\nimg/0.png,dog\nimg/1.png,cat\n")
    return Expected(rgb(2, 0, 1), labels=[0, 1, 0], options={"data": "list.csv"})


@case("a CSV list of paths from its own folder, --images.root above it")
def _(folder: Path) -> Expected:
    write(
        folder, {"img/0.png": PNGS[0], "lists/list.csv": b"path\n../img/0.png\nimg/0.png\n../img/gone.png\n"}
    )
    return Expected(rgb(0, 0), broken=1, options={"data": "lists/list.csv", "root": str(folder)})


@case("a JSON list of paths with labels")
def _(folder: Path) -> Expected:
    write(folder, {f"img/{row}.png": PNGS[row] for row in range(3)})
    lines = [{"file_name": f"img/{row}.png", "label": row / 1.0} for row in (1, 0)]
    (folder / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return Expected(rgb(1, 0), labels=[1, 0], options={"data": "list.jsonl"})


@case("Parquet rows that name files beside it")
def _(folder: Path) -> Expected:
    write(folder, {f"img/{row}.png": PNGS[row] for row in range(3)})
    rows = [{"bytes": None, "path": f"img/{row}.png"} for row in (2, 0)]
    parquet.write_table(pa.table({"image": rows}), folder / "part.parquet")
    return Expected(rgb(2, 0), passed_over=1)


@dataclass
class Look:
    """What Eigenstep found in a data set, beside what is in it."""

    expected: Expected
    images: np.ndarray
    labels: list[int] | None
    facts: dict

    @property
    def error(self) -> float:
        """The furthest that a stored value is from the true one; infinite if another image is there."""
        wanted = np.stack(self.expected.images)
        if self.images.shape != wanted.shape:
            return float("inf")
        return float(np.abs(self.images - wanted).max())


def look(name: str, folder: Path) -> Look:
    """Write a case into an empty folder and read it."""
    import dataclasses

    import torch

    from eigenstep.images import ImagesConfig, open_images, open_in_order

    expected = CASES[name](folder)
    options = dict(expected.options)
    data = str(folder / options.pop("data", ""))
    config = ImagesConfig(size=SIZE, stream="never", **options)
    count = len(expected.images)
    opened = open_images(data, config, seed=0, batch_size=1, device=torch.device("cpu"))
    images = opened.probe(10**6)
    facts = opened.facts()
    scale = FULL.get(facts["dtype"], 1.0)
    labels = open_in_order(data, dataclasses.replace(config, limit=None)).labels
    numbers = None if labels is None else labels.numbers.tolist()
    assert count, name
    return Look(expected, images.numpy().astype(np.float64) / scale, numbers, facts)


def main() -> None:
    import sys
    import tempfile
    import warnings

    warnings.simplefilter("ignore")
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    print(f"{'input':58} {'used':>4} {'broken':>6} {'passed':>6}  {'stored as':17} furthest")
    for number, name in enumerate(CASES):
        folder = root / f"{number:02d}"
        folder.mkdir(parents=True)
        try:
            seen = look(name, folder)
        except Exception as error:
            print(f"{name:58} {type(error).__name__}: {error}")
            continue
        facts = seen.facts
        stored = f"{facts['dtype']} x {facts['channels']}"
        counts = f"{facts['used']:4} {facts['broken']:6} {sum(facts['passed_over'].values()):6}"
        print(f"{name:58} {counts}  {stored:17} {seen.error:.1e}")


if __name__ == "__main__":
    main()

import tracemalloc
import warnings
from array import array

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from eigenstep.embeddings import as_tensor

VALUES = np.random.default_rng(0).normal(size=(6, 3))


class Exporter:
    """An array of a library that nobody here knows."""

    def __init__(self, exported):
        self.exported = exported

    def __dlpack__(self, **options):
        return self.exported.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.exported.__dlpack_device__()


class Convertible:
    def __array__(self, dtype=None, copy=None):
        return VALUES


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(
    "given",
    [
        VALUES,
        read_only(VALUES),
        VALUES.copy()[::-1][::-1],
        np.ascontiguousarray(VALUES[::-1])[::-1],
        np.ascontiguousarray(VALUES[:, ::-1])[:, ::-1],
        VALUES.repeat(2, 0)[::2],
        VALUES.astype(">f8"),
        VALUES.astype("longdouble"),
        np.asfortranarray(VALUES),
        memoryview(VALUES),
        pd.DataFrame(VALUES, columns=list("abc"), index=list("uvwxyz")),
        pd.DataFrame(VALUES).astype("Float64"),
        pd.DataFrame(VALUES).astype("double[pyarrow]"),
        pa.table(dict(zip("abc", VALUES.T, strict=True))),
        Convertible(),
        Exporter(VALUES),
        Exporter(read_only(VALUES)),
        Exporter(VALUES[::-1].copy()[::-1]),
        Exporter(torch.from_numpy(VALUES)),
        VALUES.tolist(),
        list(VALUES),
        tuple(torch.from_numpy(VALUES)),
        [pd.Series(row) for row in VALUES],
        [array("d", row) for row in VALUES],
    ],
    ids=lambda given: type(given).__name__,
)
def test_any_array_gives_its_values(given):
    found = as_tensor(given)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found.numpy(), VALUES)


@pytest.mark.parametrize("kind", [">f2", ">f4", ">i2", "<u4", "u8", "?", "bfloat16", "float8_e4m3fn"])
def test_the_type_of_the_numbers_is_kept(kind):
    values = (10 * VALUES).astype(getattr(ml_dtypes, kind, kind))
    found = as_tensor(values)
    assert str(found.dtype).removeprefix("torch.") == values.dtype.newbyteorder("=").name
    np.testing.assert_array_equal(found.double().numpy(), values.astype(np.float64))


def test_a_column_of_a_structured_array_is_taken_across_its_odd_strides():
    records = np.zeros(6, [("z", "f4", 3), ("label", "i1")])
    records["z"] = VALUES
    np.testing.assert_array_equal(as_tensor(records["z"]).numpy(), records["z"])


@pytest.mark.parametrize(
    "wrap", [lambda z: z, read_only, Exporter, pd.DataFrame, lambda z: z[::2], memoryview]
)
def test_nothing_is_copied_that_torch_can_see(wrap):
    given = wrap(VALUES)
    there = np.asarray(given.exported if isinstance(given, Exporter) else given)
    assert as_tensor(given).data_ptr() == there.ctypes.data


def test_a_tensor_is_returned_as_it_is():
    for tensor in (torch.ones(2, 3, requires_grad=True), torch.ones(2, 3, device="meta", dtype=torch.half)):
        assert as_tensor(tensor) is tensor


def test_what_is_missing_is_nan():
    expected = np.array([[1.0, np.nan], [2.0, 3.0]])
    for given in (
        np.ma.MaskedArray([[1, 7], [2, 3]], [[0, 1], [0, 0]]),
        pd.DataFrame({"a": [1, 2], "b": [None, 3]}, dtype="Int64"),
        pd.DataFrame({"a": [1.0, 2.0], "b": [None, 3.0]}),
    ):
        np.testing.assert_array_equal(as_tensor(given).numpy(), expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a.npy", "expected z as a tensor, an array or rows, got str"),
        (None, "expected z as a tensor, an array or rows, got NoneType"),
        ({"a": 1}, "expected z as a tensor, an array or rows, got dict"),
        ((row for row in VALUES), "expected z as a tensor, an array or rows, got generator"),
        (scipy.sparse.csr_array(VALUES), r"got scipy\.sparse.*csr_array; convert with \.toarray\(\)"),
        (VALUES + 1j, "expected z of real numbers, got torch.complex128"),
        (torch.ones(2, dtype=torch.cfloat), "expected z of real numbers, got torch.complex64"),
        (np.full((2, 2), "a"), "expected z of real numbers, got numpy.ndarray of <U1"),
        (VALUES.astype(object), "expected z of real numbers, got numpy.ndarray of object"),
        (
            pd.DataFrame(VALUES).assign(label="a"),
            r"DataFrame of object; leave out its columns 'label' \(str\)",
        ),
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused_by_its_name_and_type(given, message):
    with pytest.raises(TypeError, match=f"^(?=.*{message})[^\n]*$"):
        as_tensor(given, "z")


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [torch.ones(2), torch.ones(3)]])
def test_rows_of_several_lengths_are_refused(rows):
    with pytest.raises(ValueError, match=r"^expected z as rows of one length: [^\n]*$"):
        as_tensor(rows, "z")


def test_a_data_frame_of_single_precision_is_not_copied_to_double():
    frame = pd.DataFrame(np.ones((100_000, 4), np.float32))
    tracemalloc.start()
    try:
        found = as_tensor(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.dtype == torch.float32
    assert peak < 8 * frame.size  # of the copy in double precision

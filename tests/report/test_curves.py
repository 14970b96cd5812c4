import numpy as np
import pytest

from eigenstep.record import read_record
from eigenstep.report import EIGENVALUES, POINTS, eigenvalue_curves, loss_curve, sparkline


def test_short_records_are_plotted_whole_in_both_units(write_run):
    record = read_record(write_run())
    curve = loss_curve(record)
    np.testing.assert_allclose(curve["value"], record.metrics["loss"], rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(np.array(curve["step"]) * 0.005, curve["time"])
    values = np.array(eigenvalue_curves(record)["values"])
    np.testing.assert_allclose(values.T, record.eigenvalues["cross_correlation"], rtol=1e-4)


@pytest.mark.slow
def test_long_and_wide_records_are_cut_to_what_a_plot_can_show(write_run):
    curves = eigenvalue_curves(read_record(write_run(rows=2000, dimension=40, projections=False)))
    assert np.shape(curves["values"]) == (EIGENVALUES, POINTS)


def test_a_sparkline_spans_its_box_and_skips_what_is_not_finite():
    steps = np.array([0, 1, 2, 50, 100])
    points = sparkline(steps, np.array([3.0, np.nan, 2.0, np.inf, 1.0]), width=10, height=12)
    assert points == "0.0,1.0 0.2,6.0 10.0,11.0"


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 1.0]])
def test_fewer_than_two_finite_values_draw_nothing(values):
    assert sparkline(np.arange(len(values)), np.array(values)) == ""

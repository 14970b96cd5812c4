"""One self-contained HTML page on a run, or on several runs side by side, from their run folders alone.

What the page is made of serves the live page too: the cloud and the curves as it draws them, numbers and
`facts` in words.
"""

from eigenstep.report._alignment import align_frames, anchor_frames
from eigenstep.report._cloud import FRAMES, SAMPLES, point_cloud
from eigenstep.report._curves import (
    EIGENVALUES,
    POINTS,
    eigenvalue_curves,
    loss_curve,
    predicted_curves,
    sparkline,
)
from eigenstep.report._numbers import plain, thin, written
from eigenstep.report._page import inline_json, render_page
from eigenstep.report._report import write_report
from eigenstep.report._section import RunSection
from eigenstep.report._spectrum_figure import check_figure, write_spectrum_figure
from eigenstep.report._sprites import sprite_sheet

__all__ = [
    "EIGENVALUES",
    "FRAMES",
    "POINTS",
    "SAMPLES",
    "RunSection",
    "align_frames",
    "anchor_frames",
    "check_figure",
    "eigenvalue_curves",
    "inline_json",
    "loss_curve",
    "plain",
    "point_cloud",
    "predicted_curves",
    "render_page",
    "sparkline",
    "sprite_sheet",
    "thin",
    "write_report",
    "write_spectrum_figure",
    "written",
]

"""The moving point cloud of a run that goes on: only frames that the page lacks travel."""

import base64
import hashlib
import itertools
from typing import Any

from eigenstep.analysis import Rise
from eigenstep.live._analysis import MOST_BYTES, PageAnalysis
from eigenstep.record import FollowedRun, stride_for
from eigenstep.report import FRAMES, point_cloud

# A point of a frame is three integers of two bytes.
BYTES_OF_A_POINT = 3 * 2

_versions = itertools.count()


class CloudFrames:
    """The cloud of one run, aligned anew whenever it has more frames.

    Frames already aligned stay as they are, until there are too many of them, of which every other one is
    then left out, or the fourth mode is found to have been learned earlier on.
    """

    def __init__(self) -> None:
        self._key: Any = None
        self._cloud: dict[str, Any] | None = None
        self._points = b""
        self._version = ""
        self._thumbnails: Any = None
        self._thumbnails_of = 0

    def new(self, run: FollowedRun, analysis: PageAnalysis, known: dict[str, Any]) -> dict[str, Any] | None:
        """The cloud with the frames that are not `known`; None if nothing is new.

        `known` has `frames`, `digest` and `version` as they were given. The reply's `first` says how many of
        the known frames stay; what is said beside each frame, such as the modes learned, is told for all.
        """
        self._align(run, analysis)
        if self._cloud is None:
            return None
        size = self._cloud["samples"] * BYTES_OF_A_POINT
        frames, before = len(self._points) // size, known.get("frames")
        before = before if isinstance(before, int) else 0
        if known.get("version") == self._version:
            return None
        stay = before if _digest(self._points[: before * size]) == known.get("digest") else 0
        points = base64.b64encode(self._points[stay * size :]).decode()
        state = {"frames": frames, "digest": _digest(self._points), "version": self._version}
        reply = self._cloud | state | {"first": stay, "points": points}
        return reply if stay else reply | {"thumbnails": self._thumbnails}

    def _align(self, run: FollowedRun, analysis: PageAnalysis) -> None:
        count = len(run.projections)
        size = run.projections.dtype.itemsize if run.projections.dtype else 1
        stride = stride_for(count, max(min(FRAMES, MOST_BYTES // size), 1))
        indices = list(range(0, count, stride))
        if run.ended and indices and indices[-1] != count - 1:
            indices = [*indices[: FRAMES - 1], count - 1]
        learned = [mode["half_time"]["time"][0] for mode in analysis.modes if mode["learned"]]
        key = (run.generation, len(indices), stride, run.ended, tuple(learned))
        if key == self._key:
            return
        self._key, self._cloud, self._points = key, None, b""
        if not indices or not run.kept["metrics"].count:
            return
        new = self._thumbnails_of != run.generation
        record = run.record(projections=indices, thumbnails=new)
        cloud = point_cloud(record, [Rise(mode, time, 1.0, 0.0) for mode, time in enumerate(learned)], True)
        if cloud is None:
            return
        self._points = base64.b64decode(cloud.pop("points"))
        thumbnails = cloud.pop("thumbnails")
        if new:
            self._thumbnails, self._thumbnails_of = thumbnails, run.generation
        self._cloud = cloud
        self._version = f"{run.generation} {next(_versions)}"


def _digest(points: bytes) -> str:
    return hashlib.blake2b(points, digest_size=8).hexdigest()

import numpy as np

from eigenstep.record import RecordWriter, read_record
from eigenstep.report import RunSection, write_report


def run(folder, equal):
    writer, both = RecordWriter(folder, 4, config="loss: mine"), np.ones(4)
    for step in range(6):
        spectrum = {"cross_correlation": both, "covariance": both}
        writer.append(step, float(step), spectrum, loss=2.0 - 0.1 * step, health={"views_equal": equal})
    return folder


def test_a_report_says_the_likeliest_cause_and_what_to_do(tmp_path):
    page = write_report(run(tmp_path / "run", equal=1.0)).read_text()
    assert "Likely cause: both views of an image are the same. Draw the second view anew" in page


def test_of_a_sound_run_it_says_nothing(tmp_path):
    assert RunSection(read_record(run(tmp_path / "run", equal=0.0))).context()["advice"] == ""

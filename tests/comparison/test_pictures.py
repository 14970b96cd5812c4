import re

import numpy as np
import pytest
from PIL import Image

from eigenstep.comparison import compare, draw_matrices, matrices, write_page


@pytest.fixture(scope="module")
def found(made):
    return compare([made / "bt", made / "simclr", made / "foreseen"], resamples=5)


@pytest.mark.slow
def test_matrices_are_symmetric_with_ones_on_the_diagonal(found):
    for matrix in matrices(found):
        np.testing.assert_array_equal(matrix.values, matrix.values.T)
        np.testing.assert_array_equal(np.diag(matrix.values), 1)
        assert matrix.values[0, 2] == found.pairs[1].whole[matrix.measure].value


@pytest.mark.slow
def test_the_picture_is_a_picture(found, tmp_path):
    width, height = Image.open(draw_matrices(found, tmp_path / "matrix.png")).size
    assert 500 < width < 3000
    assert 500 < height < 3000
    assert draw_matrices(found, tmp_path / "matrix.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match=r"ends in .png or .pdf, got .*matrix.bmp"):
        draw_matrices(found, tmp_path / "matrix.bmp")


def test_the_page_holds_every_figure_and_refers_to_nothing_else(found, tmp_path):
    text = write_page(found, tmp_path / "page.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    assert "://" not in text
    for table in found.tables():
        for row in table.rows:
            assert all(f"<td>{cell}</td>" in text for cell in row), row
    assert f"{found.pairs[0].whole['cka'].value:.2f}" in text


def test_tables_fit_a_terminal_of_eighty_columns(found):
    for table in found.tables():
        widest = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
        assert sum(widest) + 3 * len(widest) + 1 <= 80, table.title

"""What all pages share: that they stand alone, and that nothing is left open in them."""

import re
import sys

import jinja2
import pytest
from markupsafe import Markup

import eigenstep
from eigenstep.pages import page


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """`letters(template)`: the name of a package that has it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(template):
        (tmp_path / "letters").mkdir()
        (tmp_path / "letters" / "__init__.py").write_text("")
        (tmp_path / "letters" / "page.html").write_text(template)
        return "letters"

    yield make
    sys.modules.pop("letters", None)


def test_texts_are_escaped_and_markup_is_not(letters):
    package = letters("{{ name }} {{ script }} {{ version }}")
    text = page(package, name="<i>", script=Markup("<b>"))
    assert text == f"&lt;i&gt; <b> {eigenstep.__version__}"


def test_a_word_that_is_missing_is_an_error_and_no_gap(letters):
    with pytest.raises(jinja2.UndefinedError, match="name"):
        page(letters("Dear {{ name }}"))


def test_the_look_refers_to_nothing_outside(letters):
    style = page(letters("{{ style }}"))
    assert "--paper" in style
    assert not re.search(r"url\(|@import|https?:", style)

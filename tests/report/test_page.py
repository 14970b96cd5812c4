import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenstep.report import inline_json


@pytest.mark.slow
@given(st.text() | st.sampled_from(["</script>", "<!--<script>", "&amp;", "\u2028"]))
def test_embedded_data_cannot_end_its_script_and_reads_back_unchanged(text):
    embedded = str(inline_json({"name": text}))
    assert not set(embedded) & set("<>&")
    assert json.loads(embedded) == {"name": text}

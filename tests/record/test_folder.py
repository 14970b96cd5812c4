import pytest

from eigenstep.record import ENTRIES, Owner, check_folder, foreign_entries, found_entries, open_folder

PAINTER = Owner(
    ("sketch", "painting"),
    made=lambda out: (out / "sketch").exists(),
    occupied="{out} is in use",
    foreign="{out} is another's: {others}",
    mixed="{out} also holds {others}",
)
RESUME, REPLACE = {"resume": True}, {"overwrite": True}


def fill(folder, *names):
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize("how", [{}, RESUME, REPLACE])
def test_nothing_but_what_a_killed_process_left_is_nothing(tmp_path, how):
    check_folder(tmp_path / "nowhere", PAINTER, **how)
    fill(tmp_path, ".painting-abc.aside")
    check_folder(tmp_path, PAINTER, **how)


def test_ones_own_is_resumed_or_replaced_but_not_unasked(tmp_path):
    fill(tmp_path, "sketch", "painting")
    with pytest.raises(FileExistsError, match=r"is in use$"):
        check_folder(tmp_path, PAINTER)
    check_folder(tmp_path, PAINTER, resume=True)
    check_folder(tmp_path, PAINTER, overwrite=True)


@pytest.mark.parametrize("how", [RESUME, REPLACE])
def test_what_another_has_made_is_refused_by_its_names(tmp_path, how):
    fill(tmp_path, "painting", "e", "d", "c", "b")
    with pytest.raises(FileExistsError, match=r"another's: b, c, d$"):
        check_folder(tmp_path, PAINTER, **how)


def test_what_stands_beside_ones_own_is_not_replaced_with_it(tmp_path):
    fill(tmp_path, "sketch", "notes")
    with pytest.raises(FileExistsError, match=r"also holds notes$"):
        check_folder(tmp_path, PAINTER, overwrite=True)
    check_folder(tmp_path, PAINTER, resume=True)


def test_a_folder_that_is_opened_keeps_its_record_unless_it_is_replaced(tmp_path):
    fill(tmp_path, *ENTRIES, "notes", ".left.aside")
    open_folder(tmp_path, "a: 1")
    assert set(found_entries(tmp_path)) == {*ENTRIES, "notes"} - {"summary.json"}
    open_folder(tmp_path, "a: 2", overwrite=True)
    assert found_entries(tmp_path) == ["config.yaml", "notes"]
    assert foreign_entries(tmp_path) == ["notes"]
    assert (tmp_path / "config.yaml").read_text() == "a: 2"
    assert not (tmp_path / ".left.aside").exists()

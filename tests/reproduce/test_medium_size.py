import pytest

from eigenstep.reproduce import Choices, loss_configuration, medium_configuration, names_of_runs, reproduce
from eigenstep.training import resolve

MEDIUM = Choices(size="medium")


@pytest.mark.parametrize("loss", ["barlow_twins", "simclr", "vicreg"])
def test_the_medium_size_is_the_papers_network_by_both_optimisers(loss):
    by_sgd, by_muon = (resolve(medium_configuration(loss, MEDIUM, name)) for name in ("SGD", "Muon"))
    assert loss_configuration(loss, MEDIUM) == medium_configuration(loss, MEDIUM, "SGD")
    for config in (by_sgd, by_muon):
        assert (config.backbone, config.data, config.images.size) == ("resnet50", "jxie/stl10", 96)
        assert (config.loss, config.batch_size, config.projector.dim) == (loss, 64, 64)
        assert config.steps >= 1000
        assert config.projector.init_scale < 0.1  # a small start
        assert config.projector.batch_norm
        assert not config.projector.batch_norm_output
    momenta = [(each.name, each.momentum, each.nesterov) for each in (by_sgd.optimizer, by_muon.optimizer)]
    assert momenta == [("sgd", 0.0, False), ("muon", 0.95, True)]


def test_only_the_papers_images_have_a_split_without_labels():
    assert medium_configuration("simclr", MEDIUM, "SGD").images.split == "unlabeled"
    own = medium_configuration("simclr", Choices(size="medium", data="folder"), "Muon")
    assert (own.data, own.images.split) == ("folder", "train")


def test_runs_of_both_optimisers_have_names_of_their_own():
    names = names_of_runs(MEDIUM)
    assert len(set(names)) == 6
    assert [name for name in names if "Muon" not in name] == names_of_runs(Choices())


@pytest.mark.parametrize("names", [["e1"], ["e2", "e3"], ["e1", "e2", "e3", "e4", "e5", "e6"]], ids="+".join)
def test_other_experiments_have_no_medium_size(tmp_path, names):
    with pytest.raises(ValueError, match=r"^--size medium is of e2 alone, got .*; expected small or full$"):
        reproduce(names, MEDIUM, tmp_path / "out")
    assert not (tmp_path / "out").exists()

import numpy as np
import pytest

from eigenstep.kernel.pairs import BarlowTwins, LeJEPA, SimCLR, VICReg
from eigenstep.methods import METHODS, LeJEPAConfig, SmallStart, small_start
from eigenstep.theory import loss_curve
from eigenstep.training import BarlowTwinsConfig, ProjectorConfig, SimCLRConfig, TrainConfig, VICRegConfig


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            TrainConfig(barlow_twins=BarlowTwinsConfig(normalize="batch")),
            "barlow_twins.normalize none",
        ),
        (
            TrainConfig(loss="simclr", simclr=SimCLRConfig(normalize="cosine")),
            "simclr.normalize none",
        ),
        (TrainConfig(projector=ProjectorConfig(batch_norm_output=True)), "projector.batch_norm_output"),
        (TrainConfig(loss="byol"), "expected barlow_twins, simclr, vicreg or lejepa.*got byol"),
    ],
)
def test_losses_without_a_small_start_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        small_start(config)


def test_a_factor_of_the_loss_is_one_of_all_rates_and_of_the_loss():
    plain, twice = (small_start(TrainConfig(barlow_twins=BarlowTwinsConfig(scale=s))) for s in (1.0, 2.0))
    gamma, values = np.array([1.0, 0.5]), np.array([[0.0, 0.0], [0.9, 0.1]])
    np.testing.assert_allclose(twice.growth_rates(gamma, 2), 2 * plain.growth_rates(gamma, 2))
    np.testing.assert_allclose(plain.loss(values, np.ones(2), 2, 10), loss_curve(values))
    np.testing.assert_allclose(twice.loss(values, np.ones(2), 2, 10), 2 * loss_curve(values))


def test_dimensions_without_a_mode_keep_their_loss():
    values = small_start(TrainConfig()).loss(np.ones((1, 2)), np.ones(2), 5, 10)
    np.testing.assert_allclose(values, 3)


def test_simclrs_loss_starts_at_what_every_view_alike_gives_and_falls_with_each_mode():
    learning, plateaus = small_start(TrainConfig(loss="simclr")), np.array([0.9, 0.4])
    start, one, both = learning.loss(np.array([[0, 0], [0.9, 0], [0.9, 0.4]]), plateaus, 2, 64)
    assert start == pytest.approx(np.log(63))
    assert start - one == pytest.approx(0.45)  # e / (2 T), T = 1
    assert one - both == pytest.approx(0.2)


KNOWN = {
    "barlow_twins": SmallStart(BarlowTwins(), center=True, scale=1.0),
    "simclr": SmallStart(SimCLR(temperature=1.0), center=False, scale=1.0),
    "vicreg": SmallStart(VICReg(25.0, 25.0, 1.0, 1e-4), center=False, scale=1.0),
    "lejepa": SmallStart(LeJEPA(0.05, batch_size=256), center=False, scale=1.0),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_small_start_of_each_method_with_its_defaults(name):
    if name in KNOWN:
        assert small_start(TrainConfig(loss=name)) == KNOWN[name]
    else:
        with pytest.raises(ValueError, match="whose learning is predicted"):
            small_start(TrainConfig(loss=name))


def test_a_small_start_has_the_options_of_its_loss():
    config = TrainConfig(
        barlow_twins=BarlowTwinsConfig(center=False, scale=3.0),
        simclr=SimCLRConfig(temperature=0.2),
        vicreg=VICRegConfig(2.0, 3.0, 4.0, 0.1),
        lejepa=LeJEPAConfig(0.3, 7, True, 1.0, 5.0, 9),
    )
    found = [METHODS[name].small_start(METHODS[name].options_in(config), 40) for name in KNOWN]
    assert found == [
        SmallStart(BarlowTwins(), center=False, scale=3.0),
        SmallStart(SimCLR(0.2), center=False, scale=1.0),
        SmallStart(VICReg(2.0, 3.0, 4.0, 0.1), center=False, scale=1.0),
        SmallStart(LeJEPA(0.3, 40, True, 1.0, 5.0, 9), center=False, scale=1.0),
    ]

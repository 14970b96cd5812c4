from eigenstep.reproduce import Choices
from eigenstep.reproduce import _e2_three_losses as e2
from eigenstep.reproduce import _e3_initialisation as e3


def test_the_full_size_is_the_papers():
    config = e2.loss_configuration("barlow_twins", Choices(size="full"))
    assert (config.backbone, config.data, config.projector.dim) == ("resnet50", "jxie/stl10", 512)
    assert e3.network_configuration(1.0, Choices(size="full")).projector.init_scale == 1.0

from eigenstep.reproduce import Choices, loss_configuration, network_configuration


def test_the_full_size_is_the_papers():
    config = loss_configuration("barlow_twins", Choices(size="full"))
    assert (config.backbone, config.data, config.projector.dim) == ("resnet50", "jxie/stl10", 512)
    assert network_configuration(1.0, Choices(size="full")).projector.init_scale == 1.0

"""What losses say of their values is what they give of embeddings in those states."""

import math

import pytest
import torch

from eigenstep import losses
from eigenstep.losses import (
    BarlowTwinsLoss,
    CLIPLoss,
    CodingRateLoss,
    CorInfoMaxLoss,
    DCLLoss,
    FroSSLLoss,
    LeJEPALoss,
    MMCRLoss,
    NegativeCosineSimilarity,
    NSCLLoss,
    NTXentLoss,
    SigLIPLoss,
    SpectralContrastiveLoss,
    SpectralLoss,
    SupConLoss,
    TwoViewLoss,
    VICRegLoss,
    VISRegLoss,
    WMSELoss,
    named_landmarks,
)

N, D, WIDE = 24, 6, 200_000
CLASSES = 4


def draw(n=N, d=D, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def constant(n=N, d=D, length=1.0):
    z = draw(1, d).expand(n, d)
    return length * z / z[0].norm()


def white(n=N, d=D):
    """Columns that are orthogonal, of no mean and of unit variance, whose rows have one length."""
    angles = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    waves = [wave(k * angles) for k in range(1, d // 2 + 1) for wave in (torch.cos, torch.sin)]
    return math.sqrt(2) * torch.stack(waves, 1)


def axes(n=N):
    return torch.eye(n, dtype=torch.float64)


def value_of(loss, name, pairs=N, dim=D, **more):
    return next(mark.value for mark in loss.landmarks(pairs, dim, **more) if mark.name == name)


def names_of(loss, pairs=N, dim=D, **more):
    return [mark.name for mark in loss.landmarks(pairs, dim, **more)]


def labels(n=N):
    return torch.arange(n) % CLASSES


def shrunk(z, size=1e-7):
    return size * z


CONTRASTIVE = [NTXentLoss(0.5), NTXentLoss(0.1), DCLLoss(0.2), DCLLoss(0.2, sigma=0.5), CLIPLoss(0.07)]
CONTRASTIVE += [CLIPLoss(0.2, learnable=False)]


@pytest.mark.parametrize("loss", CONTRASTIVE, ids=str)
def test_contrastive_losses_have_chance_at_constant_and_at_unrelated_embeddings(loss):
    z = constant()
    # The logit scale that is learned is a float32.
    assert loss(z, z).item() == pytest.approx(value_of(loss, "chance"), abs=1e-6)
    found = loss(draw(N, WIDE), draw(N, WIDE, seed=1)).item()
    assert found == pytest.approx(value_of(loss, "chance", dim=WIDE), abs=0.02)


@pytest.mark.parametrize("loss", [*CONTRASTIVE[:4], CONTRASTIVE[5]], ids=str)
def test_contrastive_floors_are_partners_that_are_one_at_right_angles_to_all_others(loss):
    z = axes()
    assert float(loss(z, z)) == pytest.approx(value_of(loss, "floor", dim=N), abs=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        NTXentLoss(normalize="none"),
        DCLLoss(normalize="none"),
        CLIPLoss(0.5, learnable=False, normalize="none"),
        SigLIPLoss(0.5, -2.0, learnable=False, normalize="none"),
    ],
    ids=str,
)
def test_by_inner_product_a_small_start_is_at_chance(loss):
    z = draw()
    assert float(loss(shrunk(z), shrunk(z))) == pytest.approx(value_of(loss, "chance"), abs=1e-9)


def test_by_inner_product_nt_xent_and_clip_approach_zero_and_dcl_has_no_floor():
    for loss in (NTXentLoss(normalize="none"), CLIPLoss(1.0, learnable=False, normalize="none")):
        assert float(loss(10 * axes(), 10 * axes())) == pytest.approx(value_of(loss, "floor"), abs=1e-6)
    dcl = DCLLoss(normalize="none")
    assert names_of(dcl) == ["chance"]
    assert float(dcl(100 * axes(), 100 * axes())) < -1000


def test_a_learned_temperature_lowers_clips_floor():
    learned, fixed = CLIPLoss(0.07), CLIPLoss(0.01, learnable=False)
    assert (
        value_of(learned, "floor")
        == value_of(fixed, "floor")
        < value_of(CLIPLoss(0.07, learnable=False), "floor")
    )


def test_siglip_at_fixed_numbers():
    loss = SigLIPLoss(0.5, -2.0, learnable=False)
    z = constant()
    assert float(loss(z, z)) == pytest.approx(value_of(loss, "constant embeddings"))
    assert float(loss(axes(), axes())) == pytest.approx(value_of(loss, "floor", dim=N))
    assert float(loss(axes(2 * N)[:N], axes(2 * N)[N:])) == pytest.approx(value_of(loss, "chance", dim=2 * N))


def test_siglips_chance_is_that_of_the_bias_that_serves_unrelated_embeddings_best():
    views = axes(2 * N)[:N], axes(2 * N)[N:]
    biases = torch.linspace(-6, 0, 601).tolist()
    best = min(float(SigLIPLoss(1.0, bias, learnable=False)(*views)) for bias in biases)
    assert value_of(SigLIPLoss(), "chance", dim=2 * N) == pytest.approx(best, abs=1e-4)


def test_sup_con_with_classes_of_one_size():
    loss, z = SupConLoss(0.3), constant()
    assert float(loss(z, z, labels())) == pytest.approx(value_of(loss, "chance"))
    z = axes(CLASSES)[labels()]
    assert float(loss(z, z, labels())) == pytest.approx(value_of(loss, "floor", classes=CLASSES))
    assert names_of(loss) == ["chance"]  # the floor depends on the classes


def test_nscl_with_classes_of_one_size():
    loss, z = NSCLLoss(0.3), constant()
    assert float(loss(z, z, labels())) == pytest.approx(value_of(loss, "chance", classes=CLASSES))
    assert float(loss(axes(), axes(), labels())) == pytest.approx(value_of(loss, "floor", classes=CLASSES))
    assert names_of(loss) == []


@pytest.mark.parametrize("symmetrize", [False, True])
def test_barlow_twins_of_standardised_columns(symmetrize):
    loss = BarlowTwinsLoss(0.05, symmetrize=symmetrize, scale=0.5, eps=1e-12)
    drawn = [loss(draw(seed=2 * seed), draw(seed=2 * seed + 1)) for seed in range(400)]
    assert float(torch.stack(drawn).mean()) == pytest.approx(value_of(loss, "chance"), rel=0.02)
    assert float(loss(constant(), constant())) == pytest.approx(
        value_of(loss, "constant embeddings"), abs=1e-6
    )
    copies = draw(d=1).expand(N, D)
    assert float(loss(copies, copies)) == pytest.approx(value_of(loss, "copies of one column"))
    assert float(loss(white(), white())) == pytest.approx(value_of(loss, "floor"), abs=1e-12)


def test_barlow_twins_of_embeddings_as_they_are():
    loss = BarlowTwinsLoss(1.0, normalize="none", scale=0.5)
    z = draw()
    assert float(loss(shrunk(z), shrunk(z))) == pytest.approx(value_of(loss, "nothing learned"))
    assert float(loss(constant(), constant())) == pytest.approx(value_of(loss, "constant embeddings"))
    assert "constant embeddings" not in names_of(BarlowTwinsLoss(1.0, normalize="none", center=False))


def test_vicreg():
    loss = VICRegLoss(3.0, 5.0, 7.0, eps=1e-3)
    z = draw(d=1)
    copies = ((z - z.mean()) / z.std()).expand(N, D)
    assert float(loss(constant(), constant())) == pytest.approx(value_of(loss, "constant embeddings"))
    assert float(loss(copies, copies)) == pytest.approx(value_of(loss, "copies of one column"))
    assert float(loss(1.1 * white(), 1.1 * white())) == pytest.approx(value_of(loss, "floor"), abs=1e-12)


@pytest.mark.parametrize("loss", [SpectralLoss(), SpectralLoss(1.0, 0.3)], ids=str)
def test_the_spectral_loss(loss):
    assert float(loss(constant(), constant())) == pytest.approx(value_of(loss, "constant embeddings"))
    assert float(loss(shrunk(draw()), shrunk(draw()))) == pytest.approx(value_of(loss, "nothing learned"))
    assert float(loss(white(), white())) == pytest.approx(value_of(loss, "floor"), abs=1e-9)


@pytest.mark.parametrize("options", [{}, {"normalize": "ball", "mu": 3.0}, {"normalize": "ball", "mu": 0.5}])
def test_the_spectral_contrastive_loss(options):
    loss, n = SpectralContrastiveLoss(**options), 2000
    assert float(loss(0 * draw(), 0 * draw())) == value_of(loss, "nothing learned")
    lengths = torch.linspace(0.1, 2, 96).tolist()
    best = min(float(loss(constant(length=each), constant(length=each))) for each in lengths)
    assert best == pytest.approx(value_of(loss, "constant embeddings"), abs=1e-3)
    filled = white(n)  # rows of length sqrt(D), spread over all directions
    best = min(float(loss(each * filled, each * filled)) for each in lengths)
    assert best == pytest.approx(value_of(loss, "floor", pairs=n), abs=0.02)
    assert "floor" not in names_of(loss, pairs=D)


def test_w_mse():
    loss = WMSELoss()
    drawn = [loss(draw(seed=2 * seed), draw(seed=2 * seed + 1)) for seed in range(50)]
    assert float(torch.stack(drawn).mean()) == pytest.approx(value_of(loss, "chance"), abs=0.05)
    assert float(loss(draw(), draw())) == pytest.approx(value_of(loss, "floor"), abs=1e-12)
    damped = WMSELoss(eps=0.1)
    found = float(damped(0 * draw(), 0 * draw()))
    assert found == pytest.approx(value_of(damped, "constant embeddings"))


def test_negative_cosine_similarity_cannot_tell_a_collapse_from_its_floor():
    loss = NegativeCosineSimilarity()
    assert float(loss(constant(), constant())) == pytest.approx(value_of(loss, "constant embeddings"))
    assert float(loss(draw(), draw())) == pytest.approx(value_of(loss, "floor"))
    unrelated = float(loss(draw(d=WIDE), draw(d=WIDE, seed=1)))
    assert unrelated == pytest.approx(value_of(loss, "chance"), abs=0.01)


@pytest.mark.parametrize("pooled", [False, True])
def test_lejepa(pooled):
    loss = LeJEPALoss(0.3, slices=32, pooled=pooled, t_max=5, knots=9)
    zero = 0 * draw()
    assert float(loss(zero, zero)) == pytest.approx(value_of(loss, "nothing learned"))
    generator = torch.Generator().manual_seed(0)
    drawn = [loss(draw(seed=seed), draw(seed=seed), generator) for seed in range(300)]
    assert float(torch.stack(drawn).mean()) == pytest.approx(value_of(loss, "floor"), rel=0.05)


def test_visreg():
    loss = VISRegLoss(0.7, slices=16, lambda_scale=2.0, lambda_shape=3.0)
    zero = 0 * draw()
    assert float(loss(zero, zero)) == pytest.approx(value_of(loss, "nothing learned"))


def test_mmcr():
    loss = MMCRLoss(0.3)
    assert float(loss(constant(), constant())) == pytest.approx(value_of(loss, "constant embeddings"))
    for z in (white(), axes()):  # fewer dimensions than pairs, and as many
        assert float(loss(z, z)) == pytest.approx(value_of(loss, "floor", dim=z.shape[1]))
    plain = MMCRLoss(normalize="none")
    assert float(plain(shrunk(draw()), shrunk(draw()))) == pytest.approx(
        value_of(plain, "nothing learned"), abs=1e-5
    )


def test_frossl():
    loss, n = FroSSLLoss(0.7), 400
    assert float(loss(constant(), constant())) == pytest.approx(
        value_of(loss, "constant embeddings"), abs=1e-12
    )
    assert float(loss(white(), white())) == pytest.approx(value_of(loss, "floor"))
    assert float(loss(axes(), axes())) == pytest.approx(value_of(loss, "floor", dim=N))
    drawn = [loss(draw(n, seed=2 * seed), draw(n, seed=2 * seed + 1)) for seed in range(20)]
    assert float(torch.stack(drawn).mean()) == pytest.approx(value_of(loss, "chance", pairs=n), abs=0.01)


def test_corinfomax_where_its_memory_has_settled():
    for z, name in ((constant(), "constant embeddings"), (white(), "floor")):
        loss = CorInfoMaxLoss(D, eps=1e-4)
        values = [float(loss(z, z)) for _ in range(20)]
        assert values[-1] == pytest.approx(value_of(loss, name), abs=1e-6)


def test_the_coding_rate():
    loss = CodingRateLoss(0.7, 0.3)
    assert float(loss(constant(), constant())) == pytest.approx(value_of(loss, "constant embeddings"))
    for z in (white(), axes()):
        assert float(loss(z, z)) == pytest.approx(value_of(loss, "floor", dim=z.shape[1]))


def test_every_loss_has_landmarks():
    kinds = {
        kind
        for name in losses.__all__
        if isinstance(kind := getattr(losses, name), type)
        and issubclass(kind, TwoViewLoss)
        and not kind.__abstractmethods__
    }
    made = [CorInfoMaxLoss(D) if kind is CorInfoMaxLoss else kind() for kind in kinds]
    assert all(loss.landmarks(N, D, classes=CLASSES) for loss in made)


def test_of_several_processes_chance_in_the_batch_of_one_is_told():
    loss = CLIPLoss(gather_distributed=True)
    found = {mark.name: mark.value for mark in loss.landmarks(1024, 64, processes=4)}
    assert found["chance"] == pytest.approx(math.log(1024))
    assert found["chance in one process's batch"] == pytest.approx(5.545, abs=5e-4)  # log 256
    assert "chance in one process's batch" not in names_of(loss, 1024)


def test_a_loss_that_does_not_gather_has_the_chance_of_its_own_batch():
    assert value_of(CLIPLoss(), "chance", 1024, processes=4) == pytest.approx(math.log(256))


def test_processes_too_small_to_have_a_loss_of_their_own_are_not_told_of():
    assert names_of(NTXentLoss(gather_distributed=True), 4, processes=4) == ["chance", "floor"]


@pytest.mark.parametrize(("pairs", "processes"), [(10, 4), (4, 4), (4, 0), (1, 1), (0, 1)])
def test_a_batch_that_the_loss_could_not_see_is_refused(pairs, processes):
    with pytest.raises(ValueError, match="expect"):
        NTXentLoss().landmarks(pairs, D, processes=processes)


def test_moco_picks_its_partner_out_of_a_queue():
    moco, queue, temperature = named_landmarks("moco", temperature=0.2, queue=15), axes(16), 0.2
    query = queue[0]
    cross_entropy = -torch.log_softmax(queue @ query / temperature, 0)[0]
    found = {mark.name: mark.value for mark in moco(N, 16)}
    assert found["floor"] == pytest.approx(float(cross_entropy))
    assert found["chance"] == pytest.approx(-float(torch.log_softmax(torch.ones(16) / temperature, 0)[0]))


@pytest.mark.parametrize("name", ["dino", "swav"])
def test_dino_and_swav_begin_at_the_logarithm_of_their_prototypes(name):
    found = {mark.name: mark.value for mark in named_landmarks(name, prototypes=300)(N, D)}
    assert found == {"chance": pytest.approx(math.log(300)), "floor": 0.0}


@pytest.mark.parametrize("name", ["ntxent", "NT-Xent", "NTXentLoss", "nt_xent_loss", "simclr"])
def test_a_loss_is_known_by_the_names_that_it_has(name):
    assert named_landmarks(name, temperature=0.2)(N, D) == NTXentLoss(0.2).landmarks(N, D)


def test_byol_is_a_squared_distance():
    found = {mark.name: mark.value for mark in named_landmarks("byol")(N, D)}
    assert found == {"chance": 2.0, "constant embeddings": 0.0, "floor": 0.0}


def test_an_unknown_loss_or_option_is_told_with_what_is_known():
    with pytest.raises(ValueError, match=r"'ntxnt'.*Did you mean ntxent"):
        named_landmarks("ntxnt")
    with pytest.raises(ValueError, match=r"the loss ntxent has no option queue.*temperature"):
        named_landmarks("ntxent", queue=3)
    with pytest.raises(ValueError, match="temperature expects a positive number"):
        named_landmarks("ntxent", temperature=-1)
    with pytest.raises(ValueError, match="the loss ntxent does not take temperature='hot'"):
        named_landmarks("ntxent", temperature="hot")
    with pytest.raises(ValueError, match="the loss supcon does not take classes='ten'"):
        named_landmarks("supcon", classes="ten")
    with pytest.raises(ValueError, match="queue expects at least 1"):
        named_landmarks("moco", queue=0)
    with pytest.raises(ValueError, match="the loss cross_entropy needs classes"):
        named_landmarks("cross_entropy")

import torch

from eigenstep.machine import gather_batch


def test_without_a_process_group_the_joint_batch_is_the_own_batch():
    z_a, z_b = torch.rand(2, 5, 3)
    batch = gather_batch(z_a, z_b)
    assert batch.z_a is z_a
    assert batch.z_b is z_b
    assert batch.world_size == 1
    assert torch.equal(batch.z_a[batch.own_rows], z_a)

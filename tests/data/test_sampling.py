from types import SimpleNamespace

import torch

from recbole_kd.data.sampling import NegativeSampler


def sampler(pairs, n_items, seed=0):
    users, items = torch.tensor(pairs).T
    feat = {"user_id": users, "item_id": items}
    dataset = SimpleNamespace(user_num=3, item_num=n_items, uid_field="user_id", iid_field="item_id", inter_feat=feat)
    return NegativeSampler(dataset, torch.Generator().manual_seed(seed))


def test_never_a_positive_nor_the_padding_and_all_others_alike():
    made = sampler([(1, 1), (1, 2), (2, 3)], 6)
    drawn = made.sample(torch.tensor([1, 2]).repeat_interleave(500), 12)
    assert drawn.shape == (1000, 12)
    counts = torch.stack([torch.bincount(half.flatten(), minlength=6) for half in drawn.split(500)])
    assert counts[0, :3].tolist() == [0, 0, 0]
    assert counts[1, [0, 3]].tolist() == [0, 0]
    # 6,000 draws over 3 and 4 items: five standard deviations are about 183 and 168
    assert (counts[0, 3:] - 2000).abs().max() < 190
    assert (counts[1, [1, 2, 4, 5]] - 1500).abs().max() < 175


def test_the_draws_are_those_of_trying_again_one_by_one():
    pairs = [(1, 1), (1, 2), (2, 3), (2, 1)]
    users, generator = torch.tensor([1, 2, 2, 1]), torch.Generator().manual_seed(5)
    expected = torch.randint(1, 5, (12,), generator=generator)
    owner = users.repeat_interleave(3).tolist()
    while doubtful := [n for n, item in enumerate(expected.tolist()) if (owner[n], item) in pairs]:
        expected[doubtful] = torch.randint(1, 5, (len(doubtful),), generator=generator)
    assert torch.equal(sampler(pairs, 5, seed=5).sample(users, 3), expected.view(4, 3))


def test_its_generator_is_its_own():
    state = torch.get_rng_state()
    first = sampler([(1, 1)], 9, seed=3).sample(torch.ones(4, dtype=torch.long), 5)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, sampler([(1, 1)], 9, seed=3).sample(torch.ones(4, dtype=torch.long), 5))


def test_a_user_who_has_everything_does_not_hang():
    assert sampler([(1, 1), (1, 2)], 3).sample(torch.tensor([1]), 4).shape == (1, 4)

"""The codebook computes what appendix A.1 of the paper says, by hand."""

import torch
from gtk_plugin_vqvae.codebook import EPSILON, Codebook, is_double, perplexity


def book() -> Codebook:
    """Two vectors of width 1 that stand at 0 and 10, chosen by four features each so far."""
    codebook = Codebook(2, 1, decay=0.75)
    codebook.vectors.copy_(torch.tensor([[0.0], [10.0]]))
    codebook.counts.fill_(4)
    codebook.sums.copy_(codebook.vectors * 4)
    return codebook


def features(*values: float) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


def test_the_nearest_vector_is_chosen() -> None:
    codebook = Codebook(7, 3, decay=0.9)
    maps = torch.randn(2, 3, 4, 5)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 3)
    distances = torch.cdist(rows, codebook.vectors)
    codes = codebook.nearest(maps)
    assert codes.dtype == torch.int64
    assert torch.equal(codes.flatten(), distances.argmin(1))
    torch.testing.assert_close(codebook.scores(maps).reshape(-1, 7), -distances.square())
    torch.testing.assert_close(
        codebook.look_up(codes)[1, :, 2, 3], codebook.vectors[codes[1, 2, 3]]
    )


def test_vectors_follow_the_averages_of_what_chose_them() -> None:
    codebook = book()
    maps = features(1.0, 2.0, 9.0)
    codes = codebook.nearest(maps)
    assert codes.flatten().tolist() == [0, 0, 1]
    codebook.learn(codebook.statistics(maps, codes, torch.arange(3)))
    counts = [0.75 * 4 + 0.25 * 2, 0.75 * 4 + 0.25 * 1]  # 3.5, 3.25
    sums = [0.75 * 0 + 0.25 * (1 + 2), 0.75 * 40 + 0.25 * 9]  # 0.75, 32.25
    total = sum(counts)
    smooth = [(count + EPSILON) / (total + 2 * EPSILON) * total for count in counts]
    assert codebook.counts.tolist() == counts
    assert codebook.sums.flatten().tolist() == sums
    expected = torch.tensor([[sums[0] / smooth[0]], [sums[1] / smooth[1]]])
    torch.testing.assert_close(codebook.vectors, expected, rtol=1e-6, atol=0)


def test_features_that_stay_are_where_the_vectors_come_to() -> None:
    codebook = book()
    maps = features(1.0, 3.0, 8.0)
    for _ in range(60):
        codes = codebook.nearest(maps)
        codebook.learn(codebook.statistics(maps, codes, torch.arange(3)))
    torch.testing.assert_close(
        codebook.vectors.flatten(), torch.tensor([2.0, 8.0]), rtol=1e-4, atol=0
    )


def test_a_dead_vector_starts_anew_where_the_order_says() -> None:
    codebook = book()
    codebook.counts[1] = 0.6  # 0.75 * 0.6 is less than half a choice in a batch
    maps = features(1.0, 2.0, 3.0)
    codes = codebook.nearest(maps)
    codebook.learn(codebook.statistics(maps, codes, torch.tensor([1, 2, 0])))
    assert codebook.counts[1] == 1
    torch.testing.assert_close(codebook.vectors[1], torch.tensor([2.0]), rtol=1e-4, atol=0)
    assert codebook.counts[0] > 1


def test_the_first_batch_fills_the_book() -> None:
    codebook = Codebook(8, 2, decay=0.99)
    maps = torch.randn(3, 2, 2, 2)
    order = torch.randperm(12)
    codebook.learn(codebook.statistics(maps, codebook.nearest(maps), order))
    rows = maps.permute(0, 2, 3, 1).reshape(-1, 2)
    torch.testing.assert_close(codebook.vectors, rows[order[:8]], rtol=1e-4, atol=1e-4)


def test_fewer_features_than_vectors_leave_the_others_where_they_are() -> None:
    codebook = Codebook(8, 2, decay=0.99)
    before, maps = codebook.vectors.clone(), torch.randn(1, 2, 1, 3)
    codebook.learn(codebook.statistics(maps, codebook.nearest(maps), torch.arange(3)))
    expected = torch.cat([maps[0, :, 0].T, before[3:]])
    torch.testing.assert_close(codebook.vectors, expected, rtol=1e-4, atol=1e-4)


def test_vectors_start_from_features_that_differ() -> None:
    codebook = Codebook(4, 2, decay=0.999)  # 100 choices make none of them live
    maps = torch.full((1, 2, 10, 10), 0.7)  # what an encoder makes of mostly blank images
    maps[0, :, 4, 5], maps[0, :, 9, 9] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    last = codebook.vectors[3].clone()
    codebook.learn(codebook.statistics(maps, codebook.nearest(maps), torch.arange(100)))
    expected = torch.stack([maps[0, :, 0, 0], maps[0, :, 4, 5], maps[0, :, 9, 9], last])
    torch.testing.assert_close(codebook.vectors, expected, rtol=1e-4, atol=1e-4)


def test_any_dead_vector_takes_what_differs_first() -> None:
    codebook = Codebook(3, 1, decay=0.9)
    codebook.vectors.copy_(torch.tensor([[0.0], [10.0], [20.0]]))
    codebook.counts.copy_(torch.tensor([8.0, 8.0, 0.1]))
    codebook.sums.copy_(codebook.vectors * codebook.counts[:, None])
    maps = features(5.0, 5.0, 5.0, 5.0)
    codebook.learn(codebook.statistics(maps, codebook.nearest(maps), torch.arange(4)))
    torch.testing.assert_close(codebook.vectors[2], torch.tensor([5.0]), rtol=1e-4, atol=0)


def test_doubles_are_all_but_one_of_the_same() -> None:
    rows = torch.randn(5, 3)[torch.tensor([2, 0, 2, 1, 0, 2])]
    assert is_double(rows).tolist() == [False, False, True, False, True, True]
    assert is_double(torch.zeros(3, 2)).tolist() == [False, True, True]
    assert is_double(torch.randn(2000, 16)).float().mean() < 0.01, "as near along one direction"


def test_perplexity_counts_equally_likely_codes() -> None:
    torch.testing.assert_close(perplexity(torch.tensor([3.0, 3.0, 0.0, 3.0])), torch.tensor(3.0))
    torch.testing.assert_close(perplexity(torch.tensor([0.0, 5.0])), torch.tensor(1.0))

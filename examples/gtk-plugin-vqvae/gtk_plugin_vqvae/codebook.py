"""The codebook: which of its vectors stands for a feature, and how these vectors follow them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

#: Of the Laplace smoothing of the counts: arXiv:1711.00937, appendix A.1.
EPSILON = 1e-5
#: A code that a batch chooses less often than this, on average, is dead and starts anew.
DEAD = 0.5
#: Features that are nearer to each other than this share of the largest number are the same.
SAME = 1e-6


class Codebook(nn.Module):
    """K vectors, learned without gradients as moving averages of the features that chose them.

    With the batch's n_i features z_ij that are nearest to vector e_i, after each training step

        N_i := decay N_i + (1 - decay) n_i
        m_i := decay m_i + (1 - decay) sum_j z_ij
        e_i := m_i / N'_i,  N'_i = (N_i + epsilon) / (N + K epsilon) N,  N = sum_i N_i

    arXiv:1711.00937, appendix A.1, equations 6 to 8, with Laplace smoothing of the counts as in the
    authors' code. Codes that are hardly chosen start anew from a feature of the batch (Dhariwal et
    al., arXiv:2005.00341, section 3.1); at first all are such, so the first batch fills the book.

    Args:
        count: K.
        width: D, of a vector.
        decay: of the averages.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, count: int, width: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("vectors", torch.randn(count, width))
        self.register_buffer("counts", torch.zeros(count))
        self.register_buffer("sums", torch.zeros(count, width))

    def scores(self, features: Tensor) -> Tensor:
        """Map features (B, D, h, w) to minus the squared distance to every vector: (B, h, w, K)."""
        rows = features.permute(0, 2, 3, 1)  # (B, h, w, D)
        # |z - e|^2 without |z|^2, which is the same for all codes, would lose digits where it is
        # large; with it, the figure is what the commitment loss is made of.
        return (
            2 * rows @ self.vectors.T
            - rows.square().sum(-1, keepdim=True)
            - self.vectors.square().sum(1)
        )

    def nearest(self, features: Tensor) -> Tensor:
        """Map features (B, D, h, w) to the nearest vectors' numbers: (B, h, w), int64."""
        return self.scores(features).argmax(-1)

    def look_up(self, codes: Tensor) -> Tensor:
        """Map codes (B, h, w), int64, to their vectors: (B, D, h, w)."""
        return nn.functional.embedding(codes, self.vectors).permute(0, 3, 1, 2)

    def statistics(self, features: Tensor, codes: Tensor, order: Tensor) -> dict[str, Tensor]:
        """Return what `learn` needs to know of a batch.

        Args:
            features: (B, D, h, w).
            codes: the nearest vectors' numbers: (B, h, w).
            order: of the N = Bhw features, in which dead vectors start from them: (N,), int64. Of
                features that are the same, as those of blank patches are, only one is taken: two
                vectors in one place are no choice. Vectors that none is left for stay.
        """
        rows = features.detach().permute(0, 2, 3, 1).flatten(0, 2)  # (N, D)
        counts = torch.zeros_like(self.counts)
        counts.index_add_(0, codes.flatten(), torch.ones_like(rows[:, 0]))
        sums = torch.zeros_like(self.sums).index_add_(0, codes.flatten(), rows)
        doubles = is_double(rows[order])
        starts = doubles.int().argsort(stable=True)[: len(counts)]  # at most K, doubles last
        return {
            "counts": counts,
            "sums": sums,
            "starts": rows[order[starts]],
            "usable": ~doubles[starts],
        }

    def learn(self, statistics: Mapping[str, Tensor]) -> None:
        """Follow the features of a batch."""
        self.counts.lerp_(statistics["counts"], 1 - self.decay)
        self.sums.lerp_(statistics["sums"], 1 - self.decay)
        dead = self.counts < DEAD
        starts, usable = statistics["starts"], statistics["usable"]
        number = (dead.cumsum(0) - 1).clamp(min=0)  # of a dead vector among the dead
        last = len(starts) - 1
        fresh = (number <= last) & usable[number.clamp(max=last)]
        anew = torch.where(fresh[:, None], starts[number.clamp(max=last)], self.vectors)
        self.counts.masked_fill_(dead, 1)
        self.sums.copy_(torch.where(dead[:, None], anew, self.sums))
        total = self.counts.sum()
        smooth = (self.counts + EPSILON) / (total + len(self.counts) * EPSILON) * total
        self.vectors.copy_(self.sums / smooth[:, None])


def is_double(rows: Tensor) -> Tensor:
    """Say of rows (N, D) which are the same as another one: (N,), False for one of the same.

    They are compared by their places along one direction, sorted: all pairs would be too many.
    """
    direction = torch.arange(1, rows.shape[1] + 1, device=rows.device).cos()
    places, order = (
        (rows * direction).sum(1).sort(stable=True)
    )  # of the same, the first comes first
    near = places.diff() <= SAME * rows.abs().amax()
    near = torch.cat([near.new_zeros(1), near])
    return torch.empty_like(near).index_copy_(0, order, near)


def perplexity(counts: Tensor) -> Tensor:
    """Return how many equally likely codes have the entropy of these counts (K,): a scalar."""
    return torch.special.entr(counts / counts.sum()).sum().exp()

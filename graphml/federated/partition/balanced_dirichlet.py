"""Label skew without the skew of sizes that comes with it."""

import numpy as np
from numpy.typing import NDArray

from graphml.federated.partition.dirichlet import DirichletPartitioner


class BalancedDirichletPartitioner(DirichletPartitioner):
    """As `DirichletPartitioner`, but a client that has its equal share of all items gets none of the classes to come.

    The rule of Yao et al., "FedGCN: Convergence-Communication Tradeoffs in Federated Training of Graph Convolutional
    Networks", NeurIPS 2023, whose concentration "beta" is `alpha` here: 10,000 for clients that are alike and 1 for
    those that are not, with at least 10 items each. Where the shares of all clients that are not full are zero, they
    get equal ones.

    Args:
        num_clients: Number of clients K.
        seed: Seed, not negative.
        alpha: Concentration of the shares, above 0.
        min_size: Least items of a client, at least 1.
    """

    def __init__(self, num_clients: int, seed: int = 0, alpha: float = 1.0, min_size: int = 10) -> None:
        super().__init__(num_clients, seed, alpha, min_size)

    def _shares(self, sizes: NDArray[np.int64], full: float, generator: np.random.Generator) -> NDArray[np.float64]:
        is_open = (sizes < full).astype(np.float64)
        shares: NDArray[np.float64] = super()._shares(sizes, full, generator) * is_open
        if not shares.sum() > 0:
            shares = is_open
        shares /= shares.sum()
        return shares

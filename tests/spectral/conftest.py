"""Exact spectra of real graphs, computed once a session."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch_geometric.datasets import Planetoid
from torch_geometric.utils import get_laplacian, to_dense_adj


class ExactSpectrum(NamedTuple):
    edge_index: Tensor
    num_nodes: int
    eigenvalues: Tensor


@pytest.fixture(scope="session")
def exact_spectrum(data_root: Path) -> Callable[[str], ExactSpectrum]:
    """Graph and ascending float64 eigenvalues of its normalised Laplacian (PyG's), by the name of a Planetoid graph."""

    @functools.cache
    def spectrum(name: str) -> ExactSpectrum:
        if not (data_root / "Planetoid" / name / "raw").is_dir():
            pytest.skip(f"{name} is not among the data")
        data = Planetoid(str(data_root / "Planetoid"), name)[0]
        edges, weight = get_laplacian(
            data.edge_index, normalization="sym", dtype=torch.float64, num_nodes=data.num_nodes
        )
        laplacian = to_dense_adj(edges, edge_attr=weight, max_num_nodes=data.num_nodes)[0]
        return ExactSpectrum(data.edge_index, data.num_nodes, torch.linalg.eigvalsh(laplacian))

    return spectrum

"""Fixtures for the whole suite: where real data lies, and a guard that keeps every test off the network."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

if not torch.cuda.is_available():  # before the first import of triton: its interpreter runs the kernels on the CPU
    os.environ.setdefault("TRITON_INTERPRET", "1")

from torch_geometric.data import Data  # imports triton


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of PyG roots (`Planetoid`, `Amazon` ...) for tests on real data, which are skipped where there is none."""
    folder = os.environ.get("GRAPHML_DATA")
    if not folder:
        pytest.skip("no real data: set GRAPHML_DATA to a folder that holds graphs/Planetoid, graphs/Amazon ...")
    graphs = Path(folder) / "graphs"
    if not graphs.is_dir():
        pytest.fail(f"GRAPHML_DATA is {folder!r}, but {graphs} is no folder")  # a typo must not skip in silence
    return graphs


@pytest.fixture(autouse=True)
def seed() -> None:
    """Seed torch's global stream before each test, so that none depends on those that ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Refuse connections that leave this machine: in this process, and by a dead proxy in those it starts."""

    def guard(connect: Any) -> Any:
        def local_only(sock: socket.socket, address: Any) -> Any:
            if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
                raise RuntimeError(f"a test tried to reach {address[0]}: tests must not use the network")
            return connect(sock, address)

        return local_only

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guard(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guard(socket.socket.connect_ex))
        for scheme in ("http", "https"):
            patch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")  # port 9, discard: nothing answers
            patch.setenv(f"{scheme.upper()}_PROXY", "http://127.0.0.1:9")
        yield


@pytest.fixture
def rings_and_stars() -> list[Data]:
    """Forty rings (class 0) and stars (class 1) of 4 to 7 nodes, which differ by their edges alone."""
    return [_ring_or_star(number) for number in range(40)]


@pytest.fixture
def knowledge_graph() -> Data:
    """Numbers 0 to 11 and three relations, twice, next and opposite modulo 12; every sixth triple is for validation."""
    number = torch.arange(12)
    tails = torch.cat([2 * number % 12, (number + 1) % 12, (number + 6) % 12])
    part = torch.arange(36) % 6
    data = Data(edge_index=torch.stack([number.repeat(3), tails]), num_nodes=12)
    data.edge_type = torch.arange(3).repeat_interleave(12)
    data.train_mask, data.val_mask, data.test_mask = part < 4, part == 4, part == 5
    return data


def _ring_or_star(number: int) -> Data:
    size = 4 + number // 2 % 4
    nodes = torch.arange(size)
    source, target = (nodes, (nodes + 1) % size) if number % 2 == 0 else (nodes[1:], torch.zeros_like(nodes[1:]))
    edges = torch.cat([torch.stack([source, target]), torch.stack([target, source])], 1)
    x = torch.ones(size, 3)
    x[:, 1] = torch.rand(size, generator=torch.Generator().manual_seed(number))
    return Data(x=x, edge_index=edges, y=torch.tensor([number % 2]))


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "") or host.startswith("127.")

"""Clients that are made when they are needed."""

import pytest

from graphml.federated import LazyClients


def test_each_client_is_made_once_and_on_demand():
    made = []
    clients = LazyClients(lambda number: made.append(number) or f"client {number}", 1000)
    assert len(clients) == 1000
    assert made == []
    assert clients[7] == clients[7] == "client 7"
    assert clients[-1] == "client 999"
    assert clients[2:4] == ["client 2", "client 3"]
    assert made == [7, 999, 2, 3]
    assert sorted(clients.made) == [2, 3, 7, 999]
    with pytest.raises(IndexError, match="expected a client of 0 to 999, got 1000"):
        clients[1000]

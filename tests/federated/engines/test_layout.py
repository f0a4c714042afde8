import torch

from graphml.federated.engines.layout import Layout


def test_clients_of_similar_size_share_a_group():
    layout = Layout.of([100, 80, 70, 69, 10])
    assert layout.groups == ((3, 100), (1, 69), (1, 10))
    assert layout.starts == [0, 100, 200, 300, 369, 379]
    assert layout.owner.bincount().tolist() == [100, 100, 100, 69, 10]


def test_a_function_sees_each_group_with_its_share_of_what_is_stacked():
    layout = Layout.of([3, 3, 1])
    x, scale = torch.randn(7, 2), torch.tensor([1.0, 2.0, 3.0])
    out = layout.apply(lambda part, s: part * s[:, None, None], x, scale)
    torch.testing.assert_close(out, x * scale[layout.owner][:, None])

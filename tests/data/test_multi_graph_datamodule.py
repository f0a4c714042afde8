"""Several datasets as one, from rings, stars and tiny files, and the real ones where they are at hand."""

import pytest
import torch
from torch_geometric.data import Batch

from graphml.data import DatasetMissingError, MultiGraphDataModule


@pytest.fixture
def datasets(rings_and_stars):
    """Two datasets with features of other widths; one has features of edges as well, and three classes."""
    second = [graph.clone() for graph in rings_and_stars[:30]]
    for number, graph in enumerate(second):
        graph.x = torch.ones(graph.num_nodes, 5)
        graph.edge_attr = torch.ones(graph.num_edges, 2)
        graph.y = torch.tensor([number % 3])
    return [rings_and_stars, second]


def test_every_graph_has_the_same_tensors(datasets):
    module = MultiGraphDataModule.from_graphs(datasets, max_degree=3)
    assert (module.in_channels, module.num_classes) == (4, 3)
    batch = Batch.from_data_list(module.graphs)
    assert (batch.num_graphs, set(batch.keys())) == (70, {"x", "edge_index", "y", "batch", "ptr"})
    star, degrees = module.graphs[1], datasets[0][1].edge_index[0].bincount()
    assert star.x.argmax(1).tolist() == degrees.clamp(max=3).tolist()
    assert star.x.sum(1).tolist() == [1] * len(degrees)
    assert datasets[1][0].x.shape[1] == 5  # what was given is as it was


def test_each_dataset_is_split_by_itself(datasets):
    module = MultiGraphDataModule.from_graphs(datasets)
    assert module.domains.tolist() == [0] * 40 + [1] * 30
    for part, sizes in zip(module.split, ([32, 24], [4, 3], [4, 3]), strict=True):
        assert module.domains[part].bincount().tolist() == sizes
        assert part.tolist() == sorted(part.tolist())
        of_second = part[module.domains[part] == 1]
        assert len(set(module.labels[of_second].bincount().tolist())) == 1
    assert torch.cat(list(module.split)).sort().values.tolist() == list(range(70))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["MUTAG", "nosuch"]}, "unknown dataset name 'nosuch'"),
        (
            {"names": ["MUTAG", "mutag"]},
            r"names: expected at least one dataset and each once, got \['MUTAG', 'mutag'\]",
        ),
        ({"names": []}, "names: expected at least one dataset"),
        ({"names": ["MUTAG"], "cleaned": ["BZR"]}, "unknown dataset name 'BZR'.*Known: MUTAG"),
        ({"max_degree": 0}, "max_degree: expected at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
    ],
)
def test_wrong_options_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        MultiGraphDataModule(**options)


def test_from_graphs_refuses_what_it_cannot_use(rings_and_stars):
    with pytest.raises(ValueError, match="datasets: expected at least one, got none"):
        MultiGraphDataModule.from_graphs([])
    with pytest.raises(ValueError, match="graphs: expected at least one, got none"):
        MultiGraphDataModule.from_graphs([rings_and_stars, []])
    with pytest.raises(TypeError, match=r"from_graphs\(\) takes no cleaned, names"):
        MultiGraphDataModule.from_graphs([rings_and_stars], names=["MUTAG"], cleaned=["MUTAG"])


def test_a_missing_dataset_is_named(tmp_path):
    with pytest.raises(DatasetMissingError, match="dataset BZR is missing"):
        MultiGraphDataModule(["BZR"], root=str(tmp_path)).setup("fit")


def test_real_molecules(data_root):
    module = MultiGraphDataModule(root=str(data_root), cleaned=["bzr", "COX2", "PTC_MR"])
    try:
        assert module.domains.bincount().tolist() == [188, 276, 237, 235]
    except DatasetMissingError as error:
        pytest.skip(str(error))
    assert (module.in_channels, module.num_classes) == (11, 2)

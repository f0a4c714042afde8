"""Knowledge graphs: tiny files in each layout, the loaders, and the real ones where they are at hand."""

from pathlib import Path

import pytest
import torch
from torch_geometric.datasets import FB15k_237, WordNet18RR

from graphml.data import DatasetMissingError, LinkDataModule, load_link_dataset
from graphml.data.link_datasets import LINK_DATASETS

# Entities, relations, triples of each part: the figures of the papers.
REAL = {
    "WN18RR": (40_943, 11, 86_835, 3_034, 3_134),
    "FB15k-237": (14_541, 237, 272_115, 17_535, 20_466),
    "nations": (14, 55, 1_592, 199, 201),
    "umls": (135, 46, 5_216, 652, 661),
    "kinships": (104, 25, 8_544, 1_068, 1_074),
}
FILES = {"train": "b\t{0}\ta\na\t{1}\tc\n", "valid": "c\t{0}\tb\n", "test": "a\t{1}\tb\n"}
FOLDERS = {"WN18RR": "WordNet18RR/raw", "FB15k-237": "FB15k_237/raw", "umls": "KG_small/umls"}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Fail if PyG starts to download, and forget where real data lie."""
    monkeypatch.delenv("GRAPHML_DATA", raising=False)
    for family in (FB15k_237, WordNet18RR):
        monkeypatch.setattr(family, "download", lambda self: pytest.fail(f"{type(self).__name__} started to download"))


def write(root: Path, name: str, relations: tuple[str, str] = ("_has_part", "_hypernym")) -> None:
    folder = root / FOLDERS[name]
    folder.mkdir(parents=True)
    for file, text in FILES.items():
        (folder / f"{file}.txt").write_text(text.format(*relations))


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("inside", [False, True], ids=["parent", "class folder"])
def test_layouts(tmp_path, name, inside):
    write(tmp_path, name)
    root = tmp_path / FOLDERS[name].split("/")[0] if inside else tmp_path
    data = load_link_dataset(name.lower(), str(root))
    assert data.num_nodes == 3
    assert [int(data[f"{stage}_mask"].sum()) for stage in ("train", "val", "test")] == [2, 1, 1]
    (head,), (tail,) = data.edge_index[:, data.val_mask]
    first, second = data.edge_index[:, data.train_mask].T.tolist()
    ends = {tuple(first), tuple(second)}  # in any order: PyG sorts the triples of WN18RR by the entities' numbers
    assert (int(tail), int(data.edge_index[0, data.test_mask])) in ends  # b to a
    assert (int(data.edge_index[0, data.test_mask]), int(head)) in ends  # a to c
    train, val, test = (data.edge_type[data[f"{stage}_mask"]] for stage in ("train", "val", "test"))
    assert set(train.tolist()) == {int(val), int(test)}
    assert int(val) != int(test)


def test_small_graphs_are_numbered_by_name(tmp_path):
    write(tmp_path, "umls", ("z", "y"))
    data = load_link_dataset("umls", str(tmp_path))
    assert data.edge_index.T.tolist() == [[1, 0], [0, 2], [2, 1], [0, 1]]
    assert data.edge_type.tolist() == [1, 0, 1, 0]


def test_a_line_that_is_no_triple_is_named(tmp_path):
    write(tmp_path, "umls")
    (tmp_path / "KG_small/umls/valid.txt").write_text("a\tb\n")
    with pytest.raises(ValueError, match=r"valid.txt:1: expected head, relation and tail.*got 'a\\tb'"):
        load_link_dataset("umls", str(tmp_path))


def test_a_missing_dataset_says_how_to_get_it(tmp_path):
    with pytest.raises(DatasetMissingError, match=r"dataset WN18RR is missing.*`download` to true"):
        LinkDataModule("WN18RR", root=str(tmp_path)).setup("fit")
    for download in (False, True):  # nobody can download it
        with pytest.raises(DatasetMissingError, match=r"dataset umls is missing.*holds the KG_small files$"):
            load_link_dataset("umls", str(tmp_path), download)


def test_sizes_and_batches(knowledge_graph):
    module = LinkDataModule.from_data(knowledge_graph, batch_size=10)
    assert (module.num_entities, module.num_relations) == (12, 3)
    loader = module.train_dataloader()
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert [len(batch.seeds) for batch in batches] == [10, 10, 4]
    seen = torch.cat([batch.seeds for batch in batches])
    assert seen.sort().values.tolist() == knowledge_graph.train_mask.nonzero().squeeze(1).tolist()
    assert all(batch.edge_index is knowledge_graph.edge_index for batch in batches)
    assert "seeds" not in knowledge_graph
    assert list(module.val_dataloader()) == [knowledge_graph]


def test_order_is_of_the_seed_and_the_epoch(knowledge_graph):
    def epochs(seed: int) -> list[list[int]]:
        loader = LinkDataModule.from_data(knowledge_graph, batch_size=24, batch_seed=seed).train_dataloader()
        return [batch.seeds.tolist() for _ in range(2) for batch in loader]

    assert epochs(0) == epochs(0)
    assert epochs(0)[0] != epochs(0)[1]
    assert epochs(0)[0] != epochs(1)[0]


def test_the_graph_moves_once(knowledge_graph):
    module = LinkDataModule.from_data(knowledge_graph, batch_size=10)
    meta = torch.device("meta")
    batch = next(iter(module.train_dataloader()))
    moved = module.transfer_batch_to_device(batch, meta, 0)
    assert moved.seeds.device == moved.edge_index.device == moved.train_mask.device == meta
    assert moved.edge_index is module.data.edge_index
    assert module.transfer_batch_to_device(moved, meta, 0) is moved


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nosuch"}, "unknown dataset name 'nosuch'"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"batch_seed": -1}, "batch_seed: expected at least 0, got -1"),
    ],
)
def test_wrong_options_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        LinkDataModule(**options)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("edge_index", torch.zeros(3, 4), r"expected edge_index \[2, T\]"),
        ("edge_index", torch.full((2, 36), 12), "expected entities 0 to 11, got up to 12"),
        (
            "edge_type",
            torch.zeros(5, dtype=torch.long),
            r"data.edge_type: expected \[36\], one entry a triple, got \[5\]",
        ),
        ("edge_type", torch.full((36,), -1), "data.edge_type: expected relations from 0, got -1"),
        ("val_mask", None, r"data.val_mask: expected \[36\], one entry a triple, got None"),
        ("train_mask", torch.zeros(36, dtype=torch.bool), "expected at least one training triple, got none"),
    ],
)
def test_a_wrong_graph_is_refused(knowledge_graph, name, value, message):
    knowledge_graph[name] = value
    with pytest.raises(ValueError, match=message):
        LinkDataModule.from_data(knowledge_graph)


def test_from_data_refuses_what_it_cannot_use(knowledge_graph):
    with pytest.raises(TypeError, match=r"from_data\(\) takes no name, root"):
        LinkDataModule.from_data(knowledge_graph, name="umls", root="x")


def test_every_dataset_is_tested():
    assert set(REAL) == set(LINK_DATASETS)


@pytest.mark.parametrize("name", REAL)
def test_real_dataset(data_root, name):
    module = LinkDataModule(name, root=str(data_root))
    try:
        data = module.data
    except DatasetMissingError as error:
        pytest.skip(str(error))
    sizes = [int(data[f"{stage}_mask"].sum()) for stage in ("train", "val", "test")]
    assert (module.num_entities, module.num_relations, *sizes) == REAL[name]
    card = (Path(__file__).resolve().parents[2] / "datasets" / f"{name.lower()}.md").read_text()
    assert "| " + " | ".join(f"{size:,}" for size in REAL[name]) + " |" in card

"""Every variant of every study trains and tests, and of every search tries, on tiny data in place of its own."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from graphml.data import Conversations, Utterance, write_folder
from graphml.study.runs import RUNS
from graphml.study_file import StudyConfig, load_study
from graphml.tune.command import build_parser
from graphml.tune.planning import make_plan
from graphml.tune.run import run
from graphml.tune.tune_file import load_tune

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "experiments").rglob("*.yaml"))
SEARCHES = [path for path in FILES if path.stem.startswith("tune_")]
STUDIES = [path for path in FILES if path not in SEARCHES]
SHORT = ["--trainer.max_epochs=1", "--trainer.enable_model_summary=false"]
GRAPH = ["--data.name=karate", "--data.split=random", "--data.num_splits=1", "--model.encoder.hidden_channels=8"]

FEW_ATTACKS = [{"class_path": "graphml.federated.audit.LinkStealing", "init_args": {"num_links": 20}}]

FEDERATION = ["--rounds=1", "--local.epochs=1"]


@pytest.fixture(scope="session")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight dialogues of noise, in the interchange layout."""
    rng, rows = np.random.default_rng(0), []
    for d in range(8):
        for number in range(4):
            split = ("train", "train", "val", "test")[d % 4]
            label, text = f"emotion {rng.integers(3)}", f"the day {rng.integers(3)} of the garden"
            rows.append(Utterance(f"d{d}", str(number), "AB"[number % 2], text=text, label=label, split=split))
    sizes = {"text": 6, "audio": 4}
    features = {name: rng.standard_normal((32, size)).astype(np.float32) for name, size in sizes.items()}
    folder = tmp_path_factory.mktemp("conversations")
    write_folder(folder, Conversations(rows, [f"emotion {c}" for c in range(3)], features))
    return folder


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty edges and triangles under the names of two datasets, and a knowledge graph of six relations."""
    root = tmp_path_factory.mktemp("graphs")
    for name in ("PROTEINS", "MUTAG"):
        write_graphs(root / "TUDataset" / name / "raw", name)
    (root / "KG_small" / "umls").mkdir(parents=True)
    for part, step in (("train", 1), ("valid", 2), ("test", 3)):
        lines = [f"{head}\t{relation}\t{(head + step * relation) % 7}\n" for head in range(7) for relation in range(6)]
        (root / "KG_small" / "umls" / f"{part}.txt").write_text("".join(lines))
    return root


def write_graphs(folder: Path, name: str) -> None:
    sizes = [2 + number % 2 for number in range(60)]
    starts = [1 + sum(sizes[:number]) for number in range(60)]
    nodes = [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    parts = {
        "A": [f"{a}, {b}" for part in nodes for a, b in itertools.permutations(part, 2)],
        "graph_indicator": [str(number + 1) for number, size in enumerate(sizes) for _ in range(size)],
        "graph_labels": [str(size) for size in sizes],
        "node_labels": [str(node % 3) for part in nodes for node in part],
    }
    folder.mkdir(parents=True)
    for part, lines in parts.items():
        (folder / f"{name}_{part}.txt").write_text("\n".join(lines) + "\n")


def cases() -> list[tuple[Path, str]]:
    return [(path, variant) for path in STUDIES for variant in load_study(path).variants]


def test_there_are_studies() -> None:
    assert len(STUDIES) >= 9


@pytest.mark.parametrize(("path", "variant"), cases(), ids=[f"{path.stem}-{name}" for path, name in cases()])
def test_variant_runs(path: Path, variant: str, tmp_path: Path, conversations: Path, graphs: Path) -> None:
    study = load_study(path)
    layers = [study.config, study.variants[variant] or {}]
    if path.stem.startswith(("privacy", "audit")):
        pytest.importorskip("opacus")
        pytest.importorskip("cryptography")
    if study.run == "audit":
        tiny, wanted = ["--rounds=1", "--data.name=digits"], {"test_loss"}
        layers += [{"attacks": FEW_ATTACKS}] if "attacks" not in layers[1] else []
    elif study.run == "federate":
        tiny = federation_options(study, variant, conversations, graphs)
        wanted = {"test_mrr" if study.config["data"]["class_path"].endswith("LinkDataModule") else "test_loss"}
    elif "emotion" in path.parts:
        tiny, wanted = [*SHORT, f"--data.path={conversations}", "--model.model.hidden_channels=8"], {"weighted_f1"}
    else:
        # An encoder without layers of its own has no width to reduce.
        tiny = SHORT + [option for option in GRAPH if variant != "raw" or "hidden_channels" not in option]
        wanted = {"val_accuracy", "test_accuracy"}
    config = RUNS[study.run].resolve(layers, tiny)
    measurements = RUNS[study.run].measure(config, [], 0, tmp_path, False)
    assert wanted <= {m.metric for m in measurements}
    assert all(0 <= m.value <= 1 for m in measurements if study.run == "fit")


def searches() -> list[tuple[Path, str]]:
    return [(path, variant) for path in SEARCHES for variant in load_tune(path).variants]


@pytest.mark.parametrize(("path", "variant"), searches(), ids=[f"{path.stem}-{name}" for path, name in searches()])
def test_search_runs(path: Path, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr("graphml.tune.run._test", lambda plan, best: ("", []))
    options = build_parser().parse_args(["--config", str(path), "--variant", variant, "--trials", "1"])
    options.out = tmp_path
    tiny = ["--data.name=karate", "--data.split=random", "--partitioner.num_clients=2", "--partitioner.delta=0"]
    outcome = run(make_plan(options, [*tiny, "--rounds=1"]), progress=False)
    assert outcome.best is not None
    assert [row.state for row in outcome.rows] == ["complete"]


def federation_options(study: StudyConfig, variant: str, conversations: Path, graphs: Path) -> list[str]:
    """Options that make a federation tiny: its own partitioner and strategy, few clients, other data."""
    given = (study.variants[variant] or {}).get("partitioner", {})
    partitioner = (study.config["partitioner"] | given)["class_path"]
    fewer = [] if partitioner.endswith("GroupPartitioner") else ["--partitioner.num_clients=2"]
    fewer += ["--partitioner.delta=0"] if partitioner.endswith("LouvainPartitioner") else []
    data = study.config["data"]["class_path"].rpartition(".")[2]
    if data == "NodeDataModule":  # karate has no published split
        name = ["--data.name=karate", "--data.split=random"]
        name += ["--protocol=fs-g"] if study.config.get("protocol") == "fedgcn" else []
        return [*FEDERATION, *name, *fewer]
    if data == "IEMOCAPDataModule":
        return [*FEDERATION, f"--data.path={conversations}", "--model.model.hidden_channels=8", *fewer]
    names = {
        "GraphDataModule": ["--data.batch_size=4"],  # test graphs in several batches
        "MultiGraphDataModule": ["--data.names=[PROTEINS, MUTAG]", "--data.cleaned=[]"],
        "LinkDataModule": ["--data.name=umls"],
    }
    if data in names:
        return [*FEDERATION, f"--data.root={graphs}", *names[data], *fewer]
    raise AssertionError(f"tell how a federation of {data} is made tiny")

"""How much the probe decides: the frozen embeddings of a finished study under three linear classifiers.

``python experiments/aswt/probes.py runs/aswt/cora --data.root DIR`` reads the checkpoints of the study's `wavelet`
variant. The library's probe is one-vs-rest on L2-normalised embeddings; many published rows come from a multinomial
classifier. In all of them C is chosen on validation and the test nodes are read once.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from torch import Tensor

from graphml.data import NodeDataModule
from graphml.evaluation import LinearProbe
from graphml.evaluation.linear_probe import POWERS_OF_TWO
from graphml.tasks import ContrastiveTask


def multinomial(z: np.ndarray, y: np.ndarray, train: np.ndarray, val: np.ndarray, test: np.ndarray) -> float:
    """Test accuracy of a multinomial logistic regression whose C is chosen on validation."""
    models = [LogisticRegression(C=c, max_iter=2000).fit(z[train], y[train]) for c in POWERS_OF_TWO]
    best = max(models, key=lambda model: model.score(z[val], y[val]))
    return float(best.score(z[test], y[test]))


def accuracies(z: Tensor, y: Tensor, masks: list[Tensor]) -> dict[str, float]:
    """Test accuracy under each probe."""
    points, labels, rows = z.double().numpy(), y.numpy(), [mask.numpy() for mask in masks]
    return {
        "one-vs-rest, L2-normalised (the library's)": LinearProbe().evaluate(z, y, *masks).test_accuracy,
        "multinomial, L2-normalised": multinomial(normalize(points), labels, *rows),
        "multinomial, as they are": multinomial(points, labels, *rows),
    }


def main() -> None:
    """Print mean and deviation over the seeds for each probe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of the study's results")
    parser.add_argument("--data.root", dest="root")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = yaml.safe_load((options.study / "configs" / "wavelet.yaml").read_text())["data"]["init_args"]
    data = NodeDataModule(**(config | {"root": options.root, "split": "public"})).data
    masks = [mask[:, 0] for mask in data.splits["public"]]
    results: dict[str, list[float]] = {}
    for checkpoint in sorted(options.study.glob("wavelet/seed-*/fit/version_*/checkpoints/*.ckpt")):
        task = ContrastiveTask.load_from_checkpoint(checkpoint, map_location="cpu").eval()
        with torch.no_grad():
            for name, value in accuracies(task(data), data.y, masks).items():
                results.setdefault(name, []).append(100 * value)
    for name, values in results.items():
        print(f"{name:45} {statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f} ({len(values)} seeds)")


if __name__ == "__main__":
    main()

"""How much emotion the audio features hold: EmoDB, one speaker left out at a time, under three standard classifiers.

``python experiments/emotion/emodb.py --data DIR`` reads DIR/labels.csv and the recordings beside it, as
datasets/emodb.md describes them. Measured is the unweighted average recall (UAR). C is chosen by leaving out one
training speaker at a time; classes weigh alike. ``speaker`` normalises each speaker by their own mean and deviation, as
the field does: it needs no labels, but all of a speaker's recordings, those of the test speaker too. ``train`` takes
mean and deviation of the training speakers, as a system must that hears one recording of a stranger.
"""

import argparse
import csv
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, recall_score
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from tqdm import tqdm

from graphml.data.features import AudioFeatures
from graphml.io import atomic_write
from graphml.plots.style import new_figure

HERE = Path(__file__).parent
NORMALISATIONS = ("speaker", "train")
MODELS: dict[str, tuple[BaseEstimator, Sequence[float]]] = {
    "logistic regression": (
        LogisticRegression(class_weight="balanced", max_iter=2000),
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    ),
    "linear SVM": (LinearSVC(class_weight="balanced", max_iter=10_000, random_state=0), (1e-5, 1e-4, 1e-3, 1e-2)),
    "RBF SVM": (SVC(class_weight="balanced"), (0.1, 1.0, 10.0, 100.0)),
}
SHOWN = ("linear SVM", "speaker")
"""The confusion matrix that is drawn: the field's usual baseline, chosen before any result."""


class Corpus(NamedTuple):
    """Features ``[N, F]``, and the emotion and the speaker of each of the N recordings."""

    x: NDArray[np.float32]
    emotions: NDArray[np.str_]
    speakers: NDArray[np.str_]


class Row(NamedTuple):
    """UAR, in percent, on one speaker's recordings."""

    model: str
    normalisation: str
    speaker: str
    recordings: int
    C: float
    uar: float


def read_corpus(folder: Path) -> Corpus:
    """Read the labels and make the features."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    extractor = AudioFeatures()
    x = np.stack([extractor.extract(folder / row["file"]) for row in tqdm(rows, "features", file=sys.stderr)])
    emotions, speakers = (np.array([row[column] for row in rows]) for column in ("emotion", "speaker"))
    return Corpus(x, emotions, speakers)


def of_each_speaker(x: NDArray[np.float32], speakers: NDArray[np.str_]) -> NDArray[np.float32]:
    """Normalise the recordings of each speaker to mean 0 and deviation 1."""
    out = np.empty_like(x)
    for speaker in np.unique(speakers):
        out[speakers == speaker] = StandardScaler().fit_transform(x[speakers == speaker])
    return out


def evaluate(corpus: Corpus) -> tuple[list[Row], dict[tuple[str, str], NDArray[np.str_]]]:
    """Leave out each speaker once; return a row for each, and the predictions of each model and normalisation."""
    inputs = {"speaker": of_each_speaker(corpus.x, corpus.speakers), "train": corpus.x}
    jobs = [(model, name, who) for model in MODELS for name in NORMALISATIONS for who in np.unique(corpus.speakers)]
    rows: list[Row] = []
    predictions = {(model, name): corpus.emotions.copy() for model in MODELS for name in NORMALISATIONS}
    for model, name, who in tqdm(jobs, "speakers", file=sys.stderr):
        classifier, grid = MODELS[model]
        pipeline = make_pipeline(StandardScaler(), classifier)
        step = pipeline.steps[-1][0]
        search = GridSearchCV(pipeline, {f"{step}__C": grid}, scoring="balanced_accuracy", cv=LeaveOneGroupOut())
        test = corpus.speakers == who
        search.fit(inputs[name][~test], corpus.emotions[~test], groups=corpus.speakers[~test])
        predicted = search.predict(inputs[name][test])
        predictions[model, name][test] = predicted
        uar = 100 * balanced_accuracy_score(corpus.emotions[test], predicted)
        rows.append(Row(model, name, str(who), int(test.sum()), search.best_params_[f"{step}__C"], round(uar, 2)))
    return rows, predictions


def table(corpus: Corpus, rows: Sequence[Row], predictions: dict[tuple[str, str], NDArray[np.str_]]) -> str:
    """Return mean and deviation over the speakers, and the UAR of all predictions together, as Markdown."""
    lines = ["| model | normalisation | UAR, mean ± std over speakers | UAR, pooled |", "|---|---|---|---|"]
    for (model, name), predicted in predictions.items():
        values = [row.uar for row in rows if (row.model, row.normalisation) == (model, name)]
        pooled = 100 * recall_score(corpus.emotions, predicted, average="macro")
        lines.append(f"| {model} | {name} | {np.mean(values):.1f} ± {np.std(values, ddof=1):.1f} | {pooled:.1f} |")
    chance = 100 / len(np.unique(corpus.emotions))
    return "\n".join([*lines, f"| chance | | {chance:.1f} | {chance:.1f} |"])


def draw_confusion(actual: NDArray[np.str_], predicted: NDArray[np.str_], title: str) -> Figure:
    """Draw which emotion is taken for which, in percent of the actual one."""
    names = np.unique(actual)
    share = 100 * confusion_matrix(actual, predicted, labels=names, normalize="true")
    figure, axes = new_figure(5.6, 5.0)
    axes.grid(visible=False)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(share.shape):
        color = "white" if share[row, column] > 50 else "black"
        axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", color=color)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="acted", title=title)
    return figure


def main(args: Sequence[str] | None = None) -> None:
    """Measure, write emodb.csv and the confusion matrix, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of labels.csv and the recordings")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of emodb.csv and figures/")
    options = parser.parse_args(args)
    # A speaker without some emotion is no mistake: the average is over the emotions that there are.
    warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
    corpus = read_corpus(options.data)
    rows, predictions = evaluate(corpus)
    with atomic_write(options.out / "emodb.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([Row._fields, *rows])
    figure = draw_confusion(corpus.emotions, predictions[SHOWN], f"EmoDB, {SHOWN[0]}: percent of each emotion")
    with atomic_write(options.out / "figures" / "emodb-confusion.png") as temporary:
        figure.savefig(temporary)
    print(table(corpus, rows, predictions))


if __name__ == "__main__":
    main()

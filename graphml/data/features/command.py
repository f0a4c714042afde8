"""The command ``graphml features``."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graphml.data.conversation import (
    Conversations,
    Utterance,
    read_conversations,
    read_folder,
    write_features,
    write_folder,
)
from graphml.data.conversation.splits import random_dialogue_split
from graphml.data.conversation.table import SPLITS
from graphml.data.features.audio import AudioFeatures
from graphml.data.features.extract import Extractor, fill_table, load_extractor, load_states, save_extractors
from graphml.data.features.recording import AudioError
from graphml.data.features.text import HuggingFaceEncoder, SentenceTransformerEncoder, TfidfSvd

DESCRIPTION = """\
Make features of conversations, and write them as a folder that models train on: conversations.csv, classes.txt,
audio.npz from the recordings, text.npz from the sentences, and extractors.pt, which rebuilds what made them.

SOURCE is a folder or file of conversations in any layout that is read. Features that it brings, such as visual.npz,
are kept; a modality that it brings is made anew only if --audio or --text says so. Video features are brought, not
made: datasets/features.md tells how, and lists the audio features.

Where SOURCE has no split, its dialogues are split at random (70 % to train, 10 % to validate, 20 % to test), and the
split is written: what is fitted here on training sentences is then not trained on others. Fewer than three dialogues
stay whole, and so do conversations whose features are made --like others.

A recording that cannot be read is reported and left out. An interrupted run goes on where it was. Delete audio.npz or
text.npz to make it anew after recordings changed under their names.
"""

EPILOG = """\
examples:
  graphml features my_conversations made
  graphml features MELD.Raw made --text sentence-transformers:all-MiniLM-L6-v2 --processes 4
  graphml features new_conversations new --like made

exit status: 0 written, 1 no recording could be read, 2 a wrong option, source or missing package.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="graphml features",
        usage="graphml features SOURCE OUT [--audio KIND] [--text ENCODER] [--split-seed N] [--processes N]\n"
        "       graphml features SOURCE OUT --like FOLDER [--processes N]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="conversations")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to write, another than SOURCE")
    parser.add_argument("--audio", metavar="KIND", choices=["librosa", "none"], help="librosa (default), or none")
    parser.add_argument(
        "--text",
        metavar="ENCODER",
        help="tfidf (default; fitted on the training sentences), "
        "sentence-transformers:NAME, hf:NAME (a name or a folder), or none",
    )
    parser.add_argument("--sample-rate", metavar="HZ", type=int, help="of the audio features (default: 16000)")
    parser.add_argument("--text-dim", metavar="F", type=int, help="features of tfidf at most (default: 128)")
    parser.add_argument("--pooling", choices=["mean", "cls"], help="of the tokens of hf:NAME (default: mean)")
    parser.add_argument("--split-seed", metavar="N", type=int, help="of the split of a source without one (default: 0)")
    parser.add_argument("--like", metavar="FOLDER", type=Path, help="make the features as those of FOLDER were made")
    parser.add_argument("--processes", metavar="N", type=int, default=1, help="for recordings (default: 1)")
    return parser


def main(args: list[str]) -> int:
    """Make features.

    Args:
        args: Command line arguments after ``features``.

    Returns:
        Exit status.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    parser = build_parser()
    options = parser.parse_args(args)
    if options.processes < 1:
        parser.error(f"argument --processes: expected 1 or more, got {options.processes}")
    if options.source.resolve() == options.out.resolve():
        parser.error(f"argument OUT: expected another folder than SOURCE, got {options.out}")
    if options.split_seed is not None and options.split_seed < 0:
        parser.error(f"argument --split-seed: expected 0 or more, got {options.split_seed}")
    made = (options.audio, options.text, options.sample_rate, options.text_dim, options.pooling, options.split_seed)
    if options.like and any(value is not None for value in made):
        parser.error("argument --like: FOLDER says how features are made; leave the other options out")
    try:
        run(options)
    except AudioError as error:
        print(f"graphml features: error: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"graphml features: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Read, make and write; print what was made and what was left out.

    Args:
        options: What the parser returned.

    Raises:
        AudioError: If none of the recordings can be read.
        ValueError: If the source, or an option, is not what is expected.
        OSError: If a file is missing or cannot be written.
        ModuleNotFoundError: If a text encoder's package is not installed.
    """
    source = read_conversations(options.source)
    source = source if options.like else _split(source, options.split_seed)
    utterances = [u._replace(audio=str(Path(u.audio).resolve()) if u.audio else "") for u in source.utterances]
    source = Conversations(utterances, source.classes, source.features)
    extractors = _like(options.like, source) if options.like else _chosen(options, source)
    tables = _earlier(options.out, source, extractors)
    kept = {name: x for name, x in source.features.items() if name not in extractors}
    brought = {name: state for name, state in load_states(options.source).items() if name in kept}
    save_extractors(options.out, brought | {name: extractor.state() for name, extractor in extractors.items()})
    write_folder(options.out, source.with_features(kept))
    for name in kept:
        print(f"{name}: kept from {options.source}")
    # Text first: it is quick, and is then there even where no recording can be read.
    for name, extractor in sorted(extractors.items(), key=lambda item: item[1].column == "audio"):
        file = options.out / f"{name}.npz"

        def save(table: NDArray[np.float32], file: Path = file) -> None:
            write_features(file, utterances, table)

        table, problems = fill_table(utterances, extractor, tables.get(name), options.processes, save)
        made = int((~np.isnan(table).any(axis=1)).sum())
        print(f"{name}: {table.shape[1]} features of {made} of {len(table)} utterances ({extractor.kind})")
        if problems:
            print(f"{len(problems)} recordings left out:\n  " + "\n  ".join(problems), file=sys.stderr)
    print(f"written to {options.out}", file=sys.stderr)


def _split(source: Conversations, seed: int | None) -> Conversations:
    """Split as the data module would, so that nothing is fitted on what it validates or tests on."""
    if any(u.split for u in source.utterances):
        if seed is not None:
            raise ValueError(f"--split-seed {seed}: expected conversations without a split, got some that have one")
        return source
    if len(source.dialogues) < len(SPLITS):
        return source
    source = random_dialogue_split(source, seed=seed or 0)
    sizes = ", ".join(f"{len(source.split(name))} {name}" for name in SPLITS)
    print(f"split: the source has none; its dialogues are split at random, {sizes} (--split-seed {seed or 0})")
    return source


def _chosen(options: argparse.Namespace, source: Conversations) -> dict[str, Extractor]:
    """The extractors that the options ask for, of the modalities whose raw form the source has."""
    extractors: dict[str, Extractor] = {}
    if _wanted("audio", options.audio, source):
        extractors["audio"] = AudioFeatures(options.sample_rate or 16_000)
    if _wanted("text", options.text, source):
        extractors["text"] = _text_encoder(options, source)
    return extractors


def _wanted(modality: str, choice: str | None, source: Conversations) -> bool:
    if choice == "none" or (choice is None and modality in source.features):
        return False
    raw = any(getattr(u, modality) for u in source.utterances)
    if choice is not None and not raw:
        what = {"audio": "recordings", "text": "sentences"}[modality]
        raise ValueError(f"--{modality} {choice}: expected conversations with {what}, got none in the source")
    return raw


def _text_encoder(options: argparse.Namespace, source: Conversations) -> Extractor:
    kind, _, name = (options.text or "tfidf").partition(":")
    if kind == "sentence-transformers" and name:
        return SentenceTransformerEncoder(name)
    if kind == "hf" and name:
        return HuggingFaceEncoder(name, options.pooling or "mean")
    if options.text not in (None, "tfidf"):
        raise ValueError(f"--text: expected tfidf, sentence-transformers:NAME, hf:NAME or none, got {options.text!r}")
    train = [u.text for u in source.utterances if u.text and u.split == "train"]
    everything = [u.text for u in source.utterances if u.text]
    where = (
        f"the {len(train)} training sentences" if train else f"all {len(everything)} sentences: none is for training"
    )
    print(f"text: tfidf is fitted on {where}")
    return TfidfSvd(options.text_dim or 128).fit(train or everything)


def _like(folder: Path, source: Conversations) -> dict[str, Extractor]:
    extractors = {name: load_extractor(state) for name, state in load_states(folder).items()}
    if not extractors:
        raise ValueError(f"--like {folder}: expected a folder that graphml features wrote, got one without extractors")
    raw = {column for column in ("audio", "text") if any(getattr(u, column) for u in source.utterances)}
    return {name: extractor for name, extractor in extractors.items() if extractor.column in raw}


def _earlier(out: Path, source: Conversations, extractors: Mapping[str, Extractor]) -> dict[str, NDArray[np.float32]]:
    """The rows that an earlier run made by the same extractors from the same files; features of others are deleted."""
    states = load_states(out)
    same = {name for name, extractor in extractors.items() if _equal(states.get(name), extractor.state())}
    for name in extractors.keys() - same:
        (out / f"{name}.npz").unlink(missing_ok=True)
    written = [name for name in same if (out / f"{name}.npz").is_file()]
    if not written:
        return {}
    earlier = read_folder(out)
    tables = {}
    for name in written:
        x, column = earlier.features[name], extractors[name].column
        row = {_key(u, column): number for number, u in enumerate(earlier.utterances)}
        found = [row.get(_key(u, column), -1) for u in source.utterances]
        tables[name] = np.vstack([x, np.full_like(x[:1], np.nan)])[found]
    return tables


def _key(utterance: Utterance, column: str) -> tuple[str, str, str]:
    return utterance.dialogue, utterance.utterance, getattr(utterance, column).strip()


def _equal(first: Mapping[str, Any] | None, second: Mapping[str, Any]) -> bool:
    if first is None or first.keys() != second.keys():
        return False
    pairs = [(first[key], second[key]) for key in second]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)

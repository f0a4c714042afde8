"""The command ``graphml annotate``."""

import argparse
import sys
from pathlib import Path

DESCRIPTION = """\
Annotate conversations with emotions: writes annotations.csv (a row an utterance: the emotion, the probability of each,
confidence, uncertainty) and annotations.html, a page that shows each conversation as a timeline and needs no network.

One checkpoint predicts with Monte-Carlo dropout, several form a deep ensemble; the uncertainty is split into aleatoric
(the utterance is ambiguous) and epistemic (the models disagree), in nats.
"""

EPILOG = """\
CONVERSATIONS is a folder with conversations.csv (dialogue, utterance, speaker; start, end, text, audio, label if there
are any) and the features as <modality>.npz, or a CSV file alone, or what else 'graphml features' reads; features that
are absent are extracted from text and audio where the checkpoint keeps its extractors.

exit status: 0 all went well, 2 a checkpoint or the conversations cannot be used.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="graphml annotate",
        usage="graphml annotate CHECKPOINT [CHECKPOINT ...] CONVERSATIONS [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("checkpoints", metavar="CHECKPOINT", nargs="+", type=Path, help="of graphml fit, EmotionTask")
    parser.add_argument("conversations", metavar="CONVERSATIONS", type=Path, help="folder or CSV file")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("runs/annotate"), help="default: runs/annotate")
    parser.add_argument(
        "--samples",
        metavar="N",
        type=_not_negative,
        default=20,
        help="passes with dropout of one checkpoint (default: 20)",
    )
    parser.add_argument("--seed", metavar="N", type=_not_negative, default=0, help="of the dropout (default: 0)")
    parser.add_argument("--split", choices=("train", "val", "test"), help="only the dialogues of this split")
    return parser


def main(args: list[str]) -> int:
    """Annotate conversations.

    Args:
        args: Command line arguments after ``annotate``.

    Returns:
        Exit status.

    Raises:
        SystemExit: With status 0 after ``--help``, with status 2 if an argument is wrong.
    """
    options = build_parser().parse_args(args)
    # Imported here so that --help answers at once, without torch.
    from graphml.annotate.inputs import load_models, prepare
    from graphml.annotate.page import write_page
    from graphml.annotate.prediction import annotate
    from graphml.annotate.table import write_table
    from graphml.data import read_conversations

    try:
        conversations = read_conversations(options.conversations)
        models = load_models(options.checkpoints)
        packed = prepare(conversations, models, options.split)
        conversations = conversations.only(options.split) if options.split else conversations
        annotations = annotate(conversations, models, packed, options.samples, options.seed)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"graphml annotate: error: {error}", file=sys.stderr)
        return 2
    unknown = sorted({u.label for u in conversations.utterances} - {"", *annotations.classes})
    if unknown:
        told = f"the models know {', '.join(annotations.classes)}; the labels {', '.join(unknown)} are not compared"
        print(f"graphml annotate: warning: {told}", file=sys.stderr)
    write_table(options.out / "annotations.csv", annotations)
    write_page(options.out / "annotations.html", annotations)
    print(
        f"{len(conversations.utterances)} utterances of {len(conversations.dialogues)} dialogues: {annotations.method}"
    )
    print(f"wrote {options.out / 'annotations.csv'} and {options.out / 'annotations.html'}")
    return 0


def _not_negative(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {value}")
    return value

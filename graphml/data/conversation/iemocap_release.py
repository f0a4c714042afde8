"""The release of IEMOCAP (Busso et al., Language Resources and Evaluation 2008): folders Session1 to Session5.

Read are ``dialog/EmoEvaluation/<dialogue>.txt`` (for each utterance a line
``[start - end]<TAB>utterance<TAB>emotion<TAB>[v, a, d]``), ``dialog/transcriptions/<dialogue>.txt``
(``<utterance> [start-end]: text``) and ``sentences/wav/<dialogue>/<utterance>.wav``.

As in the field's feature pickles, utterances whose label is none of the six are left out: xxx (no majority), oth, sur,
fea and dis. The pickles hold 53 utterances more: they call happy what the release labels xxx, 648 in place of 595.
"""

import re
import warnings
from collections import Counter
from pathlib import Path

from graphml.data.conversation.feature_pickles import IEMOCAP_CLASSES
from graphml.data.conversation.folder import FolderError
from graphml.data.conversation.table import Conversations, Utterance
from graphml.data.conversation.text_file import read_text

EMOTIONS = dict(zip(("hap", "sad", "neu", "ang", "exc", "fru"), IEMOCAP_CLASSES, strict=True))
OTHERS = ("xxx", "oth", "sur", "fea", "dis")
SESSIONS = [f"Session{number}" for number in range(1, 6)]

# The 12 dialogues that COSMIC validates on, first in the pickles' list of train ids; here they come first too.
IEMOCAP_VALIDATION = (
    *("Ses01M_impro01", "Ses01M_script03_1", "Ses02F_impro02", "Ses02F_impro07", "Ses02M_script01_2", "Ses03F_impro01"),
    *("Ses03M_impro02", "Ses03M_impro08a", "Ses03M_script02_2", "Ses03M_script03_2", "Ses04F_impro07"),
    "Ses04F_script02_1",
)

_EVALUATION = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t(\S+)\t\[.*\]")
_TRANSCRIPTION = re.compile(r"(\S+) +\[[\d.]+ *- *[\d.]+\] *: *(.*)")
_NAME = re.compile(r"(Ses0[1-5][FM]_\w+)_([FM])(?:XX)?\d+")


def read_iemocap_release(path: str | Path) -> Conversations:
    """Read the release of IEMOCAP.

    A warning counts what is left out by label, and the sessions, sentences and recordings that are missing.

    Args:
        path: The folder that holds Session1 to Session5.

    Returns:
        The conversations: train (sessions 1 to 4; the 12 dialogues of `IEMOCAP_VALIDATION` first), then test (session
        5). Speakers are called "Ses01_F", after who speaks, not after who wears the markers.

    Raises:
        FileNotFoundError: If there is no session.
        FolderError: If a file is not what the module's documentation says.
    """
    sessions = [Path(path) / name for name in SESSIONS if (Path(path) / name).is_dir()]
    if not sessions:
        raise FileNotFoundError(f"no IEMOCAP in {path}: expected the folders Session1 to Session5")
    left_out: Counter[str] = Counter()
    dialogues: dict[str, list[Utterance]] = {}
    for session in sessions:
        files = sorted(session.glob("dialog/EmoEvaluation/Ses*.txt"))
        if not files:
            raise FolderError(f"{session}: expected dialog/EmoEvaluation/Ses*.txt, got none")
        for file in files:
            dialogues[file.stem] = _read_dialogue(session, file, left_out)
    rank = {name: number for number, name in enumerate(IEMOCAP_VALIDATION)}
    order = sorted(dialogues, key=lambda name: (name.startswith("Ses05"), rank.get(name, len(rank)), name))
    utterances = [u for name in order for u in dialogues[name]]
    try:
        conversations = Conversations(utterances, IEMOCAP_CLASSES)
    except ValueError as error:
        raise FolderError(f"{path}: {error}") from error
    _warn(left_out, utterances, len(SESSIONS) - len(sessions))
    return conversations


def _read_dialogue(session: Path, file: Path, left_out: Counter[str]) -> list[Utterance]:
    text = _transcriptions(session / "dialog" / "transcriptions" / file.name)
    utterances = []
    for number, line in enumerate(_lines(file), 1):
        if not line.startswith("["):
            continue
        match = _EVALUATION.fullmatch(line.rstrip())
        name = _NAME.fullmatch(match[3]) if match else None
        if match is None or name is None or name[1] != file.stem:
            expected = f"[start - end]<TAB>{file.stem}_F000<TAB>emotion<TAB>[v, a, d]"
            raise FolderError(f"{file}, line {number}: expected {expected}, got {line[:80]!r}")
        start, end, label = float(match[1]), float(match[2]), match[4]
        if label in OTHERS:
            left_out[label] += 1
            continue
        if label not in EMOTIONS or end < start:
            known = ", ".join((*EMOTIONS, *OTHERS))
            raise FolderError(f"{file}, line {number}: expected end >= start and one of {known}, got {line[:80]!r}")
        wav = session / "sentences" / "wav" / file.stem / f"{match[3]}.wav"
        audio = str(wav.resolve()) if wav.is_file() else ""
        speaker, split = f"{file.stem[:5]}_{name[2]}", "test" if session.name == SESSIONS[-1] else "train"
        u = Utterance(file.stem, match[3], speaker, start, end, text.get(match[3], ""), audio, EMOTIONS[label])
        utterances.append(u._replace(split=split))
    return sorted(utterances, key=lambda u: (u.start, u.end))


def _transcriptions(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    matches = map(_TRANSCRIPTION.fullmatch, map(str.strip, _lines(file)))
    return {match[1]: match[2] for match in matches if match}


def _lines(file: Path) -> list[str]:
    try:
        return read_text(file).splitlines()
    except ValueError as error:
        raise FolderError(str(error)) from error


def _warn(left_out: Counter[str], utterances: list[Utterance], sessions: int) -> None:
    notes = []
    if left_out:
        by_label = ", ".join(f"{count} {label}" for label, count in left_out.most_common())
        notes.append(
            f"{left_out.total()} utterances are left out, as their label is none of the six ({by_label}); the field's "
            "pickles keep 53 of the xxx in the whole release as happy"
        )
    missing = {
        "sessions": sessions,
        "utterances without a sentence": sum(not u.text for u in utterances),
        "utterances without a recording": sum(not u.audio for u in utterances),
    }
    notes += [f"missing: {count} {what}" for what, count in missing.items() if count]
    if notes:
        warnings.warn(f"IEMOCAP: {'; '.join(notes)}", stacklevel=3)

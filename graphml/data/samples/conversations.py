"""A small synthetic corpus of conversations, with recordings: nothing in it was said or felt by anybody.

Who speaks carries the emotion on (inertia), takes it over from whoever spoke before (contagion), or is moved by the
event that is spoken of: a comfort, a loss, a quarrel ... to all of them and in the whole conversation, whatever its
noun. The voice follows the emotion more or less, the words only sometimes. So sound, words and context are each
informative, and none of them suffices.

``python -m graphml.data.samples.conversations DIR`` writes it.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphml.data.conversation import Conversations, Utterance, write_folder
from graphml.data.samples.speech import SAMPLE_RATE, Prosody, Voice, synthesize
from graphml.io import atomic_write

# IEMOCAP's six emotions in its order, and how often each comes out of the blue.
EMOTIONS = {"happy": 0.05, "sad": 0.07, "neutral": 0.33, "angry": 0.17, "excited": 0.18, "frustrated": 0.20}
SPLITS = ("train", "train", "val", "train", "test")  # of each five conversations

KEEP, CATCH, REACT = 0.45, 0.12, 0.40  # inertia, contagion, event; else out of the blue
EVENTS = {  # how often an event is of a kind, and the emotions, in the order of EMOTIONS, of those who speak of it
    "comfort": (0.09, (0.75, 0.00, 0.10, 0.00, 0.15, 0.00)),
    "loss": (0.10, (0.00, 0.75, 0.05, 0.05, 0.00, 0.15)),
    "routine": (0.26, (0.02, 0.02, 0.92, 0.00, 0.00, 0.04)),
    "quarrel": (0.17, (0.00, 0.05, 0.00, 0.75, 0.00, 0.20)),
    "success": (0.19, (0.15, 0.00, 0.05, 0.00, 0.80, 0.00)),
    "obstacle": (0.19, (0.00, 0.05, 0.05, 0.15, 0.00, 0.75)),
}

PROSODY = {
    "happy": Prosody(pitch=2.5, range=3.2, slope=1.5, loudness=1.5, rate=1.05, breath=0.16, jitter=0.010),
    "sad": Prosody(pitch=-2.0, range=1.0, slope=-2.5, loudness=-5.0, rate=0.80, breath=0.40, jitter=0.020),
    "neutral": Prosody(pitch=0.0, range=1.8, slope=-1.0, loudness=0.0, rate=1.00, breath=0.10, jitter=0.008),
    "angry": Prosody(pitch=3.0, range=3.0, slope=-1.5, loudness=6.0, rate=1.10, breath=0.05, jitter=0.030),
    "excited": Prosody(pitch=5.0, range=4.0, slope=1.0, loudness=4.0, rate=1.20, breath=0.16, jitter=0.012),
    "frustrated": Prosody(pitch=1.0, range=2.4, slope=-2.5, loudness=3.0, rate=0.92, breath=0.22, jitter=0.020),
}
SPREAD = Prosody(pitch=1.5, range=0.5, slope=1.5, loudness=2.2, rate=0.08, breath=0.06, jitter=0.005)
LOWEST = Prosody(pitch=-9, range=0.3, slope=-8, loudness=-12, rate=0.6, breath=0.0, jitter=0.002)
HIGHEST = Prosody(pitch=9, range=7, slope=8, loudness=12, rate=1.5, breath=0.7, jitter=0.06)

NOUNS = (
    *("apartment", "bicycle", "bridge", "camera", "car", "concert", "contract", "cottage", "dentist", "dinner"),
    *("dog", "exam", "festival", "flight", "garden", "guitar", "harbour", "holiday", "hospital", "interview"),
    *("kitchen", "landlord", "letter", "lottery", "museum", "neighbour", "office", "piano", "project", "roof"),
    *("school", "suitcase", "ticket", "train", "violin", "wedding"),
)
PLAIN = (
    "And then there is the {}.",
    "I was thinking about the {} again.",
    "So what happens with the {} now?",
    "They called me because of the {}.",
    "You know the story of the {}.",
    "Tell me more about the {}.",
    "It was the {} that came first.",
    "My sister asked about the {} too.",
    "That is how it is with the {}.",
    "We should talk about the {} today.",
)
CUES = {
    "happy": ("The {} makes me smile.", "How nice it is about the {}.", "I like the way the {} turned out."),
    "sad": ("I miss the {} so much.", "Nothing is left of the {}.", "The {} is gone and I am alone."),
    "neutral": ("The {} is at nine, as always.", "The {} is on the list.", "There is a form for the {}."),
    "angry": ("How dare you mention the {}!", "I told you to leave the {} alone!", "Stop it with the {}!"),
    "excited": ("Can you believe it, the {}!", "The {} is going to be amazing!", "I cannot wait for the {}!"),
    "frustrated": ("Again the {}, it never works.", "I have tried everything with the {}.", "Why is the {} so hard?"),
}
BACKCHANNELS = ("I see, I see.", "Is that so?", "Go on, please.", "Oh, okay then.", "Maybe you are right.")
CUED = 0.22  # share of texts that show the emotion
SILENT = 0.12  # share of texts that name no event
TURN = 0.75  # how often another speaker comes next
SWITCH = 0.7  # how often an event is drawn anew


class Line(NamedTuple):
    """What is said before it is spoken: the number of the speaker, the emotion, the text and the event."""

    speaker: int
    emotion: str
    text: str
    event: str


def write_conversations(folder: str | Path, num_dialogues: int = 120, seed: int = 0) -> Conversations:
    """Write a synthetic corpus in the interchange layout, its recordings under ``audio`` (16 kHz, 16 bits, mono).

    Each conversation has 2 to 4 speakers whom no other has, and 8 to 16 utterances of 1.6 seconds on average. Of
    each five, three are for training, the third is for validation and the fifth for testing.

    Args:
        folder: Where to write; made if it is missing.
        num_dialogues: Number of conversations, at least 5. A conversation is the same in a corpus of any size.
        seed: Seed of all that is random; the same seed gives the same bytes.

    Returns:
        The conversations, as `read_folder` reads them.

    Raises:
        ValueError: If there are fewer than 5 conversations.
    """
    if num_dialogues < len(SPLITS):
        raise ValueError(f"num_dialogues: expected at least {len(SPLITS)}, for three splits, got {num_dialogues}")
    utterances: list[Utterance] = []
    for number in range(num_dialogues):
        generator = np.random.default_rng([seed, number])
        name = f"d{number:03}"
        utterances += _record(Path(folder).resolve(), name, SPLITS[number % len(SPLITS)], generator)
    conversations = Conversations(utterances, list(EMOTIONS))
    write_folder(folder, conversations)
    return conversations


def _record(folder: Path, dialogue: str, split: str, generator: np.random.Generator) -> list[Utterance]:
    """Speak a conversation, write its recordings, and return its rows."""
    import soundfile

    lines = _script(generator)
    voices = [_voice(generator) for _ in range(1 + max(line.speaker for line in lines))]
    rows, start = [], 0.0
    for number, line in enumerate(lines):
        sound = synthesize(line.text, voices[line.speaker], _prosody(line.emotion, generator), generator)
        file = folder / "audio" / f"{dialogue}_u{number:02}.wav"
        with atomic_write(file) as temporary:
            soundfile.write(temporary, sound, SAMPLE_RATE, subtype="PCM_16")
        end = start + len(sound) / SAMPLE_RATE
        rows.append(
            Utterance(
                dialogue,
                utterance=f"u{number:02}",
                speaker=f"speaker{line.speaker + 1}",
                start=round(start, 2),
                end=round(end, 2),
                text=line.text,
                audio=str(file),
                label=line.emotion,
                event=line.event,
                split=split,
            )
        )
        start = end + generator.uniform(0.1, 0.6)
    return rows


def _script(generator: np.random.Generator) -> list[Line]:
    """Draw speakers, events, emotions and texts of a conversation."""
    people = int(generator.integers(2, 5))
    nouns = generator.choice(NOUNS, int(generator.integers(2, 5)), replace=False).tolist()
    kinds = generator.choice(list(EVENTS), len(nouns), p=[share for share, _ in EVENTS.values()]).tolist()
    lines: list[Line] = []
    speaker = topic = 0
    for _ in range(int(generator.integers(8, 17))):
        if lines and generator.random() < TURN:
            speaker = (speaker + int(generator.integers(1, people))) % people
        if generator.random() < SWITCH:
            topic = int(generator.integers(len(nouns)))
        silent = generator.random() < SILENT
        own = [line.emotion for line in lines if line.speaker == speaker]
        others = [line.emotion for line in lines if line.speaker != speaker]
        emotion = _emotion(own[-1:], others[-1:], kinds[topic], generator)
        templates = BACKCHANNELS if silent else CUES[emotion] if generator.random() < CUED else PLAIN
        text = str(generator.choice(templates)).format(nouns[topic])
        lines.append(Line(speaker, emotion, text, "" if silent else nouns[topic]))
    return lines


def _emotion(own: list[str], other: list[str], kind: str, generator: np.random.Generator) -> str:
    """Draw an emotion, given the last one of the speaker and of another, where there is one, and the kind of event."""
    reaction = str(generator.choice(list(EMOTIONS), p=EVENTS[kind][1]))
    whim = str(generator.choice(list(EMOTIONS), p=list(EMOTIONS.values())))
    causes = [*own, whim][0], [*other, whim][0], reaction, whim
    return causes[int(generator.choice(4, p=[KEEP, CATCH, REACT, 1 - KEEP - CATCH - REACT]))]


def _voice(generator: np.random.Generator) -> Voice:
    high = generator.random() < 0.5
    return Voice(
        pitch=float(generator.uniform(165, 235) if high else generator.uniform(90, 150)),
        formants=float(generator.uniform(1.08, 1.2) if high else generator.uniform(0.94, 1.06)),
        rate=float(generator.uniform(5.2, 6.8)),
        loudness=float(generator.uniform(-32, -26)),
    )


def _prosody(emotion: str, generator: np.random.Generator) -> Prosody:
    """The prosody of an emotion, shown more or less and with an accidental part."""
    strength, accident = generator.uniform(0.3, 1.0), generator.standard_normal(len(SPREAD))
    rest = np.array(PROSODY["neutral"])
    mixed = rest + strength * (np.array(PROSODY[emotion]) - rest) + accident * np.array(SPREAD)
    return Prosody(*np.clip(mixed, LOWEST, HIGHEST).tolist())


def main() -> None:
    """Write the corpus to a folder."""
    parser = argparse.ArgumentParser(prog="python -m graphml.data.samples.conversations", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dialogues", type=int, default=120, help="number of conversations (default 120)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes (default 0)")
    options = parser.parse_args()
    conversations = write_conversations(options.folder, options.dialogues, options.seed)
    print(f"{options.folder}: {options.dialogues} synthetic conversations, {len(conversations.utterances)} utterances")


if __name__ == "__main__":
    main()

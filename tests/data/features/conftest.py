"""A folder of two short conversations with recordings, one of them not a recording."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16_000
SENTENCES = ["I am so glad", "you look sad", "what a day", "go away now", "so glad to see you", "a sad day indeed"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Conversations a (train, 4 utterances) and b (test, 2); wav/1.wav is corrupt, b/1 has no recording."""
    path = tmp_path / "source"
    (path / "wav").mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = ["dialogue,utterance,speaker,text,audio,label,split"]
    for row, text in enumerate(SENTENCES):
        dialogue, utterance, split = ("a", row, "train") if row < 4 else ("b", row - 4, "test")
        time = np.arange(RATE // 4) / RATE
        samples = 0.3 * np.sin(2 * np.pi * (120 + 20 * row) * time) + rng.normal(0, 0.01, len(time))
        soundfile.write(path / "wav" / f"{row}.wav", samples, RATE)
        audio = "" if row == 5 else f"wav/{row}.wav"
        lines.append(f"{dialogue},{utterance},{'AB'[row % 2]},{text},{audio},{'joy' if row % 2 else 'anger'},{split}")
    (path / "wav" / "1.wav").write_bytes(b"not audio")
    (path / "conversations.csv").write_text("\n".join(lines) + "\n")
    return path

"""Sound of video clips, taken out by ffmpeg."""

import shutil
import subprocess
import wave
from pathlib import Path

from graphml.io import atomic_write


class ClipError(ValueError):
    """A clip that holds no sound that can be read; the message names it. Callers report it and go on."""


def extract_audio(clip: str | Path, wav: str | Path, sample_rate: int = 16000) -> None:
    """Write the sound of a clip as mono 16-bit WAV, unless that file is there already.

    Args:
        clip: Video or sound in any format that ffmpeg reads.
        wav: The file to write; it appears only when it is whole, so an interrupted run goes on where it stopped.
        sample_rate: Samples per second, in Hz.

    Raises:
        FileNotFoundError: If there is no such clip.
        RuntimeError: If ffmpeg is not on the PATH.
        ClipError: If the clip is corrupt, or holds no sound.
    """
    if Path(wav).is_file():
        return
    if not Path(clip).is_file():
        raise FileNotFoundError(f"no clip at {clip}")
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise RuntimeError(
            "ffmpeg is not on the PATH, and the sound of clips is read by it: install it from ffmpeg.org"
        )
    with atomic_write(wav) as temporary:
        # file: keeps a name such as "concat:a" from being taken for one of ffmpeg's protocols
        command = [ffmpeg, "-nostdin", "-loglevel", "error", "-i", f"file:{clip}", "-vn", "-ac", "1"]
        command += ["-ar", str(sample_rate), "-c:a", "pcm_s16le", "-f", "wav", f"file:{temporary}"]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if result.returncode or not _samples(temporary):
            reason = result.stderr.strip().rpartition("\n")[2] or "no samples"
            raise ClipError(f"{clip}: expected a clip with sound, got one that ffmpeg cannot read ({reason})")


def _samples(wav: Path) -> int:
    with wave.open(str(wav), "rb") as file:
        return file.getnframes()

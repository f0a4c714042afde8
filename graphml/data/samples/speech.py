"""Speech-like sound from a source and filters: a pulse train through formants, with the prosody of an emotion.

The source-filter model of Fant, "Acoustic Theory of Speech Production", 1960: pulses of the glottis (Rosenberg, "Effect
of glottal pulse shape on the quality of natural vowels", JASA 49, 1971) and breath, filtered by the resonances of a
vowel (Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67, 1980). Nobody would take it for a human;
features of pitch, energy, rate and spectrum find in it what they find in speech.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

SAMPLE_RATE = 16_000
VOWELS = {  # first and second formant in Hz (Peterson and Barney, JASA 24, 1952, men)
    "a": (730.0, 1090.0),
    "e": (530.0, 1840.0),
    "i": (270.0, 2290.0),
    "o": (570.0, 840.0),
    "u": (300.0, 870.0),
    "y": (390.0, 1990.0),
}
HIGHER_FORMANTS = (2500.0, 3500.0)
BANDWIDTHS = (60.0, 90.0, 120.0, 180.0)


class Voice(NamedTuple):
    """Who speaks.

    Attributes:
        pitch: Fundamental frequency at rest in Hz.
        formants: Factor of the formants: above 1 for a vocal tract shorter than that of VOWELS.
        rate: Syllables a second.
        loudness: In dB above full scale (negative).
    """

    pitch: float
    formants: float
    rate: float
    loudness: float


class Prosody(NamedTuple):
    """How it is said, relative to the voice at rest.

    Attributes:
        pitch: Semitones above the voice.
        range: Standard deviation of the pitch from syllable to syllable, in semitones.
        slope: Semitones from the first to the last moment.
        loudness: dB above the voice.
        rate: Factor of the voice's rate.
        breath: Share of breath noise in the source, 0 to 1.
        jitter: Standard deviation of the frequency from moment to moment, relative.
    """

    pitch: float = 0.0
    range: float = 2.0
    slope: float = 0.0
    loudness: float = 0.0
    rate: float = 1.0
    breath: float = 0.1
    jitter: float = 0.01


def synthesize(text: str, voice: Voice, prosody: Prosody, generator: np.random.Generator) -> NDArray[np.float64]:
    """Speak a text, its vowels in their order and noise in the place of consonants.

    Args:
        text: What is said, in Latin letters.
        voice: Who speaks.
        prosody: How.
        generator: Source of all that is random.

    Returns:
        Samples ``[T]`` in [-1, 1] at 16 kHz.

    Raises:
        ValueError: If the text has no vowel.
    """
    vowels = re.findall("[aeiouy]+", text.lower())
    if not vowels:
        raise ValueError(f"text: expected Latin letters with a vowel, got {text!r}")
    length = generator.uniform(0.75, 1.25, len(vowels)) / (voice.rate * prosody.rate)
    length[-1] *= 1.3  # the end of a phrase is drawn out
    bounds = np.append(0, np.rint(SAMPLE_RATE * length.cumsum()).astype(int))
    source = _source(_pitch(bounds, voice, prosody, generator), prosody.breath, generator)
    sound = np.zeros(bounds[-1])
    stress = generator.uniform(0.6, 1.0, len(vowels))
    for vowel, start, stop, strength in zip(vowels, bounds[:-1], bounds[1:], stress, strict=True):
        voiced = source[start:stop] * _envelope(stop - start)
        sound[start:stop] = strength * sosfilt(_formants(vowel[0], voice.formants), voiced)
    sound *= 10 ** ((voice.loudness + prosody.loudness) / 20) / np.sqrt(np.mean(sound**2))
    room = 10 ** (generator.uniform(-65, -50) / 20)
    silence = np.zeros(SAMPLE_RATE // 20)
    sound = np.concatenate([silence, sound, silence])
    return np.clip(sound + room * generator.standard_normal(len(sound)), -1, 1)


def _pitch(
    bounds: NDArray[np.int64], voice: Voice, prosody: Prosody, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Fundamental frequency at each sample: an accent on each syllable, a slope over all, and jitter."""
    time = np.arange(bounds[-1])
    accents = prosody.range * generator.standard_normal(len(bounds) - 1)
    semitones = np.interp(time, (bounds[:-1] + bounds[1:]) / 2, accents)
    semitones += prosody.pitch + prosody.slope * (time / bounds[-1] - 0.5)
    moments = np.arange(0, bounds[-1] + SAMPLE_RATE // 200, SAMPLE_RATE // 200)  # every 5 ms
    shake = np.interp(time, moments, 1 + prosody.jitter * generator.standard_normal(len(moments)))
    frequency: NDArray[np.float64] = np.clip(voice.pitch * 2 ** (semitones / 12) * shake, 50, 600)
    return frequency


def _source(frequency: NDArray[np.float64], breath: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Slope of the airflow: the glottis opens over 40 % of a period, closes over 16 %; breath passes all the time."""
    phase = np.cumsum(frequency) / SAMPLE_RATE % 1
    opening = 0.5 * (1 - np.cos(np.pi * phase / 0.4))
    closing = np.cos(0.5 * np.pi * (phase - 0.4) / 0.16)
    pulses = np.diff(np.select([phase < 0.4, phase < 0.56], [opening, closing], 0.0), prepend=0.0)
    noise = generator.standard_normal(len(pulses)) * pulses.std()
    mixed: NDArray[np.float64] = (1 - breath) * pulses + breath * noise
    return mixed


def _envelope(length: int) -> NDArray[np.float64]:
    """Loudness over a syllable: up in a fifth of it, down in two fifths."""
    return np.interp(np.arange(length) / length, [0.0, 0.2, 0.6, 1.0], [0.0, 1.0, 1.0, 0.0])


def _formants(vowel: str, factor: float) -> NDArray[np.float64]:
    """Second-order sections ``[4, 6]`` of the resonances, each with gain 1 at 0 Hz."""
    frequency = factor * np.array([*VOWELS[vowel], *HIGHER_FORMANTS])
    radius = np.exp(-np.pi * np.array(BANDWIDTHS) / SAMPLE_RATE)
    first, second = -2 * radius * np.cos(2 * np.pi * frequency / SAMPLE_RATE), radius**2
    zero, one = np.zeros_like(first), np.ones_like(first)
    return np.stack([1 + first + second, zero, zero, one, first, second], axis=1)

import librosa
import numpy as np
import pytest

from graphml.data.samples.speech import SAMPLE_RATE, Prosody, Voice, synthesize

VOICE = Voice(pitch=150.0, formants=1.0, rate=5.0, loudness=-26.0)
STEADY = Prosody(range=0.0, breath=0.0, jitter=0.0)
TEXT = "We should talk about the garden today"


def speak(prosody=STEADY, voice=VOICE, text=TEXT, seed=0):
    return synthesize(text, voice, prosody, np.random.default_rng(seed))


def pitch(sound):
    """Median pitch of the loud frames, by an independent estimator."""
    frequency = librosa.yin(sound, fmin=60, fmax=500, sr=SAMPLE_RATE)
    loud = librosa.feature.rms(y=sound)[0] > 0.5 * np.sqrt(np.mean(sound**2))
    return float(np.median(frequency[loud]))


def decibel(sound):
    return 10 * np.log10(np.mean(sound**2))


@pytest.mark.parametrize("semitones", [-5, 0, 7])
def test_pitch_is_that_of_voice_and_prosody(semitones):
    assert pitch(speak(STEADY._replace(pitch=semitones))) == pytest.approx(150 * 2 ** (semitones / 12), rel=0.02)


def test_pitch_falls_with_the_slope():
    sound = speak(STEADY._replace(slope=-8))
    third = len(sound) // 3
    assert 12 * np.log2(pitch(sound[-third:]) / pitch(sound[:third])) == pytest.approx(-8 * 2 / 3, abs=1.5)


def test_loudness_and_rate():
    assert decibel(speak(STEADY._replace(loudness=6))) - decibel(speak()) == pytest.approx(6, abs=0.1)
    assert decibel(speak()) == pytest.approx(-26, abs=1.0)  # the silence at both ends takes some of it
    syllables = 10  # e ou a a ou e a e o ay
    assert len(speak(STEADY._replace(rate=2))) / SAMPLE_RATE == pytest.approx(0.1 + syllables / 10, rel=0.15)


def test_breath_hides_the_period():
    periodicity = []
    for breath in (0.0, 0.3, 0.6):
        sound = speak(STEADY._replace(breath=breath))[4000:12000]
        correlation = librosa.autocorrelate(sound)
        periodicity.append(correlation[100:114].max() / correlation[0])  # 150 Hz are 106.7 samples
    assert periodicity[0] > 0.9
    assert periodicity[0] > periodicity[1] > periodicity[2]


def test_formants_are_those_of_the_vowel():
    for vowel, expected in (("a", 730), ("i", 270)):
        sound = speak(STEADY._replace(pitch=-9), text=" ".join(["b" + vowel] * 12))  # close harmonics
        spectrum = np.abs(librosa.stft(sound, n_fft=1024)).mean(axis=1)
        frequency = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=1024)
        low = (frequency > 200) & (frequency < 1000)
        assert frequency[low][spectrum[low].argmax()] == pytest.approx(expected, abs=90)


def test_same_generator_same_sound_within_full_scale():
    assert np.array_equal(speak(), speak())
    assert not np.array_equal(speak()[:1000], speak(seed=1)[:1000])
    assert np.abs(speak(STEADY._replace(loudness=40))).max() == 1
    assert speak().ndim == 1


def test_text_without_a_vowel():
    with pytest.raises(ValueError, match=r"text: expected Latin letters with a vowel, got 'Hm\.'"):
        speak(text="Hm.")

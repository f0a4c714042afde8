import hashlib
from collections import Counter

import librosa
import numpy as np
import pytest
import soundfile
from scipy.stats import chi2_contingency, mannwhitneyu

from graphml.data.conversation import GivenEventsLinker, SharedWordsLinker, read_folder
from graphml.data.samples.conversations import CUES, EMOTIONS, SPLITS, _script, main, write_conversations


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conversations")
    return folder, write_conversations(folder, 20)


@pytest.fixture(scope="module")
def scripts():
    return [_script(np.random.default_rng([1, number])) for number in range(400)]


def digest(folder):
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def rows(conversations):
    return [u._replace(audio="") for u in conversations.utterances]


def test_the_folder_holds_what_is_returned(corpus):
    folder, conversations = corpus
    assert read_folder(folder) == conversations
    assert tuple(conversations.classes) == ("happy", "sad", "neutral", "angry", "excited", "frustrated")


def test_the_seed_gives_the_bytes(tmp_path, corpus):
    folders = [tmp_path / name for name in ("one", "two", "other")]
    one, _, other = (write_conversations(folder, 5, seed) for folder, seed in zip(folders, (0, 0, 1), strict=True))
    assert digest(folders[0]) == digest(folders[1])
    assert rows(other) != rows(one)
    recordings = {name: value for name, value in digest(folders[0]).items() if name.endswith("wav")}
    assert recordings.items() <= digest(corpus[0]).items()  # as in a larger corpus
    assert rows(one) == rows(corpus[1])[: len(recordings)]


def test_sizes_and_splits(corpus):
    _, conversations = corpus
    assert {split: len(conversations.split(split)) for split in ("train", "val", "test")} == {
        "train": 12,
        "val": 4,
        "test": 4,
    }
    assert conversations.lengths.min() >= 8
    assert conversations.lengths.max() <= 16
    people = [len({u.speaker for u in conversations.utterances if u.dialogue == d}) for d in conversations.dialogues]
    assert set(people) == {2, 3, 4}


def test_recordings(corpus):
    _, conversations = corpus
    for u in conversations.utterances:
        info = soundfile.info(u.audio)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert 0.3 < info.duration < 4.5
        assert u.end - u.start == pytest.approx(info.duration, abs=0.011)
    sound, _ = soundfile.read(conversations.utterances[0].audio)
    assert 0.01 < np.abs(sound).max() < 1
    lengths = [u.end - u.start for u in conversations.utterances]
    assert 1 < np.mean(lengths) < 2


def test_voice_follows_the_emotion(corpus):
    _, conversations = corpus
    found = []
    for u in conversations.utterances:
        sound, rate = soundfile.read(u.audio)
        rms = librosa.feature.rms(y=sound, hop_length=1024)[0]
        frequency = librosa.yin(sound, fmin=60, fmax=500, sr=rate, hop_length=1024)
        found.append((12 * np.log2(np.median(frequency[rms > 0.5 * rms.max()])), 20 * np.log10(rms.max())))
    who = np.array([f"{u.dialogue} {u.speaker}" for u in conversations.utterances])
    emotion = np.array([u.label for u in conversations.utterances])
    values = np.array(found) - np.array([np.mean(np.array(found)[who == name], axis=0) for name in who])
    for feature in values.T:  # semitones and dB above the speaker's mean
        excited, neutral, sad = (feature[emotion == name] for name in ("excited", "neutral", "sad"))
        assert mannwhitneyu(excited, neutral, alternative="greater").pvalue < 0.05
        assert mannwhitneyu(excited, sad, alternative="greater").pvalue < 0.05
        assert excited.min() < np.median(neutral)  # informative, but not sufficient


def test_emotions_have_inertia_and_contagion(scripts):
    own, caught = np.zeros((6, 6)), np.zeros((6, 6))
    number = {name: index for index, name in enumerate(EMOTIONS)}
    for lines in scripts:
        for place, line in enumerate(lines):
            mine = [number[before.emotion] for before in lines[:place] if before.speaker == line.speaker]
            others = [number[before.emotion] for before in lines[:place] if before.speaker != line.speaker]
            if mine and others:
                own[mine[-1], number[line.emotion]] += 1
                if mine[-1] != others[-1]:
                    caught[others[-1], number[line.emotion]] += 1
    for table, least in ((own, 0.15), (caught, 0.05)):
        assert chi2_contingency(table + 1).pvalue < 1e-6
        shares = table.sum(1) / table.sum(), table.sum(0) / table.sum()
        assert np.trace(table) / table.sum() > shares[0] @ shares[1] + least


def test_frequencies_of_emotions(scripts):
    count = Counter(line.emotion for lines in scripts for line in lines)
    share = {name: count[name] / count.total() for name in EMOTIONS}
    assert sorted(share, key=share.get)[:2] in (["happy", "sad"], ["sad", "happy"])
    assert max(share["happy"], share["sad"]) < 0.1
    assert max(share, key=share.get) == "neutral"


def test_events_recur_and_move_all_to_like_emotions(scripts):
    recurring, alike, pairs = 0, 0, 0
    for lines in scripts:
        names = Counter(line.event for line in lines if line.event)
        recurring += sum(count for count in names.values() if count > 1)
        spoken = [line for line in lines if line.event]
        for place, line in enumerate(spoken):
            for other in spoken[:place]:
                if other.event == line.event and other.speaker != line.speaker:
                    alike, pairs = alike + (other.emotion == line.emotion), pairs + 1
    total = sum(len(lines) for lines in scripts)
    count = Counter(line.emotion for lines in scripts for line in lines)
    assert recurring > 0.75 * total
    assert alike / pairs > sum((n / total) ** 2 for n in count.values()) + 0.1


def test_texts_show_the_emotion_only_sometimes(scripts):
    lines = [line for lines in scripts for line in lines]
    cued = [line.text.replace(line.event, "{}") in CUES[line.emotion] for line in lines if line.event]
    assert 0.17 < np.mean(cued) < 0.27


def test_shared_words_find_the_events(corpus):
    _, conversations = corpus
    given = {tuple(edge) for edge in GivenEventsLinker()(conversations).edge_index.T.tolist()}
    found = {tuple(edge) for edge in SharedWordsLinker(max_links=20)(conversations).edge_index.T.tolist()}
    assert len(given & found) > 0.9 * len(given)


def test_too_few_conversations(tmp_path):
    with pytest.raises(ValueError, match=f"num_dialogues: expected at least {len(SPLITS)}, for three splits, got 4"):
        write_conversations(tmp_path, 4)
    assert not list(tmp_path.iterdir())


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["conversations", str(tmp_path), "--dialogues", "5", "--seed", "3"])
    main()
    assert "5 synthetic conversations" in capsys.readouterr().out
    assert rows(read_folder(tmp_path)) == rows(write_conversations(tmp_path, 5, seed=3))

"""The restricted unpickler: pickle.loads is the oracle for what feature files hold, and nothing else is ever called."""

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from graphml.data.conversation.unpickle import PickleFileError, load_pickle

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(12, dtype=np.int64)[::2],
    np.arange(3, dtype=">i4"),
    np.array([], dtype=np.float32),
    np.zeros((0, 4)),
    np.array(3.5),
    np.array([True, False]),
    np.array(["ab", "ü"]),
    np.array([b"ab", b"\xff"]),
    np.array([1 + 2j]),
]
VALUES = {
    "containers": ({"a": [1, (2.5, None)], 3: {"b"}}, [True, b"", b"\xff\x00", "ü"], frozenset({1}), 2**70),
    "scalars": [np.float32(1.5), np.int64(-3), np.str_("ü"), np.bool_(True)],
    "shared": [ARRAYS[0]] * 2,
}


def write(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "file.pkl"
    file.write_bytes(content)
    return file


class Call:
    """What pickles as a call."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_containers_load_as_pickle_loads_them(tmp_path, protocol):
    content = pickle.dumps((ARRAYS, VALUES), protocol)
    loaded = load_pickle(write(tmp_path, content))
    for got, expected in zip(loaded[0], pickle.loads(content)[0], strict=True):
        assert type(got) is np.ndarray
        assert (got.dtype, got.shape, got.flags.fnc) == (expected.dtype, expected.shape, expected.flags.fnc)
        np.testing.assert_array_equal(got, expected)
        got[...] = 0  # writable
    values = loaded[1]
    assert values["containers"] == VALUES["containers"]
    assert values["scalars"] == VALUES["scalars"]
    assert [type(value) for value in values["scalars"]] == [type(value) for value in VALUES["scalars"]]
    assert values["shared"][0] is values["shared"][1]


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_names_of_numpy_1_and_2(tmp_path, core):
    content = pickle.dumps([ARRAYS[0], np.float64(2)], 2).replace(b"numpy._core", b"numpy.core")
    loaded = load_pickle(write(tmp_path, content.replace(b"numpy.core", core)))
    np.testing.assert_array_equal(loaded[0], ARRAYS[0])
    assert loaded[1] == 2


def test_array_and_text_of_python_2(tmp_path):
    """Protocol 0 as Python 2.7 with numpy 1.x wrote them: bytes are strings, escaped where they are not ASCII."""
    raw = struct.pack("<2d", 1.0, -2.0)
    escaped = "".join(f"\\x{byte:02x}" for byte in raw).encode()
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    array += b"(I1\n(I2\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'" + escaped + b"'\ntb"
    loaded = load_pickle(write(tmp_path, b"(dS'na\\xefve'\n" + array + b"s."))
    assert list(loaded) == ["naïve"]
    np.testing.assert_array_equal(loaded["naïve"], [1.0, -2.0])


def test_byte_order_of_one_array_is_not_that_of_the_process(tmp_path):
    dtype = b"cnumpy\ndtype\n(S'f4'\nI00\nI00\ntR"  # a pickle that asks for the shared dtype, not for a copy
    load_pickle(write(tmp_path, dtype + b"(I3\nS'>'\nNNNI-1\nI-1\nI0\ntb."))
    assert np.dtype(np.float32).isnative


def hostile(marker: Path) -> dict[str, bytes]:
    """Pickles that would make the file `marker`, or break into the process by numpy."""
    shell = f"touch {marker}"
    object_array = np.empty(1, object)
    object_array[0] = Call(os.system, shell)
    fields = np.dtype([("a", "<f8"), ("b", "O")])
    pointer = struct.pack("<Q", 0x4141414141414141)
    make = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    scalar = b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb"
    getattr_chain = (
        b"c__builtin__\ngetattr\n(c__builtin__\n__import__\n(S'os'\ntRS'system'\ntR(S'" + shell.encode() + b"'\ntR."
    )
    return {
        "os.system": pickle.dumps(Call(os.system, shell)),
        "os.system, protocol 0": pickle.dumps(Call(os.system, shell), 0),
        "eval": pickle.dumps(Call(eval, f"open({str(marker)!r}, 'w')")),
        "exec": pickle.dumps(Call(exec, f"open({str(marker)!r}, 'w')")),
        "open": pickle.dumps(Call(open, str(marker), "w")),
        "getattr chain": getattr_chain,
        "attribute of an allowed name": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
        "INST": b"(S'" + shell.encode() + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'" + shell.encode() + b"'\no.",
        "OBJ of an allowed class": b"(cnumpy\nndarray\nI4\no.",
        "NEWOBJ": b"\x80\x02cnumpy\nndarray\nK\x04\x85\x81.",
        "numpy.load": pickle.dumps(Call(np.load, str(marker))),
        "ndarray called": b"cnumpy\nndarray\n(I99999999999\ntR.",
        "ndarray of a subclass": b"cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\nset\n(I0\ntS'b'\ntR.",
        "much memory by bytes": b"c__builtin__\nbytes\n(I99999999999\ntR.",
        "object array": pickle.dumps(object_array),
        "object array, protocol 0": pickle.dumps(object_array, 0),
        "object scalar": scalar + b"S'" + pointer + b"'\ntR.",
        "structured dtype with objects": pickle.dumps(np.zeros(1, fields)),
        "flags of a dtype": make + b"(I1\n(I1\ntcnumpy\ndtype\n(S'V8'\nI0\nI1\ntR(I3\nS'|'\nNNNI8\nI1\nI0\ntb.",
        "fields of a dtype": b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nN(S'a'\nt}I8\nI8\nI0\ntb.",
        "less data than its shape": make + b"(I1\n(I9\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntRI00\nS'12345678'\ntb.",
        "negative shape": make + b"(I1\n(I-1\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntRI00\nS''\ntb.",
        "attribute of a function": b"c_codecs\nencode\n}S'__defaults__'\nNsb.",
        "attribute of a class": b"cnumpy\ndtype\n(N}S'__call__'\nNstb.",
        "another codec": b"c_codecs\nencode\n(Va\nS'rot13'\ntR.",
        "persistent id": b"S'a'\nQ.",
        "extension": b"\x80\x02\x82\x01.",
        "torch storage": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.",
    }


@pytest.mark.parametrize("name", hostile(Path("/nowhere")))
def test_malicious_pickles_are_refused_and_run_nothing(tmp_path, name):
    marker = tmp_path / "marker"
    with pytest.raises(PickleFileError):
        load_pickle(write(tmp_path, hostile(marker)[name]))
    assert not marker.exists()


def test_the_marker_would_be_made_by_an_ordinary_unpickler(tmp_path):
    marker = tmp_path / "marker"
    pickle.loads(hostile(marker)["os.system"])
    assert marker.exists()


def test_refusal_names_what_was_asked_for(tmp_path):
    with pytest.raises(PickleFileError, match=r"file\.pkl: refused: the pickle asks for posix\.system"):
        load_pickle(write(tmp_path, hostile(tmp_path)["os.system"]))


DEEP = 200_000
BROKEN = {
    "empty": b"",
    "text": b"Sr No.,Utterance\n",
    "zeros": bytes(100),
    "html": b"<html>Quota exceeded</html>",
    "no stop": b"\x80\x02}q\x00",
    "stack underflow": b"\x80\x02s.",
    "unknown memo": b"\x80\x02h\x07.",
    "more text than there is": b"\x80\x02X\xff\xff\xff\x7fab.",
    "a frame of 4 EiB": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.",
    "protocol 200": b"\x80\xc8}.",
    "nested tuples as a key": b"\x80\x02})" + b"\x85" * DEEP + b"K\x01s.",
    "nested tuples as keys": b"\x80\x02}()" + b"\x85" * DEEP + b"K\x01u.",
    "nested tuples as a key of protocol 0": b"()" + b"\x85" * DEEP + b"K\x01d.",
    "nested tuples in a set": b"\x80\x04\x8f()" + b"\x85" * DEEP + b"\x90.",
    "nested tuples in a frozenset": b"\x80\x04()" + b"\x85" * DEEP + b"\x91.",
    "nested tuples in an old set": b"\x80\x02c__builtin__\nset\n])" + b"\x85" * DEEP + b"a\x85R.",
    "a list as a key": b"\x80\x02}]K\x01s.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_are_no_pickle_are_named(tmp_path, name):
    with pytest.raises(PickleFileError, match=r"file\.pkl"):
        load_pickle(write(tmp_path, BROKEN[name]))


def test_every_truncation_is_an_error(tmp_path):
    content = pickle.dumps(({"a": [np.ones(3), "text"]}, [1, 2]), 2)
    for length in range(len(content)):
        with pytest.raises(PickleFileError):
            load_pickle(write(tmp_path, content[:length]))


def test_random_damage_gives_this_error_or_a_value(tmp_path):
    content = np.frombuffer(pickle.dumps(({"a": [np.ones(3), "text"]}, [1, np.float64(2)]), 2), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = content.copy()
        damaged[rng.integers(len(content), size=2)] = rng.integers(256, size=2)
        try:
            load_pickle(write(tmp_path, damaged.tobytes()))
        except PickleFileError:
            continue


def test_a_large_memo_entry_takes_no_memory(tmp_path):
    assert load_pickle(write(tmp_path, b"\x80\x02]r\xff\xff\xff\xff.")) == []


def test_deep_nesting_of_lists_is_no_harm(tmp_path):
    loaded = load_pickle(write(tmp_path, b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b"."))
    assert isinstance(loaded, list)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        load_pickle(tmp_path / "none.pkl")

"""Pickles from the internet, read without running what they say.

A pickle is a program: loading one calls what it names. `load_pickle` knows only the names in `_ALLOWED`, those that
containers of numbers, text and numpy arrays need, and each of them stands for a function of this module that checks
what it is given: numpy's own would fill memory, take an array's bytes for pointers to objects (dtype "O", or a dtype
whose pickled flags deny that it holds objects) or change a dtype that the whole process shares.
"""

import math
import pickle
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

_PLAIN_DTYPE = re.compile(r"[<>|=]?([?]|[biufcSU]\d{1,9})")
_HASHED = (str, bytes, int, float, np.generic, type(None))


class PickleFileError(ValueError):
    """A pickle that is not whole, asks for more than arrays and containers, or has an unknown layout."""


def load_pickle(path: str | Path, encoding: str = "latin1") -> Any:
    """Load lists, tuples, dicts, sets, numbers, text and numpy arrays from a pickle, and nothing else.

    Args:
        path: The file, of any protocol.
        encoding: How Python 2's strings are decoded; numpy arrays that Python 2 pickled need "latin1".

    Returns:
        What the pickle holds.

    Raises:
        FileNotFoundError: If there is no such file.
        PickleFileError: If the file is no pickle, is cut off, or names anything else: nothing of it has then been run.
    """
    with Path(path).open("rb") as file:
        try:
            return _Unpickler(file, encoding=encoding).load()
        except PickleFileError as error:
            raise PickleFileError(f"{path}: {error}") from error
        except Exception as error:  # whatever a file of arbitrary bytes leads to: EOFError, KeyError, MemoryError ...
            raise PickleFileError(
                f"{path}: expected a whole pickle of containers and numpy arrays, got one that cannot be read to its "
                f"end ({type(error).__name__}: {error}). Fetch the file again if its size is not the published one"
            ) from error


def _encode(text: str, encoding: str) -> bytes:
    """``_codecs.encode``, by which protocols 0 to 2 write bytes."""
    if not isinstance(encoding, str) or encoding not in ("latin1", "latin-1"):
        raise PickleFileError("expected bytes written as latin1")
    return str.encode(text, "latin1")


def _no_bytes() -> bytes:
    """``bytes``, by which protocols 0 to 2 write ``b""``; with a number it would fill memory."""
    return b""


def _hashable(keys: Iterable[Any]) -> None:
    for key in keys:  # a tuple nested a million times overflows the interpreter's stack when it is hashed
        if not isinstance(key, _HASHED):
            raise PickleFileError(f"expected keys that are text or numbers, got {type(key).__name__}")


def _set(items: list[Any] | tuple[Any, ...] = ()) -> set[Any]:
    _hashable(items)
    return set(items)


def _frozenset(items: list[Any] | tuple[Any, ...] = ()) -> frozenset[Any]:
    _hashable(items)
    return frozenset(items)


def _dtype(code: str, *_: object) -> np.dtype[Any]:
    if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
        raise PickleFileError(f"expected arrays of numbers or text, got the dtype {code!r}")
    return np.dtype(code, False, True)  # a copy: _set_byte_order changes it


def _set_byte_order(dtype: np.dtype[Any], state: Any) -> None:
    if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
        raise PickleFileError("expected a plain dtype, got one with fields or a subarray")
    if not isinstance(state[1], str) or state[1] not in ("<", ">", "|", "="):
        raise PickleFileError("expected a dtype's byte order to be one of < > | =")
    sizes = (dtype.itemsize, dtype.alignment, dtype.flags) if dtype.kind in "SU" else (-1, -1, 0)
    dtype.__setstate__((3, state[1], None, None, None, *sizes))  # type: ignore[attr-defined]


def _buffer(dtype: Any, shape: Any, raw: Any) -> bytes:
    """Bytes of an array, checked to be as many as it needs."""
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or len(shape) > 32:
        raise PickleFileError("expected an array's dtype and shape")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise PickleFileError("expected an array's shape to be numbers >= 0")
    data = raw.encode("latin1") if isinstance(raw, str) else raw  # Python 2 wrote strings
    if not isinstance(data, bytes | bytearray) or len(data) != math.prod(shape) * dtype.itemsize:
        raise PickleFileError(f"expected as many bytes as {dtype} of shape {list(shape)} needs")
    return bytes(data)


def _reconstruct(kind: str, *_: object) -> NDArray[Any]:
    if kind is not _NDARRAY:
        raise PickleFileError("expected a numpy.ndarray")
    return np.empty(0, np.int8)  # filled by _set_array


def _set_array(array: NDArray[Any], state: Any) -> None:
    if not isinstance(state, tuple) or len(state) != 5:
        raise PickleFileError("expected an array's version, shape, dtype, order and bytes")
    _, shape, dtype, fortran, raw = state
    array.__setstate__((1, shape, dtype, bool(fortran), _buffer(dtype, shape, raw)))  # type: ignore[arg-type]


def _scalar(dtype: Any, raw: Any) -> Any:
    return np.ndarray((), dtype, _buffer(dtype, (), raw))[()]


def _frombuffer(raw: Any, dtype: Any, shape: Any, order: Any, *_: object) -> NDArray[Any]:
    if order not in ("C", "F"):
        raise PickleFileError("expected an array's order to be C or F")
    return np.ndarray(shape, dtype, _buffer(dtype, shape, raw), order=order).copy(order="K")


_NDARRAY = "numpy.ndarray"  # the class itself is never handed out: calling it fills memory
_ALLOWED: dict[tuple[str, str], Any] = {("_codecs", "encode"): _encode}
_ALLOWED |= {("numpy", "ndarray"): _NDARRAY, ("numpy", "dtype"): _dtype}
for _core in ("numpy.core", "numpy._core"):  # renamed by numpy 2
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _frombuffer
for _builtins in ("builtins", "__builtin__"):  # renamed by Python 3
    _ALLOWED[_builtins, "bytes"] = _no_bytes
    _ALLOWED[_builtins, "set"] = _set
    _ALLOWED[_builtins, "frozenset"] = _frozenset


_LOAD: dict[int, Any] = dict(pickle._Unpickler.dispatch)
_REFUSED = (
    *(pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX),
    *(pickle.PERSID, pickle.BINPERSID, pickle.EXT1, pickle.EXT2, pickle.EXT4),
)


def _build(unpickler: Any) -> None:
    state, instance = unpickler.stack.pop(), unpickler.stack[-1]
    if isinstance(instance, np.dtype):
        _set_byte_order(instance, state)
    elif isinstance(instance, np.ndarray):
        _set_array(instance, state)
    else:
        raise PickleFileError(f"refused: the pickle changes a {type(instance).__name__}. Nothing was run")


def _checked(opcode: bytes, keys: slice) -> Callable[[Any], None]:
    """An opcode that hashes a part of the stack, which is checked first."""

    def load(unpickler: Any) -> None:
        _hashable(unpickler.stack[keys])
        _LOAD[opcode[0]](unpickler)

    return load


class _Unpickler(pickle._Unpickler):
    # The unpickler written in Python, as in joblib: the one in C lets nobody check keys before it hashes them, sets
    # attributes by BUILD, and allocates 64 GB for 11 bytes that name a large memo entry.
    dispatch: ClassVar[dict[int, Any]] = {
        **{opcode: load for opcode, load in _LOAD.items() if bytes([opcode]) not in _REFUSED},
        pickle.BUILD[0]: _build,
        pickle.SETITEM[0]: _checked(pickle.SETITEM, slice(-2, -1)),
        pickle.SETITEMS[0]: _checked(pickle.SETITEMS, slice(None, None, 2)),
        pickle.DICT[0]: _checked(pickle.DICT, slice(None, None, 2)),
        pickle.ADDITEMS[0]: _checked(pickle.ADDITEMS, slice(None)),
        pickle.FROZENSET[0]: _checked(pickle.FROZENSET, slice(None)),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise PickleFileError(
                f"refused: the pickle asks for {module}.{name}, and feature files need arrays and containers alone. "
                "Nothing was run"
            )
        return _ALLOWED[module, name]

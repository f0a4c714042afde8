"""Keys that two clients agree on by way of a server that does not learn them, and what is made of them."""

import secrets

import numpy as np

INSTALL = "pip install 'graphml-torch[privacy]', or: conda install -c conda-forge cryptography"

KEY_BYTES = 32
TAG_BYTES = 16
"""By how much a sealed box is longer than what it holds."""


def require_cryptography() -> None:
    """See that the package is there.

    Raises:
        ModuleNotFoundError: If it is not.
    """
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError as error:
        message = f"cryptography is not installed, and secure aggregation needs it. Install it: {INSTALL}"
        raise ModuleNotFoundError(message) from error


def private_key() -> bytes:
    """A private key of X25519 (RFC 7748): 32 bytes that the operating system draws."""
    return secrets.token_bytes(KEY_BYTES)


def public_key(private: bytes) -> bytes:
    """The public key of a private one.

    Args:
        private: 32 bytes.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    public: bytes = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return public


def agreed_key(private: bytes, public: bytes, purpose: str) -> bytes:
    """Key that two parties have in common: X25519, then HKDF with SHA-256 (RFC 5869).

    Args:
        private: One's own private key.
        public: The other's public key.
        purpose: What it is for; keys of other purposes are independent.

    Returns:
        32 bytes, the same for both parties.

    Raises:
        ValueError: If the public key is none.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    key: bytes = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"graphml {purpose}".encode()).derive(shared)
    return key


def mask(key: bytes, size: int, dtype: type[np.unsignedinteger]) -> np.ndarray:
    """Numbers that look uniform to whoever does not have the key: the stream of ChaCha20 (RFC 8439).

    Args:
        key: 32 bytes, for this one mask.
        size: How many.
        dtype: Unsigned type, all of whose values are as likely.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

    stream = Cipher(ChaCha20(key, nonce=bytes(16)), mode=None).encryptor()
    raw = stream.update(bytes(size * np.dtype(dtype).itemsize))
    return np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).astype(dtype)


def sealed_box(key: bytes, content: bytes) -> bytes:
    """Encrypt and authenticate, by ChaCha20-Poly1305.

    Args:
        key: 32 bytes, for this one box: the nonce is constant.
        content: What it holds.
    """
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    box: bytes = ChaCha20Poly1305(key).encrypt(bytes(12), content, None)
    return box


def opened_box(key: bytes, box: bytes) -> bytes:
    """Decrypt.

    Args:
        key: The key that it was sealed with.
        box: What `sealed_box` returned.

    Raises:
        ValueError: If it was sealed with another key, or changed since.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        content: bytes = ChaCha20Poly1305(key).decrypt(bytes(12), box, None)
    except InvalidTag as error:
        raise ValueError("box: expected one that was sealed with this key, got another") from error
    return content

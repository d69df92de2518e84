"""Passwords as they are kept: by scrypt, which costs memory, with a salt and the cost beside each."""

from __future__ import annotations

import hashlib
import hmac
import os

BLOCK_SIZE, PARALLEL = 8, 5  # with a cost of 2**14, which takes 16 MiB, what OWASP's Password Storage Cheat Sheet names


def hash_password(password: str, cost: int) -> str:
    """The text to keep of a password; ``cost`` is a power of two."""
    salt = os.urandom(16)
    return f"{cost}${salt.hex()}${_hash(password, salt, cost).hex()}"


def is_password(password: str, kept: str) -> bool:
    """Whether this is the password that the text was made of."""
    cost, salt, digest = kept.split("$")
    return hmac.compare_digest(_hash(password, bytes.fromhex(salt), int(cost)), bytes.fromhex(digest))


def _hash(password: str, salt: bytes, cost: int) -> bytes:
    memory = 128 * BLOCK_SIZE * (cost + PARALLEL + 2)
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=BLOCK_SIZE, p=PARALLEL, maxmem=memory, dklen=32)

"""Values that a client carries and cannot change: signed by the newest secret, believed by any.

Knows secrets and what a signature is for; must not know what is signed. Secrecy is not its business: a client can
read what it carries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from duoframe.errors import ConfigurationError

Secret = str | bytes
"""At least 16 bytes that nobody can guess: ``secrets.token_hex()``."""

MIN_SECRET = 16
"""Bytes below which a secret is refused."""

MAX_TOKEN = 4096
"""Characters beyond which no signature is looked at."""

MAX_CONTENT = 1024 * 1024
"""Bytes that a compressed content may have."""

logger = logging.getLogger("duoframe")


class Signer:
    """Signs bytes for one purpose: what was signed for another is not believed.

    ``secret``: one, or several with the newest first. Raises `ConfigurationError` for one that is too short and where
    itsdangerous is missing.
    """

    def __init__(self, secret: Secret | Sequence[Secret], purpose: str) -> None:
        secrets = _checked(list(secret) if isinstance(secret, list | tuple) else [secret])
        self._signer = _signer(secrets, purpose, hashlib.sha256)

    def sign(self, content: bytes) -> str:
        """A token that says ``content``, of letters, digits, ``-``, ``_`` and one ``.``."""
        token: bytes = self._signer.sign(_encode(content))
        return token.decode("ascii")

    def unsign(self, token: str) -> tuple[bytes, bool]:
        """What a token says, and whether it is as the newest secret would sign it.

        Raises `ValueError` for whatever is no token of ours.
        """
        from itsdangerous import BadSignature

        if len(token) > MAX_TOKEN or _TOKEN.fullmatch(token) is None:
            raise ValueError(f"expected a signed value of at most {MAX_TOKEN} characters")
        try:
            said = self._signer.unsign(token)
            content = _decode(said)
        except (BadSignature, binascii.Error) as error:
            raise ValueError("expected a value signed here") from error
        return content, self._signer.sign(said) == token.encode("ascii")


class TimedSigner:
    """Signs bytes together with the second in which that is done, as Flask signs its sessions.

    The content is compressed where that makes it shorter, and the signature is HMAC with SHA-1. Other arguments and
    errors as for `Signer`, but that a secret of less than 16 bytes is told of in the log and taken.
    """

    def __init__(self, secret: Secret | Sequence[Secret], purpose: str) -> None:
        secrets = _checked(list(secret) if isinstance(secret, list | tuple) else [secret], minimum=1)
        if min(map(len, secrets)) < MIN_SECRET:
            logger.warning(
                "a secret key has less than %d bytes: whoever guesses it can log in as anybody"
                " (secrets.token_hex() makes one)",
                MIN_SECRET,
            )
        self._newest = _signer(secrets[:1], purpose, hashlib.sha1)
        self._all = _signer(secrets, purpose, hashlib.sha1)

    def sign(self, content: bytes) -> str:
        """A token that says ``content`` and when it was signed, of letters, digits, ``-``, ``_`` and ``.``.

        Raises `ValueError` for a content that would not be read again.
        """
        if len(content) > MAX_CONTENT:
            raise ValueError(f"expected at most {MAX_CONTENT} bytes to sign, got {len(content)}")
        compressed = zlib.compress(content)
        packed = b"." + _encode(compressed) if len(compressed) < len(content) - 1 else _encode(content)
        second = int(time.time()).to_bytes(8, "big").lstrip(b"\x00")
        token: bytes = self._newest.sign(packed + b"." + _encode(second))
        return token.decode("ascii")

    def unsign(self, token: str) -> tuple[bytes, bool, int]:
        """What a token says, whether the newest secret signed it, and in which second since 1970.

        Raises `ValueError` for whatever is no token of these secrets.
        """
        from itsdangerous import BadSignature

        if len(token) > MAX_TOKEN or _TIMED_TOKEN.fullmatch(token) is None:
            raise ValueError(f"expected a signed value of at most {MAX_TOKEN} characters")
        newest = self._newest.validate(token)
        try:
            packed, _, second = self._all.unsign(token).rpartition(b".")
            content = _decode(packed.removeprefix(b"."))
            if packed.startswith(b"."):
                content = _decompress(content)
            return content, newest, int.from_bytes(_decode(second), "big")
        except (BadSignature, binascii.Error, zlib.error) as error:
            raise ValueError("expected a value signed here") from error


_TOKEN = re.compile(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{43}")  # base64 itself reads over whatever else there is
_TIMED_TOKEN = re.compile(r"\.?[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{1,11}\.[A-Za-z0-9_-]{27}")


def _signer(secrets: list[bytes], purpose: str, digest: Callable[..., Any]) -> Any:
    try:
        from itsdangerous import Signer
    except ImportError as error:
        raise ConfigurationError(
            "signed cookies need itsdangerous: install the extra, pip install 'duoframe[sessions]'"
        ) from error
    # itsdangerous signs with the last of its keys.
    return Signer(secrets[::-1], salt=purpose, key_derivation="hmac", digest_method=digest)


def _encode(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def _decompress(content: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(content, MAX_CONTENT)
    if not unpacking.eof:
        raise zlib.error("too long, or cut off")
    return unpacked


def _checked(secrets: list[object], minimum: int = MIN_SECRET) -> list[bytes]:
    encoded = [secret.encode() if isinstance(secret, str) else secret for secret in secrets]
    usable = [secret for secret in encoded if isinstance(secret, bytes) and len(secret) >= minimum]
    if not usable or len(usable) < len(encoded):
        raise ConfigurationError(
            f"expected one secret or more, each of at least {minimum} bytes that nobody can guess"
            " (secrets.token_hex() makes one)"
        )
    return usable

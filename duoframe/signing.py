"""Values that a client carries and cannot change: signed by the newest secret, believed by any.

Knows secrets and what a signature is for; must not know what is signed. Secrecy is not its business: a client can
read what it carries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

from duoframe.errors import ConfigurationError

Secret = str | bytes
"""At least 16 bytes that nobody can guess: ``secrets.token_hex()``."""

MIN_SECRET = 16
"""Bytes below which a secret is refused."""

MAX_TOKEN = 4096
"""Characters beyond which no signature is looked at."""


class Signer:
    """Signs bytes for one purpose: what was signed for another is not believed.

    ``secret``: one, or several with the newest first. Raises `ConfigurationError` for one that is too short and where
    itsdangerous is missing.
    """

    def __init__(self, secret: Secret | Sequence[Secret], purpose: str) -> None:
        try:
            from itsdangerous import Signer
        except ImportError as error:
            raise ConfigurationError(
                "signed cookies need itsdangerous: install the extra, pip install 'duoframe[sessions]'"
            ) from error
        secrets = _checked(list(secret) if isinstance(secret, list | tuple) else [secret])
        # itsdangerous signs with the last of its keys.
        self._signer = Signer(secrets[::-1], salt=purpose, key_derivation="hmac", digest_method=hashlib.sha256)

    def sign(self, content: bytes) -> str:
        """A token that says ``content``, of letters, digits, ``-``, ``_`` and one ``.``."""
        return self._signer.sign(base64.urlsafe_b64encode(content).rstrip(b"=")).decode("ascii")

    def unsign(self, token: str) -> tuple[bytes, bool]:
        """What a token says, and whether it is as the newest secret would sign it.

        Raises `ValueError` for whatever is no token of ours.
        """
        from itsdangerous import BadSignature

        if len(token) > MAX_TOKEN or _TOKEN.fullmatch(token) is None:
            raise ValueError(f"expected a signed value of at most {MAX_TOKEN} characters")
        try:
            said = self._signer.unsign(token)
            content = base64.urlsafe_b64decode(said + b"=" * (-len(said) % 4))
        except (BadSignature, binascii.Error) as error:
            raise ValueError("expected a value signed here") from error
        return content, self._signer.sign(said) == token.encode("ascii")


_TOKEN = re.compile(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{43}")  # base64 itself reads over whatever else there is


def _checked(secrets: list[object]) -> list[bytes]:
    encoded = [secret.encode() if isinstance(secret, str) else secret for secret in secrets]
    usable = [secret for secret in encoded if isinstance(secret, bytes) and len(secret) >= MIN_SECRET]
    if not usable or len(usable) < len(encoded):
        raise ConfigurationError(
            f"expected one secret or more, each of at least {MIN_SECRET} bytes that nobody can guess"
            " (secrets.token_hex() makes one)"
        )
    return usable

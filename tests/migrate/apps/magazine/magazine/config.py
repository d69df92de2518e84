"""Configurations, by name."""

import tempfile
from pathlib import Path


class Config:
    TITLE = "The Magazine"
    SECRET_KEY = "development"
    UPLOADS = Path(tempfile.gettempdir()) / "magazine-uploads"
    MAX_CONTENT_LENGTH = 1024
    lowercase = "is not taken"


class Testing(Config):
    TESTING = True
    TITLE = "The Test"


class Production(Config):
    @property
    def SECRET_KEY(self):
        return Path("/run/secrets/magazine").read_text()


CONFIGS = {"development": Config, "testing": Testing, "production": Production}

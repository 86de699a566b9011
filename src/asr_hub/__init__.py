"""One hub in front of every speech engine."""

from importlib.metadata import version

__version__ = version("asr-hub")

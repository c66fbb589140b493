"""The version of Respell, read by the build and shown by `respell --version`."""

__version__ = "0.1.0"

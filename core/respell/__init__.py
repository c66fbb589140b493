"""Respell."""

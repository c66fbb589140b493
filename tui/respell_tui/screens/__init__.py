"""The places of the app."""

"""The numbered parts of a screen."""

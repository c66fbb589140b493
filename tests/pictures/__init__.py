"""The pictures of the documentation: drawn by the real app, over a recording of the demo."""

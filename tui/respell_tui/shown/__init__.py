"""What the app shows, as plain data: read from a store by threads, drawn by panes."""

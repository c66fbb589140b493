"""What the commands do, by topic; `respell_tui.parser` says which options they take."""

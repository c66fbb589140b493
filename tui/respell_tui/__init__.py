"""Everything of Respell that faces a terminal: the command line and the terminal UI."""

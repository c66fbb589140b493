"""The tools that come with Respell: one module each, with the tool as `TOOL`."""

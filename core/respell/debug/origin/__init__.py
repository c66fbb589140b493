"""Where a value came from: back through the script to the effect that brought it in."""

from respell.debug.origin.told import Origin, OriginArtifact, OriginStep

__all__ = ["Origin", "OriginArtifact", "OriginStep"]

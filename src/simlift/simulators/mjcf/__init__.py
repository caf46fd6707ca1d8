"""Record any MJCF model as a scene."""

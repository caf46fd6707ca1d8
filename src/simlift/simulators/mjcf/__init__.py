"""Any MJCF model as a scene to record."""

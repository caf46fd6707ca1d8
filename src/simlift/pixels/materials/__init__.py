"""Build material textures and apply them by surface position."""

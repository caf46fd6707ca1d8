"""Meshes, textures and a stage, from which scenes are built."""

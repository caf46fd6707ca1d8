"""Assign materials and textures to bodies by class."""

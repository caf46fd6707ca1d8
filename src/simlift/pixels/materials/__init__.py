"""Textures and their lookup by surface position."""

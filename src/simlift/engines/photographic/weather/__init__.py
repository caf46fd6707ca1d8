"""Fog, rain, snow and wet ground."""

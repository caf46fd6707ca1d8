"""Add fog, rain, snow and wet ground."""

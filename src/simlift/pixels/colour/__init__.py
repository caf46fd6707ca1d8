"""Colour spaces, colour transfer, colour maps."""

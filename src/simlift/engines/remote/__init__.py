"""Engines behind a web service."""

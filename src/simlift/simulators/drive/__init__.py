"""Simulate a camera that drives through a street: scene, traffic, people."""

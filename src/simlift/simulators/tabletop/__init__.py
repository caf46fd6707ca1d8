"""Simulate a Panda arm at a table: scene, objects, task."""

"""A Panda arm at a table: scene, objects, task."""

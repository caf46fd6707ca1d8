"""Derive scene geometry from a frame and its clip: surfaces, boxes, stored scene, backdrop."""

"""Edges, alignment, similarity, cuts, denoising and resizing of images."""

"""Detect edges and cuts; align, compare, denoise and resize images."""

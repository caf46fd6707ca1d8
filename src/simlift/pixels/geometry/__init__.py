"""Compute camera geometry, depth, normals, optical flow and voxel grids on arrays."""

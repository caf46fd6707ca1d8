"""Cameras, depth, normals, flow and voxels as arrays."""

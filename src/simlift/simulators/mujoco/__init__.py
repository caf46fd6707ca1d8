"""Render MuJoCo models to layers, labels, materials and meshes."""

"""Build scenes from meshes, textures and a stage."""

"""What surfaces are made of: classes, textures, their assignment to bodies."""

"""A camera driving through a street: scene, traffic, people."""

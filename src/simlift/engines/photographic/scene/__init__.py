"""What a frame shows and what its clip holds: geometry, surfaces, stored scene, backdrop."""

"""Files to arrays and back: video, images, environments, and the native clip folder."""

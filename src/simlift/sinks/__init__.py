"""Takes and pairs -> the folders that other trainers and datasets read."""

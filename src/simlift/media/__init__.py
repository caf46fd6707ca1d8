"""Read and write media files as arrays: video, images, environment maps, native clip folders."""

"""Where passes run: processes, reading ahead, progress, memory."""

"""Run passes: processes, reading ahead, progress, memory."""

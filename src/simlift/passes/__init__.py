"""Resumable passes over clips, runs and training sets: one file for each command."""

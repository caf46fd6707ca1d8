"""Replay recorded states in the MuJoCo model that a demonstration carries, with every layer."""

"""Stretches of clips -> pairs and decisions: planned, made, judged, and kept row by row."""

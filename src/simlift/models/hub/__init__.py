"""Find and check the folders of models on disk, before a heavy library is imported."""

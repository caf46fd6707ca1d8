"""Small clips and tiny random models, built in moments: tests and examples run on them."""

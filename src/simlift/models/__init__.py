"""Networks on disk: found and checked, loaded, run; and the adapters that go with them."""

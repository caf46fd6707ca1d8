"""Write scenes as binary glTF 2.0, and read those of other exporters as they are meant."""

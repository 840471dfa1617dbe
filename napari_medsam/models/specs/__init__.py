"""Facts about each model: the catalogue and input contracts; and the errors of models."""

"""How napari finds and starts the plugin: reader, writer, commands."""

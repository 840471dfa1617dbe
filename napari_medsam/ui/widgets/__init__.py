"""What it looks like: Qt widgets and dialogs."""

"""The Qt widgets and dialogs of the dock."""

"""Tests of the repository itself: scripts, documents, releases and the layers of imports."""

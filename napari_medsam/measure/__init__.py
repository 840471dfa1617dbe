"""Measures of labels: volumes, diameters, overlap, and pages and tables of them."""

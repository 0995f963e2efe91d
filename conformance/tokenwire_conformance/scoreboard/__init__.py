"""Servers that can be had, each judged, as one page with what a person says of each finding."""

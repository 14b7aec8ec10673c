"""Evidence on disk: JSON Lines, one file a cell, appended and never edited."""

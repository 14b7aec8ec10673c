"""What evidence says a reader should change."""

"""From evidence to what people read; rendering is pure and gives the same bytes twice."""
